// The door: one field, and one for a one-time code when it is asked for.
import { html, useLayoutEffect, useRef, useState } from '../view.js';
import { signIn } from '../auth/session.js';
import { ConnectionLost } from '../auth/connection.js';
import { Button, Notice, sentence } from '../parts/basics.js';
import { Checkbox, PasswordField, UserNameForManagers } from '../parts/field.js';
import { Doorstep } from '../parts/doorstep.js';
import { CodeField, codeError } from '../parts/one_time_code.js';

const REASONS = {
  'signed-out': ['good', 'You are signed out', 'Everything this session had opened is closed.'],
  elsewhere: ['good', 'You are signed out', 'You signed out in another tab.'],
  ended: [
    'info',
    'Your session has ended',
    'It was ended from elsewhere, or it ran out. After signing in, Activity tells what happened.',
  ],
};

export function SignIn({ reason }) {
  // What was typed at the door of the document, before this script was there.
  const [password, setPassword] = useState(() => document.getElementById('early-password')?.value ?? '');
  // `null`: no code was asked for.
  const [code, setCode] = useState(null);
  const [remembered, setRemembered] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const form = useRef(null);
  const focus = () =>
    (form.current?.querySelector('[name=one-time-code]') ?? form.current?.querySelector('input:not([aria-hidden])'))?.focus();
  // With the form, not after it is painted: whoever types at once is heard.
  useLayoutEffect(() => {
    focus();
    const { dataset } = document.documentElement;
    if (dataset.door !== 'entered') return;
    dataset.door = 'drawn';
    form.current.requestSubmit();
  }, []);

  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    if (!password) return setError('Type the password first.');
    if (code === '') return setError('Type the code first.');
    setBusy(true);
    setError(null);
    try {
      await signIn(password, remembered, code);
    } catch (failure) {
      setBusy(false);
      if (failure.needs === 'OneTimeCode') {
        setError(codeError(failure, code));
        setCode('');
      } else {
        // The password is asked for first again.
        if (failure.status === 401) setCode(null);
        setError(inWords(failure));
        focus();
      }
    }
  };
  useLayoutEffect(() => {
    if (code === '') focus();
  }, [code]);

  const [tone, title, text] = REASONS[reason] ?? [];
  return html`<${Doorstep} title="Sign in">
    ${title && html`<${Notice} tone=${tone} title=${title} live="status">${text}</${Notice}>`}
    <form ref=${form} onSubmit=${submit} novalidate>
      <${UserNameForManagers} />
      <${PasswordField}
        label="Password"
        name="password"
        autocomplete="current-password"
        value=${password}
        error=${code === null ? error : null}
        onInput=${(text) => {
          setPassword(text);
          setError(null);
        }}
      />
      ${code !== null &&
      html`<${CodeField}
        value=${code}
        error=${error}
        onInput=${(text) => {
          setCode(text);
          setError(null);
        }}
      />`}
      <${Checkbox}
        label="Keep me signed in on this device"
        hint="For 30 days. Otherwise until you close this tab, or two hours without use."
        checked=${remembered}
        onChange=${setRemembered}
      />
      <${Button} type="submit" look="primary wide" busy=${busy}>Sign in</${Button}>
    </form>
    <details class="help">
      <summary>No password at hand?</summary>
      <p>On the server, <code>postern signin-link</code> prints a link that signs you in once, within five minutes.</p>
    </details>
  </${Doorstep}>`;
}

/** Short waits are for want of a place; long ones follow wrong passwords, and then there are other ways in. */
function again(seconds) {
  if (!seconds) return 'Try again in a few seconds.';
  if (seconds < 10) return `Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`;
  const minutes = Math.ceil(seconds / 60);
  const wait = seconds < 120 ? `${seconds} seconds` : `${minutes} minutes`;
  return `Try again in ${wait}, from a browser that signed in here before, or with a link from the server.`;
}

function inWords(failure) {
  if (failure instanceof ConnectionLost) return 'The server does not answer. Try again in a moment.';
  if (failure.status === 401) return 'That is not the password.';
  if (failure.status === 429) return `Too many attempts. ${again(failure.retryAfter)}`;
  return sentence(failure.message);
}
