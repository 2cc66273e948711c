// What an owner wants to see at a glance: is all well, who is in, and when was what done last.
import { html } from '../view.js';
import { get } from '../auth/api.js';
import { Badge, Card, Loaded, Notice, PageHead, sentence } from '../parts/basics.js';
import { Icon } from '../parts/icon.js';
import { useLoad } from '../parts/load.js';
import { Time, duration } from '../parts/time.js';
import { SecurityNotices, alarms } from '../parts/security_notices.js';
import { backups } from '../backups.js';
import { clientIcon, clientName, count, eventSentence, WAYS } from '../words.js';

const PARTS = {
  rules: () => get('/api/v1/password'),
  alarms,
  doctor: () => get('/api/v1/doctor'),
  sessions: () => get('/api/v1/sessions'),
  signIns: () => get('/api/v1/audit?kind=SignedIn,PasswordRefused&limit=5'),
  keys: () => get('/api/v1/keys'),
  backups,
};

// All at once, so that no card pushes another away when it comes. One that fails says so in its place.
async function everything() {
  const names = Object.keys(PARTS);
  const settled = await Promise.allSettled(names.map((name) => PARTS[name]()));
  if (settled.every(({ status }) => status === 'rejected')) throw settled[0].reason;
  return Object.fromEntries(
    names.map((name, place) => [name, { data: settled[place].value ?? null, error: settled[place].reason ?? null }]),
  );
}

export function Overview() {
  const loaded = useLoad(everything, '', true);
  return html`<${PageHead} title="Overview" />
    <${Loaded} from=${loaded} lines=${8}>
      ${(parts) => html`<${SecurityNotices} known=${parts.alarms.data ?? []} />
        ${parts.rules.data?.Initial && html`<${FirstSteps} />`}
        <div class="grid">
          <${Health} from=${parts.doctor} />
          <${SignedInNow} from=${parts.sessions} />
          <${RecentSignIns} from=${parts.signIns} />
          <${KeyAges} from=${parts.keys} />
          <${LastBackup} from=${parts.backups} />
        </div>`}
    </${Loaded}>`;
}

function More({ href, children }) {
  return html`<a class="more" href=${href}>${children}<${Icon} name="chevron" size=${16} /></a>`;
}

function FirstSteps() {
  return html`<${Notice}
    tone="warn"
    title="Choose a password"
    action=${html`<a class="button primary" href="#password">Choose it now</a>`}
  >
    You came in by a link. Without a password of your own, the next time takes another link from the server.
  </${Notice}>`;
}

const TONES = { good: ['check', 'good'], warning: ['warning', 'warn'], wrong: ['warning', 'bad'] };

function Health({ from }) {
  return html`<${Card} title="Health" icon="pulse" tone="across">
    <${Loaded} from=${from}>
      ${({ Findings }) => {
        const open = Findings.filter((finding) => finding.Severity !== 'good');
        return html`<p class="figure">
            ${open.length === 0
              ? html`<span class="good"><${Icon} name="check" /></span> All is well`
              : html`<span class="warn"><${Icon} name="warning" /></span> ${count(open.length, 'thing needs', 'things need')} attention`}
          </p>
          ${open.length > 0 && html`<${FindingList} findings=${open} />`}
          <details>
            <summary>${count(Findings.length, 'check', 'checks')} made</summary>
            <${FindingList} findings=${Findings} />
          </details>`;
      }}
    </${Loaded}>
  </${Card}>`;
}

function FindingList({ findings }) {
  return html`<ul class="findings">
    ${findings.map((finding, place) => {
      const [icon, tone] = TONES[finding.Severity] ?? TONES.warning;
      return html`<li key=${place}>
        <span class=${tone}><${Icon} name=${icon} size=${18} /></span>
        <div>
          <p><strong>${finding.About}</strong><span class="unseen">: ${finding.Severity}</span></p>
          <p class="quiet">${sentence(finding.Found)}</p>
          ${finding.Mend && html`<p>${sentence(finding.Mend)}</p>`}
        </div>
      </li>`;
    })}
  </ul>`;
}

function SignedInNow({ from }) {
  return html`<${Card} title="Signed in now" icon="devices" action=${html`<${More} href="#sessions">Sessions</${More}>`}>
    <${Loaded} from=${from}>
      ${({ Sessions }) => {
        const mine = Sessions.find((session) => session.Current);
        const others = Sessions.filter((session) => !session.Current);
        return html`<ul class="rows">
          ${mine && html`<${SessionLine} session=${mine} />`}
          ${others.slice(0, 3).map((session) => html`<${SessionLine} key=${session.Id} session=${session} />`)}
          ${others.length > 3 && html`<li class="row quiet">and ${count(others.length - 3, 'other', 'others')}</li>`}
          ${others.length === 0 && html`<li class="row quiet">Nobody else.</li>`}
        </ul>`;
      }}
    </${Loaded}>
  </${Card}>`;
}

function SessionLine({ session }) {
  return html`<li class="row">
    <${Icon} name=${clientIcon(session.UserAgent)} />
    <div>
      <p>${clientName(session.UserAgent)} ${session.Current && html`<${Badge} tone="accent">This device</${Badge}>`}</p>
      <p class="quiet">Signed in ${WAYS[session.SignedInWith]} <${Time} at=${session.Created} /></p>
    </div>
  </li>`;
}

function RecentSignIns({ from }) {
  return html`<${Card} title="Last sign-ins" icon="activity" action=${html`<${More} href="#activity">Activity</${More}>`}>
    <${Loaded} from=${from}>
      ${({ Events }) => html`<ul class="rows">
        ${Events.map(
          (event) => html`<li class="row" key=${event.Id}>
            <span class=${event.Event === 'SignedIn' ? 'good' : 'warn'}>
              <${Icon} name=${event.Event === 'SignedIn' ? 'check' : 'warning'} />
            </span>
            <div>
              <p>${eventSentence(event)}</p>
              <p class="quiet">${clientName(event.Client.UserAgent)} · <${Time} at=${event.At} /></p>
            </div>
          </li>`,
        )}
      </ul>`}
    </${Loaded}>
  </${Card}>`;
}

function KeyAges({ from }) {
  return html`<${Card} title="Encryption keys" icon="seal" action=${html`<${More} href="#keys">Keys</${More}>`}>
    <${Loaded} from=${from}>
      ${({ SigningKeys, DataKeys }) => {
        const signing = SigningKeys.find((key) => key.State === 'active');
        const data = DataKeys.find((key) => key.State === 'active' && key.Purpose === 'data');
        return html`<dl class="facts">
          ${signing && html`<div><dt>Key that signs tokens</dt><dd>${duration(signing.Age)} old</dd></div>`}
          ${data && html`<div><dt>Key that seals the data</dt><dd>${duration(data.Age)} old</dd></div>`}
        </dl>`;
      }}
    </${Loaded}>
  </${Card}>`;
}

function LastBackup({ from }) {
  return html`<${Card} title="Last backup" icon="backup" action=${html`<${More} href="#backups">Backups</${More}>`}>
    <${Loaded} from=${from}>
      ${(known) => html`<p class="figure">${known.last ? html`<${Time} at=${known.last} />` : 'None that this server knows of'}</p>
        ${known.failed && html`<p class="bad">One that was due was not made.</p>`}
        ${!known.last && html`<p class="quiet">A copy elsewhere is the way back when this disk fails.</p>`}`}
    </${Loaded}>
  </${Card}>`;
}
