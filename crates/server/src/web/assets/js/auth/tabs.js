// The other tabs of this page: one refreshes for all, and what one learns all know. Messages live in memory only and
// reach this origin only.
const ANSWER_TIME_MS = 250;
const TURN_TIME_MS = 5000;

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

/**
 * Does that while no other tab does the same. A tab that the browser froze may hold its turn for ever: then it is done
 * all the same, since the server gives two who come at once the same answer.
 */
export async function alone(work) {
  if (!locks) return work();
  const signal = AbortSignal.timeout(TURN_TIME_MS);
  let begun = false;
  const turn = () => {
    begun = true;
    return work();
  };
  try {
    return await locks.request('postern-refresh', { signal }, turn);
  } catch (error) {
    if (begun || !signal.aborted) throw error;
    return work();
  }
}

/** Whether another tab of this page is open, as far as this browser tells. */
export async function othersAreOpen() {
  if (!channel) return false;
  if (!locks) return true;
  const { held } = await locks.query();
  return held.filter((lock) => lock.name === 'postern-tab').length > 1;
}

/**
 * What the other tabs know of the session: the first answer that suffices, else the newest that came in time; null when
 * no other tab is open or none answers.
 */
export async function askOthers(suffices) {
  if (!(await othersAreOpen())) return null;
  return new Promise((resolve) => {
    let newest = null;
    const done = () => {
      clearTimeout(timer);
      channel.removeEventListener('message', hear);
      resolve(newest);
    };
    const hear = ({ data }) => {
      if (data.kind !== 'session') return;
      if (!newest || data.access.at > newest.access.at) newest = data;
      if (suffices(newest)) done();
    };
    const timer = setTimeout(done, ANSWER_TIME_MS);
    channel.addEventListener('message', hear);
    tell({ kind: 'ask' });
  });
}
