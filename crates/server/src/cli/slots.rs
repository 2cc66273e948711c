//! `postern slots`: the ways to open the database, each as good as the other. A new one is proven before an old one goes.

use std::path::PathBuf;

use authcore::Slots;
use clap::{Args, Subcommand, ValueEnum};
use fieldcrypt::{RecoveryKey, SlotId, SlotKind, SlotSecret};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::backup::{Changed, of_existing};
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Column;
use super::prompt::{self, Asked};
use crate::config::field_password::FIELD_PASSWORD_MINIMUM;
use crate::config::secret_file;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the slots, without their secrets
    List,
    /// Add a field password, a recovery key (made, and shown this once) or a key file
    Add(Add),
    /// Give a slot a new secret of its own kind; the old one opens nothing from then on
    Change(Change),
    /// Remove a slot; the last one stays
    Remove {
        /// Its number
        id: i64,
    },
}

#[derive(Args)]
pub(super) struct Add {
    /// What opens it
    kind: Kind,
    /// What you call it
    #[arg(long, default_value = "")]
    label: String,
    #[command(flatten)]
    new: New,
}

#[derive(Args)]
pub(super) struct Change {
    /// Its number
    id: i64,
    #[command(flatten)]
    new: New,
}

#[derive(Args)]
pub(super) struct New {
    /// A file with the new field password, or - for standard input [default: it is asked for, twice]
    #[arg(long, value_name = "PATH")]
    new_password_file: Option<PathBuf>,
    /// The new key file, of 32 random bytes or more
    #[arg(long, value_name = "PATH")]
    new_key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Password,
    Recovery,
    KeyFile,
}

const COLUMNS: [Column; 6] = [
    Column::new("SLOT", "Id"),
    Column::new("KIND", "Kind"),
    Column::new("LABEL", "Label"),
    Column::new("ITERATIONS", "Iterations"),
    Column::time("MADE", "Created"),
    Column::new("OPENED NOW", "Opened"),
];

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    let (options, secret) = context.existing_database()?;
    let mut slots = Slots::open(&options, &secret)?;
    match command {
        Command::List => {
            let opened = slots.opened();
            let list = slots.list()?;
            let list: Vec<Value> = list
                .iter()
                .map(|slot| {
                    json!({
                        "Id": slot.id.0,
                        "Kind": slot.kind.name(),
                        "Label": slot.label,
                        "Iterations": slot.iterations,
                        "Created": authcore::WallTime::from_unix_ms(slot.created_unix.saturating_mul(1000)).to_rfc3339(),
                        "Opened": slot.id == opened,
                    })
                })
                .collect();
            context.output.list(&json!({ "Slots": list }), "Slots", &COLUMNS)
        }
        Command::Add(Add { kind, label, new }) => {
            let (secret, shown) = new.secret(*kind)?;
            let id = slots.add(&secret, label)?;
            tell(context, &format!("slot {id} is added"), id, shown.as_ref())
        }
        Command::Change(Change { id, new }) => {
            let id = SlotId(*id);
            let list = slots.list()?;
            let old = list.iter().find(|slot| slot.id == id).ok_or_else(|| {
                Failure::new(Exit::Data, format!("there is no slot {id}"))
                    .hint("postern slots list shows what there is")
            })?;
            let kind = match old.kind {
                SlotKind::Password => Kind::Password,
                SlotKind::RecoveryKey => Kind::Recovery,
                SlotKind::KeyFile => Kind::KeyFile,
            };
            let (secret, shown) = new.secret(kind)?;
            slots.change(id, &secret, &old.label)?;
            if let Kind::Password | Kind::KeyFile = kind {
                context
                    .output
                    .warn("the old secret opens nothing any more: where the next start reads it from must hold the new one");
            }
            tell(context, &format!("slot {id} is changed"), id, shown.as_ref())
        }
        Command::Remove { id } => {
            slots.remove(SlotId(*id))?;
            tell(context, &format!("slot {id} is removed"), SlotId(*id), None)
        }
    }
}

impl New {
    /// A field password, unless a key file is given.
    pub(super) fn of_no_kind(&self) -> Result<SlotSecret, Failure> {
        let kind = if self.new_key_file.is_some() {
            Kind::KeyFile
        } else {
            Kind::Password
        };
        self.secret(kind).map(|(secret, _)| secret)
    }

    /// The new secret; of a recovery key also what to show.
    fn secret(&self, kind: Kind) -> Result<(SlotSecret, Option<Zeroizing<String>>), Failure> {
        match kind {
            Kind::Password => {
                let file = self.new_password_file.as_deref();
                let typed = prompt::secret(file, "new field password", "--new-password-file", Asked::Twice)?;
                if typed.chars().count() < FIELD_PASSWORD_MINIMUM {
                    let text = format!("a field password has at least {FIELD_PASSWORD_MINIMUM} characters");
                    return Err(Failure::new(Exit::Data, text).hint("nothing was changed"));
                }
                Ok((SlotSecret::password(&typed), None))
            }
            Kind::Recovery => new_recovery_key().map(|(secret, shown)| (secret, Some(shown))),
            Kind::KeyFile => {
                let path = self.new_key_file.as_deref().ok_or_else(|| {
                    Failure::new(Exit::Usage, "which key file is not said")
                        .hint("give --new-key-file PATH; make one with: head -c 32 /dev/urandom > PATH")
                })?;
                let bytes = secret_file::bytes(path)?;
                let secret = SlotSecret::key_file(bytes.to_vec());
                Ok((secret.map_err(|error| Failure::of(Exit::Data, &error))?, None))
            }
        }
    }
}

/// A recovery key, and what to show of it, once.
pub(super) fn new_recovery_key() -> Result<(SlotSecret, Zeroizing<String>), Failure> {
    let key = RecoveryKey::generate().map_err(|error| Failure::of(Exit::Unavailable, &error))?;
    let printable = key.expose_printable();
    let shown = Zeroizing::new(secrecy::ExposeSecret::expose_secret(&printable).to_owned());
    Ok((SlotSecret::recovery_key(key), shown))
}

fn tell(context: &Context, done: &str, id: SlotId, shown: Option<&Zeroizing<String>>) -> Result<(), Failure> {
    if let Some(text) = of_existing(context, Changed::Slot) {
        context.output.warn(&text);
    }
    match shown {
        None => context.output.done(&json!({ "Slot": id.0 }), done),
        Some(key) => context.output.answer(
            &json!({ "Slot": id.0, "RecoveryKey": key.as_str() }),
            &format!(
                "{done}; its recovery key, shown this once. Print it and keep it away from this machine:\n  {}",
                key.as_str()
            ),
        ),
    }
}
