//! Key slots, changed on the word of who can show the secret of one; beside a running server or without one.

use fieldcrypt::{KdfParams, MasterAccess, NewSlot, SlotError, SlotId, SlotInfo, SlotSecret, Vault};
use rusqlite::{Connection, TransactionBehavior};

use super::integrity::Guard;
use super::{OpenError, Opened, StoreError, audit, purge};
use crate::audit::event::AuditEvent;
use crate::authority::AuthorityOptions;
use crate::client::Client;
use crate::clock::{Clock, WallTime};

/// The ways into a database, open for change.
pub struct Slots {
    connection: Connection,
    vault: Vault,
    access: MasterAccess,
    clock: Clock,
    /// Keeps the integrity seal attached.
    _guard: Guard,
}

/// Slots were not changed, or what they held before was not taken out of the file.
#[derive(Debug, thiserror::Error)]
pub enum SlotChangeError {
    /// Nothing was changed.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The change is made, and not written down in the audit log; nor was what the slot held before taken out of the file.
    #[error("the change is made, but it could not be written down in the audit log")]
    NotNoted(#[from] StoreError),
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
            clock: options.clock.clone(),
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
        self.changed(AuditEvent::SlotAdded { slot: id.0 })?;
        Ok(id)
    }

    /// Gives a slot another secret; the old one opens nothing from then on.
    ///
    /// # Errors
    /// See [`SlotChangeError`].
    pub fn change(&mut self, id: SlotId, secret: &SlotSecret, label: &str) -> Result<(), SlotChangeError> {
        let new = self.new_slot(label);
        self.access.change_slot(&mut self.connection, id, secret, &new)?;
        self.changed(AuditEvent::SlotChanged { slot: id.0 })
    }

    /// Removes a slot.
    ///
    /// # Errors
    /// See [`SlotChangeError`]; the last one stays.
    pub fn remove(&mut self, id: SlotId) -> Result<(), SlotChangeError> {
        self.access.remove_slot(&mut self.connection, id)?;
        self.changed(AuditEvent::SlotRemoved { slot: id.0 })
    }

    fn new_slot(&self, label: &str) -> NewSlot {
        NewSlot {
            label: label.to_owned(),
            kdf: KdfParams::default(),
            created_unix: self.now().unix_seconds(),
        }
    }

    fn now(&self) -> WallTime {
        self.clock.now().wall
    }

    /// Writes it down, and takes what the slot held before out of the files.
    fn changed(&mut self, event: AuditEvent) -> Result<(), SlotChangeError> {
        let now = self.now();
        self.vault
            .reload_if_changed(&self.connection)
            .map_err(StoreError::from)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        audit::write(&transaction, &self.vault, &Client::local(), now, event)?;
        transaction.commit().map_err(StoreError::from)?;
        let purged = purge::patiently(&self.vault, &mut self.connection);
        purged.map(drop).map_err(SlotChangeError::NotPurged)
    }
}
