// One call of the API: JSON in, JSON out, with the access token; an expired one is renewed on the way and never shows.
import { ask } from './connection.js';
import { codeFor } from './one_time_code.js';
import { accessToken, renew } from './session.js';
import { jsonRequest, refusal } from './wire.js';

/** Calls with the access token and gives the response, which may be a refusal. */
export async function request(method, path, body) {
  const token = await accessToken();
  const response = await ask(path, jsonRequest(method, body, token));
  // Only the token's own refusal; a wrong password is a 401 too. The next token of the session decides.
  if (response.status !== 401 || !(await isAboutTheToken(response))) return response;
  return ask(path, jsonRequest(method, body, await renew(token)));
}

async function isAboutTheToken(response) {
  const body = await response.clone().json().catch(() => null);
  return body?.Error === 'Authorization failed';
}

// What is dangerous needs a one-time code while the second factor is on: then the person is asked, and it is called again.
async function call(method, path, body) {
  let response = await request(method, path, body);
  let gave = false;
  while (!response.ok) {
    const refused = await refusal(response);
    const code = refused.needs === 'OneTimeCode' ? await codeFor(Object.assign(refused, { gave })) : null;
    if (code === null) throw refused;
    gave = true;
    response = await request(method, path, { ...body, OneTimeCode: code });
  }
  return response.status === 204 ? null : response.json();
}

export const get = (path) => call('GET', path);
export const post = (path, body) => call('POST', path, body);
export const put = (path, body) => call('PUT', path, body);
export const remove = (path) => call('DELETE', path);
