// Loading what a view shows: once, again on demand, again when a lost connection is back, and every so often while
// somebody is at the page.
import { useCallback, useEffect, useRef, useState } from '../view.js';
import { watchConnection } from '../auth/connection.js';
import { SignedOut, isAttended } from '../auth/session.js';

/** `data` (null before the first answer), `error` of the last try, `reload`. `key` says when it is something else. */
export function useLoad(load, key = '', every = 0) {
  const [known, setKnown] = useState({ key, data: null, error: null });
  const latest = useRef(null);
  latest.current = load;
  const asked = useRef(0);

  const reload = useCallback(async () => {
    const number = ++asked.current;
    try {
      const data = await latest.current();
      if (number === asked.current) setKnown({ key, data, error: null });
    } catch (error) {
      // The sign-in page is on its way already.
      if (error instanceof SignedOut || number !== asked.current) return;
      setKnown((before) => ({ key, data: before.key === key ? before.data : null, error }));
    }
  }, [key]);

  useEffect(() => {
    reload();
    const stop = watchConnection((lost) => lost || reload());
    const timer = every && setInterval(() => isAttended() && reload(), every);
    return () => {
      asked.current += 1;
      stop();
      clearInterval(timer);
    };
  }, [reload, every]);

  return { data: known.key === key ? known.data : null, error: known.key === key ? known.error : null, reload };
}
