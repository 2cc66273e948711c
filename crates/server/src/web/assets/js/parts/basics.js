// What pages are made of: headings, cards, buttons, notices, and the four states of what is loaded.
import { html, useEffect, useRef, useState } from '../view.js';
import { ConnectionLost } from '../auth/connection.js';
import { Icon } from './icon.js';

/** What its owner calls this install. */
export const instanceName = document.querySelector('meta[name="instance-name"]').content;

/** The head of a page; it gets the focus when the page is turned to, so that a screen reader begins there. */
export function PageHead({ title, lead, children }) {
  return html`<header class="page-head">
    <div>
      <h1 tabindex="-1" id="page-title">${title}</h1>
      ${lead && html`<p class="lead">${lead}</p>`}
    </div>
    ${children && html`<div class="actions">${children}</div>`}
  </header>`;
}

export function Card({ title, icon, action, children, tone, ...rest }) {
  return html`<section class=${`card ${tone ?? ''}`.trim()} ...${rest}>
    ${title &&
    html`<div class="card-head">
      <h2>${icon && html`<${Icon} name=${icon} />`}${title}</h2>
      ${action}
    </div>`}
    ${children}
  </section>`;
}

/** A button that shows that it works on it, and takes no second press meanwhile. */
export function Button({ children, icon, look = 'plain', busy = false, disabled, ...rest }) {
  return html`<button type="button" class=${`button ${look}`} aria-busy=${busy} disabled=${disabled || busy} ...${rest}>
    ${busy ? html`<span class="spinner" aria-hidden="true"></span>` : icon && html`<${Icon} name=${icon} size=${18} />`}
    <span>${children}</span>
  </button>`;
}

export function IconButton({ name, label, ...rest }) {
  return html`<button type="button" class="icon-button" aria-label=${label} title=${label} ...${rest}>
    <${Icon} name=${name} />
  </button>`;
}

const TONES = { info: 'info', good: 'check', warn: 'warning', bad: 'warning' };

export function Notice({ tone = 'info', title, children, live, action }) {
  return html`<div class=${`notice ${tone}`} role=${live ?? null}>
    <${Icon} name=${TONES[tone]} />
    <div class="notice-body">
      ${title && html`<p class="notice-title">${title}</p>`}
      ${children && html`<div>${children}</div>`}
    </div>
    ${action}
  </div>`;
}

export function Badge({ tone = '', children }) {
  return html`<span class=${`badge ${tone}`}>${children}</span>`;
}

export function Empty({ icon, title, children }) {
  return html`<div class="empty">
    <${Icon} name=${icon} size=${28} />
    <p class="empty-title">${title}</p>
    ${children && html`<div class="quiet">${children}</div>`}
  </div>`;
}

/** Lines that stand where text will be, so that nothing jumps when it comes. */
export function Loading({ lines = 3 }) {
  return html`<div class="skeleton" role="status">
    <span class="unseen">Loading</span>
    ${Array.from({ length: lines }, (_, line) => html`<div class="skeleton-line" key=${line}></div>`)}
  </div>`;
}

export function Failed({ error, retry }) {
  const lost = error instanceof ConnectionLost;
  return html`<${Notice}
    tone=${lost ? 'warn' : 'bad'}
    live="alert"
    title=${lost ? 'The server does not answer' : 'This could not be loaded'}
    action=${retry && html`<${Button} look="small" onClick=${retry}>Try again</${Button}>`}
  >
    ${lost ? 'It is asked again by itself.' : sentence(error.message)}
  </${Notice}>`;
}

/** What was loaded with `useLoad`, in whichever state it is; what was there stays while it is loaded anew. */
export function Loaded({ from, lines, children }) {
  if (from.data !== null) return children(from.data);
  if (from.error) return html`<${Failed} error=${from.error} retry=${from.reload} />`;
  return html`<${Loading} lines=${lines} />`;
}

/** Puts what was asked for into words of its own: a capital and a full stop. */
export function sentence(text) {
  if (!text) return '';
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** Runs what a press asks for: whether it runs, what went wrong, and how to start it. */
export function useAction(work) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const alive = useRef(true);
  useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);
  const run = async (...args) => {
    setBusy(true);
    setError(null);
    try {
      return await work(...args);
    } catch (failure) {
      if (alive.current) setError(failure);
      return undefined;
    } finally {
      if (alive.current) setBusy(false);
    }
  };
  return { busy, error, run, forget: () => setError(null) };
}

/** An action's failure, in the server's words. */
export function ActionError({ error }) {
  if (!error) return null;
  const wait = error.retryAfter ? ` Try again in ${error.retryAfter} seconds.` : '';
  const lost = error instanceof ConnectionLost;
  const text = lost ? 'The server does not answer. Nothing is known to have changed; try again.' : sentence(error.message);
  return html`<${Notice} tone="bad" live="alert">${text}${wait} ${error.hint && html`<span>${sentence(error.hint)}</span>`}</${Notice}>`;
}
