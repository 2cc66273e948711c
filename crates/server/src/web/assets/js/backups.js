// Making and fetching backups. Which routes a server has is asked of it: one without them says 404 or 501.
import { get, post } from './auth/api.js';
import { ask } from './auth/connection.js';
import { refusal } from './auth/wire.js';

/** `last`: when the last one was made, or null; `list`: those that the server keeps, or null when it keeps none. */
export async function backups() {
  try {
    const { Events } = await get('/api/v1/audit?kind=BackupMade,BackupDownloaded&limit=1');
    return { last: Events[0]?.At ?? null };
  } catch (error) {
    if (error.status === 404 || error.status === 501) return { last: null };
    throw error;
  }
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
