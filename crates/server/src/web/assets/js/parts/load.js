// Loading what a view shows: once, again on demand, again when a lost connection is back, and where it is live, again after
// changes while somebody is at the page.
import { useCallback, useEffect, useRef, useState } from '../view.js';
import { watchChanges } from '../auth/changes.js';
import { watchConnection } from '../auth/connection.js';
import { SignedOut } from '../auth/session.js';

/** `data` (null before the first answer), `error` of the last try, `reload`. `key` says when it is something else. */
export function useLoad(load, key = '', live = false) {
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
    const stops = [watchConnection((lost) => lost || reload()), ...(live ? [watchChanges(reload)] : [])];
    return () => {
      asked.current += 1;
      for (const stop of stops) stop();
    };
  }, [reload, live]);

  return { data: known.key === key ? known.data : null, error: known.key === key ? known.error : null, reload };
}
