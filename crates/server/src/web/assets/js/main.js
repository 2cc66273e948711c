// The page: whoever is signed in sees the house, everybody else its door.
import { takeToken } from './link.js';
import { Component, html, render, useEffect, useState } from './view.js';
import { ConnectionLost, watchConnection } from './auth/connection.js';
import { current, giveUp, start, watchSession } from './auth/session.js';
import { Button, Notice, sentence } from './parts/basics.js';
import { ConnectionBanner } from './parts/banner.js';
import { Doorstep } from './parts/doorstep.js';
import { SignIn } from './pages/signin.js';
import { SignInByLink } from './pages/signin_link.js';

let token = takeToken();

const doorIsDrawn = 'door' in document.documentElement.dataset;

// Asked before anything else is drawn.
const begun = start();
// Whoever draws hears of it; before that it is nobody's fault.
begun.catch(() => {});

const whenIdle = globalThis.requestIdleCallback ?? ((work) => setTimeout(work, 200));

// What only somebody who is signed in sees comes after the door, so that the door is there at once.
const loadHouse = () => import('./house.js');

function Inside() {
  const [House, setHouse] = useState(null);
  useEffect(() => {
    const broken = (error) => () => {
      throw error;
    };
    loadHouse().then(
      (loaded) => setHouse(() => loaded.House),
      (error) => setHouse(broken(error)),
    );
  }, []);
  return House ? html`<${House} />` : html`<${Starting} />`;
}

const Starting = () => html`<div class="starting" role="status"><span class="unseen">Loading</span></div>`;

function App() {
  const [session, setSession] = useState(current());
  const [failure, setFailure] = useState(null);
  const [link, setLink] = useState({ token, open: location.pathname === '/signin' });

  // A lost connection has its banner, and is tried again when it is back.
  const failed = (error) => setFailure(error instanceof ConnectionLost ? null : error);
  const begin = () => {
    setFailure(null);
    start().catch(failed);
  };

  useEffect(() => watchSession(setSession), []);
  useEffect(() => {
    begun.catch(failed);
    return watchConnection((lost) => lost || (current().is === 'starting' && begin()));
  }, []);
  useEffect(() => {
    // While somebody types, so that a connection that is lost later finds everything loaded.
    if (session.is === 'out') whenIdle(() => loadHouse().catch(() => {}));
  }, [session.is]);
  useEffect(() => {
    // A second link opened in this tab changes nothing but the fragment.
    const look = () => {
      const found = takeToken();
      if (found) setLink({ token: found, open: true });
    };
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);
  useEffect(() => {
    if (session.is === 'in' && !link.open && location.pathname !== '/') {
      history.replaceState(null, '', `/${location.hash}`);
    }
  }, [session, link]);

  const closeLink = () => {
    token = null;
    history.replaceState(null, '', '/');
    setLink({ token: null, open: false });
  };

  if (link.open && session.is !== 'starting') {
    return html`<${SignInByLink} key=${link.token} token=${link.token} session=${session} done=${closeLink} />`;
  }
  if (session.is === 'in') return html`<${Inside} />`;
  if (session.is === 'out' || (session.is === 'starting' && doorIsDrawn && !failure)) {
    return html`<${SignIn} reason=${session.reason} />`;
  }
  if (failure) {
    return html`<${Doorstep} title="The server cannot tell who you are">
      <${Notice} tone="bad" live="alert">${sentence(failure.message)}</${Notice}>
      <${Button} look="primary wide" onClick=${begin}>Try again</${Button}>
      <${Button} look="wide" onClick=${giveUp}>Sign in anew</${Button}>
    </${Doorstep}>`;
  }
  return html`<${Starting} />`;
}

/** A fault of this page must not leave an empty window. */
class Guarded extends Component {
  constructor() {
    super();
    this.state = { broken: false };
  }

  componentDidCatch(error) {
    console.error(error);
    this.setState({ broken: true });
  }

  render() {
    if (!this.state.broken) return this.props.children;
    return html`<main class="lone">
      <${Notice} tone="bad" title="Something on this page went wrong">
        <p>Nothing on the server has changed by it.</p>
        <p><${Button} look="primary" onClick=${() => location.reload()}>Load the page again</${Button}></p>
      </${Notice}>
    </main>`;
  }
}

render(html`<${Guarded}><${ConnectionBanner} /><${App} /></${Guarded}>`, document.getElementById('app'));
