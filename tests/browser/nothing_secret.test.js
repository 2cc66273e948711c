// Where no secret may be: storages, histories, addresses, headers, the page itself, the log. And what the page weighs.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, signIn, watch } from './browser.js';
import { PASSWORD, Postern } from './postern.js';

/** The first page may weigh this much over the wire. */
const WIRE_MAX = 100 * 1024;

/** Everything that scripts of this origin can find lying about. */
function lyingAbout() {
  return (async () => {
    const databases = await indexedDB.databases();
    const caches = await globalThis.caches?.keys();
    return {
      local: { ...localStorage },
      session: { ...sessionStorage },
      cookie: document.cookie,
      databases: databases.map(({ name }) => name),
      caches: caches ?? [],
      name: globalThis.name,
      history: JSON.stringify(history.state),
      address: location.href,
      document: document.documentElement.outerHTML,
      entries: performance.getEntries().map(({ name }) => name),
    };
  })();
}

describe('no secret lies about', () => {
  let postern;
  let browser;
  before(async () => {
    postern = await Postern.start({ POSTERN_LOG: 'debug' });
    postern.setPassword();
    browser = await launch(postern);
  });
  after(async () => {
    await browser.close();
    await postern.end();
  });

  for (const remembered of [false, true]) {
    test(`in a browser whose session is ${remembered ? '' : 'not '}remembered`, async () => {
      const context = await browser.newContext();
      const watched = await watch(context);
      const page = await context.newPage();
      const secrets = { password: PASSWORD, link: postern.signinToken() };
      const nonces = new Set();
      const addresses = [];
      const referers = [];
      context.on('request', (request) => {
        addresses.push(request.url());
        referers.push(request.headers().referer);
      });
      const read = [];
      context.on('response', (response) => {
        if (!/auth\/(login|signin|refresh)$/.test(response.url()) || !response.ok()) return;
        read.push(
          response.json().then(({ AccessToken, RefreshNonce }) => {
            secrets[`token ${read.length}`] = AccessToken;
            nonces.add(RefreshNonce);
          }),
        );
      });

      await page.goto(`${postern.base}/signin#token=${secrets.link}`);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByText('You are signed out').waitFor();
      await signIn(page, postern, PASSWORD, { remembered });
      await page.reload();
      for (const name of ['Sessions', 'Password', 'Settings', 'Activity']) {
        await page.getByRole('link', { name, exact: true }).first().click();
        await page.getByRole('heading', { name, level: 1 }).waitFor();
      }
      await Promise.all(read);
      assert.deepEqual(referers.filter(Boolean), []);
      const cookies = await context.cookies(`${postern.base}/api/v1/auth/refresh`);
      const [device, refresh] = cookies.sort((a, b) => Number(a.name.includes('refresh')) - Number(b.name.includes('refresh')));
      assert.equal(cookies.length, 2);
      assert.ok(device.httpOnly && refresh.httpOnly && device.secure && device.sameSite === 'Strict');
      Object.assign(secrets, { device: device.value, cookie: refresh.value });

      const found = await page.evaluate(lyingAbout);
      // The nonce aside, which opens nothing alone, and in its one place.
      const [place, key, other] = remembered
        ? ['local', 'v1:persist:duplicati:refreshNonce', 'session']
        : ['session', 'refreshNonce', 'local'];
      assert.ok(nonces.has(found[place][key]), 'control: the nonce is found where it lies');
      delete found[place][key];
      assert.deepEqual(found[place], {});
      assert.deepEqual(found[other], {});
      assert.deepEqual(found.databases, []);
      assert.deepEqual(found.caches, []);
      const text = `${JSON.stringify(found)} ${addresses.join(' ')} ${postern.log}`;
      for (const [name, secret] of [...Object.entries(secrets), ...[...nonces].map((nonce) => ['nonce', nonce])]) {
        assert.ok(secret.length > 20 && !text.includes(secret), `${name} lies about`);
      }
      assert.ok(postern.log.includes('/api/v1/auth/login'), 'control: the log tells of requests');
      assert.ok(Object.keys(secrets).length >= 5, 'control: the secrets are known');
      watched.assertQuiet();
      await context.close();
    });
  }

  test('the first page is light, asks nobody else for anything, and what it is made of is kept by the browser', async () => {
    const context = await browser.newContext();
    const watched = await watch(context);
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send('Network.enable');
    let wire = 0;
    cdp.on('Network.loadingFinished', ({ encodedDataLength }) => {
      wire += encodedDataLength;
    });
    const hosts = new Set();
    page.on('request', (request) => hosts.add(new URL(request.url()).origin));
    await page.goto(`${postern.base}/login`, { waitUntil: 'networkidle' });
    assert.ok(wire > 10_000 && wire <= WIRE_MAX, `${wire} bytes`);
    assert.deepEqual([...hosts], [postern.base]);
    const usable = await page.evaluate(() => performance.getEntriesByType('paint').at(-1).startTime);
    console.log(`first page: ${wire} bytes over the wire, painted after ${Math.round(usable)} ms`);

    wire = 0;
    await page.reload({ waitUntil: 'networkidle' });
    const document = await postern.call('GET', '/login');
    assert.equal(document.headers.get('cache-control'), 'no-store');
    const asset = /src="(\/assets\/[^"]+main\.js)"/.exec(document.text)[1];
    const { status, headers } = await postern.call('GET', asset);
    assert.equal(status, 200);
    assert.equal(headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal((await postern.call('GET', asset.replace(/[0-9a-f]{16}/, '0123456789abcdef'))).status, 404);
    watched.assertQuiet();
    await context.close();
  });

  test('the policy of the page forbids what an intruder’s script would need, and the watch of these tests sees a breach', async () => {
    const { headers } = await postern.call('GET', '/');
    assert.equal(
      headers.get('content-security-policy'),
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
        "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    );
    const context = await browser.newContext();
    const watched = await watch(context);
    const page = await context.newPage();
    await page.goto(`${postern.base}/login`);
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    const ran = await page.evaluate(async () => {
      const told = new Promise((resolve) => addEventListener('securitypolicyviolation', resolve, { once: true }));
      const tried = [];
      const script = document.createElement('script');
      try {
        script.text = 'globalThis.intruded = true';
      } catch {
        tried.push('script text');
      }
      document.body.append(script);
      try {
        document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="globalThis.intruded = true">');
      } catch {
        tried.push('markup');
      }
      await told;
      return { tried, intruded: globalThis.intruded };
    });
    assert.deepEqual(ran, { tried: ['script text', 'markup'], intruded: undefined });
    assert.ok(watched.complaints.some((text) => text.startsWith('policy: ')), 'control');
    await context.close();
  });
});
