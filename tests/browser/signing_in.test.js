// Through the door: with the password, with a link, remembered or not; and with the names that the reference model's
// own pages use, since its clients share the sessions.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, open, profile, signIn, watch } from './browser.js';
import { PASSWORD, PLAIN, Postern } from './postern.js';

const OF_THIS_TAB = 'refreshNonce';
const REMEMBERED = 'v1:persist:duplicati:refreshNonce';

const storage = (page) =>
  page.evaluate(() => ({ session: { ...sessionStorage }, local: { ...localStorage }, address: location.href }));

for (const [transport, environment] of [['TLS', {}], ['plain HTTP', PLAIN]]) {
  describe(`signing in over ${transport}`, () => {
    let postern;
    let browser;
    let context;
    let watched;
    before(async () => {
      postern = await Postern.start(environment);
      browser = await launch(postern);
    });
    after(async () => {
      await browser.close();
      await postern.end();
    });
    const fresh = async (options) => {
      context = await browser.newContext(options);
      watched = await watch(context);
      return context.newPage();
    };
    const done = async () => {
      watched.assertQuiet();
      await context.close();
    };

    test('from the first link to a password of one’s own, without reading anything', async () => {
      const page = await fresh();
      await page.goto(postern.firstLink());
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('link', { name: 'Choose it now' }).click();
      assert.equal(await page.getByLabel('Current password').count(), 0, 'the first password needs no old one');
      await page.getByLabel('New password', { exact: true }).fill('password12345678');
      await page.getByText('tried first').waitFor();
      assert.ok(await page.getByRole('button', { name: 'Set the password' }).isDisabled());
      await page.getByLabel('New password', { exact: true }).fill(PASSWORD);
      await page.getByRole('button', { name: 'Set the password' }).click();
      await page.getByText('The password holds').waitFor();
      await page.getByLabel('Current password').waitFor();
      const { status } = await postern.call('POST', '/api/v1/auth/login', { body: { Password: PASSWORD } });
      assert.equal(status, 200);
      await done();
    });

    test('a wrong password says so, keeps what was typed, and the right one opens', async () => {
      const page = await fresh();
      await page.goto(`${postern.base}/`);
      const field = page.getByLabel('Password', { exact: true });
      await field.fill('wrong wrong wrong wrong');
      await field.press('Enter');
      await page.getByText('That is not the password.').waitFor();
      assert.equal(await field.getAttribute('aria-invalid'), 'true');
      assert.ok(await field.evaluate((input) => input === document.activeElement));
      await field.fill(PASSWORD);
      await field.press('Enter');
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      await done();
    });

    test('who types and enters before any script is there is heard, nothing is sent meanwhile, and a known session sees no door', async () => {
      const page = await fresh();
      const scripts = [];
      let held = true;
      await page.route('**/js/main.js', (route) => (held ? scripts.push(route) : route.continue()));
      const sent = [];
      page.on('request', (request) => sent.push(request.method()));
      await page.goto(`${postern.base}/login`, { waitUntil: 'commit' });
      const field = page.getByLabel('Password', { exact: true });
      await field.pressSequentially(PASSWORD);
      await field.press('Enter');
      assert.ok(await page.getByRole('button', { name: 'Sign in' }).isDisabled());
      assert.ok(sent.every((method) => method === 'GET'), sent.join());
      assert.equal(new URL(page.url()).search, '');
      const main = page.waitForResponse('**/js/main.js');
      held = false;
      for (const route of scripts) await route.continue();
      await main;
      await page.getByRole('heading', { name: 'Overview' }).waitFor();

      held = true;
      await page.reload({ waitUntil: 'domcontentloaded' });
      assert.equal(await page.locator('.early').count(), 1, 'control: it is in the document');
      assert.ok(!(await page.locator('.early').isVisible()));
      await done();
    });

    test('a password manager finds its fields, the password can be looked at, and Caps Lock is told', async () => {
      const page = await fresh();
      await page.goto(`${postern.base}/login`);
      const field = page.getByLabel('Password', { exact: true });
      assert.equal(await field.getAttribute('autocomplete'), 'current-password');
      assert.equal(await field.getAttribute('spellcheck'), 'false', 'a spelling service would be told what is shown');
      assert.equal(await page.locator('form input[autocomplete="username"]').count(), 1);
      assert.ok(await field.evaluate((input) => input === document.activeElement), 'it has the focus at once');
      await page.getByRole('button', { name: 'Show password' }).click();
      assert.equal(await field.getAttribute('type'), 'text');
      await page.getByRole('button', { name: 'Hide password' }).click();
      assert.equal(await field.getAttribute('type'), 'password');
      const type = (on) =>
        field.evaluate((input, on) => {
          input.dispatchEvent(new KeyboardEvent('keyup', { key: 'A', modifierCapsLock: on, bubbles: true }));
        }, on);
      await type(true);
      await page.getByText('Caps Lock is on').waitFor();
      await type(false);
      await page.getByText('Caps Lock is on').waitFor({ state: 'detached' });
      await done();
    });

    test('the password goes over the wire, and the nonce into storage, under the names of the reference model', async () => {
      for (const remembered of [false, true]) {
        const page = await fresh();
        const sent = page.waitForRequest('**/api/v1/auth/login');
        await signIn(page, postern, PASSWORD, { remembered });
        const request = await sent;
        assert.deepEqual(request.postDataJSON(), { Password: PASSWORD, RememberMe: remembered });
        const answer = await (await request.response()).json();
        assert.deepEqual(Object.keys(answer), ['AccessToken', 'RefreshNonce']);
        const { session, local } = await storage(page);
        assert.equal(session[OF_THIS_TAB], remembered ? undefined : answer.RefreshNonce);
        assert.equal(local[REMEMBERED], remembered ? answer.RefreshNonce : undefined);

        const refreshed = page.waitForRequest('**/api/v1/auth/refresh');
        await page.reload();
        assert.deepEqual((await refreshed).postDataJSON(), { Nonce: answer.RefreshNonce });
        await page.getByRole('heading', { name: 'Overview' }).waitFor();

        const left = page.waitForRequest('**/api/v1/auth/refresh/logout');
        await page.getByRole('button', { name: 'Sign out' }).click();
        assert.ok((await left).postDataJSON().Nonce);
        await page.getByText('You are signed out').waitFor();
        const after = await storage(page);
        assert.equal(after.session[OF_THIS_TAB] ?? after.local[REMEMBERED], undefined);
        await done();
      }
    });

    test('a session that the reference model’s page began goes on here', async () => {
      for (const [remembered, kind, key] of [
        [false, 'sessionStorage', OF_THIS_TAB],
        [true, 'localStorage', REMEMBERED],
      ]) {
        const page = await fresh();
        await page.goto(`${postern.base}/login`);
        await page.evaluate(
          async ({ password, remembered, kind, key }) => {
            const response = await fetch('/api/v1/auth/login', {
              method: 'POST',
              headers: { 'Content-Type': 'application/json' },
              body: JSON.stringify({ Password: password, RememberMe: remembered }),
            });
            globalThis[kind].setItem(key, (await response.json()).RefreshNonce);
          },
          { password: PASSWORD, remembered, kind, key },
        );
        await page.reload();
        await page.getByRole('heading', { name: 'Overview' }).waitFor();
        await done();
      }
    });

    test('a link waits for a click, in either form, and its token leaves the address at once', async () => {
      for (const form of ['#token=', '?token=']) {
        const page = await fresh();
        const token = postern.signinToken();
        const posts = [];
        page.on('request', (request) => request.method() === 'POST' && posts.push(request.url()));
        await page.goto(`${postern.base}/signin${form}${token}`);
        await page.getByRole('heading', { name: 'Sign in with this link' }).waitFor();
        assert.equal(page.url(), `${postern.base}/signin`);
        assert.deepEqual(
          posts.filter((url) => url.endsWith('/auth/signin')),
          [],
          'nothing is used up by looking',
        );
        const sent = page.waitForRequest('**/api/v1/auth/signin');
        await page.getByRole('button', { name: 'Sign in' }).click();
        assert.deepEqual((await sent).postDataJSON(), { SigninToken: token, RememberMe: false });
        await page.getByRole('heading', { name: 'Overview' }).waitFor();
        const cdp = await context.newCDPSession(page);
        const { entries } = await cdp.send('Page.getNavigationHistory');
        assert.ok(
          entries.length > 1 && entries.every(({ url }) => !url.includes(token)),
          JSON.stringify(entries),
        );
        await page.goBack();
        assert.ok(!page.url().includes(token));
        await done();
      }
    });

    test('a link that was used, and one without its end, say what to do', async () => {
      const token = postern.signinToken();
      await postern.call('POST', '/api/v1/auth/signin', { body: { SigninToken: token } });
      const page = await fresh();
      await page.goto(`${postern.base}/signin#token=${token}`);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('was used before').waitFor();
      await page.getByRole('button', { name: 'Sign in with the password' }).click();
      await page.getByLabel('Password', { exact: true }).waitFor();
      await page.goto(`${postern.base}/signin`);
      await page.getByRole('heading', { name: 'This link is incomplete' }).waitFor();
      await done();
    });

    test('a second sign-in of one browser leaves one session', async () => {
      const page = await fresh();
      await signIn(page, postern, PASSWORD);
      const before = JSON.parse(postern.run(['sessions', 'list', '--json'])).Sessions.length;
      await page.goto(`${postern.base}/signin#token=${postern.signinToken()}`);
      await page.getByText('You are signed in already').waitFor();
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      await page.getByRole('link', { name: 'Sessions', exact: true }).first().click();
      await page.getByRole('heading', { name: 'Elsewhere' }).waitFor();
      assert.equal(JSON.parse(postern.run(['sessions', 'list', '--json'])).Sessions.length, before);
      await done();
    });

    test('remembered outlives the browser, not remembered does not', async () => {
      for (const remembered of [true, false]) {
        const folder = profile(postern);
        const first = await open(folder);
        await signIn(first.pages()[0], postern, PASSWORD, { remembered });
        await first.close();
        const second = await open(folder);
        const page = second.pages()[0];
        await page.goto(postern.base);
        await page.getByRole('heading', { name: remembered ? 'Overview' : 'Sign in' }).waitFor();
        await second.close();
      }
    });

    // The last one: from here on this address has no tries left.
    test('while sign-in is slowed, a browser that signed in before comes in, and another is told what to do', async () => {
      const known = await fresh();
      await signIn(known, postern, PASSWORD);
      await known.getByRole('button', { name: 'Sign out' }).click();
      await known.getByText('You are signed out').waitFor();
      let status;
      for (let guesses = 0; status !== 429; guesses += 1) {
        assert.ok(guesses < 20);
        ({ status } = await postern.call('POST', '/api/v1/auth/login', { body: { Password: 'wrong wrong wrong wrong' } }));
      }
      const other = await browser.newContext();
      const page = await other.newPage();
      await page.goto(`${postern.base}/login`);
      await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText(/Too many attempts. Try again in \d+ seconds, from a browser that signed in here before/).waitFor();
      await other.close();
      await signIn(known, postern, PASSWORD);
      await done();
    });
  });
}
