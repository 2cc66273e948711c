//! What can be typed. Help, completions and man pages come from here.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::{
    access_keys, audit, backup, completions, config, gate, keys, leak_test, password, second_factor,
    sessions, settings, slots, throttle, tls,
};
use crate::config::Flags;

/// A single-password front door for self-hosted services, whose database is worthless to a thief.
#[derive(Parser)]
#[command(
    name = "postern",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Accepted after every command.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help = "Where the database is [default: $STATE_DIRECTORY, else $XDG_DATA_HOME/postern]"
    )]
    data_dir: Option<String>,
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help = "The configuration [default: /etc/postern/postern.toml, else $XDG_CONFIG_HOME/postern/postern.toml]"
    )]
    config: Option<PathBuf>,
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        help = "A file with the field password, or - [default: $XDG_CONFIG_HOME/postern/field-password, made at the first start]"
    )]
    field_password_file: Option<PathBuf>,
    /// A key file that opens the database, in the place of the field password
    #[arg(long, global = true, value_name = "PATH")]
    key_file: Option<PathBuf>,
    /// A file with a recovery key that opens the database, or - for standard input
    #[arg(long, global = true, value_name = "PATH")]
    recovery_key_file: Option<PathBuf>,
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Say only what was asked for and what went wrong
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
}

impl Global {
    pub(super) fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            data_dir: self.data_dir.clone(),
            field_password_file: self.field_password_file.clone(),
            key_file: self.key_file.clone(),
            recovery_key_file: self.recovery_key_file.clone(),
            ..Flags::default()
        }
    }
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Run the server; the first start makes everything and gives a one-use sign-in link
    Serve(Serve),
    /// The access password
    #[command(subcommand)]
    Password(password::Command),
    /// One-time codes of an authenticator app, asked for after the password
    #[command(subcommand)]
    SecondFactor(second_factor::Command),
    /// Make a one-use sign-in link, beside a running server or without one
    SigninLink(SigninLink),
    /// Ask the running server for an access token, for scripts
    Token(Token),
    /// Who is signed in
    #[command(subcommand)]
    Sessions(sessions::Command),
    /// How sign-in is slowed after wrong passwords
    #[command(subcommand)]
    Throttle(throttle::Command),
    /// What happened: each event is chained to the one before it
    #[command(subcommand)]
    Audit(audit::Command),
    /// Long-lived secrets for scripts
    #[command(subcommand)]
    AccessKeys(access_keys::Command),
    /// Settings and secrets, every one of them sealed in the database
    #[command(subcommand)]
    Settings(settings::Command),
    /// Keys that sign tokens and keys that seal fields
    #[command(subcommand)]
    Keys(keys::Command),
    /// Key slots: the ways to open the database
    #[command(subcommand)]
    Slots(slots::Command),
    /// The certificate that connections are shown
    #[command(subcommand)]
    Tls(tls::Command),
    /// Encrypted backups, each proven when it is made
    #[command(subcommand)]
    Backup(backup::Command),
    /// The gate: applications behind this sign-in, and the proxy in front of them
    #[command(subcommand)]
    Gate(gate::Command),
    /// The configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Report what a thief could read in a database or backup file; needs no key, exit code 1 if a secret is exposed
    LeakTest(leak_test::LeakTest),
    /// Look for what is wrong with this install, and say how to mend it
    Doctor,
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Print the manual page, or write one for every command
    Man(completions::Man),
}

impl Command {
    /// Puts the flags of the configuration that only some commands take with the others.
    pub(super) fn with_flags(self, flags: Flags) -> (Flags, Self) {
        let flags = match &self {
            Self::Serve(serve) => Flags {
                listen: serve.listen.clone(),
                url: serve.url.clone(),
                hosts: serve.host.clone(),
                sandbox: serve.sandbox.clone(),
                ..flags
            },
            Self::SigninLink(SigninLink { url, .. }) | Self::Token(Token { url, .. }) => Flags {
                url: url.clone(),
                ..flags
            },
            Self::Password(_)
            | Self::SecondFactor(_)
            | Self::Sessions(_)
            | Self::Throttle(_)
            | Self::Audit(_)
            | Self::AccessKeys(_)
            | Self::Settings(_)
            | Self::Keys(_)
            | Self::Slots(_)
            | Self::Tls(_)
            | Self::Backup(_)
            | Self::Gate(_)
            | Self::Config(_)
            | Self::LeakTest(_)
            | Self::Doctor
            | Self::Completions(_)
            | Self::Man(_) => flags,
        };
        (flags, self)
    }
}

#[derive(Args)]
pub(super) struct Serve {
    /// The address to listen on; one that is not loopback needs TLS [default: 127.0.0.1:8420]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// How browsers reach the server, where that is another address, such as `https://door.example.org`
    #[arg(long, value_name = "BASE")]
    url: Option<String>,
    /// One more name the server answers to; may be given several times
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// How much to insist on the sandbox: require, best-effort or off [default: best-effort]
    #[arg(long, value_name = "HOW")]
    sandbox: Option<String>,
    /// Take a database that was altered as it is; ends every session
    #[arg(long)]
    pub(super) accept_tampered: bool,
    /// Take a database that is older than its witness, or make a witness that is gone; ends every session
    #[arg(long)]
    pub(super) accept_rollback: bool,
}

#[derive(Args)]
pub(super) struct SigninLink {
    /// How long it is good: at most five minutes
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub(super) ttl: Duration,
    /// How browsers reach the server [default: the address it listens on]
    #[arg(long, value_name = "BASE")]
    url: Option<String>,
}

#[derive(Args)]
pub(super) struct Token {
    /// A file with the access password, or - for standard input [default: it is asked for]
    #[arg(long, value_name = "PATH")]
    pub(super) password_file: Option<PathBuf>,
    /// While the second factor is on: a file with a code of the app, or a recovery code, or - for standard input [default: it
    /// is asked for]
    #[arg(long, value_name = "PATH")]
    pub(super) one_time_code_file: Option<PathBuf>,
    /// Where the server is [default: the address it listens on]
    #[arg(long, value_name = "BASE")]
    url: Option<String>,
    /// A file with the certificate of the authority to trust, in PEM form [default: the server's own authority with
    /// `tls.self_signed`, else what this machine trusts]
    #[arg(long, value_name = "PATH")]
    pub(super) ca: Option<PathBuf>,
}

/// `90d`, `2h 30m`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}, such as 90s, 2m or 30d"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_duration_has_a_unit_or_is_seconds() {
        assert_eq!(duration("120"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert!(duration("soon").is_err() && duration("-1").is_err());
    }
}
