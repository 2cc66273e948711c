//! `postern backup verify`, and what it shares with a restore: what opens a backup.

use std::path::{Path, PathBuf};

use clap::Args;
use fieldcrypt::SlotSecret;
use serde_json::{Value, json};

use super::words::{in_words, of_manifest};
use super::{Bar, secret};
use crate::backup::{self, Checked, Opener};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::prompt::{self, Asked};
use crate::config::secret_file;

#[derive(Args)]
pub(in crate::cli) struct Open {
    /// The backup
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) with: With,
}

#[derive(Args)]
pub(in crate::cli) struct With {
    /// A file with the age identity or the SSH private key that opens it
    #[arg(long, value_name = "PATH")]
    identity: Option<PathBuf>,
    /// A file with the passphrase that opens it, or - for standard input [default: the field password]
    #[arg(long, value_name = "PATH", conflicts_with = "identity")]
    passphrase_file: Option<PathBuf>,
}

/// What opens a backup, and the secrets that may open the database in it, the likeliest first.
pub(super) fn openers(
    context: &Context,
    with: &With,
    what: &Path,
) -> Result<(Opener, Vec<SlotSecret>), Failure> {
    if !what.is_file() {
        return Err(Failure::new(
            Exit::Configuration,
            format!("there is no file {}", what.display()),
        ));
    }
    let field_password = &context.config.field_password;
    // On a machine of its own there may be none; then whoever is asked is asked for the passphrase, once.
    let given = with.identity.is_some() || with.passphrase_file.is_some();
    let opener = if field_password.is_there() || !given {
        Some(field_password.open(prompt::field_password)?)
    } else {
        None
    };
    let (mut secrets, text) = match opener {
        Some(opener) => (vec![opener.secret], opener.password),
        None => (Vec::new(), None),
    };
    if let Some(path) = &with.identity {
        let identities = backup::identities_of(&secret_file::bytes(path)?)
            .map_err(|error| Failure::new(Exit::Configuration, format!("{}: {error}", path.display())))?;
        if secrets.is_empty()
            && let Some(typed) = prompt::field_password().map_err(|error| {
                Failure::new(
                    Exit::Io,
                    format!("the field password could not be asked for: {error}"),
                )
            })?
        {
            secrets.push(SlotSecret::password(&typed));
        }
        return Ok((identities, secrets));
    }
    let passphrase = match (&with.passphrase_file, text) {
        (Some(path), _) => secret_file::text(path, "passphrase of the backup")?,
        (None, Some(text)) => text,
        (None, None) => prompt::secret(None, "passphrase of the backup", "--passphrase-file", Asked::Once)?,
    };
    secrets.push(SlotSecret::password(&passphrase));
    Ok((Opener::Passphrase(secret(&passphrase)), secrets))
}

pub(super) fn verify(context: &Context, arguments: &Open) -> Result<(), Failure> {
    let (opener, secrets) = openers(context, &arguments.with, &arguments.file)?;
    let mut bar = Bar::new(context);
    let checked = backup::check(&arguments.file, &opener, &secrets, &mut |done, total| {
        bar.at(done, total);
    });
    bar.end();
    let checked = checked?;
    let complaints = checked.complaints();
    if !complaints.is_empty() {
        let text = format!("the database in it is not sound: {}", complaints.join("; "));
        return Err(Failure::new(Exit::Data, text)
            .hint("it is as it was copied; take an older backup, and look at the database itself with postern doctor")
            .details(json!({ "Complaints": complaints })));
    }
    if checked.secret.is_none() {
        context.output.warn(
            "no secret that was given opens the database in it, so its fields and its integrity seal were not looked at",
        );
    }
    let json = of_checked(&checked);
    context
        .output
        .done(&json, &checked_in_words(&arguments.file, &checked))
}

fn checked_in_words(file: &Path, checked: &Checked) -> String {
    let manifest = &checked.manifest;
    let mut lines = vec![
        format!("{}: a backup of install {}", file.display(), manifest.install),
        format!("made by postern {}, schema {}", manifest.postern, manifest.schema),
        in_words(manifest),
    ];
    let rows: Vec<String> = manifest
        .rows
        .iter()
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    lines.push(format!("rows: {}", rows.join(", ")));
    if let Some(opened) = &checked.examination.opened {
        let keys: Vec<String> = opened
            .keys
            .iter()
            .map(|key| format!("{} ({}, {})", key.number, key.purpose.name(), key.state.name()))
            .collect();
        lines.push(format!("keys: {}; {} slots", keys.join(", "), opened.slots.len()));
        lines.push(format!(
            "all {} sealed fields open, every public key fits its private half, and the integrity seal holds",
            opened.verification.fields.opened
        ));
    } else {
        lines.push("its structure is sound, by SQLite's own check".to_owned());
    }
    lines.join("\n")
}

fn of_checked(checked: &Checked) -> Value {
    let mut json = of_manifest(&checked.manifest);
    if let (Some(members), Some(opened)) = (json.as_object_mut(), &checked.examination.opened) {
        members.insert(
            "FieldsOpened".to_owned(),
            json!(opened.verification.fields.opened),
        );
        members.insert("Keys".to_owned(), json!(opened.keys.len()));
        members.insert("Slots".to_owned(), json!(opened.slots.len()));
    }
    json
}
