// The shape of requests and refusals: JSON, and an error with a text for a person.

/** The server refused, in its own words. */
export class Refused extends Error {
  constructor(status, body, retryAfter) {
    super(body?.Error ?? `The server answered with status ${status}.`);
    this.status = status;
    this.hint = body?.Hint ?? null;
    /** What the same call needs besides: `OneTimeCode`. */
    this.needs = body?.Needs ?? null;
    this.retryAfter = retryAfter;
  }
}

/** Refusal of an answer that was one, by its status, text and wait. */
export async function refusal(response) {
  const body = await response.json().catch(() => null);
  return new Refused(response.status, body, Number(response.headers.get('retry-after')) || null);
}

export function jsonRequest(method, body, token) {
  const headers = {};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (token) headers.Authorization = `Bearer ${token}`;
  return { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
}
