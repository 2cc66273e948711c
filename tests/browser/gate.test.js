// Two applications on two root domains behind nginx: one sign-in in a real browser, no shared cookie, one end for all.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf } from './authenticator.js';
import { PHONE, launch, signIn, watch } from './browser.js';
import { freePort, listening } from './ports.js';
import { PASSWORD, PLAIN, Postern } from './postern.js';

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

/** nginx with the recipes that the command prints. */
class Nginx {
  constructor(sites, ports) {
    this.folder = mkdtempSync(join(tmpdir(), 'postern-nginx-'));
    const at = (name) => join(this.folder, name);
    mkdirSync(at('sites'));
    sites.forEach((text, number) => writeFileSync(at(`sites/${number}.conf`), text));
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const temporary = places.map((kind) => `${kind}_temp_path ${at(kind)};`).join('\n');
    const user = process.getuid() === 0 ? 'user root;' : '';
    writeFileSync(
      at('nginx.conf'),
      `${user} daemon off; pid ${at('pid')}; events {}
       http { access_log off; ${temporary} include ${at('sites')}/*.conf; }`,
    );
    this.child = spawn('nginx', ['-e', 'stderr', '-c', at('nginx.conf')], { stdio: 'ignore' });
    this.ports = ports;
  }

  async ready() {
    for (const port of this.ports) {
      while (!(await answers(port))) {
        if (this.child.exitCode !== null) throw new Error(`nginx ended with ${this.child.exitCode}`);
        await pause(10);
      }
    }
  }

