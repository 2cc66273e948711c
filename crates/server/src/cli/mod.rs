//! The command line: parse, one call, render. So far `serve` and `signin-link`.

mod exit;
mod output;
mod serve;
mod signin_link;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use authcore::{Authority, Client, SIGNIN_TOKEN_LIFE_MAX, SigninTokenAuthority};
use clap::{Parser, Subcommand};
use secrecy::zeroize::Zeroizing;

use exit::{Exit, Failure};

/// A single-password front door for self-hosted services, whose database is worthless to a thief.
#[derive(Parser)]
#[command(name = "postern", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help = "Where the database is [default: $XDG_DATA_HOME/postern]"
    )]
    data_dir: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help = "The file with the field password [default: $XDG_CONFIG_HOME/postern/field-password, made at the first start]"
    )]
    field_password_file: Option<PathBuf>,
    /// The loopback address of the server
    #[arg(
        long,
        global = true,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8420"
    )]
    listen: SocketAddr,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Run the server; the first start makes everything and gives a one-use sign-in link
    Serve,
    /// Make a one-use sign-in link, beside a running server or without one
    SigninLink {
        /// How long it is good, at most five minutes
        #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = clap::value_parser!(u64).range(1..=300))]
        ttl: u64,
    },
}

/// Runs what the arguments say; says on standard error what went wrong and what to do next.
pub(crate) fn run() -> ExitCode {
    // Every file this process makes is its owner's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) => {
            let _ = asked.print();
            return if asked.use_stderr() {
                Exit::Usage.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match execute(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            failure.exit.into()
        }
    }
}

fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Exit::Unavailable, format!("the runtime does not start: {error}"))
            .hint("look at this process's limit of threads")
    })?;
    runtime.block_on(async {
        match arguments.command {
            Command::Serve => serve::run(arguments).await,
            Command::SigninLink { ttl } => signin_link::run(arguments, Duration::from_secs(ttl)).await,
        }
    })
}

/// A sign-in link on the operator's word. The token is in the fragment, which no browser sends and no proxy logs.
async fn make_link(
    authority: &Authority,
    address: SocketAddr,
    life: Duration,
) -> Result<Zeroizing<String>, Failure> {
    let life = life.min(SIGNIN_TOKEN_LIFE_MAX);
    let token = authority
        .signin_tokens()
        .issue(SigninTokenAuthority::LocalOperator, life, &Client::local())
        .await;
    let token = token.map_err(|error| {
        Failure::of(Exit::Unavailable, &error).hint("the setting signin_tokens may be off; the log says more")
    })?;
    Ok(Zeroizing::new(format!(
        "http://{address}/signin#token={}",
        &*token.expose_text()
    )))
}
