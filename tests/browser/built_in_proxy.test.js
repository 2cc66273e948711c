// An application behind Postern and nothing else, under TLS: a web socket of a real browser goes through, and ends with the session.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, watch } from './browser.js';
import { echo } from './echo.js';
import { freePort, listening } from './ports.js';
import { PASSWORD, Postern } from './postern.js';

/** A socket that is not closed when it must be would be waited for without end. */
const PATIENT = { timeout: 60_000 };

describe('an application behind the built-in proxy', () => {
  let upstream;
  let opened;
  let folder;
  let postern;
  let browser;
  let one;
  before(async () => {
    opened = [];
    upstream = createServer((_, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end('<h1>Inside</h1>');
    });
    echo(upstream, (request, socket) => opened.push({ request, closed: new Promise((resolve) => socket.once('close', resolve)) }));
    const behind = await listening(upstream);
    const port = await freePort();
    one = `https://one.localhost:${port}`;
    folder = mkdtempSync(join(tmpdir(), 'postern-built-in-'));
    const configuration = join(folder, 'postern.toml');
    writeFileSync(
      configuration,
      `[application.one]\nhosts = ["one.localhost:${port}"]\nupstream = "http://127.0.0.1:${behind}"\nopen = ["GET /public"]\n`,
    );
    postern = await Postern.start({ POSTERN_CONFIG: configuration }, `127.0.0.1:${port}`);
    postern.setPassword();
    browser = await launch(postern);
  });
  after(async () => {
    await browser.close();
    await postern.end();
    upstream.close();
    rmSync(folder, { recursive: true });
  });

  const inside = (page) => page.getByRole('heading', { name: 'Inside' }).waitFor();

  /** Opens a socket of the page, as its `socket`; says how that went. */
  const opens = (page) =>
    page.evaluate(
      () =>
        new Promise((resolve) => {
          const socket = new WebSocket(`wss://${location.host}/socket`);
          socket.binaryType = 'arraybuffer';
          globalThis.socket = socket;
          globalThis.ended = new Promise((ends) => {
            socket.onclose = ({ code, wasClean }) => ends({ code, wasClean });
          });
          socket.onopen = () => resolve('open');
          socket.onerror = () => resolve('refused');
        }),
    );

  test('a web socket carries text and bytes both ways and is cut with the session; a stranger has none', PATIENT, async () => {
    const stranger = await (await browser.newContext()).newPage();
    await stranger.goto(`${one}/public`);
    await inside(stranger);
    assert.equal(await opens(stranger), 'refused');
    assert.equal(opened.length, 0);

    const context = await browser.newContext();
    const watched = await watch(context);
    const page = await context.newPage();
    await page.goto(`${one}/`);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await inside(page);
    assert.equal(await opens(page), 'open');
    const [{ request, closed }] = opened;
    assert.equal(request.headers['remote-user'], 'admin');
    assert.equal(request.headers['x-forwarded-proto'], 'https');
    assert.equal(request.headers.cookie, undefined);

    const echoed = await page.evaluate(async () => {
      const { socket, ended } = globalThis;
      const next = () => Promise.race([new Promise((resolve) => (socket.onmessage = ({ data }) => resolve(data))), ended]);
      const same = [];
      for (const text of ['one', 'zwei ☕', 'x'.repeat(70_000)]) {
        const answer = next();
        socket.send(text);
        same.push((await answer) === text);
      }
      for (const length of [0, 125, 126, 65_535, 65_536, 1_000_000]) {
        const bytes = Uint8Array.from({ length }, (_, at) => at % 251);
        const answer = next();
        socket.send(bytes);
        const came = new Uint8Array(await answer);
        same.push(came.length === length && came.every((byte, at) => byte === bytes[at]));
      }
      return same;
    });
    assert.deepEqual(echoed, Array(9).fill(true));

    const token = await postern.elsewhere();
    await postern.call('DELETE', '/api/v1/sessions', { token });
    assert.deepEqual(await page.evaluate(() => globalThis.ended), { code: 1006, wasClean: false });
    await closed;
    watched.assertQuiet();
    assert.equal(await opens(page), 'refused', 'and there is no other');
    assert.equal(opened.length, 1);
  });

  test('a web socket that its page closes is closed for both', PATIENT, async () => {
    const context = await browser.newContext();
    const watched = await watch(context);
    const page = await context.newPage();
    await page.goto(`${one}/`);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await inside(page);
    assert.equal(await opens(page), 'open');
    await page.evaluate(() => globalThis.socket.close(4000, 'done'));
    assert.deepEqual(await page.evaluate(() => globalThis.ended), { code: 4000, wasClean: true });
    await opened.at(-1).closed;
    watched.assertQuiet();
  });
});
