//! `postern second-factor`: the operator sees whether it is on, and takes it away from an owner who has lost the telephone and the
//! recovery codes. Setting it up is the page's.

use authcore::{ActConfirmed, Client, SecondFactorStatus, WallTime};
use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Say whether it is on, and how many recovery codes are left
    Status,
    /// Switch it off without a code; a running server does too, at once
    Off,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Status => {
            let status = context
                .with_authority(async |authority| Ok(authority.second_factors().status()))
                .await?;
            let value = json!({
                "On": status.since.is_some(),
                "Since": status.since.map(WallTime::to_rfc3339),
                "RecoveryCodesLeft": status.recovery_codes_left,
            });
            context.output.done(&value, &text(status))
        }
        Command::Off => {
            let was_on = context
                .with_authority(async |authority| {
                    let factors = authority.second_factors();
                    let operator = ActConfirmed::by_operator();
                    Ok(factors.switch_off(&operator, &Client::local()).await?)
                })
                .await?;
            if !was_on {
                return Err(Failure::new(Exit::Data, "the second factor is not on"));
            }
            context.output.done(
                &json!({ "On": false }),
                "the second factor is off; the password alone signs in",
            )
        }
    }
}

fn text(status: SecondFactorStatus) -> String {
    match status.since {
        None => "the second factor is off; the page switches it on, under Password".to_owned(),
        Some(since) => format!(
            "the second factor is on since {}; recovery codes left: {}",
            since.to_rfc3339(),
            status.recovery_codes_left
        ),
    }
}
