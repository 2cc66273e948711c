// What the owner must be told: a token that came a second time, a link used twice, a cookie tried with guesses. It stays
// until it was seen on this browser; what was seen last is a number, and no secret.
import { html, useState } from '../view.js';
import { get } from '../auth/api.js';
import { Button, Notice } from './basics.js';
import { Time } from './time.js';
import { ALARMING_ENDS, clientName, eventSentence } from '../words.js';

const SEEN = 'postern:alarms-seen';
const LOOK_BACK_MS = 30 * 86_400_000;

export async function alarms() {
  const since = new Date(Date.now() - LOOK_BACK_MS).toISOString();
  const { Events } = await get(`/api/v1/audit?kind=SessionEnded&limit=500&since=${encodeURIComponent(since)}`);
  return Events.filter((event) => ALARMING_ENDS.includes(event.Reason));
}

const from = (client) =>
  client ? `${clientName(client.UserAgent)}${client.Address ? ` at ${client.Address}` : ''}` : 'an unknown client';

export function SecurityNotices({ known }) {
  const [seen, setSeen] = useState(Number(localStorage.getItem(SEEN)) || 0);
  const open = known.filter((event) => event.Id > seen);
  if (open.length === 0) return null;
  const acknowledge = () => {
    localStorage.setItem(SEEN, String(open[0].Id));
    setSeen(open[0].Id);
  };
  return html`<${Notice}
    tone="bad"
    live="alert"
    title=${open.length === 1 ? 'Somebody may have a copy of a token' : `${open.length} sessions were ended as a precaution`}
    action=${html`<${Button} look="small" onClick=${acknowledge}>I have seen this</${Button}>`}
  >
    <ul class="plain-list">
      ${open.slice(0, 5).map(
        (event) => html`<li key=${event.Id}>
          <${Time} at=${event.At} />: ${eventSentence(event)}. It came from ${from(event.Client)}${event.LastClient
            ? `; the session was last used by ${from(event.LastClient)}`
            : ''}.
        </li>`,
      )}
    </ul>
    <p>
      If one of these was not you: <a href="#password">change the password</a>, and look at who is
      <a href="#sessions">signed in</a>.
    </p>
  </${Notice}>`;
}
