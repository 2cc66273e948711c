// Sends a browser that came from an application back to it, signed in. The session is the sign-in page's: the nonce lies where
// that page keeps it, and what is learned here is told to its tabs.
const OF_THIS_TAB = 'refreshNonce';
const REMEMBERED = 'v1:persist:duplicati:refreshNonce';
const ANSWER_TIME_MS = 250;

const query = new URLSearchParams(location.search);
const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('postern') : null;
const element = (id) => document.getElementById(id);

function post(path, body, token) {
  const headers = { 'Content-Type': 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(path, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
    cache: 'no-store',
    credentials: 'same-origin',
    redirect: 'error',
    signal: AbortSignal.timeout(40_000),
  });
}

function keptNonce() {
  const ofTab = sessionStorage.getItem(OF_THIS_TAB);
  if (ofTab) return { nonce: ofTab, remembered: false };
  return { nonce: localStorage.getItem(REMEMBERED), remembered: true };
}

function keepNonce(nonce, remembered) {
  if (remembered) {
    localStorage.setItem(REMEMBERED, nonce);
    sessionStorage.removeItem(OF_THIS_TAB);
  } else {
    sessionStorage.setItem(OF_THIS_TAB, nonce);
    localStorage.removeItem(REMEMBERED);
  }
}

// Other tabs hold the nonce that was good until now: they must hear of the new one.
function take(answer, remembered) {
  keepNonce(answer.RefreshNonce, remembered);
  const token = answer.AccessToken;
  const claims = JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
  const at = Date.now();
  const life = (claims.exp - claims.iat) * 1000;
  const access = { token, session: claims.sid, at, until: at + life, renewAt: at + life * 0.75 };
  channel?.postMessage({ kind: 'session', access, nonce: answer.RefreshNonce, remembered });
  return token;
}

/** The access token of another tab of the sign-in page, or null. */
function askOthers() {
  if (!channel) return null;
  return new Promise((resolve) => {
    const done = (token) => {
      clearTimeout(timer);
      channel.removeEventListener('message', hear);
      resolve(token);
    };
    const hear = ({ data }) => {
      if (data?.kind === 'session' && Date.now() < data.access.until) done(data.access.token);
    };
    const timer = setTimeout(() => done(null), ANSWER_TIME_MS);
    channel.addEventListener('message', hear);
    channel.postMessage({ kind: 'ask' });
  });
}

async function refreshed() {
  const { nonce, remembered } = keptNonce();
  if (!nonce) return null;
  const response = await post('/api/v1/auth/refresh', { Nonce: nonce });
  return response.ok ? take(await response.json(), remembered) : null;
}

async function findSession() {
  const { locks } = navigator;
  return (await askOthers()) ?? (locks ? locks.request('postern-refresh', refreshed) : refreshed());
}

/** Goes on to the application; false when the session is over. */
async function goOn(token) {
  const response = await post('/api/v1/gate/handoff', { To: query.get('to'), State: query.get('state') }, token);
  if (response.status === 401) return false;
  if (!response.ok) throw new Error((await response.json()).Error);
  location.replace((await response.json()).Location);
  return true;
}

// A code of the app or a recovery code, in the words of the sign-in page.
const OF_APP = {
  label: 'One-time code',
  hint: 'Six digits, from your authenticator app.',
  inputMode: 'numeric',
  autocomplete: 'one-time-code',
  turn: 'Use a recovery code',
};
const RECOVERY = {
  label: 'Recovery code',
  hint: 'One of the ten that you put away. Each works once.',
  inputMode: 'text',
  autocomplete: 'off',
  turn: 'Use a code of the app',
};
let kindOfCode = OF_APP;
// Until the form is shown again: a code that is sent twice is wrong the second time.
let busy = false;

/** The field for a code, empty, where one is asked for. */
function askForCode(asked) {
  const { label, hint, inputMode, autocomplete, turn } = kindOfCode;
  element('second').hidden = !asked;
  element('code-label').textContent = label;
  element('code-hint').textContent = hint;
  element('code-turn').textContent = turn;
  Object.assign(element('code'), { value: '', required: asked, inputMode, autocomplete });
}

const isCodeAsked = () => !element('second').hidden;

function showForm(problem) {
  busy = false;
  element('status').hidden = true;
  element('form').hidden = false;
  element('problem').textContent = problem;
  element(isCodeAsked() ? 'code' : 'password').focus();
}

async function signIn() {
  const remembered = element('remember').checked;
  const code = isCodeAsked() ? element('code').value : undefined;
  const response = await post('/api/v1/auth/login', {
    Password: element('password').value,
    RememberMe: remembered,
    OneTimeCode: code,
  });
  if (!response.ok) {
    const wait = response.headers.get('Retry-After');
    const { Error: told, Needs: needs } = await response.json();
    let text = told;
    if (response.status === 401) {
      askForCode(needs === 'OneTimeCode');
      if (!needs) text = 'That is not the password.';
      else text = code ? `${told}.` : '';
    }
    showForm(wait ? `${text}; try again in ${wait} s.` : text);
    return;
  }
  if (!(await goOn(take(await response.json(), remembered)))) showForm('The session ended at once.');
}

const explain = (error) => showForm(error instanceof TypeError ? 'The server does not answer.' : error.message);

element('form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (busy) return;
  busy = true;
  signIn().catch(explain);
});

element('code-turn').addEventListener('click', () => {
  kindOfCode = kindOfCode === OF_APP ? RECOVERY : OF_APP;
  askForCode(true);
  showForm('');
});

findSession()
  .then(async (token) => {
    if (!token || !(await goOn(token))) showForm('');
  })
  .catch(explain);
