// The other tabs of this page: one refreshes for all, and what one learns all know. Messages live in memory only and
// reach this origin only.
const ANSWER_TIME_MS = 250;

const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('postern') : null;
const locks = navigator.locks ?? null;

// Held for as long as the tab lives, so that the others can be counted.
locks?.request('postern-tab', { mode: 'shared' }, () => new Promise(() => {}));

export function tell(message) {
  channel?.postMessage(message);
}

export function listen(heard) {
  channel?.addEventListener('message', (event) => heard(event.data));
}

/** Does that while no other tab does the same. */
export function alone(work) {
  return locks ? locks.request('postern-refresh', work) : work();
}

async function othersAreOpen() {
  if (!channel) return false;
  if (!locks) return true;
  const { held } = await locks.query();
  return held.filter((lock) => lock.name === 'postern-tab').length > 1;
}

/** What another tab knows of the session, the first that answers; null when none is open or none answers in time. */
export async function askOthers() {
  if (!(await othersAreOpen())) return null;
  return new Promise((resolve) => {
    const done = (answer) => {
      clearTimeout(timer);
      channel.removeEventListener('message', hear);
      resolve(answer);
    };
    const hear = (event) => {
      if (event.data.kind === 'session') done(event.data);
    };
    const timer = setTimeout(() => done(null), ANSWER_TIME_MS);
    channel.addEventListener('message', hear);
    tell({ kind: 'ask' });
  });
}
