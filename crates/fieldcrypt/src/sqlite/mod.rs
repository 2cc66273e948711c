//! The binding to SQLite: connections opened as the format asks, the vault's own tables, sealed values as SQL values.
#![expect(clippy::disallowed_methods, reason = "this room is where SQL lives")]

mod adoption_rows;
mod column_walk;
mod connection;
mod field_check;
mod held_changes;
mod integrity_rows;
mod integrity_triggers;
mod key_rows;
mod layout;
mod own_columns;
mod purge_steps;
mod replaced_fields;
mod rotation;
mod rotation_rows;
mod schema;
mod slot_rows;
mod slots;
mod snapshot;
mod survey;
mod sweep_rows;
mod trace_rows;
mod values;

pub use connection::{
    ConnectionError, OpenMode, Patience, checkpoint_truncate, open_connection, wait_for_locks,
};
pub use field_check::FieldCheck;
pub(crate) use integrity_rows::OWN_PROTECTED;
pub use own_columns::{OWN_COLUMNS, PlainColumn, PlainForm};
pub use slots::MasterKeyRotated;
pub use snapshot::{Snapshot, SnapshotBytes, SnapshotError, install_id, leave_log_mode};
pub use survey::{Cell, RowName, RowValue, Stored, Survey, SurveyError, SurveyedTable};

use std::sync::{PoisonError, RwLock};

use rusqlite::{Connection, TransactionBehavior};

use crate::access::{Access, MasterAccess, OpenSlot, keyring_wrap};
use crate::column::ColumnRegistry;
use crate::error::{CreateError, KeyringError, UnlockError};
use crate::keyring::{KeyPurpose, Keyring};
use crate::random;
use crate::secret::SecretKey;
use crate::slot::{NewSlot, SlotId, SlotInfo, SlotSecret};
use crate::vault::{NewVault, Vault};

impl Vault {
    /// Makes the vault of a new database: its tables, install id, master key, keyring and first slot, in one transaction.
    ///
    /// # Errors
    /// When there is one already; nothing was changed then, nor after any other error.
    pub fn create(
        connection: &mut Connection,
        registry: ColumnRegistry,
        secret: &SlotSecret,
        new: &NewVault,
    ) -> Result<Self, CreateError> {
        if schema::exists(connection)? {
            return Err(CreateError::AlreadyExists);
        }
        let install_id = random::array()?;
        let master = SecretKey::random()?;
        let wrap = keyring_wrap(&master);
        let slot = NewSlot {
            label: new.slot_label.clone(),
            kdf: new.kdf,
            created_unix: new.created_unix,
        };
        let prepared = slot_rows::prepare(secret, &slot)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::create(&transaction, &install_id)?;
        let first = SlotId(1);
        slot_rows::insert(
            &transaction,
            slot_rows::Table::Slots,
            first,
            &install_id,
            &master,
            secret.kind(),
            &slot,
            &prepared,
        )?;
        for (number, purpose) in [
            (1, KeyPurpose::Data),
            (2, KeyPurpose::Index),
            (3, KeyPurpose::Integrity),
        ] {
            key_rows::insert_new(
                &transaction,
                &install_id,
                &wrap,
                number,
                purpose,
                new.algorithm,
                new.created_unix,
            )?;
        }
        let keyring = key_rows::load(&transaction, &install_id, &wrap, &registry)?;
        transaction.commit()?;
        let opened = OpenSlot {
            id: first,
            key: prepared.into_key(),
        };
        Ok(Self::with(install_id, registry, opened, wrap, keyring))
    }

    /// Unlocks the vault with any slot that fits. Writes nothing.
    ///
    /// # Errors
    /// [`UnlockError::WrongSecret`] when no slot fits; the other variants when slots or keys are damaged.
    pub fn unlock(
        connection: &Connection,
        registry: ColumnRegistry,
        secret: &SlotSecret,
    ) -> Result<Self, UnlockError> {
        let access = MasterAccess::unlock(connection, secret)?;
        let wrap = access.keyring_wrap();
        let keyring = key_rows::load(connection, &access.install_id, &wrap, &registry)?;
        Ok(Self::with(
            access.install_id,
            registry,
            access.opened,
            wrap,
            keyring,
        ))
    }

