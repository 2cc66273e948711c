//! Adopting and leaving: an existing plaintext column is sealed, or a sealed one is opened for good.
//!
//! Both walk the table in the order of its primary key, in batches of one transaction each. No cursor is kept: a value
//! that opens for its row is sealed, every other is plain, so killed anywhere, the same call goes on. That also
//! means: adopt once, at a time when the file is trusted. Called at every start, it would seal whatever somebody
//! slipped in.
//!
//! The column must be able to hold a BLOB: of type `BLOB` in a `STRICT` table. The row key is the declared primary key,
//! a [`RowKey::Composite`] in the key's order when it has several columns. `TEXT` and `BLOB` values are sealed as their
//! bytes; `NULL` stays `NULL`; numbers are refused, for their bytes are nobody's agreement.
//!
//! After the last batch [`Vault::adopt`] purges what SQLite keeps (statistics, log, free pages) and then looks for
//! the values in every file of the database, byte by byte ([`Vault::scan_for_plaintext`]). What no program can reach is
//! left: snapshots, old backups, worn-levelled flash. What was secret and stood there in plain should be replaced.

use std::path::PathBuf;

use crate::column::SealedColumn;
use crate::error::{KeyringError, OpenError, SealError};
use crate::rotation::purge::PurgeError;
use crate::row_key::RowKey;
use crate::sealed::Sealed;
use crate::secret::Secret;
use crate::vault::Vault;

/// What was adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adopted {
    /// Values sealed by this call.
    pub sealed: u64,
    /// Values that were sealed already.
    pub already_sealed: u64,
    /// What the byte scan says of all of them.
    pub scan: ScanReport,
}

/// What was released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Released {
    /// Values opened and written in plain by this call.
    pub released: u64,
    /// Values that were plain already.
    pub already_plain: u64,
}

/// What a released value becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainType {
    /// `TEXT`; the bytes must be UTF-8.
    Text,
    /// `BLOB`.
    Blob,
}

/// What a byte scan found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanReport {
    /// How many values were looked for.
    pub looked_for: u64,
    /// How many could not be: below 8 bytes, or of fewer than 4 different bytes, they are anywhere by chance.
    pub too_plain: u64,
    /// Values that stand in a file in plain, by row key: the first of them. A value may rightly stand in another
    /// column, too: which is then the next one to adopt.
    pub found: Vec<FoundPlaintext>,
}

/// A value found in plain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundPlaintext {
    /// Its row's primary key, as an SQL literal.
    pub row: String,
    /// The file it stands in.
    pub file: PathBuf,
}

/// A column was not adopted or released. What was done so far stays done; call again when the cause is gone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The caller is inside a transaction; batches need their own.
    #[error("a column cannot be adopted or released inside a transaction")]
    InTransaction,
    /// There is no such column, or its table has no declared primary key.
    #[error("there is no column {table}.{column}, or its table has no declared primary key")]
    NoColumn {
        /// Table.
        table: &'static str,
        /// Column.
        column: &'static str,
    },
    /// A value that is neither text nor blob.
    #[error("row {row} holds a number: only texts and blobs can be sealed as they are")]
    Number {
        /// The row.
        row: String,
    },
    /// A value that looks sealed and does not open.
    #[error("row {row} holds what looks like a sealed field and does not open")]
    Unclear {
        /// The row.
        row: String,
        /// Why it does not open.
        #[source]
        source: OpenError,
    },
    /// A value that is not UTF-8 was to become text.
    #[error("row {row} holds no UTF-8: release it as a blob")]
    NoText {
        /// The row.
        row: String,
    },
    /// A row whose primary key is `NULL` or a real number.
    #[error("a row's primary key is NULL or a real number: a field cannot be bound to it")]
    NoRowKey,
    /// A value was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A value did not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keyring could not be read or written.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Old values may still stand in the files; another connection that reads is the usual reason.
    #[error("the values are sealed, but what the files keep of the old ones is not purged; call again")]
    NotPurged(#[source] PurgeError),
    /// The byte scan does not find what is surely there.
    #[error("the byte scan did not find its control in {}: it proves nothing", file.display())]
    ScanIsBlind {
        /// The database file.
        file: PathBuf,
    },
    /// A file could not be read.
    #[error("the files of the database cannot be read")]
    Io(#[from] std::io::Error),
    /// SQLite says something.
    #[error("the table cannot be read or written")]
    Database(#[from] rusqlite::Error),
}

/// A stored value, told apart.
pub(crate) enum Stored {
    Plain,
    Sealed(Secret),
}

impl Vault {
    /// Tells a plain blob from a sealed field of that row. Only what opens is sealed; what merely looks so is an error,
    /// or a damaged field would be sealed over, or left behind as plain.
    pub(crate) fn tell(
        &self,
        column: SealedColumn,
        row: &RowKey<'_>,
        blob: &[u8],
        name: impl FnOnce() -> String,
    ) -> Result<Stored, AdoptError> {
        let Ok(sealed) = Sealed::parse(blob.to_vec()) else {
            return Ok(Stored::Plain);
        };
        match self.open(column, row, &sealed) {
            Ok(secret) => Ok(Stored::Sealed(secret)),
            Err(source @ OpenError::ColumnNotRegistered { .. }) => Err(source.into()),
            Err(source) => Err(AdoptError::Unclear { row: name(), source }),
        }
    }
}
