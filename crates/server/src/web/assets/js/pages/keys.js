// The keys that sign and seal: how old they are, and new ones, with progress while what is sealed is sealed anew.
import { html, useEffect, useState } from '../view.js';
import { get, post } from '../auth/api.js';
import { Badge, Button, Card, Loaded, Notice, PageHead } from '../parts/basics.js';
import { Confirm } from '../parts/dialog.js';
import { Icon } from '../parts/icon.js';
import { useLoad } from '../parts/load.js';
import { Time, duration } from '../parts/time.js';
import { toast } from '../parts/toast.js';
import { count } from '../words.js';

const KINDS = {
  signing: ['Renew the signing key?', 'New access tokens are signed with a new key from now on. Nobody is signed out.'],
  data: [
    'Renew the data key?',
    'Everything that is sealed in the database is sealed anew under a new key, and the old key is destroyed. The server goes on meanwhile, and nobody is signed out.',
  ],
  all: ['Renew both keys?', 'A new signing key and a new data key. The server goes on meanwhile, and nobody is signed out.'],
};
const PHASES = {
  sweeping: 'Sealing everything anew',
  proving: 'Making sure that nothing is left under the old key',
  blocked: 'Stopped: something does not open',
  purging: 'Wiping the old key from the files',
};
const STATES = { active: ['In use', 'good'], retiring: ['Leaving', ''], destroyed: ['Destroyed', ''] };
const PURPOSES = { data: 'Seals data', index: 'Finds sealed data', integrity: 'Notices tampering' };

export function Keys() {
  const [running, setRunning] = useState(false);
  const keys = useLoad(() => get('/api/v1/keys'), '', true);
  const rotation = useLoad(() => get('/api/v1/keys/rotation'), '', true);
  const [asking, setAsking] = useState(null);
  const under = rotation.data?.Rotation ?? null;
  const moving = under !== null && under.Phase !== 'blocked';

  useEffect(() => {
    if (!rotation.data) return;
    if (running && under === null) toast('The new data key holds, and the old one is gone');
    setRunning(moving);
  }, [rotation.data]);

  const rotate = async () => {
    await post('/api/v1/keys/rotate', { Kind: asking });
    if (asking === 'signing') toast('A new key signs from now on');
    else setRunning(true);
    keys.reload();
    rotation.reload();
  };

  return html`<${PageHead}
      title="Encryption keys"
      lead="One key signs access tokens, another seals what is in the database. New ones can be made at any time."
    >
      <${Button} icon="renew" disabled=${moving} onClick=${() => setAsking('all')}>Renew both</${Button}>
    </${PageHead}>
    ${under && html`<${Progress} rotation=${under} />`}
    <${Loaded} from=${keys} lines=${5}>
      ${({ SigningKeys, DataKeys }) => html`<${Card}
          title="Signing keys"
          action=${html`<${Button} look="small" onClick=${() => setAsking('signing')}>Renew<span class="unseen"> the signing key</span></${Button}>`}
        >
          <ul class="rows">
            ${SigningKeys.toReversed().map(
              (key) => html`<${Line} key=${key.Kid} icon="password" name=${html`<code>${key.Kid.slice(0, 12)}</code>`} state=${key.State} age=${key.Age} />`,
            )}
          </ul>
          <p class="quiet">One that leaves still verifies the tokens it signed, for as long as they are good.</p>
        </${Card}>
        <${Card}
          title="Data keys"
          action=${html`<${Button} look="small" disabled=${moving} onClick=${() => setAsking('data')}>Renew<span class="unseen"> the data key</span></${Button}>`}
        >
          <ul class="rows">
            ${DataKeys.toReversed().map(
              (key) => html`<${Line} key=${key.Number} icon="seal" name=${`Key ${key.Number}`} state=${key.State} age=${key.Age}>
                ${PURPOSES[key.Purpose] ?? key.Purpose} · ${key.Algorithm} · ${count(key.FieldsSealed, 'field', 'fields')} sealed with it
              </${Line}>`,
            )}
          </ul>
        </${Card}>
        <${Card} title="What opens the database" icon="terminal">
          <p>
            The field password and the recovery key are looked after at a shell of the server, because a browser should
            never see them: <code>postern slots list</code>, <code>postern slots add recovery</code>.
          </p>
        </${Card}>`}
    </${Loaded}>
    ${asking &&
    html`<${Confirm} title=${KINDS[asking][0]} verb="Renew" dangerous=${false} act=${rotate} close=${() => setAsking(null)}>
      <p>${KINDS[asking][1]}</p>
    </${Confirm}>`}`;
}

function Line({ icon, name, state, age, children }) {
  const [words, tone] = STATES[state] ?? [state, ''];
  return html`<li class="row">
    <${Icon} name=${icon} />
    <div class="grow">
      <p><strong>${name}</strong> <${Badge} tone=${tone}>${words}</${Badge}></p>
      ${children && html`<p class="quiet">${children}</p>`}
    </div>
    <span class="quiet clock">${duration(age)} old</span>
  </li>`;
}

function Progress({ rotation }) {
  const { Phase, RowsDone, RowsTotal, Unopenable, Started } = rotation;
  const total = Math.max(RowsTotal, RowsDone, 1);
  return html`<${Card} title="A new data key" icon="renew" tone=${Phase === 'blocked' ? 'tone-bad' : 'tone-accent'}>
    <p role="status">${PHASES[Phase] ?? Phase}</p>
    <progress max=${total} value=${Phase === 'sweeping' ? RowsDone : total} aria-label="Progress"></progress>
    <p class="quiet">
      ${RowsDone.toLocaleString()} of ${total.toLocaleString()} rows · begun <${Time} at=${Started} />.
      ${Phase === 'blocked' ? '' : ' It goes on by itself, after a restart too.'}
    </p>
    ${Unopenable.length > 0 &&
    html`<${Notice} tone="bad" title=${`${count(Unopenable.length, 'field does', 'fields do')} not open, so the old key stays`}>
      <ul class="plain-list">
        ${Unopenable.map((field, place) => html`<li key=${place}>${field.Table}.${field.Column} of row ${field.Row}: ${field.Reason}</li>`)}
      </ul>
    </${Notice}>`}
  </${Card}>`;
}
