//! The store: the only SQL of the product, and the seam at which another database would be put in.
//!
//! One thread owns the connection that writes ([`writer`]); what it commits it publishes to the in-memory view
//! ([`crate::live`]) before it answers. Nothing is acknowledged that is not on disk, and nothing on the way of a
//! verification touches this module.
//!
//! Order at opening: connection → vault (fieldcrypt's own tables) → integrity seal and witness → migrations → the registry
//! of sealed columns against the schema → load. An existing database is unlocked and checked over a read-only
//! connection first, so that a wrong field password, or a refusal, changes no byte of it.
#![expect(clippy::disallowed_methods, reason = "this room is where SQL lives")]

mod access_keys;
mod apply;
mod audit;
mod audit_chain;
pub(crate) mod change;
mod change_counter;
mod columns;
mod error;
mod in_the_way;
mod inspect;
mod integrity;
mod load;
mod migrations;
mod passwords;
mod pending_keys;
mod purge;
mod restore;
mod rotation;
mod second_factor;
mod server_state;
mod sessions;
mod settings;
mod signin_tokens;
mod signing_keys;
mod slots;
mod snapshot;
mod spent_tokens;
mod throttle;
mod tls_keys;
mod writer;

pub use audit_chain::{AuditBreak, AuditVerification};
pub(crate) use audit_chain::{audit_head, verify_audit};
pub use columns::{PLAIN_COLUMNS, sealed_columns};
pub use error::StoreError;
pub use in_the_way::InTheWay;
pub use inspect::{Inspection, Verification};
pub(crate) use inspect::{inspect, verify};
pub use integrity::{IntegrityOptions, PROTECTED as PROTECTED_TABLES};
pub use pending_keys::KeyKind;
pub use restore::{CurrentDatabase, Ended, Restored};
pub(crate) use restore::{close_log, end_everything as end_everything_in_copy, survey};
pub use rotation::{KeyRotation, RotationFailed, RotationProgress, RotationStatus};
pub use slots::{SlotChangeError, Slots};
pub use snapshot::{DatabaseFacts, DatabaseSnapshot, Examination, OpenedCopy, SealCheck};
pub(crate) use snapshot::{examine as examine_copy, take as take_snapshot};
pub(crate) use writer::{Committed, Store};

use std::path::{Path, PathBuf};

use fieldcrypt::sqlite::{ConnectionError, OpenMode, open_connection};
use fieldcrypt::{
    CreateError, IntegrityError, NewVault, SecretKey, SlotSecret, UnlockError, Vault, WitnessError,
};
use rusqlite::Connection;

