// Where a sign-in link leads. A link can come from anybody, so the page asks for a click first: looking at it uses
// nothing up, and nobody is signed in to something unawares.
import { html, useState } from '../view.js';
import { ConnectionLost } from '../auth/connection.js';
import { signInWithLink } from '../auth/session.js';
import { Button, Notice, sentence } from '../parts/basics.js';
import { Checkbox } from '../parts/field.js';
import { Doorstep } from '../parts/doorstep.js';

export function SignInByLink({ token, session, done }) {
  const [remembered, setRemembered] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [spent, setSpent] = useState(false);
  const elsewhere = session.is === 'in' ? 'Go to the overview' : 'Sign in with the password';

  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await signInWithLink(token, remembered);
      done();
    } catch (failure) {
      setBusy(false);
      setSpent(failure.status === 401);
      setError(inWords(failure));
    }
  };

  if (!token) {
    return html`<${Doorstep} title="This link is incomplete">
      <p class="quiet">Its last part is missing: it is used up, or it was not copied to its end.</p>
      <${AnotherLink} />
      <${Button} look="primary wide" onClick=${done}>${elsewhere}</${Button}>
    </${Doorstep}>`;
  }
  return html`<${Doorstep} title="Sign in with this link">
    <p class="quiet">
      ${session.is === 'in'
        ? 'You are signed in already. The link begins a new session in the place of this one.'
        : 'The link stands in for the password. It works once.'}
    </p>
    ${error && html`<${Notice} tone="bad" live="alert">${error}</${Notice}>`}
    ${spent
      ? html`<${AnotherLink} /><${Button} look="primary wide" onClick=${done}>${elsewhere}</${Button}>`
      : html`<form onSubmit=${submit}>
          <${Checkbox}
            label="Keep me signed in on this device"
            hint="For 30 days. Otherwise until you close this tab, or two hours without use."
            checked=${remembered}
            onChange=${setRemembered}
          />
          <${Button} type="submit" look="primary wide" busy=${busy}>Sign in</${Button}>
        </form>`}
  </${Doorstep}>`;
}

function AnotherLink() {
  return html`<p class="quiet">On the server, <code>postern signin-link</code> makes another one.</p>`;
}

function inWords(failure) {
  if (failure instanceof ConnectionLost) return 'The server does not answer. Try again in a moment.';
  if (failure.message === 'Signin token expired') return 'This link was good for a few minutes, and they are over.';
  if (failure.message === 'Signin tokens are disabled') return 'Sign-in links are switched off on this server.';
  if (failure.status === 401) {
    return 'This link does not work, or was used before. If you did not use it, somebody else may have: its session is ended now.';
  }
  return sentence(failure.message);
}
