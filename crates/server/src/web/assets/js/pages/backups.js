// Backups: the last one, and a new one to keep elsewhere.
import { html, useState } from '../view.js';
import { backups, makeBackup } from '../backups.js';
import { ActionError, Button, Card, Loaded, Notice, PageHead, useAction } from '../parts/basics.js';
import { useLoad } from '../parts/load.js';
import { save } from '../parts/save.js';
import { Time } from '../parts/time.js';
import { toast } from '../parts/toast.js';

export function Backups() {
  const known = useLoad(backups, '', true);
  const [unavailable, setUnavailable] = useState(false);
  const make = useAction(async () => {
    const backup = await makeBackup();
    if (!backup) return setUnavailable(true);
    save(backup);
    toast('The backup is with your downloads');
    known.reload();
  });
  return html`<${PageHead}
      title="Backups"
      lead="A backup holds everything, and is encrypted: it opens with the field password that counts when it is made."
    >
      <${Button} look="primary" icon="download" busy=${make.busy} disabled=${unavailable} onClick=${make.run}>Download a backup</${Button}>
    </${PageHead}>
    <${ActionError} error=${make.error} />
    ${unavailable &&
    html`<${Notice} title="Not available on this server" live="status">
      It does not make backups from this page. At a shell of the server, <code>postern backup</code> may.
    </${Notice}>`}
    <${Card} title="Last backup" icon="backup">
      <${Loaded} from=${known} lines=${2}>
        ${({ last, failed }) => html`<p class="figure">${last ? html`<${Time} at=${last} />` : 'None that this server knows of'}</p>
          ${failed && html`<${Notice} tone="bad" title="A backup that was due was not made"><${Time} at=${failed} />. The server’s log says why.</${Notice}>`}
          <p class="quiet">Keep it on another machine, and keep the field password somewhere else again.</p>`}
      </${Loaded}>
    </${Card}>`;
}
