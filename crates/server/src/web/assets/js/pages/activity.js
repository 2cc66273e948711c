// The audit log: what happened, who did it, newest first; it can be followed while it happens.
import { html, useEffect, useRef, useState } from '../view.js';
import { get } from '../auth/api.js';
import { Button, Card, Empty, Failed, Loading, PageHead } from '../parts/basics.js';
import { Checkbox, Choice } from '../parts/field.js';
import { Icon } from '../parts/icon.js';
import { useLoad } from '../parts/load.js';
import { ClockTime, dayOf } from '../parts/time.js';
import { clientName, eventIcon, eventSentence, isAlarming } from '../words.js';

const PAGE = 50;

const GROUPS = {
  all: ['Everything', ''],
  'sign-ins': ['Sign-ins', 'SignedIn,PasswordRefused,SigninTokenIssued'],
  sessions: ['Sessions that ended', 'SessionEnded,SessionsEnded'],
  refused: ['Wrong passwords', 'PasswordRefused'],
  password: ['Password and settings', 'PasswordChanged,SettingChanged'],
  'access-keys': ['Access keys', 'AccessKeyCreated,AccessKeyRevoked'],
  backups: ['Backups', 'BackupTaken,BackupFailed,DatabaseRestored'],
  keys: [
    'Encryption keys',
    'SigningKeyCreated,SlotAdded,SlotChanged,SlotRemoved,MasterKeyReplaced,DataKeyRotationBegun,DataKeyRotationCalledOff,DataKeyDestroyed',
  ],
};
const SPANS = {
  all: ['Any time', 0],
  hour: ['The last hour', 3_600_000],
  day: ['The last 24 hours', 86_400_000],
  week: ['The last 7 days', 7 * 86_400_000],
  month: ['The last 30 days', 30 * 86_400_000],
};
const options = (list) => Object.entries(list).map(([value, [text]]) => [value, text]);

function address({ group, span, before }) {
  const query = new URLSearchParams({ limit: PAGE });
  if (GROUPS[group][1]) query.set('kind', GROUPS[group][1]);
  if (SPANS[span][1]) query.set('since', new Date(Date.now() - SPANS[span][1]).toISOString());
  if (before) query.set('before', before);
  return `/api/v1/audit?${query}`;
}

export function Activity() {
  const [group, setGroup] = useState('all');
  const [span, setSpan] = useState('all');
  const [follow, setFollow] = useState(false);
  const filter = `${group} ${span}`;
  const newest = useLoad(() => get(address({ group, span })), filter, follow);
  const older = useOlder(filter, (before) => get(address({ group, span, before })));

  const first = newest.data?.Events ?? [];
  const known = new Set(first.map((event) => event.Id));
  const events = [...first, ...older.events.filter((event) => !known.has(event.Id))];
  const next = older.loaded ? older.next : (newest.data?.Next ?? null);

  return html`<${PageHead} title="Activity" lead="Everything that happened at this door, newest first." />
    <${Card}>
      <div class="filters">
        <${Choice} label="Show" value=${group} options=${options(GROUPS)} onChange=${setGroup} />
        <${Choice} label="From" value=${span} options=${options(SPANS)} onChange=${setSpan} />
        <${Checkbox} label="Follow" hint="New events come by themselves" checked=${follow} onChange=${setFollow} />
      </div>
      ${newest.error && html`<${Failed} error=${newest.error} retry=${newest.reload} />`}
      ${newest.data === null && !newest.error && html`<${Loading} lines=${8} />`}
      ${newest.data !== null && events.length === 0 && html`<${Empty} icon="activity" title="Nothing of that kind happened" />`}
      <div role=${follow ? 'log' : null}>
        ${days(events).map(
          ([day, list]) => html`<section key=${day} class="day">
            <h2>${day}</h2>
            <ul class="rows tight">${list.map((event) => html`<${Line} key=${event.Id} event=${event} />`)}</ul>
          </section>`,
        )}
      </div>
      ${older.error && html`<${Failed} error=${older.error} retry=${() => older.more(next)} />`}
      ${next !== null &&
      html`<p class="centre"><${Button} busy=${older.busy} onClick=${() => older.more(next)}>Show earlier events</${Button}></p>`}
    </${Card}>`;
}

/** Pages after the first, for as long as the filter is the same. */
function useOlder(filter, load) {
  const blank = { filter, events: [], next: null, loaded: false, busy: false, error: null };
  const [kept, setKept] = useState(blank);
  const state = kept.filter === filter ? kept : blank;
  const latest = useRef(filter);
  useEffect(() => {
    latest.current = filter;
  }, [filter]);
  const more = async (before) => {
    setKept({ ...state, busy: true, error: null });
    try {
      const page = await load(before);
      if (latest.current !== filter) return;
      setKept({ ...blank, events: [...state.events, ...page.Events], next: page.Next ?? null, loaded: true });
    } catch (error) {
      if (latest.current === filter) setKept({ ...state, busy: false, error });
    }
  };
  return { ...state, more };
}

function days(events) {
  const groups = new Map();
  for (const event of events) {
    const day = dayOf(event.At);
    groups.set(day, [...(groups.get(day) ?? []), event]);
  }
  return [...groups];
}

function Line({ event }) {
  const { UserAgent, Address } = event.Client;
  return html`<li class="row">
    <span class=${isAlarming(event) ? 'warn' : 'quiet'}><${Icon} name=${eventIcon(event)} /></span>
    <div class="grow">
      <p>${eventSentence(event)}</p>
      <p class="quiet" title=${UserAgent}>${clientName(UserAgent)}${Address ? ` · ${Address}` : ''}</p>
    </div>
    <span class="quiet clock"><${ClockTime} at=${event.At} /></span>
  </li>`;
}
