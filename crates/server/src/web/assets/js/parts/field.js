// Fields of forms: each with its label, what it takes, and what is wrong with it, tied together for screen readers.
import { html, useId, useState } from '../view.js';
import { IconButton } from './basics.js';
import { Icon } from './icon.js';

export function Field({ label, hint, error, children }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || null;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${children({ id, 'aria-describedby': described, 'aria-invalid': error ? 'true' : null })}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="field-error" id=${`${id}-error`} role="alert">${error}</p>`}
  </div>`;
}

export function TextField({ label, hint, error, value, onInput, type = 'text', ...rest }) {
  return html`<${Field} label=${label} hint=${hint} error=${error}>
    ${(ties) =>
      html`<input class="input" type=${type} value=${value} onInput=${(event) => onInput(event.target.value)} ...${ties} ...${rest} />`}
  </${Field}>`;
}

/** A password: shown on demand, with a word when Caps Lock is on. */
export function PasswordField({ label, hint, error, value, onInput, autocomplete, ...rest }) {
  const [shown, setShown] = useState(false);
  const [capsLock, setCapsLock] = useState(false);
  const look = (event) => setCapsLock(event.getModifierState?.('CapsLock') ?? false);
  return html`<${Field} label=${label} hint=${hint} error=${error}>
    ${(ties) =>
      html`<div class="with-button">
          <input
            class="input"
            type=${shown ? 'text' : 'password'}
            value=${value}
            autocomplete=${autocomplete}
            autocapitalize="off"
            autocorrect=${false}
            spellcheck=${false}
            maxlength="1024"
            onInput=${(event) => onInput(event.target.value)}
            onKeyDown=${look}
            onKeyUp=${look}
            onBlur=${() => setCapsLock(false)}
            ...${ties}
            ...${rest}
          />
          <${IconButton}
            name=${shown ? 'eye-off' : 'eye'}
            label=${shown ? 'Hide password' : 'Show password'}
            aria-pressed=${shown}
            onClick=${() => setShown(!shown)}
          />
        </div>
        <p class="caps-lock" role="status">${capsLock ? html`<${Icon} name="warning" size=${16} />Caps Lock is on` : ''}</p>`}
  </${Field}>`;
}

/** For password managers, which keep a name with each password: here there is one owner, and no name to type. */
export function UserNameForManagers() {
  return html`<input class="unseen" type="text" name="username" autocomplete="username" value="owner" readonly tabindex="-1" aria-hidden="true" />`;
}

export function Checkbox({ label, hint, checked, onChange }) {
  const id = useId();
  return html`<div class="check">
    <input type="checkbox" id=${id} checked=${checked} aria-describedby=${hint ? `${id}-hint` : null} onChange=${(event) => onChange(event.target.checked)} />
    <div>
      <label for=${id}>${label}</label>
      ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    </div>
  </div>`;
}

export function Choice({ label, hint, value, options, onChange }) {
  return html`<${Field} label=${label} hint=${hint}>
    ${(ties) =>
      html`<select class="input" value=${value} onChange=${(event) => onChange(event.target.value)} ...${ties}>
        ${options.map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
      </select>`}
  </${Field}>`;
}
