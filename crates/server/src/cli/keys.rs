//! `postern keys`.

use clap::Subcommand;

use super::context::Context;
use super::exit::Failure;
use super::output::Column;
use crate::shapes::keys::KeyList;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show every key: its number, purpose, cipher, state and age, and how many fields it has sealed
    Status,
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
    }
}
