//! Changing the ways in: a new slot is put in only when it was read back from the file and opened the keyring, and an old
//! one goes in the same transaction, so that at every instant exactly one of the two opens the database.
//!
//! ```text
//! derive · tx {fieldcrypt_new_slot} · second connection: open it, open the keyring · tx {in fieldcrypt_slots, old one out}
//! ```
//!
//! What stood in the file before is noted for the [purge](Vault::purge), which is the caller's next step.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::slot_rows::{self, Table, Which};
use super::{OpenMode, key_rows, open_connection, schema, trace_rows};
use crate::access::{MasterAccess, keyring_wrap};
use crate::column::ColumnRegistry;
use crate::error::{KeyringError, SlotError, UnlockError};
use crate::keyring::Keyring;
use crate::secret::SecretKey;
use crate::slot::{NewSlot, SLOTS_MAX, SlotId, SlotSecret};

/// What a new master key did to the slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterKeyRotated {
    /// Slots that open as before.
    pub kept: Vec<SlotId>,
    /// Slots whose secret was not given: removed.
    pub removed: Vec<SlotId>,
}

impl MasterAccess {
    /// Opens the master key with any slot that fits. Writes nothing.
    ///
    /// # Errors
    /// As [`crate::Vault::unlock`].
    pub fn unlock(connection: &Connection, secret: &SlotSecret) -> Result<Self, UnlockError> {
        if !schema::exists(connection)? {
            return Err(UnlockError::NoVault);
        }
        let install_id = schema::install_id(connection)?;
        let (opened, master) = slot_rows::open_any(connection, &install_id, secret)?;
        Ok(Self {
            install_id,
            opened,
            master,
        })
    }

    /// Adds a slot.
    ///
    /// # Errors
    /// See [`SlotError`]; the slots are as they were then.
    pub fn add_slot(
        &self,
        connection: &mut Connection,
        secret: &SlotSecret,
        new: &NewSlot,
    ) -> Result<SlotId, SlotError> {
        self.put_slot(connection, None, secret, new)
    }

    /// Gives a slot another secret, of any kind, and another label.
    ///
    /// # Errors
    /// See [`SlotError`]; the old secret opens the slot then, and the new one does not.
    pub fn change_slot(
        &self,
        connection: &mut Connection,
        id: SlotId,
        secret: &SlotSecret,
        new: &NewSlot,
    ) -> Result<(), SlotError> {
        self.put_slot(connection, Some(id), secret, new).map(drop)
    }

    /// Removes a slot.
    ///
    /// # Errors
    /// [`SlotError::LastSlot`] for the last one.
    pub fn remove_slot(&self, connection: &mut Connection, id: SlotId) -> Result<(), SlotError> {
        let transaction = self.begin(connection)?;
        note_slot(&transaction, id)?;
        if slot_rows::count(&transaction)? == 1 {
            return Err(SlotError::LastSlot { slot: id });
        }
        slot_rows::delete(&transaction, Table::Slots, Some(id))?;
        Ok(transaction.commit()?)
    }

    /// Gives the vault a new master key, in one transaction: the keyring and each slot whose secret is given are wrapped
    /// anew, the other slots are removed. A vault that was unlocked with a slot that stays follows by itself.
    ///
    /// # Errors
    /// When a secret fits no slot, or none is given; the vault is as it was then.
    pub fn rotate_master_key(
        &mut self,
        connection: &mut Connection,
        secrets: &[SlotSecret],
    ) -> Result<MasterKeyRotated, SlotError> {
        // The costly part is done before the write lock is taken; that the rows are still these is looked at under it.
        let mut kept = Vec::new();
        let mut used = vec![false; secrets.len()];
        for row in slot_rows::read(connection, Table::Slots, Which::All)? {
            for (secret, used) in secrets.iter().zip(&mut used) {
                if let Some(key) = row.key(secret) {
                    row.open(&key, &self.install_id)?;
                    *used = true;
                    kept.push((row, key));
                    break;
                }
            }
        }
        if let Some((at, secret)) = secrets
            .iter()
            .enumerate()
            .find(|(at, _)| used.get(*at) == Some(&false))
        {
            return Err(SlotError::FitsNoSlot {
                position: at + 1,
                kind: secret.kind(),
            });
        }
        if kept.is_empty() {
            return Err(SlotError::NoSlotStays);
        }

        let master = SecretKey::random()?;
        let transaction = self.begin(connection)?;
        let keyring = self.keyring(&transaction)?;
        let mut done = MasterKeyRotated {
            kept: Vec::new(),
            removed: Vec::new(),
        };
        for row in slot_rows::read(&transaction, Table::Slots, Which::All)? {
            match kept.iter().find(|(stays, _)| stays.id == row.id) {
                // Changed between the two readings: its key may be another now.
                Some((stays, _)) if !stays.is_same(&row) => return Err(SlotError::MasterKeyChanged),
                Some((_, key)) => {
                    trace_rows::note(&transaction, row.trace_of_wrap())?;
                    let wrapped = slot_rows::wrap(key, row.id, &self.install_id, &master)?;
                    slot_rows::put_wrapped(&transaction, row.id, &wrapped)?;
                    done.kept.push(row.id);
                }
                None => {
                    note_slot(&transaction, row.id)?;
                    slot_rows::delete(&transaction, Table::Slots, Some(row.id))?;
                    done.removed.push(row.id);
                }
            }
        }
        let wrap = keyring_wrap(&master);
        key_rows::wrap_anew(&transaction, &self.install_id, &keyring, &wrap, |gone| {
            trace_rows::note(&transaction, gone)
        })?;
        key_rows::raise_version(&transaction)?;
        for (row, key) in &kept {
            prove(&transaction, Table::Slots, row.id, key, &self.install_id)?;
        }
        transaction.commit()?;
        self.master = master;
        Ok(done)
    }

