//! `postern password`: the operator, who can open the database, needs no current password.

use std::path::PathBuf;

use authcore::{AccessPassword, ChangeAuthority, Client};
use clap::{Args, Subcommand};
use serde_json::json;

use super::backup::{Changed, of_existing};
use super::context::Context;
use super::exit::Failure;
use super::prompt::{self, Asked};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Set a new access password, asked for twice; ends every session
    Set(Set),
    /// Replace the access password with a random one, shown once; ends every session
    Reset(Keep),
}

#[derive(Args)]
pub(super) struct Set {
    /// A file with the new password, or - for standard input [default: it is asked for]
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    keep: Keep,
}

#[derive(Args)]
pub(super) struct Keep {
    /// Let those who are signed in stay signed in
    #[arg(long)]
    keep_sessions: bool,
}

impl Keep {
    const fn says(&self) -> &'static str {
        if self.keep_sessions {
            "sessions go on"
        } else {
            "every session has ended"
        }
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let backups = of_existing(context, Changed::AccessPassword);
    run_command(context, command).await?;
    if let Some(text) = backups {
        context.output.warn(&text);
    }
    Ok(())
}

async fn run_command(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Set(Set { password_file, keep }) => {
            let file = password_file.as_deref();
            let typed = prompt::secret(file, "new access password", "--password-file", Asked::Twice)?;
            let new = AccessPassword::parse(typed.as_str().to_owned())?;
            let by = ChangeAuthority::LocalOperator {
                keep_sessions: keep.keep_sessions,
            };
            let change = async |authority: &authcore::Authority| {
                Ok(authority.passwords().change(by, new, &Client::local()).await?)
            };
            context.with_authority(change).await?;
            context.output.done(
                &json!({ "Changed": true }),
                &format!("the access password is changed; {}", keep.says()),
            )
        }
        Command::Reset(keep) => {
            let reset = async |authority: &authcore::Authority| {
                Ok(authority.passwords().reset(keep.keep_sessions).await?)
            };
            let new = context.with_authority(reset).await?;
            context.output.answer(
                &json!({ "Password": new.expose_str() }),
                &format!(
                    "the new access password, shown this once:\n  {}\n{}",
                    new.expose_str(),
                    keep.says()
                ),
            )
        }
    }
}
