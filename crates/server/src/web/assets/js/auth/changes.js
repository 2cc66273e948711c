// Hearing of changes, so that nothing is asked in vain: one web socket while somebody is at the page, and where none can be had
// (a proxy that lets none through) a look every so often.
import { ask } from './connection.js';
import { accessToken, current, isAttended, watchSession } from './session.js';
import { jsonRequest } from './wire.js';

/** While there is no socket, everything is looked at this often; while there is one, which may be dead without showing it, this. */
const LOOK_MS = 10_000;
const LOOK_ANYHOW_MS = 60_000;
/** Between two looks, however much changes. */
const PAUSE_MS = 1000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

const watchers = new Set();
let socket = null;
let opening = false;
let wait = FIRST_WAIT_MS;
let retry = null;
let told = 0;
let telling = null;
/** Something may have changed while nobody was at the page. */
let missed = false;

/** Calls after changes while somebody is at the page, once a second at most. Returns how to stop. */
export function watchChanges(watcher) {
  watchers.add(watcher);
  keepOpen();
  return () => watchers.delete(watcher);
}

function tell() {
  telling ??= setTimeout(
    () => {
      telling = null;
      told = Date.now();
      missed = !isAttended();
      if (!missed) for (const watcher of watchers) watcher();
    },
    Math.max(told + PAUSE_MS - Date.now(), 0),
  );
}

async function keepOpen() {
  if (socket || opening || retry || current().is !== 'in' || !isAttended()) return;
  opening = true;
  try {
    const path = '/api/v1/auth/issuetoken/websocket';
    const response = await ask(path, jsonRequest('POST', undefined, await accessToken()));
    if (!response.ok) throw new Error('no token for a socket');
    open((await response.json()).Token);
  } catch {
    again();
  } finally {
    opening = false;
  }
}

function open(token) {
  socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/api/v1/events`);
  socket.onopen = () => socket.send(JSON.stringify({ Token: token }));
  let heard = false;
  socket.onmessage = () => {
    heard = true;
    wait = FIRST_WAIT_MS;
    tell();
  };
  socket.onclose = () => {
    socket = null;
    // The session may be over, or the server be away: whoever asks next learns it.
    if (heard) tell();
    again();
  };
}

function again() {
  clearTimeout(retry);
  retry = setTimeout(atOnce, wait);
  wait = Math.min(wait * 2, LONGEST_WAIT_MS);
}

function atOnce() {
  clearTimeout(retry);
  retry = null;
  attend();
}

function attend() {
  keepOpen();
  if (missed && isAttended()) tell();
}

watchSession(({ is }) => {
  if (is === 'in') {
    wait = FIRST_WAIT_MS;
    atOnce();
  } else {
    socket?.close();
  }
});

for (const [event, then] of [
  ['visibilitychange', atOnce],
  ['online', atOnce],
  ['pointerdown', attend],
  ['keydown', attend],
]) {
  globalThis.addEventListener(event, then, { capture: true, passive: true });
}

setInterval(() => {
  const isOpen = socket?.readyState === WebSocket.OPEN;
  if (!isOpen || Date.now() - told >= LOOK_ANYHOW_MS) tell();
}, LOOK_MS);
