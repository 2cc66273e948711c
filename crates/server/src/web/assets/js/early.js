// Before anything is drawn: the look that was chosen by hand on this browser, and whether the door is drawn at once, which it
// is not where a session may be known (auth/nonce.js) or a link is followed. Then the rest, behind the door's first frame.
(() => {
  const { dataset } = document.documentElement;
  let known = false;
  try {
    const chosen = localStorage.getItem('postern:theme');
    if (chosen === 'light' || chosen === 'dark') dataset.theme = chosen;
    known = Boolean(sessionStorage.getItem('refreshNonce') ?? localStorage.getItem('v1:persist:duplicati:refreshNonce'));
  } catch {
    // Storage is switched off: the system's look it is.
  }
  const drawn = !known && location.pathname !== '/signin';
  if (drawn) dataset.door = 'drawn';
  // Who presses Enter before there is anybody to take the password is not asked to press it again.
  addEventListener('keydown', ({ key, target }) => {
    if (key === 'Enter' && target.id === 'early-password') dataset.door = 'entered';
  });
  const rest = () => document.head.append(document.getElementById('rest').content);
  addEventListener('DOMContentLoaded', () => {
    // A tab in the background draws no frame.
    if (drawn && document.visibilityState === 'visible') requestAnimationFrame(() => setTimeout(rest));
    else rest();
  });
})();