  async end() {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await gone;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe('the gate', () => {
  let upstream;
  let received;
  let postern;
  let nginx;
  let browser;
  let one;
  let two;
  before(async () => {
    received = [];
    upstream = createServer((request, response) => {
      received.push(request);
      response.setHeader('Content-Type', 'text/html');
      response.end(`<h1>Inside</h1><p>${request.headers['remote-user']}</p>`);
    });
    const behind = await listening(upstream);
    const ports = [await freePort(), await freePort()];
    one = `http://one.localhost:${ports[0]}`;
    two = `http://two.localhost:${ports[1]}`;
    const folder = mkdtempSync(join(tmpdir(), 'postern-gate-'));
    const configuration = join(folder, 'postern.toml');
    const application = (name, url) =>
      `[application.${name}]\nhosts = ["${new URL(url).host}"]\nupstream = "http://127.0.0.1:${behind}"\n`;
    writeFileSync(
      configuration,
      `trusted_proxies = ["127.0.0.1"]\n${application('one', one)}${application('two', two)}`,
    );
    postern = await Postern.start({ ...PLAIN, POSTERN_CONFIG: configuration });
    postern.setPassword();
    postern.environment.POSTERN_LISTEN = new URL(postern.base).host;
    nginx = new Nginx(
      ['one', 'two'].map((name) => postern.run(['gate', 'recipe', 'nginx', name])),
      ports,
    );
    await nginx.ready();
    browser = await launch(postern);
  });
  after(async () => {
    await browser.close();
    await nginx.end();
    await postern.end();
    upstream.close();
  });

  let context;
  let watched;
  beforeEach(async () => {
    context = await browser.newContext();
    watched = await watch(context);
    received.length = 0;
  });
  const done = async () => {
    watched.assertQuiet();
    await context.close();
  };
  const inside = (page) => page.getByRole('heading', { name: 'Inside' }).waitFor();

  test('a password at the first application, no question at the second, and each has its own cookie', async () => {
    const page = await context.newPage();
    await page.goto(`${one}/there?x=1#part`);
    const field = page.getByLabel('Password', { exact: true });
    await field.fill('wrong wrong wrong wrong');
    await field.press('Enter');
    await page.getByText('That is not the password.').waitFor();
    await field.fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await inside(page);
    assert.ok(page.url().startsWith(`${one}/there?x=1`), page.url());
    assert.ok(received.every((request) => !request.headers.cookie?.includes('postern')));

    const other = await context.newPage();
    await other.goto(`${two}/`);
    await inside(other);
    const cookies = await context.cookies();
    const gates = cookies.filter(({ name }) => name.startsWith('postern-gate'));
    const domains = gates.map(({ domain }) => domain).sort();
    assert.deepEqual(domains, ['127.0.0.1', 'one.localhost', 'two.localhost']);
    assert.ok(gates.every(({ httpOnly, sameSite }) => httpOnly && sameSite === 'Lax'));
    assert.equal(new Set(gates.map(({ value }) => value)).size, 3);

    const token = await postern.elsewhere();
    await postern.call('DELETE', '/api/v1/sessions', { token });
    assert.equal(await page.evaluate(() => fetch('/data').then(({ status }) => status)), 401);
    await other.reload();
    await other.getByLabel('Password', { exact: true }).waitFor();
    await done();
  });

  test('who is signed in on the page is not asked, with the page open in another tab or not', async () => {
    const page = await context.newPage();
    await signIn(page, postern, PASSWORD);
    const other = await context.newPage();
    await other.goto(`${one}/`);
    await inside(other);
    // The page goes on: its nonce is still the one that counts.
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.goto(`${two}/`);
    await inside(page);
    await done();
  });

  test('the page lists the applications, with what they are told, and leads to each', async () => {
    const page = await context.newPage();
    await signIn(page, postern, PASSWORD);
    await page.getByRole('link', { name: 'Applications', exact: true }).click();
    await page.getByText('Postern-Assertion').first().waitFor();
    await page.getByRole('link', { name: `${two}/` }).click();
    await inside(page);
    await done();
  });

  test('two tabs that are sent to sign in at once both arrive', async () => {
    const pages = [await context.newPage(), await context.newPage()];
    for (const page of pages) await page.goto(`${one}/`);
    for (const page of pages) {
      await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await inside(page);
    }
    await done();
  });

  test('a key for one folder of an application is made on the page, passes there, and nowhere else', async () => {
    const page = await context.newPage();
    await signIn(page, postern, PASSWORD);
    await page.getByRole('link', { name: 'Access keys', exact: true }).first().click();
    await page.getByRole('button', { name: 'New access key' }).first().click();
    await page.getByLabel('Name').fill('deploy');
    await page.getByLabel('An application').check();
    await page.getByLabel('Application', { exact: true }).selectOption('two.localhost');
    await page.getByLabel('Path').fill('team/app/');
    await page.getByLabel('Reading only').check();
    await page.getByRole('button', { name: 'Make the key' }).click();
    const key = await page.getByLabel('The access key').inputValue();
    const { host, port } = new URL(two);
    const status = (method, path) =>
      new Promise((resolve, reject) => {
        const headers = { Host: host, Authorization: `Bearer ${key}` };
        const sent = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => resolve(answer.resume().statusCode));
        sent.on('error', reject).end();
      });
    assert.equal(await status('GET', '/team/app/x'), 200);
    assert.equal(await status('POST', '/team/app/x'), 401);
    assert.equal(await status('GET', '/team'), 401);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByText('gate:two.localhost/team/app:GET').waitFor();
    await done();
  });

  test('with the second factor on, a code is asked for after the password, and what was wrong is said', async () => {
    const token = await postern.elsewhere();
    const asks = (path, body) => postern.call('POST', `/api/v1/second-factor${path}`, { token, body });
    const { Secret: secret } = (await asks('', { CurrentPassword: PASSWORD })).body;
    const { RecoveryCodes: recovery } = (await asks('/confirm', { OneTimeCode: codeOf(secret) })).body;
    const page = await context.newPage();
    await page.setViewportSize(PHONE);
    await page.goto(`${one}/`);
    const password = page.getByLabel('Password', { exact: true });
    const code = page.getByLabel('One-time code');
    await password.fill('wrong wrong wrong wrong');
    await password.press('Enter');
    await page.getByText('That is not the password.').waitFor();
    assert.ok(await code.isHidden(), 'a wrong password is told as without a second factor');
    await password.fill(PASSWORD);
    await password.press('Enter');
    await code.waitFor();
    assert.equal(await page.getByRole('alert').textContent(), '', 'the password was right');
    assert.ok(await code.evaluate((input) => input === document.activeElement), 'it has the focus');
    assert.equal(await code.getAttribute('autocomplete'), 'one-time-code');
    assert.equal(await code.getAttribute('inputmode'), 'numeric');
    await page.keyboard.type('12345');
    await page.keyboard.press('Enter');
    await page.getByText('The one-time code is wrong').waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it fits a telephone');
    await code.fill(codeOf(secret, 1));
    await page.keyboard.press('Enter');
    await inside(page);

    // The day the telephone is lost; in a browser that nobody signed in with.
    const other = await (await browser.newContext()).newPage();
    await other.goto(`${two}/`);
    await other.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await other.keyboard.press('Enter');
    await other.getByRole('button', { name: 'Use a recovery code' }).click();
    await other.getByLabel('Recovery code').fill(recovery[0]);
    await other.keyboard.press('Enter');
    await inside(other);
    await other.context().close();
    postern.run(['second-factor', 'off']);
    await done();
  });
});
