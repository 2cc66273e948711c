// Moments in words: how long ago, with the exact time behind it.
import { html } from '../view.js';

const STEPS = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/** "3 hours ago", "in 2 days", "just now". */
export function relativeTo(moment, now = Date.now()) {
  const seconds = Math.round((new Date(moment) - now) / 1000);
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.round(seconds / length), unit);
  }
  return seconds > 0 ? 'in less than a minute' : 'just now';
}

/** "12 days", of a number of seconds. */
export function duration(seconds) {
  for (const [unit, length] of STEPS) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${unit}${count === 1 ? '' : 's'}`;
  }
  return 'less than a minute';
}

export const dayOf = (moment) => day.format(new Date(moment));

export function Time({ at }) {
  return html`<time datetime=${at} title=${exact.format(new Date(at))}>${relativeTo(at)}</time>`;
}

export function ClockTime({ at }) {
  return html`<time datetime=${at} title=${exact.format(new Date(at))}>${clock.format(new Date(at))}</time>`;
}
