// Who is signed in, and ending that.
import { html, useState } from '../view.js';
import { get, remove } from '../auth/api.js';
import { Badge, Button, Card, Empty, Loaded, PageHead } from '../parts/basics.js';
import { Confirm } from '../parts/dialog.js';
import { Icon } from '../parts/icon.js';
import { useLoad } from '../parts/load.js';
import { Time } from '../parts/time.js';
import { toast } from '../parts/toast.js';
import { clientIcon, clientName, count, WAYS } from '../words.js';

export function Sessions() {
  const sessions = useLoad(() => get('/api/v1/sessions'), '', true);
  const [asking, setAsking] = useState(null);
  const all = sessions.data?.Sessions ?? [];
  const mine = all.filter((session) => session.Current);
  const others = all.filter((session) => !session.Current);
  const close = () => setAsking(null);

  const endOthers = async () => {
    const { Ended } = await remove('/api/v1/sessions');
    toast(`${count(Ended, 'session', 'sessions')} ended`);
    sessions.reload();
  };
  const end = async (session) => {
    await remove(`/api/v1/sessions/${session.Id}`);
    toast('Session ended');
    sessions.reload();
  };

  return html`<${PageHead} title="Sessions" lead="Everybody who is signed in now. Ending a session counts at once.">
      <${Button} icon="sign-out" disabled=${others.length === 0} onClick=${() => setAsking('others')}>Sign out everywhere else</${Button}>
    </${PageHead}>
    <${Loaded} from=${sessions} lines=${4}>
      ${() => html`<${Card} title="This device">
          <ul class="rows">${mine.map((session) => html`<${Line} key=${session.Id} session=${session} />`)}</ul>
        </${Card}>
        <${Card} title="Elsewhere">
          ${others.length === 0
            ? html`<${Empty} icon="devices" title="Nobody else is signed in" />`
            : html`<ul class="rows">
                ${others.map((session) => html`<${Line} key=${session.Id} session=${session} end=${() => setAsking(session)} />`)}
              </ul>`}
        </${Card}>`}
    </${Loaded}>
    ${asking === 'others' &&
    html`<${Confirm} title="Sign out everywhere else?" verb="Sign out the others" act=${endOthers} close=${close}>
      <p>${count(others.length, 'session ends', 'sessions end')} at once. This one goes on.</p>
    </${Confirm}>`}
    ${asking &&
    asking !== 'others' &&
    html`<${Confirm} title="End this session?" verb="End the session" act=${() => end(asking)} close=${close}>
      <p>${clientName(asking.UserAgent)} has to sign in again. Whatever it is doing just now stops.</p>
    </${Confirm}>`}`;
}

function Line({ session, end }) {
  const name = clientName(session.UserAgent);
  return html`<li class="row">
    <${Icon} name=${clientIcon(session.UserAgent)} size=${22} />
    <div class="grow">
      <p>
        <strong title=${session.UserAgent}>${name}</strong>
        ${session.Remembered && html` <${Badge}>Remembered</${Badge}>`}
      </p>
      <p class="quiet">
        ${session.ClientAddress ?? 'This machine'} · signed in ${WAYS[session.SignedInWith]} <${Time} at=${session.Created} />
      </p>
      <p class="quiet">Last used <${Time} at=${session.LastUsed} /> · ends <${Time} at=${session.Expires} /> if it is not used</p>
    </div>
    ${end && html`<${Button} look="small" onClick=${end} aria-label=${`End the session of ${name}`}>End</${Button}>`}
  </li>`;
}
