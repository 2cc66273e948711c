//! Changing the data key: a state machine that survives anything.
//!
//! ```text
//!                    begin: new key active, old key retiring
//!   (none) ─────────────────────────────────────────────────▶ Sweeping ◀───────────┐
//!      ▲                                                       │  ▲ │  abort: the two keys change roles,
//!      │                                  every row was walked │  │ └──┘ and the walk starts over
//!      │ purged            some row did not open ┌─────────────┤  │
//!      │                                         ▼             ▼  │ a field is left
//!   Purging ◀──────────────────────────────── Blocked       Proving┘
//!      ▲          clean pass: old key destroyed                │
//!      └───────────────────────────────────────────────────────┘      Blocked: the next step walks again
//! ```
//!
//! Where it stands is a row of the database, moved in the transaction that does the work; memory holds nothing. A kill
//! at any instant leaves the file between two arrows, and the next [`Rotation::step`] goes on from there.
//!
//! * The new key is committed before anything is sealed with it: a step refuses to run with a keyring in memory that
//!   is not the one of the file.
//! * A field is replaced only on condition of its old bytes, and only if it is not under the active key: a batch that
//!   runs again finds nothing to do.
//! * A field that does not open is recorded with table, column and row, and stops the destruction of the key.
//! * The old key is destroyed with a [`clean_pass::CleanPass`] only: a look at every field of every column in the same
//!   transaction, so that a stale process that wrote with the old key behind the walk loses nothing.

pub(crate) mod clean_pass;
pub(crate) mod purge;
pub(crate) mod state;
pub(crate) mod sweep;

use crate::cipher::Algorithm;
use crate::error::{KeyringError, NewKeyError, SealError};
use crate::keyring::DataKeyNumber;
pub(crate) use state::IllegalMove;
pub use state::{Direction, Phase};

/// A rotation of the data key under way, as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How far it is.
    pub phase: Phase,
    /// Whether it goes on or was called off.
    pub direction: Direction,
    /// The key that seals.
    pub active: DataKeyNumber,
    /// The key that goes; destroyed once the phase is [`Phase::Purging`].
    pub retiring: DataKeyNumber,
    /// Rows walked in this walk; a row with two sealed columns counts twice.
    pub rows_done: u64,
    /// Rows there were when the rotation began.
    pub rows_total: u64,
    /// Fields that did not open in this walk.
    pub unopenable: u64,
    /// When it began, seconds since the Unix epoch.
    pub started_unix: i64,
}

/// How a data key is made.
#[derive(Clone, Copy, Debug)]
pub struct NewDataKey {
    /// The cipher of the fields it will seal.
    pub algorithm: Algorithm,
    /// The time, seconds since the Unix epoch.
    pub created_unix: i64,
}

/// A field that does not open. It is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnopenableField {
    /// Logical table.
    pub table: String,
    /// Logical column.
    pub column: String,
    /// The row's primary key, for a person to read.
    pub row: String,
    /// Why it does not open.
    pub reason: String,
}

/// A step of a rotation was not made; the transaction is to be rolled back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// Each step is part of one transaction, the caller's.
    #[error("a step of a rotation needs a transaction around it")]
    NoTransaction,
    /// One is under way already.
    #[error("a rotation of the data key is under way already")]
    UnderWay,
    /// There is nothing to call off.
    #[error("no rotation of the data key is under way that could be called off")]
    NothingToAbort,
    /// The keyring in memory is not the one of the file: reload it first, in a transaction of its own.
    #[error("the keyring was changed; it must be reloaded before the rotation goes on")]
    KeyringChanged,
    /// A sealed column is not in the schema.
    #[error("the schema has no column {table}.{column}")]
    NoSuchColumn {
        /// Table in the schema.
        table: String,
        /// Column in the schema.
        column: String,
    },
    /// The table's rows cannot be named: no declared primary key, or one that may be NULL.
    #[error(
        "table {table} has no declared primary key that is NOT NULL: its rows cannot be told apart for sure"
    )]
    NoPrimaryKey {
        /// Table in the schema.
        table: String,
    },
    /// The rotation's row is not of a form this version knows.
    #[error("the row of the rotation is of a form that is unknown here: {what}")]
    UnknownFormat {
        /// What about it.
        what: &'static str,
    },
    /// A field could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The new key could not be made.
    #[error(transparent)]
    NewKey(#[from] NewKeyError),
    /// The keyring does not read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Fields are sealed on a thread of their own, which could not be started.
    #[error("the thread that seals fields could not be started")]
    NoThread(#[source] std::io::Error),
    /// It was started, and ended before its time.
    #[error("the thread that seals fields ended before its time")]
    ThreadEnded,
    /// SQLite says something.
    #[error("the database cannot be read or written")]
    Database(#[from] rusqlite::Error),
}
