//! `postern doctor`: exit code 1 when something is wrong, so that a monitor can run it.

use std::process::ExitCode;

use serde_json::json;

use super::exit::Failure;
use super::output::{Column, Output};
use super::prompt;
use crate::config::{Config, Environment, Flags};
use crate::doctor::{Severity, examine};

const COLUMNS: [Column; 4] = [
    Column::new("", "Severity"),
    Column::new("ABOUT", "About"),
    Column::new("FOUND", "Found"),
    Column::new("MEND", "Mend"),
];

pub(super) fn run(flags: &Flags, output: Output) -> Result<ExitCode, Failure> {
    let config = Config::load(flags, &Environment::of_process());
    let findings = examine(&config, prompt::field_password);
    output.list(&json!({ "Findings": findings }), "Findings", &COLUMNS)?;
    let wrong = findings.iter().any(|finding| finding.severity == Severity::Wrong);
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
