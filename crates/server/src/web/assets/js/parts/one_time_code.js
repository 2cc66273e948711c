// A one-time code: six digits of the app, or a recovery code in its place.
import { html, useEffect, useRef, useState } from '../view.js';
import { askWith } from '../auth/one_time_code.js';
import { Button, sentence } from './basics.js';
import { Dialog } from './dialog.js';
import { TextField } from './field.js';

const OF_APP = {
  label: 'One-time code',
  hint: 'Six digits, from your authenticator app.',
  inputmode: 'numeric',
  autocomplete: 'one-time-code',
};
const RECOVERY = { label: 'Recovery code', hint: 'One of the ten that you put away. Each works once.', autocomplete: 'off' };

/** What is wrong with a code, in words of the page. */
export const codeError = (refused, given) => (given ? sentence(refused.message) : null);

/**
 * The field; a telephone shows digits for the app's code, and letters for a recovery code. `kept` holds which of the two it was
 * where the field comes again.
 */
export function CodeField({ value, error, onInput, kept, ofAppOnly = false }) {
  const [recovery, setRecovery] = useState(kept?.current ?? false);
  const form = recovery ? RECOVERY : OF_APP;
  const turn = () => {
    onInput('');
    if (kept) kept.current = !recovery;
    setRecovery(!recovery);
  };
  return html`<div class="code-field">
    <${TextField}
      key=${form.label}
      ...${form}
      name="one-time-code"
      value=${value}
      error=${error}
      onInput=${onInput}
      autocapitalize="off"
      autocorrect=${false}
      spellcheck=${false}
      maxlength="64"
      autofocus
    />
    ${!ofAppOnly &&
    html`<${Button} look="quiet small" onClick=${turn}>${recovery ? 'Use a code of the app' : 'Use a recovery code'}</${Button}>`}
  </div>`;
}

/** Asks for a fresh code whenever a call of the house needs one. */
export function CodeAsker() {
  const [asked, setAsked] = useState(null);
  const [code, setCode] = useState('');
  const kept = useRef(false);
  useEffect(
    () =>
      askWith(
        (refused) =>
          new Promise((answer) => {
            setCode('');
            if (!refused.gave) kept.current = false;
            setAsked((before) => {
              before?.answer(null);
              return { answer, error: codeError(refused, refused.gave) };
            });
          }),
      ),
    [],
  );
  if (!asked) return null;
  const done = (answer) => {
    setAsked(null);
    asked.answer(answer);
  };
  const submit = (event) => {
    event.preventDefault();
    if (code) done(code);
  };
  const input = (text) => {
    setCode(text);
    if (asked.error) setAsked({ ...asked, error: null });
  };
  return html`<${Dialog} title="Is it you?" close=${() => done(null)}>
    <form onSubmit=${submit} novalidate>
      <p>This needs a fresh code of your second factor.</p>
      <${CodeField} value=${code} error=${asked.error} onInput=${input} kept=${kept} />
      <div class="dialog-actions">
        <${Button} onClick=${() => done(null)}>Cancel</${Button}>
        <${Button} type="submit" look="primary" disabled=${!code}>Go on</${Button}>
      </div>
    </form>
  </${Dialog}>`;
}
