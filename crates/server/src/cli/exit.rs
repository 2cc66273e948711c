//! How a command ends: an exit code of sysexits(3), what went wrong, and what to do next.

use std::error::Error;
use std::process::ExitCode;

use authcore::{OpenError, StoreError};
use fieldcrypt::UnlockError;

use crate::config::PlacesError;
use crate::config::data_dir::DataDirError;
use crate::config::field_password::FieldPasswordError;

/// Exit codes, as sysexits(3) numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    Usage = 64,
    Data = 65,
    Unavailable = 69,
    Software = 70,
    CannotCreate = 73,
    Io = 74,
    TryLater = 75,
    Permission = 77,
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
        }
    }

    /// An error and its causes, in one line.
    pub(super) fn of(exit: Exit, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self::new(exit, message)
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }
}

impl From<PlacesError> for Failure {
    fn from(error: PlacesError) -> Self {
        let hint = match &error {
            PlacesError::NoPlace(_) => "set HOME, or give --data-dir and --field-password-file",
            PlacesError::TwoFieldPasswords { .. } => "take one of them away",
        };
        Self::of(Exit::Configuration, &error).hint(hint)
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        match &error {
            DataDirError::OpenToOthers { .. } => Self::of(Exit::Permission, &error)
                .hint("chmod 700 the directory and chmod 600 the files in it"),
            DataDirError::NotADirectory { .. } | DataDirError::NotOurs { .. } => {
                Self::of(Exit::Permission, &error).hint("give a directory of this user's own with --data-dir")
            }
            DataDirError::InUse { .. } => {
                Self::of(Exit::TryLater, &error).hint("stop the other server, or give another --data-dir")
            }
            DataDirError::Io { .. } => {
                Self::of(Exit::CannotCreate, &error).hint("give another place with --data-dir")
            }
        }
    }
}

impl From<FieldPasswordError> for Failure {
    fn from(error: FieldPasswordError) -> Self {
        let (exit, hint) = match &error {
            FieldPasswordError::Unreadable { .. } | FieldPasswordError::Empty { .. } => (
                Exit::Configuration,
                "give the field password this database was made with, by --field-password-file",
            ),
            FieldPasswordError::OpenToOthers { .. } => (Exit::Permission, "chmod 600 it"),
            FieldPasswordError::NotOurs { .. } => (Exit::Permission, "chown it to this user"),
            FieldPasswordError::TooShort { .. } => (
                Exit::Configuration,
                "put a longer one there, or take the file away and let the first start make one",
            ),
            FieldPasswordError::InDataDir { .. } => (
                Exit::Configuration,
                "keep it elsewhere: a copy of the data directory must not carry its own key",
            ),
            FieldPasswordError::NotMade { .. } => (
                Exit::CannotCreate,
                "give another place with --field-password-file",
            ),
        };
        Self::of(exit, &error).hint(hint)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Missing { .. } => {
                return Self::of(Exit::Configuration, &error)
                    .hint("postern serve makes it at its first start");
            }
            OpenError::Unlock(UnlockError::WrongSecret) => {
                return Self::of(Exit::Configuration, &error)
                    .hint("nothing was changed; give the right one with --field-password-file");
            }
            OpenError::Unlock(_) | OpenError::Schema { .. } | OpenError::ColumnMissing { .. } => Exit::Data,
            OpenError::Connection { .. } => Exit::Io,
            OpenError::Store(error) => of_store(error),
            OpenError::AlreadyExists { .. } | OpenError::Create(_) | OpenError::FirstKeys(_) => {
                Exit::CannotCreate
            }
            OpenError::Random(_) => Exit::Unavailable,
        };
        Self::of(exit, &error)
    }
}

const fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Full | StoreError::ReadOnly | StoreError::Stopped | StoreError::Sqlite(_) => Exit::Io,
        StoreError::Busy => Exit::TryLater,
        StoreError::Damaged { .. } | StoreError::Keyring(_) => Exit::Data,
        StoreError::Closed | StoreError::Seal(_) | StoreError::Signing => Exit::Software,
        StoreError::Random => Exit::Unavailable,
    }
}
