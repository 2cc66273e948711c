//! `postern access-keys`.

use std::time::Duration;

use authcore::{ActConfirmed, Client, Scope, Scopes};
use clap::{Args, Subcommand};
use serde_json::json;

use super::arguments::duration;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Column;
use crate::shapes::access_keys::{AccessKeyCreated, AccessKeyList};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an access key and show its secret, this once
    Create(Create),
    /// List the access keys, without their secrets
    List,
    /// Revoke an access key: from then on it opens nothing
    Revoke {
        /// Its name or its id
        name: String,
    },
}

#[derive(Args)]
pub(super) struct Create {
    /// A name of its own, 1 to 64 characters
    name: String,
    /// What it is good for: api, api:read, metrics, or gate:HOST, `gate:HOST/PATH:GET,POST` for an application behind the
    /// gate; may be given several times
    #[arg(long, value_name = "SCOPE", default_value = "api:read", value_parser = Scope::from_name)]
    scope: Vec<Scope>,
    /// How long it is good, at most 366 days
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = duration)]
    expires: Duration,
}

const COLUMNS: [Column; 6] = [
    Column::new("NAME", "Name"),
    Column::new("ID", "Id"),
    Column::new("SCOPES", "Scopes"),
    Column::time("MADE", "Created"),
    Column::time("EXPIRES", "Expires"),
    Column::time("LAST USED", "LastUsed"),
];

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(Create { name, scope, expires }) => {
            let scopes = Scopes::new(scope)
                .ok_or_else(|| Failure::new(Exit::Usage, "an access key has at least one scope"))?;
            let created = context
                .with_authority(async |authority| {
                    let keys = authority.access_keys();
                    Ok(keys
                        .create(
                            &ActConfirmed::by_operator(),
                            &name,
                            scopes,
                            expires,
                            &Client::local(),
                        )
                        .await?)
                })
                .await?;
            let secret = created.secret.expose_text();
            let text = format!(
                "access key {name}, good until {}; its secret, shown this once:\n  {}",
                created.view.expires.to_rfc3339(),
                &*secret
            );
            context
                .output
                .answer(&AccessKeyCreated::new(created.view, &secret), &text)
        }
        Command::List => {
            let keys = context
                .with_authority(async |authority| Ok(authority.access_keys().list()))
                .await?;
            context
                .output
                .list(&AccessKeyList::of(keys), "AccessKeys", &COLUMNS)
        }
        Command::Revoke { name } => {
            let revoked = context
                .with_authority(async |authority| {
                    Ok(authority.access_keys().revoke(&name, &Client::local()).await?)
                })
                .await?;
            if !revoked {
                return Err(Failure::new(Exit::Data, "there is no such access key")
                    .hint("postern access-keys list shows what there is"));
            }
            context.output.done(
                &json!({ "Revoked": name }),
                &format!("access key {name} is revoked"),
            )
        }
    }
}
