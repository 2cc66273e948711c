// A word that something was done, at the foot of the page; read out, and gone by itself.
import { html, useEffect, useState } from '../view.js';
import { Icon } from './icon.js';

const SHOWN_MS = 5000;

let show = null;

export function toast(text) {
  show?.({ text });
}

export function Toasts() {
  const [shown, setShown] = useState(null);
  useEffect(() => {
    show = setShown;
    return () => {
      show = null;
    };
  }, []);
  useEffect(() => {
    if (!shown) return undefined;
    const timer = setTimeout(() => setShown(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [shown]);
  return html`<div class="toasts" role="status">
    ${shown && html`<p class="toast"><${Icon} name="check" size=${18} />${shown.text}</p>`}
  </div>`;
}
