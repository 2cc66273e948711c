// Questions and small forms over the page. The browser's own dialog keeps the focus inside and gives it back when it
// is closed.
import { html, useId, useLayoutEffect, useRef } from '../view.js';
import { ActionError, Button, IconButton, useAction } from './basics.js';

export function Dialog({ title, close, children }) {
  const dialog = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    const element = dialog.current;
    element.showModal();
    return () => element.close();
  }, []);
  return html`<dialog
    ref=${dialog}
    aria-labelledby=${id}
    onCancel=${(event) => {
      event.preventDefault();
      close();
    }}
    onClick=${(event) => event.target === dialog.current && close()}
  >
    <div class="dialog-inner">
      <div class="dialog-head">
        <h2 id=${id}>${title}</h2>
        <${IconButton} name="close" label="Close" onClick=${close} />
      </div>
      ${children}
    </div>
  </dialog>`;
}

/** Asks before something that cannot be taken back; closes when it is done. */
export function Confirm({ title, children, act, verb, close, dangerous = true }) {
  const action = useAction(async () => {
    await act();
    close();
  });
  return html`<${Dialog} title=${title} close=${close}>
    <div class="prose">${children}</div>
    <${ActionError} error=${action.error} />
    <div class="dialog-actions">
      <${Button} onClick=${close}>Cancel</${Button}>
      <${Button} look=${dangerous ? 'danger' : 'primary'} busy=${action.busy} onClick=${action.run}>${verb}</${Button}>
    </div>
  </${Dialog}>`;
}
