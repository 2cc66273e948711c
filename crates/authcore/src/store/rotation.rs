//! Rotation of the data key by the operator's own process, beside a running server, which follows by itself.

use fieldcrypt::{
    Algorithm, NewDataKey, Phase, PurgeError, Rotation, RotationError, SlotSecret, UnopenableField, Vault,
};
use rusqlite::TransactionBehavior;

use super::{OpenError, Opened};
use crate::authority::AuthorityOptions;

/// Rows a transaction. A writer of the server's waits for one of them at most.
const BATCH: u32 = 2_000;

/// A rotation that is driven step by step; it may be dropped or killed at any of them, and goes on when it is opened again.
pub struct DataKeyRotation {
    opened: Opened,
    now_unix: i64,
}

/// Where a rotation stands.
#[derive(Debug)]
pub enum RotationProgress {
    /// So many of so many rows are walked.
    Walking {
        /// Walked in this walk.
        done: u64,
        /// There were when it began.
        total: u64,
    },
    /// These fields do not open; the old key stays for as long as they need it.
    Blocked(Vec<UnopenableField>),
    /// Nothing is left under the old key, and nothing of it in the files.
    Done,
}

/// A rotation did not go on; what was committed stays, and it can go on later.
#[derive(Debug, thiserror::Error)]
pub enum RotationFailed {
    /// A step was not made.
    #[error(transparent)]
    Step(#[from] RotationError),
    /// The old key is destroyed, but its bytes may still stand in the files.
    #[error(transparent)]
    Purge(#[from] PurgeError),
    /// The keyring does not read.
    #[error(transparent)]
    Keyring(#[from] fieldcrypt::KeyringError),
    /// SQLite says something.
    #[error("the database cannot be read or written")]
    Database(#[from] rusqlite::Error),
}

impl DataKeyRotation {
    /// Opens an existing database.
    ///
    /// # Errors
    /// As [`crate::Authority::open`].
    pub fn open(options: &AuthorityOptions, secret: &SlotSecret) -> Result<Self, OpenError> {
        Ok(Self {
            opened: super::open(&options.database, secret, &options.integrity)?,
            now_unix: options.clock.now().wall.unix_seconds(),
        })
    }

    /// Begins a rotation, unless one is under way, which then goes on. Says whether it began.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn begin(&mut self) -> Result<bool, RotationFailed> {
        if Rotation::under_way(&self.opened.connection)?.is_some() {
            return Ok(false);
        }
        let new = NewDataKey {
            algorithm: Algorithm::Aes256Gcm,
            created_unix: self.now_unix,
        };
        self.commit(|connection, vault| Rotation::begin(connection, vault, &new).map(drop))?;
        Ok(true)
    }

    /// Goes one batch on.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn advance(&mut self) -> Result<RotationProgress, RotationFailed> {
        let at = self.commit(|connection, vault| Rotation::step(connection, vault, BATCH))?;
        let Some(at) = at else {
            return Ok(RotationProgress::Done);
        };
        match at.phase {
            Phase::Sweeping | Phase::Proving => Ok(RotationProgress::Walking {
                done: at.rows_done,
                total: at.rows_total,
            }),
            Phase::Blocked => {
                let fields = Rotation::unopenable_fields(&self.opened.connection)?;
                Ok(RotationProgress::Blocked(fields))
            }
            Phase::Purging => {
                self.opened.vault.purge(&mut self.opened.connection)?;
                Ok(RotationProgress::Done)
            }
        }
    }

    /// One transaction on the keyring as it is in the file, and the keyring in memory as it is after it.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Connection, &Vault) -> Result<T, RotationError>,
    ) -> Result<T, RotationFailed> {
        let Opened {
            connection, vault, ..
        } = &mut self.opened;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        vault.reload_if_changed(&transaction)?;
        let result = work(&transaction, vault)?;
        vault.record_uses(&transaction)?;
        transaction.commit()?;
        vault.reload_if_changed(connection)?;
        Ok(result)
    }
}
