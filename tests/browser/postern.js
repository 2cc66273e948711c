// A running server in a folder of its own: started, stopped, killed, started again on the same data and port. It speaks TLS
// with a certificate that it makes itself, or plain HTTP where a test asks for that.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const PASSWORD = 'correct horse battery staple';

const BINARY = process.env.POSTERN_BINARY;
if (!BINARY) throw new Error('POSTERN_BINARY names the binary that is tested; ./test sets it');

/** What makes it speak plain HTTP. */
export const PLAIN = { POSTERN_TLS_SELF_SIGNED: 'false' };

export class Postern {
  /** Starts the binary in an empty folder, with these variables in its environment. */
  static async start(environment = {}, listen = '127.0.0.1:0') {
    const folder = mkdtempSync(join(tmpdir(), 'postern-browser-'));
    const postern = new Postern(folder, environment);
    await postern.begin(listen);
    if (postern.base.startsWith('https:')) {
      postern.authority = join(folder, 'authority.pem');
      postern.run(['tls', 'export-ca', '--out', postern.authority, '--quiet']);
    }
    return postern;
  }

  constructor(folder, environment) {
    this.folder = folder;
    this.environment = {
      XDG_DATA_HOME: join(folder, 'data'),
      XDG_CONFIG_HOME: join(folder, 'config'),
      // The other name of this machine, for what a page of a sibling host may do.
      POSTERN_HOSTS: 'door.postern.test',
      POSTERN_TLS_SELF_SIGNED: 'true',
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
    const headers = { 'user-agent': 'node' };
    if (token) headers.authorization = `Bearer ${token}`;
    if (cookie) headers.cookie = cookie;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const { request } = this.authority ? https : http;
    const ca = this.authority && readFileSync(this.authority);
    const response = await new Promise((resolve, reject) => {
      const sent = request(this.base + path, { method, headers, ca, agent: false }, resolve);
      sent.once('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
    const text = Buffer.concat(await response.toArray()).toString();
    const answer = { status: response.statusCode, headers: new Headers(response.headers), text, body: null };
    if (response.headers['content-type']?.includes('json')) answer.body = JSON.parse(text);
    return answer;
  }

  /** An access token of a new session, for what is done elsewhere than in the browser. */
  async elsewhere() {
    const { body } = await this.call('POST', '/api/v1/auth/login', { body: { Password: PASSWORD } });
    return body.AccessToken;
  }
}
