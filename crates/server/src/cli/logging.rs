//! Events on standard error: text for a person at a terminal, else a JSON object a line.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::exit::{Exit, Failure};
use crate::config::{Config, LogFormat, log};

/// From here on events are written.
pub(super) fn start(config: &Config) -> Result<(), Failure> {
    let filter = log::filter(&config.log);
    let filter = filter.map_err(|error| Failure::of(Exit::Configuration, &error))?;
    let terminal = io::stderr().is_terminal();
    let events = fmt::layer().with_writer(io::stderr).with_ansi(terminal);
    let of_what = tracing_subscriber::registry().with(filter);
    let started = match (config.log_format, terminal) {
        (LogFormat::Json, _) | (LogFormat::Auto, false) => {
            of_what.with(events.json().flatten_event(true)).try_init()
        }
        (LogFormat::Text, _) | (LogFormat::Auto, true) => of_what.with(events).try_init(),
    };
    started.map_err(|error| Failure::new(Exit::Software, format!("the log does not start: {error}")))
}