    fn with(
        install_id: [u8; 16],
        registry: ColumnRegistry,
        slot: OpenSlot,
        keyring_wrap: SecretKey,
        keyring: Keyring,
    ) -> Self {
        Self {
            install_id,
            registry,
            access: RwLock::new(Access { slot, keyring_wrap }),
            keyring: RwLock::new(keyring),
        }
    }

    /// Whether the database has a vault.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn exists(connection: &Connection) -> rusqlite::Result<bool> {
        schema::exists(connection)
    }

    /// Every slot, without its secrets.
    ///
    /// # Errors
    /// When a row does not read.
    pub fn slots(connection: &Connection) -> Result<Vec<SlotInfo>, UnlockError> {
        slot_rows::list(connection)
    }

    /// Adds the uses of the data keys since the last call to their rows, inside the caller's transaction.
    ///
    /// # Errors
    /// What SQLite says. Uses whose transaction is rolled back are not counted: their fields were not stored either.
    pub fn record_uses(&self, transaction: &Connection) -> Result<(), KeyringError> {
        key_rows::record_uses(transaction, &self.keyring())
    }

    /// Takes in what another process, or a committed transaction of this one, changed in the keyring. Says whether there
    /// was anything. To be called at the start of a transaction that writes, and after a commit that changed keys; never
    /// between the two, or a key would be in use that a rollback takes away.
    ///
    /// # Errors
    /// When a key does not read; the keyring in memory stays as it was.
    pub fn reload_if_changed(&self, connection: &Connection) -> Result<bool, KeyringError> {
        if key_rows::version(connection)? == self.keyring().version {
            return Ok(false);
        }
        let mut access = self.access.write().unwrap_or_else(PoisonError::into_inner);
        let load = |wrap: &SecretKey| key_rows::load(connection, &self.install_id, wrap, &self.registry);
        let fresh = match load(&access.keyring_wrap) {
            Err(damaged @ KeyringError::DamagedKey { .. }) => {
                // Or not damaged, but wrapped under a new master key: the slot that was unlocked leads to it.
                let slot = access.slot.id;
                let master = slot_rows::reopen(connection, &self.install_id, &access.slot)?
                    .ok_or(KeyringError::NoLongerUnlocked { slot })?;
                let wrap = keyring_wrap(&master);
                let fresh = load(&wrap).map_err(|_| damaged)?;
                access.keyring_wrap = wrap;
                fresh
            }
            loaded => loaded?,
        };
        self.put_keyring(fresh);
        Ok(true)
    }

    /// Unlocks again, in place: where the slot this vault was unlocked with was changed, and where another process changed
    /// the master key so that [`Vault::reload_if_changed`] could not follow.
    ///
    /// # Errors
    /// As [`Vault::unlock`]; what is in memory stays as it was.
    pub fn unlock_again(&self, connection: &Connection, secret: &SlotSecret) -> Result<(), UnlockError> {
        let access = MasterAccess::unlock(connection, secret)?;
        let keyring_wrap = access.keyring_wrap();
        let fresh = key_rows::load(connection, &self.install_id, &keyring_wrap, &self.registry)?;
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Access {
            slot: access.opened,
            keyring_wrap,
        };
        self.put_keyring(fresh);
        Ok(())
    }

    fn put_keyring(&self, fresh: Keyring) {
        let mut keyring = self.keyring.write().unwrap_or_else(PoisonError::into_inner);
        for entry in fresh.entries() {
            if let Some(before) = keyring
                .entries()
                .iter()
                .find(|known| known.info.number == entry.info.number)
            {
                entry.carry_over(before);
            }
        }
        *keyring = fresh;
    }
}
