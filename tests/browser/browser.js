// Debian's Chromium, and pages in it that watch for what must never happen.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Names of other hosts for the tests of other origins; they all mean this machine.
  '--host-resolver-rules=MAP *.postern.test 127.0.0.1, MAP evil.test 127.0.0.1',
];
const OPTIONS = { executablePath: '/usr/bin/chromium', args: ARGS, headless: true };

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1440, height: 900 };

/** A home whose browser trusts these certificates (PEM files), as its owner would have told it to. */
function trusting(certificates) {
  const home = mkdtempSync(join(tmpdir(), 'postern-home-'));
  const folder = join(home, '.pki/nssdb');
  mkdirSync(folder, { recursive: true });
  const certutil = (...args) => execFileSync('certutil', ['-d', `sql:${folder}`, ...args]);
  certutil('-N', '--empty-password');
  for (const file of certificates) certutil('-A', '-t', 'CP,,', '-n', file, '-i', file);
  return home;
}

const optionsAt = (home) => ({ ...OPTIONS, env: { ...process.env, HOME: home } });

/** A browser that trusts the authority of this install, where it has one, and these certificates. */
export async function launch({ authority }, ...others) {
  const home = trusting([authority, ...others].filter(Boolean));
  const browser = await chromium.launch(optionsAt(home));
  browser.once('disconnected', () => rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  return browser;
}

/** A profile on disk, on which a browser that trusts this install's authority can be opened again and again. */
export const profile = ({ authority }) => trusting([authority].filter(Boolean));
export const open = (home) => chromium.launchPersistentContext(join(home, 'profile'), optionsAt(home));

/** Watches every page of a context: no breach of the policy, no fault of a script. Ask with `assertQuiet`. */
export async function watch(context) {
  const complaints = [];
  // How long a busy machine may take; each wait ends with what it waits for.
  context.setDefaultTimeout(60_000);
  await context.exposeBinding('__complain', (_, text) => complaints.push(text));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      globalThis.__complain(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  context.on('weberror', (error) => complaints.push(`fault: ${error.error().stack}`));
  context.on('console', (message) => {
    // The browser's own word on a refusal or a lost connection is no fault of the page.
    const isLoss = /^(Failed to load resource|WebSocket connection to .* net::ERR_CONNECTION_)/.test(message.text());
    if (message.type() === 'error' && !isLoss) {
      complaints.push(`console: ${message.text()}`);
    }
  });
  return {
    assertQuiet: () => assert.deepEqual(complaints, []),
    complaints,
  };
}

/** Signs in by the form of the page. */
export async function signIn(page, postern, password, { remembered = false } = {}) {
  await page.goto(`${postern.base}/login`);
  await page.getByLabel('Password', { exact: true }).fill(password);
  if (remembered) await page.getByLabel('Keep me signed in').check();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
}
