// What a page of another origin, or of a sibling host, makes the owner's browser do has no effect. Each attack has its
// twin from the page's own origin, which works.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, signIn, watch } from './browser.js';
import { PASSWORD, PLAIN, Postern } from './postern.js';

/** A certificate of the attacker's own, which browsers trust: anybody gets one for a name of theirs. */
function certificate(folder) {
  const [cert, key] = ['evil.pem', 'evil.key'].map((name) => join(folder, name));
  const kind = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=evil';
  const names = 'subjectAltName=DNS:evil.test,DNS:other.postern.test';
  const args = ['req', '-x509', ...kind.split(' '), '-addext', names, '-keyout', key, '-out', cert];
  execFileSync('openssl', args, { stdio: 'ignore' });
  return { file: cert, cert: readFileSync(cert), key: readFileSync(key) };
}

for (const [scheme, environment] of [['https', {}], ['http', PLAIN]]) {
  describe(`another origin over ${scheme}`, () => {
    let postern;
    let browser;
    let evil;
    let port;
    /** The server under a name that has siblings. */
    let door;

    before(async () => {
      postern = await Postern.start(environment);
      postern.setPassword();
      port = new URL(postern.base).port;
      door = `${scheme}://door.postern.test:${port}`;
      const shown = certificate(postern.folder);
      browser = await launch(postern, shown.file);
      const { createServer } = scheme === 'https' ? https : http;
      evil = createServer(shown, (_, response) => {
        response.setHeader('content-type', 'text/html');
        response.end('<!doctype html><title>evil</title><h1>evil</h1>');
      });
      await new Promise((resolve) => evil.listen(0, '127.0.0.1', resolve));
    });
    after(async () => {
      await browser.close();
      evil.close();
      await postern.end();
    });

    const origins = () => [
      ['another site', `${scheme}://evil.test:${evil.address().port}`, postern.base],
      ['a sibling host', `${scheme}://other.postern.test:${evil.address().port}`, door],
    ];

    /** Forges from where the page is, with the browser's cookies, in every way a page has. */
    const forge = (page, target) =>
      page.evaluate(async (target) => {
        const attempt = async (path, options) => {
          try {
            const response = await fetch(target + path, { credentials: 'include', ...options });
            return { status: response.status, text: await response.text() };
          } catch {
            return { status: 0, text: '' };
          }
        };
        return [
          await attempt('/api/v1/auth/refresh', { method: 'POST' }),
          await attempt('/api/v1/auth/refresh/logout', { method: 'POST', mode: 'no-cors' }),
          await attempt('/api/v1/auth/refresh/logout', {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: '{}',
          }),
          await attempt('/api/v1/auth/login', { method: 'POST', mode: 'no-cors', body: '{"Password":"x"}' }),
          await attempt('/api/v1/auth/status', { method: 'POST' }),
          await attempt('/', {}),
        ];
      }, target);

    const isSignedIn = async (page) => {
      await page.reload();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
    };

    test('forges no request, by script or by form, and reads no answer', async () => {
      for (const [name, origin, target] of origins()) {
        const context = await browser.newContext();
        const watched = await watch(context);
        const owner = await context.newPage();
        await signIn(owner, { base: target }, PASSWORD);
        const page = await context.newPage();
        await page.goto(origin);
        const answers = await forge(page, target);
        assert.ok(answers.every(({ status, text }) => status === 0 && text === ''), `${name}: ${JSON.stringify(answers)}`);
        const refused = page.waitForResponse((response) => response.url().endsWith('/refresh/logout'));
        await page.evaluate((target) => {
          const form = document.createElement('form');
          form.method = 'POST';
          form.action = `${target}/api/v1/auth/refresh/logout`;
          document.body.append(form);
          form.submit();
        }, target);
        assert.equal((await refused).status(), 403, name);
        await isSignedIn(owner);

        // The twin: the same from the page's own origin ends the session.
        const twin = (await forge(owner, target)).map(({ status }) => status);
        assert.deepEqual(twin.slice(1, 3), [200, 200], name);
        await owner.reload();
        await owner.getByRole('heading', { name: 'Sign in' }).waitFor();
        watched.complaints.splice(0);
        await context.close();
      }
    });

    test('opens no web socket', async () => {
      for (const [name, origin, target] of origins()) {
        const page = await browser.newPage();
        const open = () =>
          page.evaluate(
            (address) =>
              new Promise((resolve) => {
                const socket = new WebSocket(address);
                socket.onopen = () => resolve('open');
                socket.onerror = () => resolve('refused');
              }),
            `${target.replace('http', 'ws')}/api/v1/events`,
          );
        await page.goto(origin);
        assert.equal(await open(), 'refused', name);
        await page.goto(`${target}/login`);
        assert.equal(await open(), 'open', `control: ${name}`);
        await page.close();
      }
    });

    test('shows the page in no frame', async () => {
      for (const [name, origin, target] of origins()) {
        const page = await browser.newPage();
        await page.goto(origin);
        const framed = async (source) => {
          const loaded = page.waitForEvent('framenavigated', (frame) => frame !== page.mainFrame());
          await page.evaluate((source) => {
            const frame = document.createElement('iframe');
            frame.src = source;
            document.body.append(frame);
          }, source);
          return (await loaded).url();
        };
        assert.equal(await framed(`${target}/login`), 'chrome-error://chromewebdata/', name);
        assert.equal(await framed(`${origin}/control`), `${origin}/control`, 'control: what does not forbid it is framed');
        await page.close();
      }
    });

    test('a cookie that a sibling host tosses signs nobody in to anything', async () => {
      // A session of the attacker's own, whose cookie they would like the owner's browser to use: as it is, and under the other
      // name that the server reads.
      const { headers } = await postern.call('POST', '/api/v1/auth/login', { body: { Password: PASSWORD } });
      const [pair] = headers.get('set-cookie').split(';');
      const reference = `RefreshToken_${port}=${pair.split('=')[1]}`;
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`${scheme}://other.postern.test:${evil.address().port}`);
      await page.evaluate(
        (pairs) => {
          for (const pair of pairs) document.cookie = `${pair}; domain=postern.test; path=/api/v1/auth/refresh; secure`;
          for (const pair of pairs) document.cookie = `${pair}; domain=postern.test; path=/api/v1/auth/refresh`;
        },
        [pair, reference],
      );
      const owner = await context.newPage();
      await owner.goto(door);
      await owner.getByRole('heading', { name: 'Sign in' }).waitFor();

      await signIn(owner, { base: door }, PASSWORD);
      const answer = owner.waitForResponse((response) => response.url().endsWith('/api/v1/auth/refresh'));
      await owner.reload();
      const sent = await (await answer).request().headerValue('cookie');
      assert.ok(sent.includes(reference), 'control: the tossed cookie is sent');
      if (scheme === 'https') {
        // No sibling can set a `__Host-` cookie, and that one counts.
        assert.equal((await answer).status(), 200);
      } else {
        // Tossed beside the owner's own, the two are told apart by nobody: the server takes neither, and says so.
        assert.equal((await answer).status(), 400);
        await owner.getByText('The refresh cookie is there twice.').waitFor();
        await context.clearCookies({ domain: '.postern.test' });
        await owner.getByRole('button', { name: 'Try again' }).click();
      }
      await owner.getByRole('heading', { name: 'Overview' }).waitFor();
      await context.close();
    });

    test('a name that was pointed at this address gets nothing', async () => {
      const page = await browser.newPage();
      for (const path of ['/', '/login', '/health', '/api/v1/auth/status']) {
        const opened = page.goto(`${scheme}://evil.test:${port}${path}`);
        if (scheme === 'https') await assert.rejects(opened, /ERR_CERT_COMMON_NAME_INVALID/, path);
        else assert.equal((await opened).status(), 421, path);
      }
      await page.close();
      const control = await browser.newPage();
      assert.equal((await control.goto(`${door}/login`)).status(), 200, 'control: a name of its own');
      await control.close();
    });
  });
}
