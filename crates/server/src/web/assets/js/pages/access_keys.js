// Keys for scripts: made with a name, a limit and an end, shown once, revoked at once.
import { html, useState } from '../view.js';
import { get, post, remove } from '../auth/api.js';
import { ActionError, Badge, Button, Card, Empty, Loaded, Notice, PageHead, useAction } from '../parts/basics.js';
import { ShownOnce } from '../parts/copy.js';
import { Confirm, Dialog } from '../parts/dialog.js';
import { Checkbox, Choice, TextField } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { useLoad } from '../parts/load.js';
import { Time } from '../parts/time.js';
import { toast } from '../parts/toast.js';
import { SCOPES } from '../words.js';

const DAY = 86_400;
const LIVES = [
  ['7', '7 days'],
  ['30', '30 days'],
  ['90', '90 days'],
  ['180', 'half a year'],
  ['365', 'one year'],
];
const SOON_MS = 14 * DAY * 1000;

export function AccessKeys() {
  const keys = useLoad(() => get('/api/v1/access-keys'), '', true);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState(null);
  const revoke = async () => {
    await remove(`/api/v1/access-keys/${encodeURIComponent(revoking.Id)}`);
    toast('Access key revoked');
    keys.reload();
  };
  const makeOne = html`<${Button} look="primary" icon="plus" onClick=${() => setMaking(true)}>New access key</${Button}>`;

  return html`<${PageHead} title="Access keys" lead="For scripts and programs, in the place of the password: for the API, or for an application behind the gate.">
      ${makeOne}
    </${PageHead}>
    <${Card}>
      <${Loaded} from=${keys} lines=${3}>
        ${({ AccessKeys: list }) =>
          list.length === 0
            ? html`<${Empty} icon="key" title="There are no access keys">A script that needs one gets its own, so that it can be revoked alone.</${Empty}>`
            : html`<ul class="rows">
                ${list.map((key) => html`<${Line} key=${key.Id} accessKey=${key} revoke=${() => setRevoking(key)} />`)}
              </ul>`}
      </${Loaded}>
    </${Card}>
    ${making && html`<${NewKey} close=${() => setMaking(false)} made=${keys.reload} />`}
    ${revoking &&
    html`<${Confirm} title=${`Revoke “${revoking.Name}”?`} verb="Revoke" act=${revoke} close=${() => setRevoking(null)}>
      <p>What uses it stops working at once. It cannot be brought back.</p>
    </${Confirm}>`}`;
}

function Line({ accessKey, revoke }) {
  const left = new Date(accessKey.Expires) - Date.now();
  return html`<li class="row">
    <${Icon} name="key" size=${22} />
    <div class="grow">
      <p>
        <strong>${accessKey.Name}</strong>
        ${accessKey.Scopes.map((scope) => html` <${Badge} key=${scope}>${SCOPES[scope]?.[0] ?? scope}</${Badge}>`)}
        ${left <= 0 && html` <${Badge} tone="bad">Expired</${Badge}>`}
        ${left > 0 && left < SOON_MS && html` <${Badge} tone="warn">Expires soon</${Badge}>`}
      </p>
      <p class="quiet">
        Made <${Time} at=${accessKey.Created} /> · ends <${Time} at=${accessKey.Expires} /> ·
        ${accessKey.LastUsed ? html` last used <${Time} at=${accessKey.LastUsed} />` : ' never used'}
      </p>
    </div>
    <${Button} look="small" onClick=${revoke} aria-label=${`Revoke ${accessKey.Name}`}>Revoke</${Button}>
  </li>`;
}

/** What a key is good for at an application: its host, perhaps one folder of it, perhaps reading only. */
const gateScope = ({ host, path, reads }) => {
  const folder = path.trim().replace(/\/+$/, '');
  return `gate:${host}${folder && !folder.startsWith('/') ? '/' : ''}${folder}${reads ? ':GET' : ''}`;
};

function NewKey({ close, made }) {
  const [name, setName] = useState('');
  const [scope, setScope] = useState('api:read');
  const [gate, setGate] = useState({ host: '', path: '', reads: false });
  const applications = useLoad(() => get('/api/v1/applications'));
  const addresses = (applications.data?.Applications ?? []).flatMap(({ Addresses }) => Addresses);
  const hosts = [...new Set(addresses.map((address) => new URL(address).hostname))];
  const scopes = hosts.length > 0 ? { ...SCOPES, gate: ['An application', 'Pass the gate to a service behind it'] } : SCOPES;
  const [days, setDays] = useState('90');
  const [secret, setSecret] = useState(null);
  const make = useAction(async () => {
    const answer = await post('/api/v1/access-keys', { Name: name.trim(), Scopes: [scope === 'gate' ? gateScope({ ...gate, host: gate.host || hosts[0] }) : scope], ExpiresIn: Number(days) * DAY });
    setSecret(answer.Secret);
    made();
  });
  const submit = (event) => {
    event.preventDefault();
    make.run();
  };

  if (secret) {
    return html`<${Dialog} title=${`“${name.trim()}” is ready`} close=${close}>
      <${Notice} tone="warn">This is the only time it is shown. Copy it to where it is needed.</${Notice}>
      <${ShownOnce} label="The access key" text=${secret} />
      <p class="quiet">Programs send it as <code>Authorization: Bearer …</code></p>
      <div class="dialog-actions"><${Button} onClick=${close}>Done</${Button}></div>
    </${Dialog}>`;
  }
  return html`<${Dialog} title="New access key" close=${close}>
    <form onSubmit=${submit}>
      <${TextField} label="Name" hint="What will use it: “backup job”, “dashboard”." value=${name} onInput=${setName} required maxlength="64" autocomplete="off" />
      <fieldset class="options">
        <legend>What it may do</legend>
        ${Object.entries(scopes).map(
          ([value, [title, text]]) => html`<label class="option" key=${value}>
            <input type="radio" name="scope" checked=${scope === value} onChange=${() => setScope(value)} />
            <span><strong>${title}</strong><span class="quiet">${text}</span></span>
          </label>`,
        )}
      </fieldset>
      ${scope === 'gate' &&
      html`<${Choice}
          label="Application"
          value=${gate.host || hosts[0]}
          options=${hosts.map((host) => [host, host])}
          onChange=${(host) => setGate({ ...gate, host })}
        />
        <${TextField}
          label="Path"
          hint="With all below it. Empty: everything."
          value=${gate.path}
          onInput=${(path) => setGate({ ...gate, path })}
          autocomplete="off"
        />
        <${Checkbox} label="Reading only" hint="GET and HEAD." checked=${gate.reads} onChange=${(reads) => setGate({ ...gate, reads })} />`}
      <${Choice} label="Good for" value=${days} options=${LIVES} onChange=${setDays} />
      <${ActionError} error=${make.error} />
      <div class="dialog-actions">
        <${Button} onClick=${close}>Cancel</${Button}>
        <${Button} type="submit" look="primary" busy=${make.busy}>Make the key</${Button}>
      </div>
    </form>
  </${Dialog}>`;
}
