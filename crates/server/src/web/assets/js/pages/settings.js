// Settings, each by its type; a secret goes in and never comes out.
import { html, useState } from '../view.js';
import { get, put, remove } from '../auth/api.js';
import { ActionError, Badge, Button, Card, Empty, Loaded, PageHead, sentence, useAction } from '../parts/basics.js';
import { Confirm, Dialog } from '../parts/dialog.js';
import { Checkbox, PasswordField, TextField } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { useLoad } from '../parts/load.js';
import { toast } from '../parts/toast.js';

const TITLES = {
  instance_name: 'Name of this install',
  max_sessions: 'Most sessions at once',
  signin_tokens: 'Sign-in links',
  allow_forever_token: 'Long-lived tokens over the API',
};
const SECRET = 'secret.';

const titleOf = (setting) =>
  TITLES[setting.Key] ?? setting.Key.replaceAll('_', ' ').replace(/^./, (first) => first.toUpperCase());
const path = (key) => `/api/v1/settings/${encodeURIComponent(key)}`;

export function Settings() {
  const settings = useLoad(() => get('/api/v1/settings'));
  const [sought, setSought] = useState('');
  const [editing, setEditing] = useState(null);
  const [forgetting, setForgetting] = useState(null);
  const matches = (setting) =>
    `${titleOf(setting)} ${setting.Key} ${setting.Description}`.toLowerCase().includes(sought.trim().toLowerCase());
  const forget = async () => {
    await remove(path(forgetting));
    toast('Secret forgotten');
    settings.reload();
  };

  return html`<${PageHead} title="Settings" lead="They are kept sealed in the database and count at once." />
    <div class="search">
      <${Icon} name="search" />
      <input class="input" type="search" placeholder="Search settings" aria-label="Search settings" value=${sought} onInput=${(event) => setSought(event.target.value)} />
    </div>
    <${Loaded} from=${settings} lines=${6}>
      ${({ Settings: all }) => {
        const found = all.filter(matches);
        const secrets = found.filter((setting) => setting.Sensitive && setting.Key !== SECRET);
        const named = found.filter((setting) => !setting.Sensitive);
        return html`${found.length === 0 && html`<${Card}><${Empty} icon="search" title="No setting is like that" /></${Card}>`}
          ${named.length > 0 &&
          html`<${Card} title="General">
            ${named.map((setting) => html`<${Setting} key=${setting.Key} setting=${setting} changed=${settings.reload} />`)}
          </${Card}>`}
          ${(secrets.length > 0 || !sought) &&
          html`<${Card}
            title="Secrets of your own"
            action=${html`<${Button} look="small" icon="plus" onClick=${() => setEditing({ key: '' })}>Add a secret</${Button}>`}
          >
            ${secrets.length === 0
              ? html`<${Empty} icon="password" title="No secrets are kept">A secret goes in here, sealed, and is never shown again.</${Empty}>`
              : html`<ul class="rows">
                  ${secrets.map(
                    (setting) => html`<li class="row" key=${setting.Key}>
                      <${Icon} name="password" />
                      <div class="grow">
                        <p><strong class="mono">${setting.Key.slice(SECRET.length)}</strong> <${Badge} tone="good">Kept</${Badge}></p>
                      </div>
                      <${Button} look="small" onClick=${() => setEditing({ key: setting.Key })}>Replace</${Button}>
                      <${Button} look="small" onClick=${() => setForgetting(setting.Key)}>Forget</${Button}>
                    </li>`,
                  )}
                </ul>`}
          </${Card}>`}`;
      }}
    </${Loaded}>
    ${editing && html`<${EditSecret} known=${editing.key} close=${() => setEditing(null)} changed=${settings.reload} />`}
    ${forgetting &&
    html`<${Confirm} title="Forget this secret?" verb="Forget" act=${forget} close=${() => setForgetting(null)}>
      <p>What uses <code>${forgetting}</code> does without it from now on.</p>
    </${Confirm}>`}`;
}

function Setting({ setting, changed }) {
  const stored = setting.Value ?? setting.Default;
  const [typed, setTyped] = useState(null);
  const value = typed ?? stored;
  const save = useAction(async (next) => {
    setTyped(next);
    try {
      await put(path(setting.Key), { Value: setting.Type === 'integer' ? Number(next) : next });
      toast(`${titleOf(setting)}: saved`);
      await changed();
      setTyped(null);
    } catch (error) {
      // A switch goes back; what was typed stays, to be mended.
      if (setting.Type === 'boolean') setTyped(null);
      throw error;
    }
  });
  const reset = useAction(async () => {
    await remove(path(setting.Key));
    setTyped(null);
    toast(`${titleOf(setting)}: back to its default`);
    changed();
  });
  const changedByHand = typed !== null && String(typed) !== String(stored);
  const hint = sentence(setting.Description);

  const control =
    setting.Type === 'boolean'
      ? html`<${Checkbox} label=${titleOf(setting)} hint=${hint} checked=${value} onChange=${(checked) => save.run(checked)} />`
      : html`<form
          class="setting-form"
          onSubmit=${(event) => {
            event.preventDefault();
            save.run(value);
          }}
        >
          <${TextField}
            label=${titleOf(setting)}
            hint=${hint}
            type=${setting.Type === 'integer' ? 'number' : 'text'}
            value=${value}
            required
            onInput=${(text) => {
              setTyped(text);
              save.forget();
            }}
          />
          <${Button} type="submit" look=${changedByHand ? 'primary' : 'plain'} busy=${save.busy} disabled=${!changedByHand}>
            Save<span class="unseen"> ${titleOf(setting)}</span>
          </${Button}>
        </form>`;
  return html`<div class="setting">
    ${control}
    <p class="setting-foot quiet">
      <code>${setting.Key}</code>
      ${setting.Set &&
      html` · <button type="button" class="text-button" onClick=${reset.run}>Back to the default (${String(setting.Default)})</button>`}
    </p>
    <${ActionError} error=${save.error ?? reset.error} />
  </div>`;
}

function EditSecret({ known, close, changed }) {
  const [name, setName] = useState(known.slice(SECRET.length));
  const [secret, setSecret] = useState('');
  const save = useAction(async () => {
    await put(path(SECRET + name.trim()), { Value: secret });
    toast('Secret kept');
    changed();
    close();
  });
  const submit = (event) => {
    event.preventDefault();
    save.run();
  };
  return html`<${Dialog} title=${known ? 'Replace the secret' : 'Add a secret'} close=${close}>
    <form onSubmit=${submit} autocomplete="off">
      <${TextField}
        label="Name"
        hint="Small letters, digits, - and _."
        value=${name}
        onInput=${setName}
        readonly=${Boolean(known)}
        required
        pattern="[a-z0-9_\\-]{1,64}"
      />
      <${PasswordField} label="Secret" autocomplete="off" value=${secret} onInput=${setSecret} required />
      <${ActionError} error=${save.error} />
      <div class="dialog-actions">
        <${Button} onClick=${close}>Cancel</${Button}>
        <${Button} type="submit" look="primary" busy=${save.busy}>Keep it</${Button}>
      </div>
    </form>
  </${Dialog}>`;
}
