// What stands behind the gate: where it is, and which of its paths have rules of their own. The configuration says so; nothing
// can be changed here.
import { html } from '../view.js';
import { get } from '../auth/api.js';
import { Card, Empty, Loaded, PageHead } from '../parts/basics.js';
import { Icon } from '../parts/icon.js';
import { useLoad } from '../parts/load.js';

export function Applications() {
  const applications = useLoad(() => get('/api/v1/applications'));
  return html`<${PageHead} title="Applications" lead="Services that ask for your sign-in here before they let anybody in." />
    <${Loaded} from=${applications} lines=${3}>
      ${({ Applications: list }) =>
        list.length === 0
          ? html`<${Card}>
              <${Empty} icon="link" title="No application is behind this sign-in">
                One is added in the configuration file of the server, as <code>[application.NAME]</code>. With an <code>upstream</code> it is
                reached through this server; where there is another proxy, <code>postern gate recipe</code> prints that proxy’s part.
              </${Empty}>
            </${Card}>`
          : list.map((application) => html`<${One} key=${application.Name} application=${application} />`)}
    </${Loaded}>`;
}

function One({ application }) {
  const facts = [
    ['Service', application.Upstream ? [application.Upstream] : []],
    ['Open to anybody', application.Open],
    ['Closed to everybody', application.Closed],
    ['Is told who you are by', application.Identity],
    ['Gets besides', application.Headers],
  ];
  return html`<${Card} title=${application.Name}>
    <ul class="rows">
      ${application.Addresses.map(
        (address) => html`<li key=${address} class="row">
          <${Icon} name="link" /><a href=${address} rel="noopener">${address}</a>
        </li>`,
      )}
    </ul>
    <dl class="facts">
      ${facts
        .filter(([, values]) => values.length > 0)
        .map(
          ([name, values]) => html`<div key=${name}>
            <dt>${name}</dt>
            <dd>${values.map((value, at) => html`${at > 0 && ', '}<code key=${value}>${value}</code>`)}</dd>
          </div>`,
        )}
    </dl>
  </${Card}>`;
}
