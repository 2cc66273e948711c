// The frame around what is asked of somebody who is not in yet.
import { html, useEffect } from '../view.js';
import { Appearance } from './appearance.js';
import { instanceName } from './basics.js';
import { Icon } from './icon.js';

export function Doorstep({ title, children }) {
  useEffect(() => {
    document.title = `${title} · ${instanceName}`;
  }, [title]);
  return html`<div class="doorstep">
    <main class="doorstep-card">
      <p class="brand"><span class="mark"><${Icon} name="door" size=${26} /></span><span>${instanceName}</span></p>
      <h1>${title}</h1>
      ${children}
    </main>
    <footer class="doorstep-foot"><span>${location.host}</span><${Appearance} /></footer>
  </div>`;
}
