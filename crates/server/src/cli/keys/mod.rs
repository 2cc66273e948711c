//! `postern keys`.

mod rotate;
mod verify;

use clap::Subcommand;
use fieldcrypt::UnopenableField;
use serde::Serialize;

use super::context::Context;
use super::exit::Failure;
use super::output::Column;
use crate::shapes::keys::{KeyList, RotationReport};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show every key: its number, purpose, cipher, state and age, and how many fields it has sealed
    Status,
    /// Open every sealed field and check the integrity seal, and say which rows fail; changes nothing
    Verify,
    /// Make a new key of a kind, while the server runs; who is signed in stays signed in
    Rotate(rotate::Rotate),
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

#[derive(Serialize)]
struct KeyStatus {
    #[serde(flatten)]
    keys: KeyList,
    #[serde(flatten)]
    rotation: RotationReport,
}

/// What a person may wonder about: that lines of dead keys are still listed.
const DESTROYED: &str = "a destroyed key is none any more: no byte of it is left, and its line keeps its number from being given again";

pub(super) async fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Status => {
            let status = context
                .with_authority(async |authority| {
                    let rotation = authority.rotations().status()?;
                    Ok(KeyStatus {
                        keys: KeyList::of(authority),
                        rotation: RotationReport::of(rotation.as_ref(), &[]),
                    })
                })
                .await?;
            let lists: [(_, &[Column]); 2] = [("SigningKeys", &SIGNING), ("DataKeys", &SEALING)];
            let rotation = Some(&status.rotation).filter(|rotation| rotation.is_under_way());
            let destroyed = status.keys.has_destroyed().then(|| DESTROYED.to_owned());
            let more: Vec<_> = destroyed
                .into_iter()
                .chain(rotation.map(RotationReport::for_people))
                .collect();
            context.output.lists(&status, &lists, &more.join("\n"))
        }
        Command::Verify => verify::run(context),
        Command::Rotate(rotate) => rotate::run(context, rotate),
    }
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
