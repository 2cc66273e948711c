// A calm word at the top while the server does not answer. It lies over the page, so that nothing moves.
import { html, useEffect, useState } from '../view.js';
import { isLost, watchConnection } from '../auth/connection.js';

export function ConnectionBanner() {
  const [lost, setLost] = useState(isLost());
  useEffect(() => {
    setLost(isLost());
    return watchConnection(setLost);
  }, []);
  return html`<div class="banner-place" role="status">
    ${lost &&
    html`<p class="banner">
      <span class="spinner" aria-hidden="true"></span>The server does not answer. Trying again; you stay signed in.
    </p>`}
  </div>`;
}
