// Whether the server answers. While it does not, one probe at a time asks, at growing intervals; when it does again,
// whoever waits is told.
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

/** The server gave no answer at all: nothing is known of what it did. */
export class ConnectionLost extends Error {
  constructor() {
    super('The server does not answer.');
  }
}

let lost = false;
let timer = null;
const watchers = new Set();

/** Calls with true when the connection is lost and with false when it is back. Returns how to stop. */
export function watchConnection(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export const isLost = () => lost;

function become(now) {
  if (lost === now) return;
  lost = now;
  for (const watcher of watchers) watcher(lost);
}

function probeIn(wait) {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    try {
      await fetch('/health', { cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(5000) });
      become(false);
    } catch {
      probeIn(Math.min(wait * 2, LONGEST_WAIT_MS));
    }
  }, wait);
}

function noteLoss() {
  if (lost) return;
  become(true);
  probeIn(FIRST_WAIT_MS);
}

// A browser that was asleep or moved between networks says so: ask at once.
for (const event of ['online', 'pageshow', 'visibilitychange']) {
  (event === 'visibilitychange' ? document : globalThis).addEventListener(event, () => {
    if (lost) probeIn(0);
  });
}

/** A request whose failure to get any answer is noted. */
export async function ask(path, options) {
  try {
    const response = await fetch(path, {
      cache: 'no-store',
      credentials: 'same-origin',
      redirect: 'error',
      // The server gives up after 30 seconds.
      signal: AbortSignal.timeout(40_000),
      ...options,
    });
    become(false);
    return response;
  } catch {
    noteLoss();
    throw new ConnectionLost();
  }
}
