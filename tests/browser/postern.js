// A running server in a folder of its own: started, stopped, killed, started again on the same data and port.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const PASSWORD = 'correct horse battery staple';

const BINARY = process.env.POSTERN_BINARY;
if (!BINARY) throw new Error('POSTERN_BINARY names the binary that is tested; ./test sets it');

export class Postern {
  /** Starts the binary in an empty folder, with these variables in its environment. */
  static async start(environment = {}) {
    const folder = mkdtempSync(join(tmpdir(), 'postern-browser-'));
    const postern = new Postern(folder, environment);
    await postern.begin('127.0.0.1:0');
    return postern;
  }

  constructor(folder, environment) {
    this.folder = folder;
    this.environment = {
      XDG_DATA_HOME: join(folder, 'data'),
      XDG_CONFIG_HOME: join(folder, 'config'),
      // The other name of this machine, for what a page of a sibling host may do.
      POSTERN_HOSTS: 'door.postern.test',
      ...environment,
    };
  }

  /** Starts the server on the folder, and waits until it says that it listens. */
  async begin(listen = new URL(this.base).host) {
    this.child = spawn(BINARY, ['serve', '--listen', listen], {
      cwd: this.folder,
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.log = '';
    this.child.stderr.on('data', (chunk) => {
      this.log += chunk;
    });
    for await (const line of createInterface({ input: this.child.stdout })) {
      if (line.startsWith('listening on ')) {
        this.base = line.slice('listening on '.length);
        return;
      }
    }
    throw new Error(`it ended before it listened: ${this.log}`);
  }

  /** Ends the process without warning, and waits until it is gone. */
  async kill() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }

  async end() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** What a command of the binary prints, beside the running server. */
  run(args, input = '') {
    return execFileSync(BINARY, args, { cwd: this.folder, env: this.environment, input, encoding: 'utf8' });
  }

  setPassword(password = PASSWORD) {
    this.run(['password', 'set', '--password-file', '-'], password);
  }

  /** The link of the first start, with the address of this server. */
  firstLink() {
    return readFileSync(join(this.folder, 'data/postern/first-signin-link'), 'utf8').trim();
  }

  /** A sign-in link, as an operator makes it. */
  signinToken() {
    const link = this.run(['signin-link']);
    return link.trim().split('#token=')[1];
  }

  /** Calls the API as a script would. */
  async call(method, path, { token, body, cookie } = {}) {
    const headers = {};
    if (token) headers.authorization = `Bearer ${token}`;
    if (cookie) headers.cookie = cookie;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const response = await fetch(this.base + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: await response.json().catch(() => null) };
  }

  /** An access token of a new session, for what is done elsewhere than in the browser. */
  async elsewhere() {
    const { body } = await this.call('POST', '/api/v1/auth/login', { body: { Password: PASSWORD } });
    return body.AccessToken;
  }
}
