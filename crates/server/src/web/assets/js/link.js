// The token of a sign-in link. It is taken out of the address before anything else runs, so that it is in no history,
// no screenshot and no bookmark; it waits in memory for a click. Ours travels in the fragment, which no server sees;
// links made by other tools have it in the query.

function read(text) {
  return new URLSearchParams(text).get('token');
}

/** The token in this tab's address, or null; the address has none afterwards. */
export function takeToken() {
  if (location.pathname !== '/signin') return null;
  const token = read(location.hash.slice(1)) ?? read(location.search);
  if (location.hash || location.search) history.replaceState(null, '', '/signin');
  return token;
}
