//! `postern config`.

use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::exit::Failure;
use super::output::Column;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show every value that counts, and where it comes from; fails if one is not understood
    Check,
}

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
            let json = json!({
                "File": config.file.as_ref().map(|path| path.display().to_string()),
                "FieldPassword": config.field_password.to_string(),
                "Values": values.collect::<Vec<_>>(),
            });
            context.output.list(&json, "Values", &COLUMNS)
        }
    }
}
