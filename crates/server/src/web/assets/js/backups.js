// Making and fetching backups. Which routes a server has is asked of it: one without them says 404 or 501.
import { get, post } from './auth/api.js';
import { ask } from './auth/connection.js';
import { refusal } from './auth/wire.js';

/** `last`: when the last one was taken, or null; `failed`: when one that was due was not made, if that came later. */
export async function backups() {
  const { Events } = await get('/api/v1/audit?kind=BackupTaken,BackupFailed&limit=50');
  const last = Events.find((event) => event.Event === 'BackupTaken');
  const failed = Events[0]?.Event === 'BackupFailed' ? Events[0] : null;
  return { last: last?.At ?? null, failed: failed?.At ?? null };
}

/** A backup, with the name the server gives it; null when this server makes none over the API. */
export async function makeBackup() {
  const { Token } = await post('/api/v1/auth/issuetoken/backup');
  // The operation token is good for this one request: the access token never travels with a download.
  const response = await ask('/api/v1/backup', {
    method: 'POST',
    headers: { Authorization: `Bearer ${Token}` },
    signal: undefined,
  });
  if (response.status === 404 || response.status === 501) return null;
  if (!response.ok) throw await refusal(response);
  const named = /filename="?([\w.-]+)"?/.exec(response.headers.get('content-disposition') ?? '');
  return { name: named?.[1] ?? `postern-${new Date().toISOString().slice(0, 10)}.backup`, bytes: await response.blob() };
}
