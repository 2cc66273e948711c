// What the API says in names, in words for people.

const BROWSERS = [
  [/Edg\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/Firefox\//, 'Firefox'],
  [/HeadlessChrome\//, 'Chrome'],
  [/Chrome\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];
const SYSTEMS = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X/, 'Mac'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
];
const find = (list, text) => list.find(([pattern]) => pattern.test(text))?.[1];

/** "Firefox on Linux"; what a client calls itself is a hint and no proof. */
export function clientName(userAgent) {
  if (!userAgent) return 'Unknown client';
  if (userAgent.startsWith('postern command line')) return 'The command line';
  if (userAgent.startsWith('postern server')) return 'The server itself';
  const browser = find(BROWSERS, userAgent);
  const system = find(SYSTEMS, userAgent);
  if (browser) return system ? `${browser} on ${system}` : browser;
  return userAgent.split(/[ /]/)[0] || 'Unknown client';
}

export function clientIcon(userAgent) {
  if (/iPhone|Android.*Mobile/.test(userAgent)) return 'phone';
  return find(BROWSERS, userAgent ?? '') ? 'computer' : 'terminal';
}

export const WAYS = { password: 'with the password', 'signin-token': 'with a sign-in link' };
const EVENT_WAYS = { Password: 'with the password', SigninToken: 'with a sign-in link' };

const ENDS = {
  SignedOut: 'the owner signed out',
  Revoked: 'it was ended from elsewhere',
  RefreshTokenReused: 'its token came a second time, so a copy may be in other hands',
  SigninTokenReused: 'its sign-in link was used a second time, so a copy may be in other hands',
  WrongNonces: 'somebody tried its cookie with wrong second halves',
  PasswordChanged: 'the password was changed',
  Crowded: 'there were too many sessions',
  EveryKeyReplaced: 'every key was replaced',
  Restored: 'a backup was put in the place of the database',
};

/** Ends that tell of somebody else. */
export const ALARMING_ENDS = ['RefreshTokenReused', 'SigninTokenReused', 'WrongNonces'];

const PURPOSES = {
  SignIn: 'at sign-in',
  IssueSigninToken: 'for a sign-in link',
  ChangePassword: 'when changing it',
  ChangeSecondFactor: 'when changing the second factor',
  CreateAccessKey: 'for an access key',
  RotateKeys: 'for new keys',
  TakeBackup: 'for a backup',
};

/** What means the password itself there means another thing for a code. */
const ASKED_FOR_CODE = { ChangePassword: 'when changing the password' };

const SENTENCES = {
  InstallCreated: () => 'Postern was set up',
  SignedIn: (event) => `Signed in ${EVENT_WAYS[event.Way] ?? ''}`,
  PasswordRefused: (event) => `A wrong password was refused ${PURPOSES[event.Purpose] ?? ''}`,
  SessionEnded: (event) => `A session ended: ${ENDS[event.Reason] ?? event.Reason}`,
  SessionsEnded: (event) => `${event.Count} sessions ended: ${ENDS[event.Reason] ?? event.Reason}`,
  SecondFactorOn: () => 'The second factor was switched on',
  SecondFactorOff: () => 'The second factor was switched off',
  RecoveryCodeUsed: (event) => `A recovery code was used; ${event.Left} are left`,
  OneTimeCodeRefused: (event) => `A wrong one-time code was refused ${ASKED_FOR_CODE[event.Purpose] ?? PURPOSES[event.Purpose] ?? ''}`,
  ThrottleCleared: () => 'Wrong passwords were forgotten',
  PasswordChanged: () => 'The password was changed',
  SigninTokenIssued: () => 'A sign-in link was made',
  AccessKeyCreated: (event) => `The access key “${event.Name}” was made`,
  AccessKeyRevoked: (event) => `The access key “${event.Name}” was revoked`,
  SettingChanged: (event) => `The setting ${event.Key} was changed`,
  SigningKeyCreated: () => 'A new key signs access tokens',
  SlotAdded: (event) => `A way to open the database was added (slot ${event.Slot})`,
  SlotChanged: (event) => `A way to open the database has a new secret (slot ${event.Slot})`,
  SlotRemoved: (event) => `A way to open the database was removed (slot ${event.Slot})`,
  MasterKeyReplaced: () => 'The master key was replaced',
  DataKeyRotationBegun: (event) => `Data key ${event.New} seals from now on in the place of key ${event.Old}`,
  DataKeyRotationCalledOff: () => 'The new data key was called off',
  BackupTaken: () => 'A backup was taken',
  BackupFailed: () => 'A backup that was due was not made',
  DatabaseRestored: () => 'A backup was put in the place of the database',
  DataKeyDestroyed: (event) => `Data key ${event.Key} was destroyed`,
};

/** An event of the audit log as a sentence; one that this page does not know yet is named by its name. */
export function eventSentence(event) {
  const known = SENTENCES[event.Event];
  return known ? known(event).trim() : event.Event.replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
}

const EVENT_ICONS = {
  SignedIn: 'check',
  PasswordRefused: 'warning',
  SessionEnded: 'sign-out',
  SessionsEnded: 'sign-out',
  PasswordChanged: 'password',
  SecondFactorOn: 'phone',
  SecondFactorOff: 'phone',
  SigninTokenIssued: 'link',
  AccessKeyCreated: 'key',
  AccessKeyRevoked: 'key',
  SettingChanged: 'settings',
  InstallCreated: 'door',
  BackupTaken: 'backup',
  DatabaseRestored: 'backup',
};

export const isAlarming = (event) =>
  ['PasswordRefused', 'OneTimeCodeRefused', 'BackupFailed'].includes(event.Event) || ALARMING_ENDS.includes(event.Reason ?? '');

export const eventIcon = (event) => (isAlarming(event) ? 'warning' : (EVENT_ICONS[event.Event] ?? 'seal'));

export const SCOPES = {
  'api:read': ['Read only', 'Look at everything, change nothing'],
  api: ['Read and change', 'Everything but passwords and access keys'],
  metrics: ['Metrics', 'Read the server’s figures for a monitor'],
};

export const count = (number, one, many) => `${number} ${number === 1 ? one : many}`;
