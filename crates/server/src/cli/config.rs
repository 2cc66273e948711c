//! `postern config`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::context::Context;
use super::exit::Failure;
use super::output::Column;
use crate::gate::application::{Application, PathRule};
use crate::hooks::Hook;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show every value that counts, and where it comes from; fails if one is not understood
    Check,
}

const APPLICATIONS: [Column; 7] = [
    Column::new("APPLICATION", "Name"),
    Column::new("HOSTS", "Hosts"),
    Column::new("UPSTREAM", "Upstream"),
    Column::new("UPSTREAM CA", "UpstreamCa"),
    Column::new("OPEN", "Open"),
    Column::new("CLOSED", "Closed"),
    Column::new("HEADERS", "Headers"),
];

const HOOKS: [Column; 4] = [
    Column::new("HOOK", "Name"),
    Column::new("EVENTS", "Events"),
    Column::new("TELLS", "Tells"),
    Column::new("AUTHORIZATION", "Authorization"),
];

const COLUMNS: [Column; 3] = [
    Column::new("KEY", "Key"),
    Column::new("VALUE", "Value"),
    Column::new("FROM", "Source"),
];

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Check => {
            let config = &context.config;
            let values = config.effective.iter().map(|effective| {
                json!({
                    "Key": effective.key,
                    "Value": (!effective.value.is_empty()).then_some(&effective.value),
                    "Source": effective.source.to_string(),
                })
            });
            let file = config.file.as_ref().map(|path| path.display().to_string());
            let field_password = config.field_password.to_string();
            let places = format!(
                "configuration file  {}\nfield password      {field_password}",
                file.as_deref().unwrap_or("none")
            );
            let json = json!({
                "File": file,
                "FieldPassword": field_password,
                "Values": values.collect::<Vec<_>>(),
                "Applications": config.applications.0.iter().map(application).collect::<Vec<_>>(),
                "Hooks": config.hooks.iter().map(hook).collect::<Vec<_>>(),
            });
            let mut lists: Vec<(&str, &[Column])> = vec![("Values", &COLUMNS)];
            if !config.applications.0.is_empty() {
                lists.push(("Applications", &APPLICATIONS));
            }
            if !config.hooks.is_empty() {
                lists.push(("Hooks", &HOOKS));
            }
            context.output.lists(&json, &lists, &places)
        }
    }
}

/// What an application gets besides is shown by name: a value may hold what it should not.
fn application(application: &Application) -> Value {
    let texts = |rules: &[PathRule]| rules.iter().map(ToString::to_string).collect::<Vec<_>>();
    let added = application.headers.iter().map(|header| header.name.as_str());
    let headers = application
        .identity
        .iter()
        .map(|header| header.name())
        .chain(added);
    json!({
        "Name": application.name,
        "Hosts": application.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "Upstream": application.upstream,
        "UpstreamCa": application.upstream_ca.as_ref().map(|path| path.display().to_string()),
        "Open": texts(&application.open),
        "Closed": texts(&application.closed),
        "Headers": headers.collect::<Vec<_>>(),
    })
}

fn hook(hook: &Hook) -> Value {
    json!({
        "Name": hook.name,
        "Events": hook.events,
        "Tells": hook.origin(),
        "Authorization": hook.authorization,
    })
}
