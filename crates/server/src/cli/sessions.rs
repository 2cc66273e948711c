//! `postern sessions`.

use authcore::{Client, SessionId};
use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Column;
use crate::shapes::sessions::SessionList;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List who is signed in, the one used last first
    List,
    /// End one session, with all its access tokens
    Revoke {
        /// The session, as the list shows it
        id: String,
    },
    /// End every session
    RevokeAll,
}

const COLUMNS: [Column; 6] = [
    Column::new("ID", "Id"),
    Column::time("SIGNED IN", "Created"),
    Column::time("LAST USED", "LastUsed"),
    Column::time("ENDS", "Expires"),
    Column::new("ADDRESS", "ClientAddress"),
    Column::new("CLIENT", "UserAgent"),
];

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::List => {
            let sessions = context
                .with_authority(async |authority| Ok(authority.sessions().list()))
                .await?;
            context
                .output
                .list(&SessionList::of(&sessions, None), "Sessions", &COLUMNS)
        }
        Command::Revoke { id } => {
            let absent = || {
                Failure::new(Exit::Data, "there is no such session")
                    .hint("postern sessions list shows what there is")
            };
            let id = SessionId::parse(&id).ok_or_else(absent)?;
            let ended = context
                .with_authority(async |authority| Ok(authority.sessions().end(id, &Client::local()).await?))
                .await?;
            if !ended {
                return Err(absent());
            }
            context
                .output
                .done(&json!({ "Ended": 1 }), "the session has ended")
        }
        Command::RevokeAll => {
            let ended = context
                .with_authority(async |authority| {
                    Ok(authority.sessions().end_all(None, &Client::local()).await?)
                })
                .await?;
            context
                .output
                .done(&json!({ "Ended": ended }), &format!("sessions ended: {ended}"))
        }
    }
}
