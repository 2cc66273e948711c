//! What is to be known of the backups that there are, when a secret changes.

use crate::backup::{self, Entry};
use crate::cli::context::Context;

/// What was changed.
#[derive(Clone, Copy)]
pub(in crate::cli) enum Changed {
    /// A way into the database.
    Slot,
    /// Keys in it.
    Keys,
    /// The access password.
    AccessPassword,
}

/// What the backups in the folder of the configuration still open with; nothing where there are none.
pub(in crate::cli) fn of_existing(context: &Context, what: Changed) -> Option<String> {
    let dir = context.config.backup.dir.as_deref()?;
    let entries = backup::list(dir).ok()?;
    let newest = entries.last()?;
    Some(format!(
        "{} backups in {}, the newest of {}, are as they were. {}",
        entries.len(),
        dir.display(),
        newest.made.to_rfc3339(),
        in_words(&entries, what)
    ))
}

fn in_words(entries: &[Entry], what: Changed) -> String {
    if let Changed::AccessPassword = what {
        return "A restore brings the access password of its time back".to_owned();
    }
    let under_passphrase = entries
        .iter()
        .filter(|entry| entry.opens_with == backup::PASSPHRASE)
        .count();
    let under_keys = entries.len() - under_passphrase;
    let mut parts = Vec::new();
    if under_passphrase > 0 {
        parts.push(format!(
            "{under_passphrase} open with the passphrase of their time, by default the field password of then"
        ));
    }
    if under_keys > 0 {
        parts.push(format!(
            "{under_keys} open with the identities of the public keys they are sealed to"
        ));
    }
    let inside = match what {
        Changed::Slot => {
            "The databases in them open with the secrets of their time, one that was replaced or removed among them: \
             keep it as long as you keep them, or delete them if it may be known. A server that runs goes on sealing its \
             backups to the field password it was started with: start it again"
        }
        Changed::Keys | Changed::AccessPassword => {
            "The databases in them open with the slots of their time, and hold what was sealed under the keys of before"
        }
    };
    parts.push(inside.to_owned());
    parts.join(". ")
}
