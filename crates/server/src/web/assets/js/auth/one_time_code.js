// Who asks the person for a one-time code, while somebody is signed in: what is dangerous asks for a fresh one.

let asker = null;

/** `ask(text)` gives the code, or null when the person would rather not. Returns how to take it back. */
export function askWith(ask) {
  asker = ask;
  return () => {
    if (asker === ask) asker = null;
  };
}

/** The code for a call that was refused for want of one; null: there is none. */
export const codeFor = (refused) => asker?.(refused) ?? null;
