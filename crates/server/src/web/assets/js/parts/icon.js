// Pictures, from one file of this origin. They say nothing to a screen reader: the words beside them do.
import { html } from '../view.js';

const FILE = new URL('../../icons.svg', import.meta.url).pathname;

export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" width=${size} height=${size} aria-hidden="true" focusable="false">
    <use href=${`${FILE}#${name}`} />
  </svg>`;
}
