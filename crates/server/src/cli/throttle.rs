//! `postern throttle`: how sign-in is slowed after wrong passwords. The command line itself never is.

use authcore::{ThrottleStatus, WallTime};
use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::exit::Failure;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Say whether sign-in is slowed, for whom and until when
    Status,
    /// Forget every wrong password; a running server does too, at once
    Clear,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Status => {
            let status = context
                .with_authority(async |authority| Ok(authority.passwords().throttle_status()))
                .await?;
            context.output.done(&value(&status), &text(&status))
        }
        Command::Clear => {
            context
                .with_authority(async |authority| Ok(authority.passwords().clear_throttle().await?))
                .await?;
            context.output.done(
                &json!({ "Cleared": true }),
                "every wrong password is forgotten; anybody may try again",
            )
        }
    }
}

fn value(status: &ThrottleStatus) -> serde_json::Value {
    let sources = status
        .sources
        .iter()
        .map(|(source, until)| json!({ "Source": source, "Until": until.to_rfc3339() }));
    json!({
        "WrongInARow": status.in_a_row,
        "StrangersUntil": status.strangers_until.map(WallTime::to_rfc3339),
        "Sources": sources.collect::<Vec<_>>(),
        "DevicesNoLongerKnown": status.devices.len(),
    })
}

fn text(status: &ThrottleStatus) -> String {
    let mut lines = vec![format!("wrong passwords in a row: {}", status.in_a_row)];
    lines.push(match status.strangers_until {
        None => "sign-in is not slowed".to_owned(),
        Some(until) => format!(
            "sign-in is slowed: the next try is at {}, but for browsers that signed in here before",
            until.to_rfc3339()
        ),
    });
    for (source, until) in &status.sources {
        lines.push(format!("{source} may try again at {}", until.to_rfc3339()));
    }
    if !status.devices.is_empty() {
        lines.push(format!(
            "browsers that were known and had 20 wrong passwords: {}",
            status.devices.len()
        ));
    }
    lines.join("\n")
}