    fn put_slot(
        &self,
        connection: &mut Connection,
        replaced: Option<SlotId>,
        secret: &SlotSecret,
        new: &NewSlot,
    ) -> Result<SlotId, SlotError> {
        let prepared = slot_rows::prepare(secret, new)?;
        let transaction = self.begin(connection)?;
        // A slot left behind by an attempt that was cut off was never proven, and is made again here.
        slot_rows::delete(&transaction, Table::NewSlot, None)?;
        let id = match replaced {
            Some(id) => id,
            None if slot_rows::count(&transaction)? >= SLOTS_MAX => return Err(SlotError::NoRoom),
            None => slot_rows::next_id(&transaction)?,
        };
        slot_rows::insert(
            &transaction,
            Table::NewSlot,
            id,
            &self.install_id,
            &self.master,
            secret.kind(),
            new,
            &prepared,
        )?;
        transaction.commit()?;

        let key = read_back(connection, |reader| {
            let rows = slot_rows::read(reader, Table::NewSlot, Which::One(id))?;
            let key = rows.first().and_then(|row| row.key(secret));
            let key = key.ok_or(SlotError::Unproven { slot: id })?;
            prove(reader, Table::NewSlot, id, &key, &self.install_id)?;
            Ok(key)
        })?;

        let transaction = self.begin(connection)?;
        // Another process may have put a slot of its own in that place meanwhile, which nobody has proven.
        prove(&transaction, Table::NewSlot, id, &key, &self.install_id)
            .map_err(|_| SlotError::Unproven { slot: id })?;
        if let Some(old) = replaced {
            note_slot(&transaction, old)?;
            slot_rows::delete(&transaction, Table::Slots, Some(old))?;
        }
        if !slot_rows::take_over(&transaction, id)? {
            return Err(SlotError::Unproven { slot: id });
        }
        transaction.commit()?;
        Ok(id)
    }

    /// A transaction that writes, in which the master key held is the one of the file.
    fn begin<'c>(&self, connection: &'c mut Connection) -> Result<Transaction<'c>, SlotError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::complete(&transaction)?;
        self.keyring(&transaction)?;
        Ok(transaction)
    }

    fn keyring(&self, connection: &Connection) -> Result<Keyring, SlotError> {
        key_rows::load(
            connection,
            &self.install_id,
            &self.keyring_wrap(),
            &ColumnRegistry::default(),
        )
        .map_err(|error| match error {
            KeyringError::DamagedKey { .. } => SlotError::MasterKeyChanged,
            other => SlotError::Keyring(other),
        })
    }
}

/// Notes what stands in a slot that goes.
fn note_slot(transaction: &Connection, id: SlotId) -> Result<(), SlotError> {
    let rows = slot_rows::read(transaction, Table::Slots, Which::One(id))?;
    let row = rows.first().ok_or(SlotError::NotFound { slot: id })?;
    for gone in row.traces() {
        trace_rows::note(transaction, gone)?;
    }
    Ok(())
}

/// The slot as it stands in the file opens, and what it opens to opens every key of the keyring.
fn prove(
    connection: &Connection,
    table: Table,
    id: SlotId,
    slot_key: &SecretKey,
    install_id: &[u8; 16],
) -> Result<(), SlotError> {
    let unproven = || SlotError::Unproven { slot: id };
    let rows = slot_rows::read(connection, table, Which::One(id))?;
    let master = rows.first().ok_or_else(unproven)?.open(slot_key, install_id)?;
    key_rows::load(
        connection,
        install_id,
        &keyring_wrap(&master),
        &ColumnRegistry::default(),
    )
    .map_err(|_| unproven())?;
    Ok(())
}

/// Reads what was committed, over a connection that shares no cache with the one that wrote it.
fn read_back<T>(
    connection: &Connection,
    look: impl FnOnce(&Connection) -> Result<T, SlotError>,
) -> Result<T, SlotError> {
    match connection.path().filter(|path| !path.is_empty()) {
        Some(path) => look(&open_connection(Path::new(path), OpenMode::ReadOnly)?),
        None => look(connection),
    }
}
