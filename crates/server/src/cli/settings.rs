//! `postern settings`. A sensitive value is never taken as an argument, where every process could read it.

use std::path::PathBuf;

use authcore::{Authority, Client, SettingKind, SettingView};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Column;
use super::prompt::{self, Asked};
use crate::shapes::settings::{SettingItem, SettingList};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List every setting, and every secret that is set
    List,
    /// Show one setting
    Get {
        /// Its key
        key: String,
        /// Show a sensitive value too
        #[arg(long)]
        reveal: bool,
    },
    /// Change one setting
    Set(Set),
    /// Put one setting back to its default, or forget a secret
    Unset {
        /// Its key
        key: String,
    },
}

#[derive(Args)]
pub(super) struct Set {
    /// Its key; secret.NAME for a secret of your own
    key: String,
    /// Its value; a sensitive one is asked for instead
    value: Option<String>,
    /// A file with the value, or - for standard input
    #[arg(long, value_name = "PATH", conflicts_with = "value")]
    value_file: Option<PathBuf>,
}

const COLUMNS: [Column; 4] = [
    Column::new("KEY", "Key"),
    Column::new("VALUE", "Value"),
    Column::new("CHANGED", "Set"),
    Column::new("FOR", "Description"),
];

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::List => {
            let settings = context
                .with_authority(async |authority| Ok(authority.settings().list()))
                .await?;
            context
                .output
                .list(&SettingList::of(settings), "Settings", &COLUMNS)
        }
        Command::Get { key, reveal } => {
            let (view, value) = context
                .with_authority(async |authority| {
                    let settings = authority.settings();
                    let revealed = if reveal { settings.reveal(&key)? } else { None };
                    let view = settings.one(&key)?;
                    let value = revealed.or_else(|| view.value.clone());
                    Ok((view, value))
                })
                .await?;
            let text = match &value {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None if view.set => "(set; --reveal shows it)".to_owned(),
                None => "(not set)".to_owned(),
            };
            let item = SettingItem::of(SettingView { value, ..view });
            context.output.answer(&item, &text)
        }
        Command::Set(set) => {
            let key = set.key.clone();
            context
                .with_authority(async |authority| change(authority, set).await)
                .await?;
            context
                .output
                .done(&json!({ "Changed": key }), &format!("{key} is changed"))
        }
        Command::Unset { key } => {
            let changed = context
                .with_authority(async |authority| {
                    Ok(authority.settings().unset(&key, &Client::local()).await?)
                })
                .await?;
            let text = if changed {
                format!("{key} is back to its default")
            } else {
                format!("{key} was not set")
            };
            context.output.done(&json!({ "Changed": changed }), &text)
        }
    }
}

async fn change(authority: &Authority, set: Set) -> Result<(), Failure> {
    let spec = authority.settings().one(&set.key)?.spec;
    if spec.sensitive && set.value.is_some() {
        let text = format!("{} is sensitive, and arguments can be seen by others", set.key);
        return Err(Failure::new(Exit::Usage, text)
            .hint("leave the value out to be asked for it, or give --value-file PATH"));
    }
    let text = match set.value {
        Some(text) => text,
        None => prompt::secret(set.value_file.as_deref(), "value", "--value-file", Asked::Once)?
            .as_str()
            .to_owned(),
    };
    // What does not fit its kind goes on as text, which the setting then refuses in its own words.
    let value = match spec.kind {
        SettingKind::Boolean | SettingKind::Integer { .. } => {
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        SettingKind::Text => Value::String(text),
    };
    Ok(authority
        .settings()
        .set(vec![(set.key, value)], &Client::local())
        .await?)
}
