// Choosing the access password: what it has to be is told while it is typed, by the same rule that decides at the end.
import { html, useEffect, useState } from '../view.js';
import { get, post, put } from '../auth/api.js';
import { SignedOut } from '../auth/session.js';
import { ActionError, Button, Card, Loaded, Notice, PageHead, sentence, useAction } from '../parts/basics.js';
import { PasswordField, UserNameForManagers } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { useLoad } from '../parts/load.js';
import { toast } from '../parts/toast.js';
import { SecondFactor } from './second_factor.js';

/** After the last key, so that not each letter is sent. */
const JUDGE_AFTER_MS = 350;

export function Password() {
  const rules = useLoad(() => get('/api/v1/password'));
  return html`<${PageHead}
      title="Password"
      lead="One password opens this door. Changing it signs out every other device."
    />
    <${Loaded} from=${rules} lines=${5}>
      ${(known) => html`<${Form} rules=${known} changed=${rules.reload} /><${SecondFactor} initial=${known.Initial} />`}
    </${Loaded}>`;
}

function Form({ rules, changed }) {
  const [currentPassword, setCurrent] = useState('');
  const [chosen, setChosen] = useState('');
  const [done, setDone] = useState(false);
  const judgement = useJudgement(chosen, rules.MinimumLength);
  const change = useAction(async () => {
    const body = { NewPassword: chosen };
    if (!rules.Initial) body.CurrentPassword = currentPassword;
    await put('/api/v1/password', body);
    setCurrent('');
    setChosen('');
    setDone(true);
    toast(rules.Initial ? 'Password set' : 'Password changed');
    changed();
  });
  const submit = (event) => {
    event.preventDefault();
    setDone(false);
    change.run();
  };
  const wrongCurrent = change.error?.status === 401 && !change.error.needs && !rules.Initial;

  return html`<${Card}>
    ${rules.Initial &&
    html`<${Notice} title="The first password">None was chosen yet, so none is asked for. Keep it in a password manager.</${Notice}>`}
    ${done && html`<${Notice} tone="good" live="status" title="The password holds">Every other session has ended.</${Notice}>`}
    <form class="narrow" onSubmit=${submit}>
      <${UserNameForManagers} />
      ${!rules.Initial &&
      html`<${PasswordField}
        label="Current password"
        autocomplete="current-password"
        value=${currentPassword}
        required
        error=${wrongCurrent ? 'That is not the current password.' : null}
        onInput=${(text) => {
          setCurrent(text);
          change.forget();
        }}
      />`}
      <${PasswordField}
        label="New password"
        autocomplete="new-password"
        value=${chosen}
        required
        hint="A few words in a row are easy to keep in mind and hard to guess."
        onInput=${(text) => {
          setChosen(text);
          change.forget();
        }}
      />
      <${Strength} chosen=${chosen} judgement=${judgement} minimum=${rules.MinimumLength} />
      ${!wrongCurrent && html`<${ActionError} error=${change.error} />`}
      <${Button} type="submit" look="primary" busy=${change.busy} disabled=${!judgement.accepted}>
        ${rules.Initial ? 'Set the password' : 'Change the password'}
      </${Button}>
    </form>
  </${Card}>`;
}

const characters = (text) => [...text.normalize('NFC')].length;

/** What the server says of a password that is long enough; `null` while it is not known. */
function useJudgement(chosen, minimum) {
  const [judged, setJudged] = useState({ of: '', accepted: false, reason: null });
  useEffect(() => {
    if (characters(chosen) < minimum) return undefined;
    let wanted = true;
    const timer = setTimeout(async () => {
      try {
        const { Accepted, Reason } = await post('/api/v1/password/judge', { NewPassword: chosen });
        if (wanted) setJudged({ of: chosen, accepted: Accepted, reason: Reason ?? null });
      } catch (error) {
        // It is judged again when it is sent.
        if (wanted && !(error instanceof SignedOut)) setJudged({ of: chosen, accepted: true, reason: null });
      }
    }, JUDGE_AFTER_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [chosen, minimum]);
  return judged.of === chosen && chosen ? judged : { accepted: false, reason: null, unknown: true };
}

// Length is what counts, by the guidance this server follows; twice the minimum fills the bar.
function Strength({ chosen, judgement, minimum }) {
  const length = characters(chosen);
  const enough = length >= minimum;
  const tone = judgement.reason ? 'bad' : judgement.accepted ? 'good' : '';
  const text = !chosen
    ? `At least ${minimum} characters`
    : !enough
      ? `${minimum - length} more to go`
      : judgement.reason
        ? sentence(judgement.reason)
        : judgement.accepted
          ? length >= minimum * 1.6
            ? 'Very good'
            : 'Good'
          : 'Looking…';
  return html`<div class="strength">
    <progress class=${tone} max=${minimum * 2} value=${Math.min(length, minimum * 2)} aria-label="Length of the new password"></progress>
    <p class=${tone || 'quiet'} role="status">
      ${tone && html`<${Icon} name=${tone === 'good' ? 'check' : 'warning'} size=${16} />`}${text}
    </p>
  </div>`;
}
