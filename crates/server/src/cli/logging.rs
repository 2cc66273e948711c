//! Events on standard error: text for a person at a terminal, else a JSON object a line.

use std::io::{self, IsTerminal as _};

use super::exit::{Exit, Failure};
use crate::config::{Config, LogFormat, log};

/// From here on events are written.
pub(super) fn start(config: &Config) -> Result<(), Failure> {
    let filter = log::filter(&config.log);
    let filter = filter.map_err(|error| Failure::of(Exit::Configuration, &error))?;
    let terminal = io::stderr().is_terminal();
    let events = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_env_filter(filter)
        .with_ansi(terminal);
    let started = match (config.log_format, terminal) {
        (LogFormat::Json, _) | (LogFormat::Auto, false) => events.json().flatten_event(true).try_init(),
        (LogFormat::Text, _) | (LogFormat::Auto, true) => events.try_init(),
    };
    started.map_err(|error| Failure::new(Exit::Software, format!("the log does not start: {error}")))
}
