// Each page's main act, by somebody who clicks.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { launch, PHONE, signIn, watch } from './browser.js';
import { PASSWORD, Postern } from './postern.js';

describe('the pages', () => {
  let postern;
  let browser;
  let context;
  let watched;
  let page;

  before(async () => {
    postern = await Postern.start();
    postern.setPassword();
    browser = await launch(postern);
  });
  after(async () => {
    await browser.close();
    await postern.end();
  });
  beforeEach(async () => {
    context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
    watched = await watch(context);
    page = await context.newPage();
    await signIn(page, postern, PASSWORD);
  });
  afterEach(async () => {
    watched.assertQuiet();
    await context.close();
  });

  /** The session that an access token belongs to. */
  const sessionOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sid;
  const turnTo = async (name) => {
    await page.getByRole('link', { name, exact: true }).first().click();
    await page.getByRole('heading', { name, level: 1 }).waitFor();
  };
  const press = (name) => page.getByRole('button', { name, exact: true }).click();
  const inDialog = (name) => page.getByRole('dialog').getByRole('button', { name, exact: true }).click();
  const said = (text) => page.getByText(text).first().waitFor();

  test('the overview tells who is in, what happened last, how old the keys are, and whether all is well', async () => {
    await said('This device');
    await said('Signed in with the password');
    await said('Key that signs tokens');
    await said('None that this server knows of');
    await said('All is well');
    await page.getByText('checks made').click();
    await said('it was found sound at the start');
    await said(postern.folder);
  });

  test('what happens elsewhere shows by itself', async () => {
    await turnTo('Sessions');
    await said('This device');
    assert.equal(await page.getByText('node', { exact: false }).count(), 0);
    const token = await postern.elsewhere();
    const row = page.getByRole('button', { name: 'End the session of node' });
    await row.waitFor();
    await postern.call('POST', '/api/v1/auth/status', { token });
    postern.run(['sessions', 'revoke', sessionOf(token)]);
    await row.waitFor({ state: 'detached' });
    await turnTo('Access keys');
    postern.run(['access-keys', 'create', 'made at the shell', '--scope', 'api']);
    await said('made at the shell');
    postern.run(['access-keys', 'revoke', 'made at the shell']);
    await page.getByText('made at the shell').waitFor({ state: 'detached' });
  });

  test('one session is ended, then all others', async () => {
    const tokens = [await postern.elsewhere(), await postern.elsewhere()];
    const isGood = async (token) => (await postern.call('GET', '/api/v1/sessions', { token })).status === 200;
    await turnTo('Sessions');
    await page.getByRole('button', { name: 'End the session of node' }).first().click();
    await inDialog('End the session');
    await said('Session ended');
    assert.equal((await Promise.all(tokens.map(isGood))).filter(Boolean).length, 1);
    await press('Sign out everywhere else');
    await inDialog('Sign out the others');
    await said('Nobody else is signed in');
    assert.equal((await Promise.all(tokens.map(isGood))).filter(Boolean).length, 0);
    await said('This device');
  });

  test('the password is changed: the old one is asked for, a bad new one is named, every other session ends', async () => {
    const token = await postern.elsewhere();
    await turnTo('Password');
    const [old, chosen] = ['Current password', 'New password'].map((name) => page.getByLabel(name, { exact: true }));
    await chosen.fill('short');
    await said('10 more to go');
    await chosen.fill('aaaaaaaaaaaaaaaaaaaa');
    await said('a simple pattern');
    await chosen.fill('another horse, another staple');
    await said('Very good');
    await old.fill('wrong wrong wrong wrong');
    await press('Change the password');
    await said('That is not the current password.');
    await old.fill(PASSWORD);
    await press('Change the password');
    await said('The password holds');
    assert.equal((await postern.call('GET', '/api/v1/sessions', { token })).status, 401);
    const login = async (password) => (await postern.call('POST', '/api/v1/auth/login', { body: { Password: password } })).status;
    assert.equal(await login(PASSWORD), 401);
    assert.equal(await login('another horse, another staple'), 200);
    postern.setPassword();
  });

  test('an access key is made, copied, works, is shown once, and is revoked', async () => {
    await turnTo('Access keys');
    await said('There are no access keys');
    await press('New access key');
    await page.getByLabel('Name').fill('backup job');
    await page.getByLabel('Read only').check();
    await page.getByLabel('Good for').selectOption('30');
    await press('Make the key');
    await said('This is the only time it is shown');
    await press('Copy');
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const secret = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(secret, /^pst_ak_/);
    const reads = async () => (await postern.call('GET', '/api/v1/sessions', { token: secret })).status;
    assert.equal(await reads(), 200);
    assert.equal((await postern.call('DELETE', '/api/v1/sessions', { token: secret })).status, 403, 'it only reads');
    await press('Done');
    await said('backup job');
    assert.ok(!(await page.content()).includes(secret));
    await press('New access key');
    await page.getByLabel('Name').fill('backup job');
    await press('Make the key');
    await said('There is an access key of that name already.');
    await inDialog('Cancel');
    await press('Revoke backup job');
    await inDialog('Revoke');
    await said('There are no access keys');
    assert.equal(await reads(), 401);
  });

  test('the keys are renewed, with progress, and nobody is signed out', async () => {
    await turnTo('Encryption keys');
    await said('Key 1');
    await press('Renew the signing key');
    await inDialog('Renew');
    await said('A new key signs from now on');
    await said('Leaving');
    await press('Renew both');
    await inDialog('Renew');
    await said('The new data key holds, and the old one is gone');
    await said('Key 4');
    await said('Destroyed');
    const keys = JSON.parse(postern.run(['keys', 'status', '--json']));
    assert.deepEqual(
      keys.DataKeys.filter((key) => key.Purpose === 'data').map((key) => key.State),
      ['destroyed', 'active'],
    );
  });

  test('settings are searched, changed, put back; a wrong value is named; a secret goes in and never comes out', async () => {
    await turnTo('Settings');
    await page.getByLabel('Search settings').fill('name of');
    assert.equal(await page.getByLabel('Most sessions at once').count(), 0);
    await page.getByLabel('Name of this install').fill('<b>The "cellar"</b>');
    await press('Save Name of this install');
    await said('Name of this install: saved');
    await page.reload();
    await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
    assert.equal(await page.title(), 'Settings · <b>The "cellar"</b>');
    await page.getByLabel('Most sessions at once').fill('0');
    await press('Save Most sessions at once');
    await said('a whole number from 1 to 1000000');
    await page.getByRole('button', { name: 'Back to the default (Postern)' }).click();
    await said('Name of this install: back to its default');
    await page.getByLabel('Long-lived tokens').check();
    await said('Long-lived tokens over the API: saved');
    assert.equal(postern.run(['settings', 'get', 'allow_forever_token']).trim(), 'true');
    await press('Add a secret');
    await page.getByLabel('Name', { exact: true }).fill('upstream');
    await page.getByLabel('Secret', { exact: true }).fill('hunter2 hunter2');
    await press('Keep it');
    await said('Secret kept');
    await page.reload();
    await said('upstream');
    assert.ok(!(await page.content()).includes('hunter2'));
    await press('Forget');
    await inDialog('Forget');
    await said('No secrets are kept');
  });

  test('a backup is downloaded, under the name that the server gives it', async () => {
    await turnTo('Backups');
    const download = page.waitForEvent('download');
    await press('Download a backup');
    const file = await download;
    assert.match(file.suggestedFilename(), /^postern-.*\.age$/);
    assert.match(readFileSync(await file.path()).subarray(0, 30).toString('latin1'), /^age-encryption\.org\/v1\n/);
    await page.getByText('The backup is with your downloads').waitFor();
  });

  test('activity is filtered by kind and time, followed, and paged', async () => {
    for (let number = 0; number < 55; number += 1) {
      postern.run(['settings', 'set', 'max_sessions', String(100 + number)]);
    }
    await turnTo('Activity');
    await said('The setting max_sessions was changed');
    const rows = page.locator('.row');
    while (await page.getByText('A sign-in link was made').isHidden()) {
      const shown = await rows.count();
      await press('Show earlier events');
      await rows.nth(shown).waitFor();
    }
    await page.getByLabel('Show').selectOption('Sign-ins');
    await page.getByText('The setting max_sessions was changed').first().waitFor({ state: 'detached' });
    await page.getByLabel('From').selectOption('The last hour');
    await said('Signed in with the password');
    await page.getByLabel('Show').selectOption('Wrong passwords');
    await page.getByLabel('Follow').check();
    await postern.call('POST', '/api/v1/auth/login', { body: { Password: 'wrong wrong wrong wrong' } });
    await said('A wrong password was refused at sign-in');
  });

  test('everything is reached and used with the keyboard alone', async () => {
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
    const tabTo = async (text, key = 'Tab') => {
      for (let presses = 0; presses < 40; presses += 1) {
        await page.keyboard.press(key);
        if ((await focused()) === text) return;
      }
      assert.fail(`${text} is not reached`);
    };
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'Skip to the page');
    await tabTo('Access keys');
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Access keys', level: 1 }).waitFor();
    await page.waitForFunction(() => document.activeElement.id === 'page-title');
    await tabTo('New access key');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.getByLabel('Name').focus();
    await page.keyboard.type('typed');
    await tabTo('Make the key');
    await page.keyboard.press('Enter');
    await said('This is the only time it is shown');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.equal(await focused(), 'New access key', 'the focus comes back');
    await press('Revoke typed');
    await inDialog('Revoke');
    await said('There are no access keys');
  });

  test('on a phone the places are behind a button, and the look is kept', async () => {
    await page.setViewportSize(PHONE);
    assert.ok(!(await page.getByRole('link', { name: 'Settings' }).isVisible()));
    await press('Open the menu');
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
    await press('Open the menu');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Open the menu' }).waitFor();
    await press('Open the menu');
    await page.locator('label', { hasText: 'Dark' }).click();
    await page.reload();
    await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), 'dark');
  });
});
