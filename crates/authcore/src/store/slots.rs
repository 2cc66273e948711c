//! Key slots, changed on the word of who can show the secret of one; beside a running server or without one.

use fieldcrypt::{KdfParams, MasterAccess, NewSlot, SlotError, SlotId, SlotInfo, SlotSecret, Vault};
use rusqlite::Connection;

use super::integrity::Guard;
use super::{OpenError, Opened};
use crate::authority::AuthorityOptions;

/// The ways into a database, open for change.
pub struct Slots {
    connection: Connection,
    vault: Vault,
    access: MasterAccess,
    now_unix: i64,
    /// Keeps the integrity seal attached.
    _guard: Guard,
}

/// Slots were not changed, or what they held before was not taken out of the file.
#[derive(Debug, thiserror::Error)]
pub enum SlotChangeError {
    /// Nothing was changed.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The change is made; what the slot held before may still stand in the file.
    #[error("the change is made, but the old slot may still stand in the file")]
    NotPurged(#[source] fieldcrypt::PurgeError),
}

impl Slots {
    /// Opens an existing database with the secret of any slot, which is shown for each change anew by being held here.
    ///
    /// # Errors
    /// As [`crate::Authority::open`].
    pub fn open(options: &AuthorityOptions, secret: &SlotSecret) -> Result<Self, OpenError> {
        let Opened {
            connection,
            vault,
            guard,
        } = super::open(&options.database, secret, &options.integrity)?;
        let access = MasterAccess::unlock(&connection, secret)?;
        Ok(Self {
            connection,
            vault,
            access,
            now_unix: options.clock.now().wall.unix_seconds(),
            _guard: guard,
        })
    }

    /// Every slot, without its secret.
    ///
    /// # Errors
    /// When a row does not read.
    pub fn list(&self) -> Result<Vec<SlotInfo>, OpenError> {
        Ok(Vault::slots(&self.connection)?)
    }

    /// The slot that the secret opened.
    #[must_use]
    pub const fn opened(&self) -> SlotId {
        self.access.slot()
    }

    /// Adds a slot.
    ///
    /// # Errors
    /// See [`SlotChangeError`].
    pub fn add(&mut self, secret: &SlotSecret, label: &str) -> Result<SlotId, SlotChangeError> {
        let new = self.new_slot(label);
        let id = self.access.add_slot(&mut self.connection, secret, &new)?;
        self.purge()?;
        Ok(id)
    }

    /// Gives a slot another secret; the old one opens nothing from then on.
    ///
    /// # Errors
    /// See [`SlotChangeError`].
    pub fn change(&mut self, id: SlotId, secret: &SlotSecret, label: &str) -> Result<(), SlotChangeError> {
        let new = self.new_slot(label);
        self.access.change_slot(&mut self.connection, id, secret, &new)?;
        self.purge()
    }

    /// Removes a slot.
    ///
    /// # Errors
    /// See [`SlotChangeError`]; the last one stays.
    pub fn remove(&mut self, id: SlotId) -> Result<(), SlotChangeError> {
        self.access.remove_slot(&mut self.connection, id)?;
        self.purge()
    }

    fn new_slot(&self, label: &str) -> NewSlot {
        NewSlot {
            label: label.to_owned(),
            kdf: KdfParams::default(),
            created_unix: self.now_unix,
        }
    }

    fn purge(&mut self) -> Result<(), SlotChangeError> {
        let purged = self.vault.purge(&mut self.connection);
        purged.map(drop).map_err(SlotChangeError::NotPurged)
    }
}
