//! `postern backup`.

mod create;
mod existing;
mod open;
mod restore;
mod words;

pub(in crate::cli) use existing::{Changed, of_existing};

use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use clap::Subcommand;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Column;
use super::progress::Progress;
use crate::backup::{self, Entry, SealedTo};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write an encrypted backup, beside a running server or without one, and read it back before it gets its name
    Create(create::Create),
    /// Open a backup, and check everything in it
    Verify(open::Open),
    /// List the backups in a folder, and what opens each
    List {
        /// The folder [default: backup.dir of the configuration]
        dir: Option<PathBuf>,
    },
    /// Put a backup in the place of the database; ends every session, and keeps the old database aside
    Restore(restore::Restore),
}

const COLUMNS: [Column; 4] = [
    Column::time("MADE", "Made"),
    Column::new("BYTES", "Bytes"),
    Column::new("OPENS WITH", "OpensWith"),
    Column::new("FILE", "File"),
];

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create::run(context, arguments),
        Command::Verify(arguments) => open::verify(context, arguments),
        Command::List { dir } => list(context, dir.as_deref()),
        Command::Restore(arguments) => restore::run(context, arguments),
    }
}

impl Context {
    /// Whom backups are sealed to where nothing else is said.
    pub(super) fn default_sealed_to(
        &self,
        field_password: Option<Zeroizing<String>>,
    ) -> Result<SealedTo, Failure> {
        let recipients = &self.config.backup.recipients;
        if !recipients.is_empty() {
            return Ok(SealedTo::Recipients(recipients.clone()));
        }
        field_password
            .map(|text| SealedTo::Passphrase(secret(&text)))
            .ok_or_else(|| {
                Failure::new(
                    Exit::Configuration,
                    "the database is opened without a field password, so a backup has nothing to be sealed to",
                )
                .hint("give --recipient or --passphrase-file, or set backup.recipients in the configuration")
            })
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn list(context: &Context, dir: Option<&Path>) -> Result<(), Failure> {
    let dir = dir.or(context.config.backup.dir.as_deref()).ok_or_else(|| {
        Failure::new(Exit::Usage, "which folder is not said")
            .hint("name it, or set backup.dir in the configuration")
    })?;
    let entries = backup::list(dir)
        .map_err(|error| Failure::new(Exit::Io, format!("{} cannot be read: {error}", dir.display())))?;
    let items: Vec<Value> = entries.iter().map(of_entry).collect();
    context
        .output
        .list(&json!({ "Backups": items }), "Backups", &COLUMNS)
}

fn of_entry(entry: &Entry) -> Value {
    json!({
        "Made": entry.made.to_rfc3339(),
        "Bytes": entry.length,
        "OpensWith": entry.opens_with,
        "File": entry.path.display().to_string(),
    })
}

/// What takes less than a moment shows no bar, and puts no line into anybody's mail.
const SMALL: u64 = 32 * 1024 * 1024;

/// How far a backup is, in bytes.
struct Bar(Progress);

impl Bar {
    fn new(context: &Context) -> Self {
        Self(Progress::new(context.output, "bytes"))
    }

    fn at(&mut self, done: u64, total: u64) {
        if total >= SMALL {
            self.0.at(done, total);
        }
    }

    fn end(&self) {
        self.0.end();
    }
}
