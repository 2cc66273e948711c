//! Asking the person at the terminal for a secret, or reading it from the file that stands in.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::exit::{Exit, Failure};
use crate::config::secret_file::{self, typed};

/// How often a typed secret is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Once: a wrong one is noticed by who checks it.
    Once,
    /// Twice: nobody else would notice a slip.
    Twice,
}

/// The field password of an existing database, from the person; `None` when there is none to ask.
pub(super) fn field_password() -> io::Result<Option<Zeroizing<String>>> {
    if io::stdin().is_terminal() {
        typed("field password").map(Some)
    } else {
        Ok(None)
    }
}

/// A secret from a file (`-`: standard input), else from the person at the terminal.
///
/// # Errors
/// When the file is not used, nobody can be asked, or what was typed twice differs.
pub(super) fn secret(
    file: Option<&Path>,
    what: &str,
    flag: &'static str,
    asked: Asked,
) -> Result<Zeroizing<String>, Failure> {
    if let Some(path) = file {
        return Ok(secret_file::text(path, what)?);
    }
    if !io::stdin().is_terminal() {
        let failure = Failure::new(
            Exit::Usage,
            format!("there is no terminal to ask for the {what} at"),
        );
        return Err(failure.hint(format!(
            "give it with {flag} PATH, or {flag} - for standard input"
        )));
    }
    let failed = |error| Failure::new(Exit::Io, format!("the {what} could not be asked for: {error}"));
    let once = typed(what).map_err(failed)?;
    if asked == Asked::Twice && *typed("again").map_err(failed)? != *once {
        let failure = Failure::new(Exit::Data, format!("the {what} was not the same both times"));
        return Err(failure.hint("nothing was changed"));
    }
    if once.is_empty() {
        return Err(Failure::new(Exit::Data, format!("the {what} is empty")).hint("nothing was changed"));
    }
    Ok(once)
}

/// Whether there is a person to ask.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal()
}

/// Yes or no, from the person at the terminal; yes when only Enter is pressed, no when nothing more comes.
///
/// # Errors
/// When the terminal does not answer.
pub(super) fn yes(question: &str) -> Result<bool, Failure> {
    let failed = |error| Failure::new(Exit::Io, format!("the terminal does not answer: {error}"));
    let mut terminal = io::stderr().lock();
    write!(terminal, "{question} [Y/n] ")
        .and_then(|()| terminal.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer).map_err(failed)? == 0 {
        return Ok(false);
    }
    Ok(matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes"))
}

/// A secret from the person at the terminal, or nothing.
///
/// # Errors
/// When the terminal does not answer.
pub(super) fn or_nothing(what: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    let once = typed(what).map_err(|error| {
        let text = format!("a secret could not be asked for: {error}");
        Failure::new(Exit::Io, text).hint("nothing was changed")
    })?;
    Ok(Some(once).filter(|typed| !typed.is_empty()))
}
