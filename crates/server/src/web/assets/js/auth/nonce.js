// The refresh nonce: the half of a refresh token that is the script's. The other half is a cookie that no script can
// read, and the nonce alone opens nothing.
//
// A session that is not remembered keeps it in this tab's sessionStorage, so that it ends with the tab; other tabs ask
// for it (tabs.js). A remembered session must outlive every tab, and localStorage is the only place that does and that
// all tabs share: the price of "keep me signed in" is that a copy of the browser's whole profile holds both halves.
// The names are those of the reference model's pages, so that its clients and this page can share a session.
const OF_THIS_TAB = 'refreshNonce';
const REMEMBERED = 'v1:persist:duplicati:refreshNonce';

/** The nonce and where it is from; `nonce` is null when there is none. */
export function kept() {
  const ofTab = sessionStorage.getItem(OF_THIS_TAB);
  if (ofTab) return { nonce: ofTab, remembered: false };
  const shared = localStorage.getItem(REMEMBERED);
  return { nonce: shared, remembered: Boolean(shared) };
}

/** Keeps a nonce in one place, and takes what lies in the other away. */
export function keep(nonce, remembered) {
  if (remembered) {
    localStorage.setItem(REMEMBERED, nonce);
    sessionStorage.removeItem(OF_THIS_TAB);
  } else {
    sessionStorage.setItem(OF_THIS_TAB, nonce);
    localStorage.removeItem(REMEMBERED);
  }
}

export function forgetOfThisTab() {
  sessionStorage.removeItem(OF_THIS_TAB);
}

export function forget() {
  forgetOfThisTab();
  localStorage.removeItem(REMEMBERED);
}
