//! The only place that prints. A reader that went away is no reason to stop, so nothing here fails.

use std::io::{self, IsTerminal as _, Write as _};

use super::exit::Failure;

/// A result, on standard output.
pub(super) fn say(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// What went wrong and what to do next, on standard error.
pub(super) fn complain(failure: &Failure) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "postern: {}", failure.message);
    if let Some(hint) = failure.hint {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}

/// Whether a person reads standard output; what is not read by one may be kept by a log.
pub(super) fn a_person_reads() -> bool {
    io::stdout().is_terminal()
}
