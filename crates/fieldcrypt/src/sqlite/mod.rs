//! The binding to SQLite: connections opened as the format asks, the vault's own tables, sealed values as SQL values.
#![expect(clippy::disallowed_methods, reason = "this room is where SQL lives")]

mod adoption_rows;
mod connection;
mod integrity_rows;
mod integrity_triggers;
mod key_rows;
mod layout;
mod schema;
mod slot_rows;
mod values;

pub use connection::{ConnectionError, OpenMode, checkpoint_truncate, open_connection};
pub(crate) use integrity_rows::OWN_PROTECTED;

use std::sync::{PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::column::ColumnRegistry;
use crate::error::{CreateError, KeyringError, UnlockError};
use crate::kdf;
use crate::keyring::KeyPurpose;
use crate::labels;
use crate::random;
use crate::secret::SecretKey;
use crate::slot::{SlotInfo, SlotSecret};
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
        let keyring_wrap = kdf::expand(&master, labels::KEYRING_WRAP);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::create(&transaction, &install_id)?;
        slot_rows::insert_first(&transaction, &install_id, &master, secret, new)?;
        for (number, purpose) in [
            (1, KeyPurpose::Data),
            (2, KeyPurpose::Index),
            (3, KeyPurpose::Integrity),
        ] {
            key_rows::insert_new(&transaction, &install_id, &keyring_wrap, number, purpose, new)?;
        }
        let keyring = key_rows::load(&transaction, &install_id, &keyring_wrap, &registry)?;
        transaction.commit()?;
        Ok(Self {
            install_id,
            registry,
            keyring_wrap,
            keyring: RwLock::new(keyring),
        })
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
        if !schema::exists(connection)? {
            return Err(UnlockError::NoVault);
        }
        let install_id = schema::install_id(connection)?;
        let master = slot_rows::open_any(connection, &install_id, secret)?;
        let keyring_wrap = kdf::expand(&master, labels::KEYRING_WRAP);
        let keyring = key_rows::load(connection, &install_id, &keyring_wrap, &registry)?;
        Ok(Self {
            install_id,
            registry,
            keyring_wrap,
            keyring: RwLock::new(keyring),
        })
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

    /// Takes in what another process changed in the keyring. Says whether there was anything.
    ///
    /// # Errors
    /// When a key does not read; the keyring in memory stays as it was.
    pub fn reload_if_changed(&self, connection: &Connection) -> Result<bool, KeyringError> {
        if key_rows::version(connection)? == self.keyring().version {
            return Ok(false);
        }
        let fresh = key_rows::load(connection, &self.install_id, &self.keyring_wrap, &self.registry)?;
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
        Ok(true)
    }
}

fn single<T: rusqlite::types::FromSql>(connection: &Connection, sql: &str) -> rusqlite::Result<Option<T>> {
    connection.query_row(sql, [], |row| row.get(0)).optional()
}
