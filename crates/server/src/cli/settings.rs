//! `postern settings`. A sensitive value is never taken as an argument, where every process could read it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use authcore::{Authority, Client, SettingKind, SettingView};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

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
    /// Print every setting that was changed, as JSON that import takes
    Export {
        /// With the sensitive ones in the clear: keep what is printed as you keep the field password
        #[arg(long)]
        reveal: bool,
    },
    /// Change settings as a file says that export made; settings that are not in it stay as they are
    Import {
        /// The file, or - for standard input
        file: PathBuf,
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
        Command::Export { reveal } => {
            let export = context
                .with_authority(async |authority| exported(authority, reveal))
                .await?;
            // It is JSON either way: it is made to be read by import.
            let text = serde_json::to_string_pretty(&export)
                .map_err(|error| Failure::new(Exit::Software, format!("an answer is no JSON: {error}")))?;
            context.output.answer(&export, &text)
        }
        Command::Import { file } => {
            let Export { settings, left_out } = imported(&file)?;
            let keys: Vec<String> = settings.keys().cloned().collect();
            context
                .with_authority(async |authority| {
                    let changes = settings.into_iter().collect();
                    Ok(authority.settings().set(changes, &Client::local()).await?)
                })
                .await?;
            if !left_out.is_empty() {
                context.output.warn(&format!(
                    "sensitive settings were left out of the export, and are as they are: {}",
                    left_out.join(", ")
                ));
            }
            let text = format!("{} settings are as the file says", keys.len());
            context.output.done(&json!({ "Changed": keys }), &text)
        }
    }
}

/// What was changed from its default, by key; and the sensitive keys that are left out.
fn exported(authority: &Authority, reveal: bool) -> Result<Export, Failure> {
    let settings = authority.settings();
    let mut export = Export::default();
    for view in settings.list().into_iter().filter(|view| view.set) {
        if view.spec.sensitive && !reveal {
            export.left_out.push(view.key);
        } else if let Some(value) = settings.reveal(&view.key)? {
            export.settings.insert(view.key, value);
        }
    }
    Ok(export)
}

/// The form of both export and import.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Export {
    settings: BTreeMap<String, Value>,
    /// Sensitive settings that are set and not shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<String>,
}

/// Longest file that is taken, in bytes.
const IMPORT_MAX: u64 = 1024 * 1024;

fn imported(file: &Path) -> Result<Export, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(IMPORT_MAX).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(IMPORT_MAX).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::new(Exit::Io, format!("{} cannot be read: {error}", file.display())))?;
    export_of(&bytes).map_err(|error| {
        // Where, and not what: the file may hold secrets.
        let text = format!(
            "{} is no export of settings (line {}, column {})",
            file.display(),
            error.line(),
            error.column()
        );
        Failure::new(Exit::Data, text).hint("nothing was changed; postern settings export shows the form")
    })
}

/// Reads an export.
fn export_of(bytes: &[u8]) -> serde_json::Result<Export> {
    serde_json::from_slice(bytes)
}

/// Whether that is an export.
#[cfg(any(test, fuzzing))]
pub(crate) fn is_export(bytes: &[u8]) -> bool {
    export_of(bytes).is_ok()
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
