// How it looks: every page and dialog, in both looks, on a phone and on a desktop. axe finds nothing, nothing is cut off,
// nothing jumps; pictures of all of it go to target/screenshots.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { DESKTOP, launch, PHONE, signIn, watch } from './browser.js';
import { PASSWORD, Postern } from './postern.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PICTURES = new URL('../../target/screenshots/', import.meta.url).pathname;

const press = (name) => (page) => page.getByRole('button', { name, exact: true }).click();
const see = (text) => (page) => page.getByText(text).first().waitFor();

/** Name of the picture, place, what to do there, and what is then seen. */
const VIEWS = [
  ['overview', '', null, see('Key that seals the data')],
  ['sessions', 'sessions', null, see('This device')],
  ['sessions-end', 'sessions', press('Sign out everywhere else'), see('This one goes on')],
  ['password', 'password', null, see('Current password')],
  [
    'password-typed',
    'password',
    (page) => page.getByLabel('New password', { exact: true }).fill('a horse, a staple and a battery'),
    see('Very good'),
  ],
  ['applications', 'applications', null, see('No application is behind')],
  ['access-keys', 'access-keys', null, see('nightly backup')],
  ['access-keys-new', 'access-keys', press('New access key'), see('What it may do')],
  ['keys', 'keys', null, see('Key 1')],
  ['keys-renew', 'keys', press('Renew both'), see('Renew both keys?')],
  ['backups', 'backups', null, see('None that this server knows of')],
  ['settings', 'settings', null, see('Most sessions at once')],
  ['settings-secret', 'settings', press('Add a secret'), see('Small letters, digits')],
  ['activity', 'activity', null, see('The access key “nightly backup” was made')],
];

describe('the look', () => {
  let postern;
  let browser;

  before(async () => {
    mkdirSync(PICTURES, { recursive: true });
    postern = await Postern.start();
    postern.setPassword();
    postern.run(['access-keys', 'create', 'nightly backup', '--scope', 'api', '--expires', '90d']);
    postern.run(['access-keys', 'create', 'dashboard', '--scope', 'api:read', '--expires', '7d']);
    postern.run(['settings', 'set', 'secret.media-server', '--value-file', '-'], 'hunter2 hunter2');
    await postern.elsewhere();
    await postern.call('POST', '/api/v1/auth/login', { body: { Password: 'wrong wrong wrong wrong' } });
    browser = await launch(postern);
  });
  after(async () => {
    await browser.close();
    await postern.end();
  });

  async function check(page, name) {
    // What is on its way in or out is not what is looked at.
    await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect.getTiming().iterations !== Infinity).map((one) => one.finished)));
    await page.screenshot({ path: `${PICTURES}${name}.png` });
    const { width, content } = await page.evaluate(() => ({
      width: document.documentElement.clientWidth,
      content: document.documentElement.scrollWidth,
    }));
    assert.ok(content <= width, `${name}: ${content} px of content in ${width}`);
    const violations = await page.evaluate(async () => (await globalThis.axe.run()).violations);
    const told = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(' | ')}`);
    assert.deepEqual(told, [], name);
  }

  for (const [device, viewport] of [
    ['phone', PHONE],
    ['desktop', DESKTOP],
  ]) {
    for (const colorScheme of ['light', 'dark']) {
      test(`on a ${device}, ${colorScheme}`, async () => {
        const context = await browser.newContext({ viewport, colorScheme, isMobile: device === 'phone', hasTouch: device === 'phone' });
        const watched = await watch(context);
        await context.addInitScript(AXE);
        await context.addInitScript(() => {
          globalThis.__shifts = [];
          new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) {
              if (!entry.hadRecentInput) globalThis.__shifts.push(`${entry.value} ${entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 80)).join(' | ')}`);
            }
          }).observe({ type: 'layout-shift', buffered: true });
        });
        const page = await context.newPage();
        const picture = (name) => `${name}-${device}-${colorScheme}`;

        await page.goto(`${postern.base}/login`);
        await page.getByRole('button', { name: 'Sign in' }).waitFor();
        await check(page, picture('signin'));
        await page.getByRole('button', { name: 'Sign in' }).click();
        await page.getByText('Type the password first.').waitFor();
        await check(page, picture('signin-error'));
        await page.goto(`${postern.base}/signin#token=${postern.signinToken()}`);
        await page.getByRole('heading', { name: 'Sign in with this link' }).waitFor();
        await check(page, picture('signin-link'));

        await signIn(page, postern, PASSWORD);
        for (const [name, place, act, seen] of VIEWS) {
          await page.goto(`${postern.base}/#${place}`);
          await page.reload();
          if (act) await act(page);
          await seen(page);
          if (!act) {
            assert.deepEqual(await page.evaluate(() => globalThis.__shifts), [], `${name} jumps`);
          }
          await check(page, picture(name));
        }
        if (device === 'phone') {
          await page.reload();
          await press('Open the menu')(page);
          await check(page, picture('menu'));
        }
        await context.setOffline(true);
        await page.goto(`${postern.base}/#backups`);
        await page.getByText('It is asked again by itself.').waitFor();
        await check(page, picture('lost'));
        await context.setOffline(false);
        watched.assertQuiet();
        await context.close();
      });
    }
  }
});
