// The second factor from its setting up to its end: scanned, confirmed, asked for at the door and before what is dangerous.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { codeOf } from './authenticator.js';
import { PHONE, launch, signIn, watch } from './browser.js';
import { PASSWORD, Postern } from './postern.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Nobody is shut out by how it looks: no breach of an accessibility rule, and nothing wider than a telephone. */
async function check(page, name) {
  const { violations, overflow } = await page.evaluate(async () => ({
    violations: (await globalThis.axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  assert.deepEqual(violations, [], name);
  assert.ok(overflow <= 0, `${name}: ${overflow} px too wide`);
}

describe('the second factor', () => {
  let postern;
  let browser;
  before(async () => {
    postern = await Postern.start();
    postern.setPassword();
    browser = await launch(postern);
  });
  after(async () => {
    await browser.close();
    await postern.end();
  });

  test('is set up, asked for, and switched off, all by its owner', async () => {
    const context = await browser.newContext({ acceptDownloads: true, reducedMotion: 'reduce' });
    const watched = await watch(context);
    await context.addInitScript(AXE);
    const page = await context.newPage();
    await signIn(page, postern, PASSWORD);

    // Set up: nothing is asked before the app has shown a right code.
    await page.getByRole('link', { name: 'Password', exact: true }).first().click();
    await page.getByRole('button', { name: 'Set it up' }).click();
    const own = page.getByLabel('Your password', { exact: true });
    await own.fill('wrong wrong wrong wrong');
    await own.press('Enter');
    await page.getByText('That is not the password.').waitFor();
    await own.fill(PASSWORD);
    await own.press('Enter');
    const qr = page.getByRole('img', { name: 'QR code' });
    await qr.waitFor();
    const drawn = await qr.evaluate((svg) => ({ box: svg.getBBox().width, fill: getComputedStyle(svg.querySelector('path')).fill }));
    assert.ok(drawn.box > 100, `the code is drawn: ${drawn.box}`);
    assert.equal(drawn.fill, 'rgb(0, 0, 0)');
    const before = page.viewportSize();
    await page.setViewportSize(PHONE);
    await check(page, 'the QR code');
    const secret = await page.getByLabel('The key, to type').inputValue();
    assert.equal(secret.length, 32);
    const code = page.getByLabel('One-time code');
    assert.equal(await code.getAttribute('autocomplete'), 'one-time-code');
    assert.equal(await code.getAttribute('inputmode'), 'numeric');
    await code.fill('12345');
    await page.getByRole('button', { name: 'Switch it on' }).click();
    await page.getByText('That is not the code the app should show').waitFor();
    await code.fill(codeOf(secret));
    await page.getByRole('button', { name: 'Switch it on' }).click();

    // The recovery codes are shown once, and can be taken away.
    const list = page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem');
    await list.first().waitFor();
    const codes = await list.allTextContents();
    assert.equal(codes.length, 10);
    await check(page, 'the recovery codes');
    assert.ok(codes.every((one) => /^([A-Z2-7]{4}-){5}[A-Z2-7]{4}$/.test(one)), codes.join());
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ]);
    assert.match(download.suggestedFilename(), /^recovery-codes-.*\.txt$/);
    assert.equal(readFileSync(await download.path(), 'utf8'), `${codes.join('\n')}\n`);
    await page.getByRole('button', { name: 'I have put them away' }).click();
    await page.getByText('10 recovery codes left').waitFor();
    await check(page, 'on');
    await page.setViewportSize(before);
    assert.equal(await page.getByText(codes[0]).count(), 0);
    await page.reload();
    await page.getByText('10 recovery codes left').waitFor();
    assert.equal(await page.getByText(codes[0]).count(), 0, 'they are shown once');

    // The door: the code is asked for after the password.
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You are signed out').waitFor();
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    assert.equal(await page.getByLabel('One-time code').count(), 0);
    await page.getByRole('button', { name: 'Sign in' }).click();
    const asked = page.getByLabel('One-time code');
    await asked.waitFor();
    assert.ok(await asked.evaluate((input) => input === document.activeElement), 'it has the focus');
    assert.equal(await asked.getAttribute('autocomplete'), 'one-time-code');
    await asked.pressSequentially('12345');
    await page.keyboard.press('Enter');
    await page.getByText('The one-time code is wrong').waitFor();
    await check(page, 'the door');
    await asked.fill(codeOf(secret, 1));
    await page.keyboard.press('Enter');
    // Where one was before.
    await page.getByRole('heading', { name: 'Password', level: 1 }).waitFor();

    // What is dangerous asks for a fresh one; who would rather not is told, and nothing is done.
    await page.getByRole('link', { name: 'Access keys', exact: true }).first().click();
    await page.getByRole('button', { name: 'New access key' }).click();
    await page.getByLabel('Name', { exact: true }).fill('backup job');
    await page.getByRole('button', { name: 'Make the key' }).click();
    const dialog = page.getByRole('dialog', { name: 'Is it you?' });
    await dialog.waitFor();
    await check(page, 'the dialog');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('A one-time code is needed').waitFor();
    await page.getByRole('button', { name: 'Make the key' }).click();
    const fresh = page.getByRole('dialog', { name: 'Is it you?' });
    await fresh.getByRole('button', { name: 'Use a recovery code' }).click();
    await fresh.getByLabel('Recovery code').fill('no such code');
    await page.keyboard.press('Enter');
    await fresh.getByText('The one-time code is wrong').waitFor();
    await fresh.getByLabel('Recovery code').fill(codes[0].toLowerCase());
    await page.keyboard.press('Enter');
    await page.getByLabel('The access key').waitFor();
    await page.getByRole('button', { name: 'Done' }).click();

    // Off, with a recovery code: the day the telephone is lost.
    await page.getByRole('link', { name: 'Password', exact: true }).first().click();
    await page.getByText('9 recovery codes left').waitFor();
    await page.getByRole('button', { name: 'Switch it off' }).click();
    const last = page.getByRole('dialog', { name: 'Is it you?' });
    await last.getByRole('button', { name: 'Use a recovery code' }).click();
    await last.getByLabel('Recovery code').fill(codes[1]);
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Set it up' }).waitFor();
    await page.getByRole('link', { name: 'Activity', exact: true }).first().click();
    await page.getByText('The second factor was switched off').waitFor();
    const { status } = await postern.call('POST', '/api/v1/auth/login', { body: { Password: PASSWORD } });
    assert.equal(status, 200);

    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]));
    for (const kept of [secret, ...codes]) assert.ok(!stored.includes(kept));
    watched.assertQuiet();
    await context.close();
  });
});
