// The frame around every page of who is signed in: where one can go, which page is open, and the way out.
import { html, useEffect, useLayoutEffect, useRef, useState } from './view.js';
import { get } from './auth/api.js';
import { signOut } from './auth/session.js';
import { ActionError, Button, IconButton, instanceName, useAction } from './parts/basics.js';
import { Appearance } from './parts/appearance.js';
import { Icon } from './parts/icon.js';
import { CodeAsker } from './parts/one_time_code.js';
import { useLoad } from './parts/load.js';
import { Toasts } from './parts/toast.js';
import { Overview } from './pages/overview.js';
import { Sessions } from './pages/sessions.js';
import { Password } from './pages/password.js';
import { AccessKeys } from './pages/access_keys.js';
import { Applications } from './pages/applications.js';
import { Keys } from './pages/keys.js';
import { Settings } from './pages/settings.js';
import { Backups } from './pages/backups.js';
import { Activity } from './pages/activity.js';

const PLACES = [
  ['', 'Overview', 'home', Overview],
  ['sessions', 'Sessions', 'devices', Sessions],
  ['password', 'Password', 'password', Password],
  ['applications', 'Applications', 'link', Applications],
  ['access-keys', 'Access keys', 'key', AccessKeys],
  ['keys', 'Encryption keys', 'seal', Keys],
  ['backups', 'Backups', 'backup', Backups],
  ['settings', 'Settings', 'settings', Settings],
  ['activity', 'Activity', 'activity', Activity],
];

const here = () => {
  const name = location.hash.replace(/^#\/?/, '');
  return PLACES.find(([path]) => path === name) ?? PLACES[0];
};

function Places({ open, close }) {
  return html`<nav aria-label="Pages">
    <ul>
      ${PLACES.map(
        ([path, title, icon]) => html`<li key=${path}>
          <a href=${`#${path}`} aria-current=${path === open ? 'page' : null} onClick=${close}>
            <${Icon} name=${icon} /><span>${title}</span>
          </a>
        </li>`,
      )}
    </ul>
  </nav>`;
}

function WayOut() {
  const leaving = useAction(signOut);
  return html`<section class="way-out" aria-label="Sign out and appearance">
    <${ActionError} error=${leaving.error} />
    <div class="way-out-row">
      <${Button} look="quiet" icon="sign-out" busy=${leaving.busy} onClick=${leaving.run}>Sign out</${Button}>
      <${Appearance} />
    </div>
  </section>`;
}

export function House() {
  const [place, setPlace] = useState(here);
  const [menu, setMenu] = useState(false);
  const turned = useRef(false);
  const menuButton = useRef(null);

  useEffect(() => {
    const turn = () => {
      turned.current = true;
      setMenu(false);
      setPlace(here());
    };
    addEventListener('hashchange', turn);
    return () => removeEventListener('hashchange', turn);
  }, []);
  // Asked for its refusal only: a session that is ended elsewhere shows the door at once.
  useLoad(() => get('/api/v1/password'), '', true);
  const [path, title, , Page] = place;
  useEffect(() => {
    document.title = `${title} · ${instanceName}`;
    // After a turn of the page, not at the first sight of it.
    if (turned.current) {
      scrollTo(0, 0);
      document.getElementById('page-title')?.focus({ preventScroll: true });
    }
  }, [path]);
  // With the menu, not after it is painted: whoever is quick with Escape is heard.
  useLayoutEffect(() => {
    if (!menu) return undefined;
    const escape = (event) => {
      if (event.key !== 'Escape') return;
      setMenu(false);
      menuButton.current?.querySelector('button').focus();
    };
    addEventListener('keydown', escape);
    return () => removeEventListener('keydown', escape);
  }, [menu]);

  return html`<div class="house">
    <a
      class="skip"
      href="#page-title"
      onClick=${(event) => {
        event.preventDefault();
        document.getElementById('page-title')?.focus();
      }}
      >Skip to the page</a
    >
    <header class="top">
      <a class="brand" href="#"><span class="mark"><${Icon} name="door" size=${22} /></span><span>${instanceName}</span></a>
      <span class="menu-button" ref=${menuButton}>
        <${IconButton}
          name=${menu ? 'close' : 'menu'}
          label=${menu ? 'Close the menu' : 'Open the menu'}
          aria-expanded=${menu}
          aria-controls="side"
          onClick=${() => setMenu(!menu)}
        />
      </span>
    </header>
    <div class=${`side ${menu ? 'open' : ''}`} id="side">
      <${Places} open=${path} close=${() => setMenu(false)} />
      <${WayOut} />
    </div>
    <main><${Page} key=${path} /></main>
    <${Toasts} />
    <${CodeAsker} />
  </div>`;
}
