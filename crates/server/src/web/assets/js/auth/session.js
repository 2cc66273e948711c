// The session of this browser, as this tab knows it. The access token is in this module's memory and nowhere else; it is
// renewed before it expires while somebody is at the page, and else when it is needed.
import { ask } from './connection.js';
import * as nonces from './nonce.js';
import * as tabs from './tabs.js';
import { jsonRequest, refusal } from './wire.js';

/** Pairs that are tried before a session counts as over. */
const ATTEMPTS = 3;
/** A token this far into its life is renewed. */
const RENEW_AT = 0.75;
/** Nobody is at the page who did nothing for this long: from then on the session may end by its own limits. */
const ATTENDED_MS = 30 * 60_000;

/** The session is over: what was asked for needs a sign-in first. */
export class SignedOut extends Error {
  constructor() {
    super('You are signed out.');
  }
}

/** `token`, `session`, `until` and `renewAt` (by this machine's clock), `at`: when it was received. */
let access = null;
/** `starting`, `in` or `out`; `reason` says why out, for the sign-in page. */
let state = { is: 'starting', reason: null };
let timer = null;
let lastInput = Date.now();
const watchers = new Set();

export const current = () => state;
export const sessionId = () => access?.session ?? null;

/** Calls at once and at each change. Returns how to stop. */
export function watchSession(watcher) {
  watchers.add(watcher);
  watcher(state);
  return () => watchers.delete(watcher);
}

function become(is, reason = null) {
  if (state.is === is && state.reason === reason) return;
  state = { is, reason };
  for (const watcher of watchers) watcher(state);
}

const isGood = (known) => known !== null && Date.now() < known.until;

/** The access token, renewed when it is over. */
export async function accessToken() {
  return isGood(access) ? access.token : renew(access?.token ?? null);
}

// What a token says of itself. The server verifies it; this only reads how long it is good and for which session. Its
// times are whole seconds, rounded down: up to one of them was over when it was made.
function read(token) {
  const claims = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
  return { session: claims.sid, life: (claims.exp - claims.iat - 1) * 1000 };
}

function take(answer, remembered) {
  const { session, life } = read(answer.AccessToken);
  const at = Date.now();
  access = { token: answer.AccessToken, session, at, until: at + life, renewAt: at + life * RENEW_AT };
  nonces.keep(answer.RefreshNonce, remembered);
  share();
  planRenewal();
  become('in');
}

function share() {
  const { nonce, remembered } = nonces.kept();
  if (access && nonce) tabs.tell({ kind: 'session', access, nonce, remembered });
}

function adopt(told) {
  if (access && told.access.at <= access.at) return;
  access = told.access;
  // What is remembered lies where all tabs see it, and whoever renewed it has put it there.
  if (!told.remembered) nonces.keep(told.nonce, false);
  else nonces.forgetOfThisTab();
  planRenewal();
  become('in');
}

let renewing = null;

/** A new access token in the place of `stale`; whoever asks meanwhile gets the same. */
export function renew(stale) {
  renewing ??= tabs
    .alone(() => renewOnce(stale))
    .finally(() => {
      renewing = null;
    });
  return renewing;
}

async function renewOnce(stale) {
  const isNew = () => access !== null && access.token !== stale && isGood(access);
  const tried = new Set();
  // A refusal can mean that another tab has moved on and its word is still on the way: what it knows is tried too.
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (isNew()) return access.token;
    const told = await tabs.askOthers(({ access }) => access.token !== stale && isGood(access));
    if (told) adopt(told);
    if (isNew()) return access.token;
    const { nonce, remembered } = nonces.kept();
    if (!nonce || tried.has(nonce)) break;
    tried.add(nonce);
    const response = await ask('/api/v1/auth/refresh', jsonRequest('POST', { Nonce: nonce }));
    if (response.ok) {
      take(await response.json(), remembered);
      return access.token;
    }
    if (response.status !== 401) throw await refusal(response);
  }
  return over(tried.size > 0 || state.is === 'in' ? 'ended' : null);
}

function over(reason) {
  if (state.is === 'out') {
    // Whoever was faster knows why.
    drop();
    throw new SignedOut();
  }
  const wasIn = state.is === 'in' || nonces.kept().nonce !== null;
  drop();
  become('out', reason);
  if (wasIn) tabs.tell({ kind: 'signed-out', reason });
  throw new SignedOut();
}

function drop() {
  clearTimeout(timer);
  access = null;
  nonces.forget();
}

tabs.listen((message) => {
  if (message.kind === 'ask') share();
  if (message.kind === 'session') adopt(message);
  if (message.kind === 'signed-out') {
    drop();
    become('out', message.reason === 'signed-out' ? 'elsewhere' : message.reason);
  }
});

/** Whether somebody is at the page: what it asks for by itself would else keep the session alive. */
export const isAttended = () => document.visibilityState === 'visible' && Date.now() - lastInput < ATTENDED_MS;

function planRenewal() {
  clearTimeout(timer);
  if (!access) return;
  timer = setTimeout(renewIfAttended, Math.max(access.renewAt - Date.now(), 0));
}

function renewIfAttended() {
  if (!access || !isAttended() || Date.now() < access.renewAt) return;
  // A lost connection and a busy server show elsewhere, and the next request tries again.
  renew(access.token).catch(() => {});
}

for (const event of ['pointerdown', 'keydown', 'visibilitychange', 'focus']) {
  globalThis.addEventListener(
    event,
    () => {
      lastInput = Date.now();
      renewIfAttended();
    },
    { capture: true, passive: true },
  );
}

/** Finds out whether there is a session: in this tab, in another, or remembered. */
export async function start() {
  // The first visit, the most common one, waits for nobody.
  if (!nonces.kept().nonce && !(await tabs.othersAreOpen())) return become('out');
  try {
    await renew(null);
  } catch (error) {
    if (error instanceof SignedOut) return;
    throw error;
  }
}

/** Forgets a session that the server cannot make sense of, on this side only. */
export function giveUp() {
  drop();
  become('out');
}

async function signInAt(path, body, remembered) {
  const before = access;
  const response = await ask(path, jsonRequest('POST', { ...body, RememberMe: remembered }));
  if (!response.ok) throw await refusal(response);
  take(await response.json(), remembered);
  // One browser, one session: the one before has lost its cookie and would only lie about.
  if (before && before.session !== access.session) {
    const old = `/api/v1/sessions/${before.session}`;
    await ask(old, jsonRequest('DELETE', undefined, access.token)).catch(() => {});
  }
}

/** `code` where the second factor asks for one. */
export const signIn = (password, remembered, code) =>
  signInAt('/api/v1/auth/login', { Password: password, ...(code && { OneTimeCode: code }) }, remembered);

export const signInWithLink = (token, remembered) =>
  signInAt('/api/v1/auth/signin', { SigninToken: token }, remembered);

/**
 * Signs out here and in every other tab. Throws, and stays signed in, when the server did not confirm it. No tab renews
 * meanwhile: one that hears of the end of the session first would take it for another's doing.
 */
export function signOut() {
  return tabs.alone(async () => {
    const { nonce } = nonces.kept();
    const response = await ask('/api/v1/auth/refresh/logout', jsonRequest('POST', { Nonce: nonce }));
    if (!response.ok) throw await refusal(response);
    drop();
    become('out', 'signed-out');
    tabs.tell({ kind: 'signed-out', reason: 'signed-out' });
  });
}