use crate::clock::WallTime;
use crate::password::PasswordRecord;
use crate::signing_keys::NewSigningKey;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("there is no database at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is one already.
    #[error("there is a database already at {}", path.display())]
    AlreadyExists {
        /// Where.
        path: PathBuf,
    },
    /// The file could not be opened as a database.
    #[error("the database {} cannot be opened", path.display())]
    Connection {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ConnectionError,
    },
    /// No key slot opens with what was given, or the slots and keys are damaged.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// Rows, tables or the schema were altered by something that has not the keys; or there is no seal to tell by.
    #[error(transparent)]
    Integrity(#[from] IntegrityError),
    /// The witness speaks against the database, or cannot speak.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// A rotation of the data key that is under way does not read.
    #[error(transparent)]
    Rotation(#[from] fieldcrypt::RotationError),
    /// Its state could not be held still to be copied.
    #[error("the database cannot be copied")]
    Snapshot(#[source] Box<fieldcrypt::sqlite::SnapshotError>),
    /// A new vault could not be made.
    #[error("the keys of a new database could not be made")]
    Create(#[from] CreateError),
    /// The schema is not one this version knows.
    #[error("the schema of the database could not be brought up to date: {reason}")]
    Schema {
        /// What the migration runner says.
        reason: String,
    },
    /// A sealed column that the code knows is not in the schema.
    #[error("the schema has no column {table}.{column}, which the registry of sealed columns names")]
    ColumnMissing {
        /// Logical table.
        table: &'static str,
        /// Logical column.
        column: &'static str,
    },
    /// What is in it could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[from] fieldcrypt::random::RandomError),
    /// A first secret could not be made.
    #[error("the first keys could not be made: {0}")]
    FirstKeys(String),
}

/// A database, open and unlocked.
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) vault: Vault,
    pub(crate) guard: integrity::Guard,
}

/// Makes a new database file with its vault and schema.
pub(crate) fn create(
    path: &Path,
    secret: &SlotSecret,
    integrity: &IntegrityOptions,
    now: WallTime,
) -> Result<Opened, OpenError> {
    if path.exists() {
        return Err(OpenError::AlreadyExists {
            path: path.to_owned(),
        });
    }
    let mut connection = connect(path, OpenMode::CreateNew)?;
    let vault = Vault::create(
        &mut connection,
        columns::registry(),
        secret,
        &NewVault::first(now.unix_ms() / 1000),
    )?;
    migrations::run(&mut connection)?;
    columns::check_schema(&connection)?;
    let guard = integrity::Guard::begin(&vault, &connection, integrity)?;
    Ok(Opened {
        connection,
        vault,
        guard,
    })
}

/// Opens an existing database. With the wrong secret, or when it was tampered with, no byte of it changes.
pub(crate) fn open(
    path: &Path,
    secret: &SlotSecret,
    integrity: &IntegrityOptions,
) -> Result<Opened, OpenError> {
    let Reading { vault, checked, .. } = read(path, secret, integrity)?;
    let checked = checked?;
    let mut connection = connect(path, OpenMode::Existing)?;
    let guard = checked.stand_guard(&vault, &mut connection)?;
    columns::check_schema(&connection)?;
    integrity::finish_purge(&vault, &mut connection)?;
    Ok(Opened {
        connection,
        vault,
        guard,
    })
}

/// An existing database, unlocked, and one state of it on a connection that only reads.
struct Reading {
    connection: Connection,
    vault: Vault,
    /// What the integrity seal and the witness say of it.
    checked: Result<integrity::Checked, OpenError>,
}

/// Unlocks and checks an existing database. Writes nothing.
fn read(path: &Path, secret: &SlotSecret, integrity: &IntegrityOptions) -> Result<Reading, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing {
            path: path.to_owned(),
        });
    }
    let connection = connect(path, OpenMode::ReadOnly)?;
    let vault = Vault::unlock(&connection, columns::registry(), secret)?;
    // What is looked at from here on is one state, and the keys are those of it, whoever writes meanwhile; the costly
    // derivation of the slot's key came before, so as to be in no checkpoint's way.
    connection.execute_batch("BEGIN").map_err(StoreError::from)?;
    vault.reload_if_changed(&connection).map_err(StoreError::from)?;
    let checked = integrity::Guard::check(&vault, &connection, integrity);
    Ok(Reading {
        connection,
        vault,
        checked,
    })
}

/// What a new database holds from the start, in one transaction: without all of it, it does not open.
pub(crate) fn put_first_rows(
    opened: &mut Opened,
    token_hash_key: &SecretKey,
    password: &PasswordRecord,
    signing_key: &NewSigningKey,
    now: WallTime,
) -> Result<(), OpenError> {
    let Opened {
        connection, vault, ..
    } = opened;
    let transaction = connection.transaction().map_err(StoreError::from)?;
    audit_chain::begin(&transaction, vault)?;
    server_state::put_token_hash_key(&transaction, vault, token_hash_key)?;
    passwords::put_first(&transaction, vault, password)?;
    signing_keys::insert(&transaction, vault, signing_key, now)?;
    transaction.commit().map_err(StoreError::from)?;
    Ok(())
}

/// The key under which tokens are hashed.
pub(crate) fn token_hash_key(opened: &Opened) -> Result<SecretKey, StoreError> {
    server_state::token_hash_key(&opened.connection, &opened.vault)
}

/// A second connection, for reading what is not kept in memory.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    connect(path, OpenMode::Existing)
}

fn connect(path: &Path, mode: OpenMode) -> Result<Connection, OpenError> {
    open_connection(path, mode).map_err(|source| OpenError::Connection {
        path: path.to_owned(),
        source,
    })
}
