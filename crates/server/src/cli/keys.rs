//! `postern keys`.

use authcore::Client;
use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::context::Context;
use super::exit::Failure;
use super::output::Column;
use crate::shapes::keys::KeyList;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show every key: its number, purpose, cipher, state and age, and how many fields it has sealed
    Status,
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
    }
}
