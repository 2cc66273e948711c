// Before anything is drawn: the look that was chosen by hand on this browser, if one was. It is no secret.
(() => {
  try {
    const chosen = localStorage.getItem('postern:theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is switched off: the system's look it is.
  }
})();
