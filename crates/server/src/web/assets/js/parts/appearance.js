// Light, dark, or as the system has it.
import { html, useState } from '../view.js';
import { Icon } from './icon.js';

const KEY = 'postern:theme';
const LOOKS = [
  ['system', 'As the system', 'system'],
  ['light', 'Light', 'sun'],
  ['dark', 'Dark', 'moon'],
];

export function Appearance() {
  const [look, setLook] = useState(document.documentElement.dataset.theme ?? 'system');
  const choose = (chosen) => {
    setLook(chosen);
    if (chosen === 'system') {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem(KEY);
    } else {
      document.documentElement.dataset.theme = chosen;
      localStorage.setItem(KEY, chosen);
    }
  };
  return html`<fieldset class="appearance">
    <legend class="unseen">Appearance</legend>
    ${LOOKS.map(
      ([name, label, icon]) => html`<label key=${name} title=${label}>
        <input type="radio" name="appearance" class="unseen" checked=${look === name} onChange=${() => choose(name)} />
        <${Icon} name=${icon} size=${17} /><span class="unseen">${label}</span>
      </label>`,
    )}
  </fieldset>`;
}
