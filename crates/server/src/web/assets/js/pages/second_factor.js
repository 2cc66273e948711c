// The second factor, on the page of the password: scanned, confirmed, its recovery codes shown once, switched off.
import { html, useEffect, useRef, useState } from '../view.js';
import { get, post } from '../auth/api.js';
import { ActionError, Badge, Button, Card, Loaded, Notice, useAction } from '../parts/basics.js';
import { ShownOnce } from '../parts/copy.js';
import { PasswordField, UserNameForManagers } from '../parts/field.js';
import { useLoad } from '../parts/load.js';
import { CodeField } from '../parts/one_time_code.js';
import { save } from '../parts/save.js';
import { Time } from '../parts/time.js';
import { toast } from '../parts/toast.js';
import { count } from '../words.js';

/** With fewer left, it is time for new ones. */
const FEW = 3;

export function SecondFactor({ initial }) {
  const known = useLoad(() => get('/api/v1/second-factor'), '', true);
  const [codes, setCodes] = useState(null);
  return html`<${Card}
    title="Second factor"
    icon="phone"
    action=${known.data && html`<${Badge} tone=${known.data.On ? 'good' : ''}>${known.data.On ? 'On' : 'Off'}</${Badge}>`}
  >
    <${Loaded} from=${known} lines=${2}>
      ${(factor) => {
        if (codes) return html`<${RecoveryCodes} codes=${codes} close=${() => setCodes(null)} />`;
        if (factor.On) return html`<${On} factor=${factor} changed=${known.reload} />`;
        const on = (shown) => {
          setCodes(shown);
          known.reload();
        };
        return html`<${Off} initial=${initial} on=${on} />`;
      }}
    </${Loaded}>
  </${Card}>`;
}

function Off({ initial, on }) {
  const [password, setPassword] = useState(null);
  const [begun, setBegun] = useState(null);
  const begin = useAction(async () => {
    setBegun(await post('/api/v1/second-factor', { CurrentPassword: password }));
    setPassword(null);
  });
  if (begun) return html`<${Confirm} begun=${begun} on=${on} close=${() => setBegun(null)} />`;
  const submit = (event) => {
    event.preventDefault();
    begin.run();
  };
  const wrong = begin.error?.status === 401;
  return html`<p>
      After the password, a code of an authenticator app is asked for. Whoever learns the password alone does not get in.
    </p>
    ${initial
      ? html`<p class="quiet">Set a password first.</p>`
      : password === null
        ? html`<p><${Button} onClick=${() => setPassword('')}>Set it up</${Button}></p>`
        : html`<form class="narrow" onSubmit=${submit} novalidate>
            <${UserNameForManagers} />
            <${PasswordField}
              label="Your password"
              autocomplete="current-password"
              value=${password}
              autofocus
              error=${wrong ? 'That is not the password.' : null}
              onInput=${(text) => {
                setPassword(text);
                begin.forget();
              }}
            />
            ${!wrong && html`<${ActionError} error=${begin.error} />`}
            <${Button} type="submit" look="primary" busy=${begin.busy} disabled=${!password}>Go on</${Button}>
          </form>`}`;
}

function Confirm({ begun, on, close }) {
  const [code, setCode] = useState('');
  const confirm = useAction(async () => {
    const { RecoveryCodes } = await post('/api/v1/second-factor/confirm', { OneTimeCode: code });
    on(RecoveryCodes);
  });
  const submit = (event) => {
    event.preventDefault();
    confirm.run();
  };
  const wrong = confirm.error?.status === 400;
  return html`<p>Scan this with an authenticator app, or type the key into it.</p>
    <${QrCode} svg=${begun.Svg} />
    <${ShownOnce} label="The key, to type" text=${begun.Secret} />
    <form class="narrow" onSubmit=${submit} novalidate>
      <${CodeField}
        ofAppOnly
        value=${code}
        error=${wrong ? 'That is not the code the app should show. Is the time of both devices right?' : null}
        onInput=${(text) => {
          setCode(text);
          confirm.forget();
        }}
      />
      ${!wrong && html`<${ActionError} error=${confirm.error} />`}
      <div class="dialog-actions">
        <${Button} onClick=${close}>Cancel</${Button}>
        <${Button} type="submit" look="primary" busy=${confirm.busy} disabled=${!code}>Switch it on</${Button}>
      </div>
    </form>`;
}

// No text becomes markup on this page: what the server drew is drawn again from its numbers. The first path is the paper.
function QrCode({ svg }) {
  const box = /viewBox="([\d ]+)"/.exec(svg)?.[1];
  const dark = [...svg.matchAll(/ d="([MhvHVZz\d .-]+)"/g)].at(-1)?.[1];
  return html`<svg class="qr" viewBox=${box} role="img" aria-label="QR code for an authenticator app" shape-rendering="crispEdges">
    <path d=${dark} />
  </svg>`;
}

function RecoveryCodes({ codes, close }) {
  const [copied, setCopied] = useState(false);
  const notice = useRef(null);
  useEffect(() => notice.current.focus(), []);
  const text = `${codes.join('\n')}\n`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // Not every browser lets a page write there: the download is beside it.
      toast('This browser does not let a page copy');
    }
  };
  const download = () => save({ name: `recovery-codes-${location.hostname}.txt`, bytes: new Blob([text], { type: 'text/plain' }) });
  return html`<div ref=${notice} tabindex="-1">
      <${Notice} tone="warn" title="The second factor is on. Put these recovery codes away.">
        They are shown this once. Each signs in once in the place of the app, on the day you have lost it.
      </${Notice}>
    </div>
    <ol class="recovery-codes mono" aria-label="Recovery codes">
      ${codes.map((code) => html`<li key=${code}>${code}</li>`)}
    </ol>
    <div class="dialog-actions">
      <${Button} icon=${copied ? 'check' : 'copy'} onClick=${copy}>${copied ? 'Copied' : 'Copy'}</${Button}>
      <${Button} icon="download" onClick=${download}>Download</${Button}>
      <${Button} look="primary" onClick=${close}>I have put them away</${Button}>
    </div>`;
}

function On({ factor, changed }) {
  const off = useAction(async () => {
    await post('/api/v1/second-factor/off');
    toast('The second factor is off');
    changed();
  });
  const left = factor.RecoveryCodesLeft;
  return html`<p>
      On since <${Time} at=${factor.Since} /> · ${count(left, 'recovery code', 'recovery codes')} left.
    </p>
    ${left < FEW &&
    html`<${Notice} tone="warn" title="Few recovery codes are left">Switching it off and on again makes ten new ones.</${Notice}>`}
    <p class="quiet">Sessions from before it was on stay open; <a href="#sessions">Sessions</a> ends them.</p>
    <${ActionError} error=${off.error} />
    <p><${Button} busy=${off.busy} onClick=${off.run}>Switch it off</${Button}></p>`;
}
