// Hearing of changes, so that nothing is asked in vain: one web socket while somebody is at the page, and where none can be had
// (a proxy that lets none through) a look every so often.
import { ask } from './connection.js';
import { accessToken, current, isAttended, watchSession } from './session.js';
import { jsonRequest } from './wire.js';

/** While there is no socket, everything is looked at this often. */
const LOOK_MS = 10_000;
/** Between two looks, however much changes. */
const PAUSE_MS = 1000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

const watchers = new Set();
let socket = null;
let opening = false;
let wait = FIRST_WAIT_MS;
let told = 0;
let telling = null;

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
      if (isAttended()) for (const watcher of watchers) watcher();
    },
    Math.max(told + PAUSE_MS - Date.now(), 0),
  );
}

async function keepOpen() {
  if (socket || opening || current().is !== 'in' || !isAttended()) return;
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
  socket.onmessage = () => {
    wait = FIRST_WAIT_MS;
    tell();
  };
  socket.onclose = () => {
    socket = null;
    // The session may be over, or the server be away: whoever asks next learns it.
    tell();
    again();
  };
}

function again() {
  setTimeout(keepOpen, wait);
  wait = Math.min(wait * 2, LONGEST_WAIT_MS);
}

watchSession(({ is }) => {
  if (is === 'in') keepOpen();
  else socket?.close();
});

for (const event of ['visibilitychange', 'focus', 'online']) {
  globalThis.addEventListener(event, keepOpen, { capture: true, passive: true });
}

setInterval(() => {
  if (socket?.readyState === WebSocket.OPEN) return;
  keepOpen();
  tell();
}, LOOK_MS);
