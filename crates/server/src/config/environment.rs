//! The environment, read once. The only room that does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::keys::{KEYS, OTHER_VARIABLES, nearest};

/// Where the field password's file is.
pub(super) const FIELD_PASSWORD_FILE: &str = "POSTERN_FIELD_PASSWORD_FILE";
/// The field password itself, for containers; never read here: see [`super::reexec`].
pub(super) const FIELD_PASSWORD: &str = "POSTERN_FIELD_PASSWORD";
/// Number of the file descriptor through which [`super::reexec`] hands the field password on.
pub(super) const FIELD_PASSWORD_PIPE: &str = "POSTERN_FIELD_PASSWORD_PIPE";
/// Where the key file is.
pub(super) const KEY_FILE: &str = "POSTERN_KEY_FILE";

/// The variables that mean something here.
#[derive(Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

/// A variable that is not text.
#[derive(Debug, thiserror::Error)]
#[error("the variable {0} is not text")]
pub(crate) struct NotText(pub(crate) String);

impl Environment {
    /// That of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the room that reads the environment"
    )]
    pub(crate) fn of_process() -> Self {
        let names = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self(names.filter(|(name, _)| is_ours(name)).collect())
    }

    #[cfg(test)]
    pub(super) fn of(variables: &[(&str, &str)]) -> Self {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
        Self(owned.collect())
    }

    /// A path; an empty one is none.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0
            .get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }

    /// A text; an empty one is none.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, NotText> {
        match self.0.get(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value.to_str().map(Some).ok_or_else(|| NotText(name.to_owned())),
        }
    }

    /// The folder `postern` below a base folder of the XDG base directory specification, which asks to ignore a path that
    /// is not absolute.
    pub(super) fn xdg(&self, name: &str, below_home: &str) -> Option<PathBuf> {
        let named = self.path(name).filter(|path| path.is_absolute());
        named
            .or_else(|| Some(self.path("HOME")?.join(below_home)))
            .map(|base| base.join("postern"))
    }

    /// Variables that begin like ours and are none, each with the nearest that is. Not an error: a container's engine
    /// makes such variables for a service of this name.
    pub(super) fn unknown(&self) -> Vec<(String, Option<&'static str>)> {
        let known = || {
            KEYS.iter()
                .map(|key| key.variable)
                .chain(OTHER_VARIABLES.iter().copied())
        };
        let strange = self
            .0
            .keys()
            .filter(|name| name.starts_with("POSTERN_") && known().all(|known| known != name.as_str()));
        strange
            .map(|name| (name.clone(), nearest(name, known())))
            .collect()
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("POSTERN_")
        || matches!(
            name,
            "HOME" | "XDG_DATA_HOME" | "XDG_CONFIG_HOME" | "STATE_DIRECTORY" | "CREDENTIALS_DIRECTORY"
        )
}
