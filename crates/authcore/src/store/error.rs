//! What can go wrong between a change and the disk.

use std::sync::Arc;

use rusqlite::ErrorCode;

/// A change was not made, or something could not be read. Nothing of a failed change is in the database or in memory.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or its quota, is full. Passes when there is room again.
    #[error("the disk with the database is full")]
    Full,
    /// Another process holds the write lock for too long. Passes.
    #[error("another process holds the database's write lock")]
    Busy,
    /// The database is on a read-only file system, or its permissions changed.
    #[error("the database cannot be written")]
    ReadOnly,
    /// A write or a flush failed, so what is on disk is not known; nothing more is written until a restart.
    #[error("an earlier write failed, so nothing is written until the server is started again")]
    Stopped,
    /// The store was shut down.
    #[error("the store is shut down")]
    Closed,
    /// A row is not what it was when it was written.
    #[error("row {row} of table {table}, column {column}, is damaged or was altered: {reason}")]
    Damaged {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
        /// Primary key, as text.
        row: String,
        /// What did not fit.
        reason: String,
    },
    /// A value could not be sealed.
    #[error("a value could not be sealed")]
    Seal(#[source] Arc<fieldcrypt::SealError>),
    /// The keyring could not be read or written.
    #[error("the keyring could not be read or written: {0}")]
    Keyring(String),
    /// Another process gave the file a new master key and removed the slot that this one was opened with.
    #[error(transparent)]
    LockedOut(Arc<fieldcrypt::KeyringError>),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
    /// A token could not be signed.
    #[error("a token could not be signed")]
    Signing,
    /// Anything else that SQLite says.
    #[error("the database reports an error")]
    Sqlite(#[source] Arc<rusqlite::Error>),
}

impl StoreError {
    /// Starts the description of a row that is not what it should be.
    pub(super) fn damaged(
        column: fieldcrypt::SealedColumn,
        row: impl std::fmt::Display,
        reason: impl std::fmt::Display,
    ) -> Self {
        Self::Damaged {
            table: column.table(),
            column: column.column(),
            row: row.to_string(),
            reason: reason.to_string(),
        }
    }

    /// Whether what is on disk is unknown after this: then nothing may be acknowledged until a restart, since a failed
    /// flush may have dropped pages that the next one would report as clean.
    #[must_use]
    pub fn leaves_the_disk_unknown(&self) -> bool {
        matches!(self, Self::Sqlite(error) if matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            _ => Self::Sqlite(Arc::new(error)),
        }
    }
}

impl From<fieldcrypt::SealError> for StoreError {
    fn from(error: fieldcrypt::SealError) -> Self {
        Self::Seal(Arc::new(error))
    }
}

impl From<fieldcrypt::KeyringError> for StoreError {
    fn from(error: fieldcrypt::KeyringError) -> Self {
        match error {
            fieldcrypt::KeyringError::NoLongerUnlocked { .. } => Self::LockedOut(Arc::new(error)),
            other => Self::Keyring(other.to_string()),
        }
    }
}

impl From<fieldcrypt::random::RandomError> for StoreError {
    fn from(_: fieldcrypt::random::RandomError) -> Self {
        Self::Random
    }
}

impl From<crate::token::jwt::SigningFailed> for StoreError {
    fn from(_: crate::token::jwt::SigningFailed) -> Self {
        Self::Signing
    }
}
