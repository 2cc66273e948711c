//! Looks on at the system calls that a command makes.

use std::process::Command;

use crate::killed::traced;

/// Runs the command to its end; says with what it made that call, and what came of it, as strace writes it.
#[must_use]
#[track_caller]
pub fn calls(name: &str, command: &Command) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let output = traced(command, &["-e", &format!("trace={name}")], log.path());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let log = std::fs::read_to_string(log.path()).expect("a log");
    log.lines()
        .filter(|line| line.contains(&format!("{name}(")))
        .map(str::to_owned)
        .collect()
}
