// A secret that is shown once, with a button that copies it.
import { html, useEffect, useRef, useState } from '../view.js';
import { Button } from './basics.js';

export function ShownOnce({ label, text }) {
  const field = useRef(null);
  const [copied, setCopied] = useState(false);
  useEffect(() => field.current.focus(), []);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Not every browser lets a page write there: then it is selected, for the person to copy.
      field.current.select();
    }
  };
  return html`<div class="shown-once">
    <input ref=${field} class="input mono" readonly aria-label=${label} value=${text} onFocus=${(event) => event.target.select()} />
    <${Button} look="primary" icon=${copied ? 'check' : 'copy'} onClick=${copy}>${copied ? 'Copied' : 'Copy'}</${Button}>
    <span class="unseen" role="status">${copied ? 'Copied' : ''}</span>
  </div>`;
}
