//! `postern keys`.

use authcore::{Authority, Client, DataKeyRotation, RotationProgress, Verification};
use clap::{Subcommand, ValueEnum};
use fieldcrypt::UnopenableField;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Column;
use crate::shapes::keys::KeyList;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show every key: its number, purpose, cipher, state and age, and how many fields it has sealed
    Status,
    /// Open every sealed field and check the integrity seal, and say which rows fail; changes nothing
    Verify,
    /// Make a new key of a kind, while the server runs; who is signed in stays signed in
    Rotate {
        /// The kind of key
        kind: Kind,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// The key that signs tokens: tokens out there stay good until they expire
    Signing,
    /// The key that seals fields: every field is sealed anew, the old key is destroyed and purged from the files
    Data,
}

const SIGNING: [Column; 3] = [
    Column::new("SIGNING KEY", "Kid"),
    Column::new("STATE", "State"),
    Column::age("AGE", "Age"),
];

const SEALING: [Column; 6] = [
    Column::new("KEY", "Number"),
    Column::new("PURPOSE", "Purpose"),
    Column::new("CIPHER", "Algorithm"),
    Column::new("STATE", "State"),
    Column::age("AGE", "Age"),
    Column::new("FIELDS SEALED", "FieldsSealed"),
];

pub(super) async fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Status => {
            let keys = context
                .with_authority(async |authority| Ok(KeyList::of(authority)))
                .await?;
            context
                .output
                .lists(&keys, &[("SigningKeys", &SIGNING), ("DataKeys", &SEALING)])
        }
        Command::Rotate { kind: Kind::Signing } => {
            let kid = context
                .with_authority(async |authority| {
                    Ok(authority.signing_keys().rotate(&Client::local()).await?)
                })
                .await?;
            context.output.done(
                &json!({ "Kid": kid.to_string() }),
                &format!("key {kid} signs from now on; the one before verifies until the last token it signed has expired"),
            )
        }
        Command::Verify => verify(context),
        Command::Rotate { kind: Kind::Data } => rotate_data(context),
    }
}

fn verify(context: &Context) -> Result<(), Failure> {
    let (options, secret) = context.existing_database()?;
    let Verification { complaints, fields } = Authority::verify(&options, &secret)?;
    let mut wrong = complaints;
    if !fields.unopenable.is_empty() {
        wrong.push(format!("fields that do not open: {}", named(&fields.unopenable)));
    }
    if wrong.is_empty() {
        return context.output.done(
            &json!({ "FieldsOpened": fields.opened }),
            &format!(
                "all {} sealed fields open, and the integrity seal holds",
                fields.opened
            ),
        );
    }
    Err(Failure::new(Exit::Data, wrong.join("; "))
        .hint("keep a copy of the files as they are; docs/keys.md says what to do"))
}

/// How many, and the first of them, for a person to read.
fn named(fields: &[UnopenableField]) -> String {
    const SHOWN: usize = 20;
    let named = fields.iter().take(SHOWN).map(|field| {
        format!(
            "{}.{} of row {}: {}",
            field.table, field.column, field.row, field.reason
        )
    });
    let mut text = format!("{}, {}", fields.len(), named.collect::<Vec<_>>().join("; "));
    if fields.len() > SHOWN {
        text.push_str("; …");
    }
    text
}

/// Goes on with a rotation that was broken off, else begins one.
fn rotate_data(context: &Context) -> Result<(), Failure> {
    let (options, secret) = context.existing_database()?;
    let mut rotation = DataKeyRotation::open(&options, &secret)?;
    rotation.begin()?;
    loop {
        match rotation.advance()? {
            RotationProgress::Walking { done, total } => {
                context.output.progress(&format!("{done} of {total} rows"));
            }
            RotationProgress::Blocked(fields) => {
                let text = format!(
                    "the old key stays for fields that do not open: {}",
                    named(&fields)
                );
                return Err(Failure::new(Exit::Data, text).hint(
                    "mend or delete these rows, then run the command again: it goes on where it stands",
                ));
            }
            RotationProgress::Done => break,
        }
    }
    context.output.done(
        &json!({ "Rotated": "data" }),
        "every field is sealed with the new data key; the old one is destroyed, and no byte of it is in the files. \
         Copies made before, backups and snapshots, still hold what they held",
    )
}
