// An access token of two seconds: nobody ever sees it expire. Tabs, sleep, a lost connection and a restart are survived;
// the end of a session is told with its reason.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { launch, signIn, watch } from './browser.js';
import { PASSWORD, Postern } from './postern.js';

const isRefresh = (message) => message.url().endsWith('/api/v1/auth/refresh');

/** Waits for that many further renewals of a page. */
async function renewals(page, count) {
  for (let done = 0; done < count; done += 1) {
    const response = await page.waitForResponse(isRefresh);
    assert.equal(response.status(), 200);
  }
}

const turnTo = (page, name) => page.getByRole('link', { name, exact: true }).first().click();
const showsSessions = async (page) => {
  await turnTo(page, 'Sessions');
  await page.getByRole('heading', { name: 'Elsewhere' }).waitFor();
};

describe('renewal', () => {
  let postern;
  let browser;
  let context;
  let watched;
  let page;
  /** Renewals that were refused. */
  let refused;

  const sessions = () => JSON.parse(postern.run(['sessions', 'list', '--json'])).Sessions.length;

  before(async () => {
    postern = await Postern.start({ POSTERN_ACCESS_TOKEN_LIFE: '2s' });
    postern.setPassword();
    browser = await launch(postern);
  });
  after(async () => {
    await browser.close();
    await postern.end();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    watched = await watch(context);
    refused = [];
    context.on('response', (response) => response.status() === 401 && isRefresh(response) && refused.push(response.url()));
    page = await context.newPage();
  });
  afterEach(async () => {
    watched.assertQuiet();
    await context.close();
  });

  test('a page that is open for several lives of a token renews it by itself, and never asks for the password', async () => {
    await signIn(page, postern, PASSWORD);
    await renewals(page, 4);
    await showsSessions(page);
    await renewals(page, 1);
    await turnTo(page, 'Activity');
    await page.getByText('Signed in with the password').first().waitFor();
    assert.deepEqual(refused, []);
  });

  for (const remembered of [false, true]) {
    const kind = remembered ? 'remembered' : 'not remembered';

    test(`many tabs of a ${kind} session live on one renewal each time, new ones come in, and one that leaves takes all along`, async () => {
      const before = sessions();
      await signIn(page, postern, PASSWORD, { remembered });
      const others = await Promise.all([0, 1, 2, 3].map(() => context.newPage()));
      await Promise.all(
        others.map(async (other) => {
          await other.goto(`${postern.base}/#sessions`);
          await other.getByRole('heading', { name: 'Elsewhere' }).waitFor();
        }),
      );
      const tabs = [page, ...others];
      await page.bringToFront();
      await renewals(page, 3);
      for (const tab of tabs) {
        await tab.bringToFront();
        await tab.reload();
        await tab.getByRole('heading', { level: 1 }).waitFor();
        await tab.getByRole('button', { name: 'Sign out', exact: true }).waitFor();
      }
      assert.deepEqual(refused, []);
      assert.equal(sessions(), before + 1);

      await tabs[2].getByRole('button', { name: 'Sign out', exact: true }).click();
      await tabs[2].getByText('Everything this session had opened is closed').waitFor();
      for (const tab of tabs.filter((tab) => tab !== tabs[2])) {
        await tab.getByText('You signed out in another tab').waitFor();
      }
    });
  }

  test('a tab that slept through many renewals of another wakes up signed in', async () => {
    await signIn(page, postern, PASSWORD);
    const sleeper = await context.newPage();
    await sleeper.goto(postern.base);
    await sleeper.getByRole('heading', { name: 'Overview' }).waitFor();
    const cdp = await context.newCDPSession(sleeper);
    await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
    await page.bringToFront();
    await renewals(page, 4);
    await cdp.send('Page.setWebLifecycleState', { state: 'active' });
    await sleeper.bringToFront();
    await showsSessions(sleeper);
    await showsSessions(page);
  });

  test('a lone tab that slept longer than its token lives goes on when it wakes', async () => {
    await signIn(page, postern, PASSWORD);
    const cdp = await context.newCDPSession(page);
    await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
    // Another client's token, made later than the sleeper's, is over: so is the sleeper's.
    const token = await postern.elsewhere();
    for (;;) {
      const { body } = await postern.call('POST', '/api/v1/auth/status', { token });
      if (!body.authorized) break;
    }
    await cdp.send('Page.setWebLifecycleState', { state: 'active' });
    await showsSessions(page);
  });

  test('a lost connection is told calmly, and nothing is lost by it', async () => {
    await signIn(page, postern, PASSWORD);
    await context.setOffline(true);
    await turnTo(page, 'Access keys');
    await page.getByText('The server does not answer. Trying again; you stay signed in.').waitFor();
    await page.getByText('It is asked again by itself.').waitFor();
    await context.setOffline(false);
    await page.getByText('There are no access keys').waitFor();
    await page.getByText('Trying again; you stay signed in').waitFor({ state: 'detached' });
  });

  test('a server that was killed and started again is survived without a password', async () => {
    await signIn(page, postern, PASSWORD);
    const second = await context.newPage();
    await second.goto(postern.base);
    await second.getByRole('heading', { name: 'Overview' }).waitFor();
    await postern.kill();
    // Longer than any token lives: a renewal has failed.
    await second.waitForEvent('requestfailed', { predicate: isRefresh });
    await second.getByText('Trying again; you stay signed in').waitFor();
    await postern.begin();
    for (const tab of [second, page]) {
      await tab.bringToFront();
      await tab.getByText('Trying again; you stay signed in').waitFor({ state: 'detached' });
      await showsSessions(tab);
    }
  });

  test('a session that is ended elsewhere leads to the door, with the reason', async () => {
    await signIn(page, postern, PASSWORD);
    const token = await postern.elsewhere();
    await postern.call('DELETE', '/api/v1/sessions', { token });
    await page.getByText('Your session has ended').waitFor();
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });

  test('a thief who uses an old pair ends the session, and the owner is told at the next sign-in until it was seen', async () => {
    await signIn(page, postern, PASSWORD);
    const cookies = await context.cookies(`${postern.base}/api/v1/auth/refresh`);
    const cookie = cookies.find(({ name }) => name.includes('refresh'));
    const nonce = await page.evaluate(() => sessionStorage.getItem('refreshNonce'));
    await renewals(page, 2);
    const stolen = { cookie: `${cookie.name}=${cookie.value}`, body: { Nonce: nonce } };
    const { status } = await postern.call('POST', '/api/v1/auth/refresh', stolen);
    assert.equal(status, 401);
    await page.getByText('Your session has ended').waitFor();
    await signIn(page, postern, PASSWORD);
    const alarm = page.getByRole('alert').filter({ hasText: 'a copy may be in other hands' });
    await alarm.waitFor();
    assert.match(await alarm.textContent(), /It came from node at 127\.0\.0\.1; the session was last used by Chrome on Linux/);
    await page.reload();
    await alarm.waitFor();
    await page.getByRole('button', { name: 'I have seen this' }).click();
    await alarm.waitFor({ state: 'detached' });
    await page.reload();
    await page.getByRole('heading', { name: 'Last sign-ins' }).waitFor();
    await page.getByText('Nobody else').or(page.getByText('This device')).first().waitFor();
    assert.equal(await alarm.count(), 0);
  });

  test('control: without the nonce, the same cookie in the same browser opens nothing', async () => {
    await signIn(page, postern, PASSWORD);
    await page.evaluate(() => sessionStorage.clear());
    await page.reload();
    await page.getByLabel('Password', { exact: true }).waitFor();
  });
});
