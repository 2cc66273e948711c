//! Who makes a backup in a running server: one at a time, sealed to whom the configuration says.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use authcore::{Authority, SealCheck};

use super::{BackupError, Made, SealedTo, to_spool};

/// The one desk of a server.
pub(crate) struct Desk {
    /// Held by whoever makes a backup: never two at once.
    pub(crate) lane: Arc<Mutex<()>>,
    /// `None`: the database is opened without a field password, and nobody is named to seal to.
    pub(crate) sealed_to: Option<Arc<SealedTo>>,
    /// Where one lies, without a name, while it is sent.
    pub(crate) spool: PathBuf,
}

/// Why there is no backup now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    /// Another is being made.
    #[error("another backup is being made")]
    Busy,
    /// There is nobody to seal it to.
    #[error("there is nobody to seal a backup to")]
    Nobody,
    /// It was not made.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

impl Desk {
    /// A desk that has made nothing yet.
    pub(crate) fn new(sealed_to: Option<SealedTo>, spool: PathBuf) -> Self {
        Self {
            lane: Arc::default(),
            sealed_to: sealed_to.map(Arc::new),
            spool,
        }
    }

    /// Makes a backup to be sent: flushed, read back, and in a file without a name. Blocks, and makes the calling thread give
    /// way to others for good.
    pub(crate) fn make(&self, authority: &Authority) -> Result<(File, Made), DeskError> {
        let _lane = match self.lane.try_lock() {
            Ok(lane) => lane,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(std::sync::TryLockError::WouldBlock) => return Err(DeskError::Busy),
        };
        let sealed_to = self.sealed_to.as_ref().ok_or(DeskError::Nobody)?;
        let snapshot = authority
            .backups()
            .snapshot(SealCheck::None)
            .map_err(BackupError::from)?;
        let taken = authority.clock().now().wall;
        Ok(to_spool(&self.spool, &snapshot, taken, sealed_to)?)
    }
}
