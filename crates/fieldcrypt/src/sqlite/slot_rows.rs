//! Rows of key slots.

use rusqlite::{Connection, OptionalExtension as _};

use crate::access::OpenSlot;
use crate::error::{SlotError, UnlockError};
use crate::kdf::KdfParams;
use crate::random;
use crate::secret::SecretKey;
use crate::slot::{self, NewSlot, OpenedSlot, SLOTS_MAX, SlotId, SlotInfo, SlotKind, SlotSecret};

/// Bytes of salt (NIST SP 800-132 section 5.1 asks for at least 16).
const SALT: usize = 32;

/// The two tables that hold slots, of the same columns.
#[derive(Clone, Copy)]
pub(super) enum Table {
    /// Each opens the vault.
    Slots,
    /// A slot that is not proven yet.
    NewSlot,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Slots => "fieldcrypt_slots",
            Self::NewSlot => "fieldcrypt_new_slot",
        }
    }
}

/// A slot all but its number and the wrapped master key: the costly part, to be done outside of a transaction.
pub(super) struct Prepared {
    salt: [u8; SALT],
    opened: OpenedSlot,
}

impl Prepared {
    pub(super) fn into_key(self) -> SecretKey {
        self.opened.wrap
    }
}

pub(super) fn prepare(secret: &SlotSecret, new: &NewSlot) -> Result<Prepared, random::RandomError> {
    let salt = random::array()?;
    let opened = secret.derive(&salt, new.kdf);
    Ok(Prepared { salt, opened })
}

#[expect(clippy::too_many_arguments, reason = "a row has that many columns")]
pub(super) fn insert(
    connection: &Connection,
    table: Table,
    id: SlotId,
    install_id: &[u8; 16],
    master: &SecretKey,
    kind: SlotKind,
    new: &NewSlot,
    prepared: &Prepared,
) -> Result<(), SlotError> {
    let wrapped = wrap(&prepared.opened.wrap, id, install_id, master)?;
    let iterations = (kind == SlotKind::Password).then_some(new.kdf.iterations());
    let sql = format!(
        "INSERT INTO {} (id, kind, label, kdf_iterations, salt, commitment, wrapped_master, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        table.name()
    );
    connection.execute(
        &sql,
        (
            id.0,
            kind.name(),
            &new.label,
            iterations,
            prepared.salt,
            prepared.opened.commitment(),
            wrapped,
            new.created_unix,
        ),
    )?;
    Ok(())
}

pub(super) fn wrap(
    slot_key: &SecretKey,
    id: SlotId,
    install_id: &[u8; 16],
    master: &SecretKey,
) -> Result<Vec<u8>, SlotError> {
    Ok(slot_key.seal_bytes(&slot::aad(id, install_id), master.expose_bytes())?)
}

/// A slot as stored, with nothing opened.
pub(super) struct Row {
    pub(super) id: SlotId,
    pub(super) kind: SlotKind,
    params: KdfParams,
    salt: Vec<u8>,
    commitment: Vec<u8>,
    wrapped_master: Vec<u8>,
}

impl Row {
    /// The slot's key, if the secret is of its kind and fits its commitment. Costs a full run of the KDF.
    pub(super) fn key(&self, secret: &SlotSecret) -> Option<SecretKey> {
        if secret.kind() != self.kind {
            return None;
        }
        let opened = secret.derive(&self.salt, self.params);
        opened.fits(&self.commitment).then_some(opened.wrap)
    }

    /// The master key.
    pub(super) fn open(&self, slot_key: &SecretKey, install_id: &[u8; 16]) -> Result<SecretKey, UnlockError> {
        let damaged = || UnlockError::DamagedSlot { slot: self.id };
        let master = slot_key
            .open_bytes(&slot::aad(self.id, install_id), &self.wrapped_master)
            .map_err(|_| damaged())?;
        Ok(SecretKey::from_bytes(
            master.expose_bytes().try_into().map_err(|_| damaged())?,
        ))
    }

    /// What must be found nowhere once the slot is gone.
    pub(super) fn traces(&self) -> [&[u8]; 3] {
        [&self.salt, &self.commitment, &self.wrapped_master]
    }

    /// What must be found nowhere once the slot holds another master key.
    pub(super) fn trace_of_wrap(&self) -> &[u8] {
        &self.wrapped_master
    }

    /// Whether the slot was not changed since it was read before.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.wrapped_master == other.wrapped_master
    }
}

/// Which slots are read.
#[derive(Clone, Copy)]
pub(super) enum Which {
    All,
    One(SlotId),
    /// Slots of other kinds are not looked at: one that a later version made locks nobody out.
    OfKind(SlotKind),
}

/// Slots of the table, in the order of their numbers.
pub(super) fn read(connection: &Connection, table: Table, which: Which) -> Result<Vec<Row>, UnlockError> {
    let (only, of_kind) = match which {
        Which::All => (None, None),
        Which::One(id) => (Some(id.0), None),
        Which::OfKind(kind) => (None, Some(kind.name())),
    };
    let mut statement = connection.prepare(&format!(
        "SELECT id, kind, kdf_iterations, salt, commitment, wrapped_master FROM {}
         WHERE (?1 IS NULL OR id = ?1) AND (?2 IS NULL OR kind = ?2) ORDER BY id",
        table.name()
    ))?;
    let mut rows = statement.query((only, of_kind))?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        if slots.len() == SLOTS_MAX {
            return Err(UnlockError::TooManySlots);
        }
        let id = SlotId(row.get(0)?);
        let kind = kind(id, &row.get::<_, String>(1)?)?;
        slots.push(Row {
            id,
            kind,
            params: params(id, kind, row.get(2)?)?.unwrap_or_default(),
            salt: row.get(3)?,
            commitment: row.get(4)?,
            wrapped_master: row.get(5)?,
        });
    }
    Ok(slots)
}

/// The master key, from the first slot of the secret's kind whose commitment fits.
pub(super) fn open_any(
    connection: &Connection,
    install_id: &[u8; 16],
    secret: &SlotSecret,
) -> Result<(OpenSlot, SecretKey), UnlockError> {
    for row in read(connection, Table::Slots, Which::OfKind(secret.kind()))? {
        if let Some(key) = row.key(secret) {
            let master = row.open(&key, install_id)?;
            return Ok((OpenSlot { id: row.id, key }, master));
        }
    }
    Err(UnlockError::WrongSecret)
}

pub(super) fn list(connection: &Connection) -> Result<Vec<SlotInfo>, UnlockError> {
    let mut statement = connection
        .prepare("SELECT id, kind, label, kdf_iterations, created FROM fieldcrypt_slots ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        let id = SlotId(row.get(0)?);
        let kind = kind(id, &row.get::<_, String>(1)?)?;
        slots.push(SlotInfo {
            id,
            kind,
            label: row.get(2)?,
            iterations: params(id, kind, row.get(3)?)?.map(KdfParams::iterations),
            created_unix: row.get(4)?,
        });
    }
    Ok(slots)
}

/// The number of a slot to come: one more than any there is.
pub(super) fn next_id(connection: &Connection) -> rusqlite::Result<SlotId> {
    let highest: Option<i64> =
        connection.query_row("SELECT max(id) FROM fieldcrypt_slots", [], |row| row.get(0))?;
    Ok(SlotId(highest.unwrap_or(0).saturating_add(1)))
}

pub(super) fn count(connection: &Connection) -> rusqlite::Result<usize> {
    let count: i64 = connection.query_row("SELECT count(*) FROM fieldcrypt_slots", [], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn delete(connection: &Connection, table: Table, id: Option<SlotId>) -> rusqlite::Result<usize> {
    let sql = format!("DELETE FROM {} WHERE ?1 IS NULL OR id = ?1", table.name());
    connection.execute(&sql, [id.map(|id| id.0)])
}

/// Moves the proven slot among those that open. Says whether it was there.
pub(super) fn take_over(connection: &Connection, id: SlotId) -> rusqlite::Result<bool> {
    let moved = connection.execute(
        "INSERT INTO fieldcrypt_slots (id, kind, label, kdf_iterations, salt, commitment, wrapped_master, created)
         SELECT id, kind, label, kdf_iterations, salt, commitment, wrapped_master, created
         FROM fieldcrypt_new_slot WHERE id = ?1",
        [id.0],
    )?;
    delete(connection, Table::NewSlot, None)?;
    Ok(moved == 1)
}

pub(super) fn put_wrapped(connection: &Connection, id: SlotId, wrapped: &[u8]) -> rusqlite::Result<usize> {
    connection.execute(
        "UPDATE fieldcrypt_slots SET wrapped_master = ?2 WHERE id = ?1",
        (id.0, wrapped),
    )
}

/// The master key, by the key of a slot that was opened before; `None` when the slot is gone or is another now.
pub(super) fn reopen(
    connection: &Connection,
    install_id: &[u8; 16],
    slot: &OpenSlot,
) -> Result<Option<SecretKey>, rusqlite::Error> {
    let wrapped: Option<Vec<u8>> = connection
        .query_row(
            "SELECT wrapped_master FROM fieldcrypt_slots WHERE id = ?1",
            [slot.id.0],
            |row| row.get(0),
        )
        .optional()?;
    Ok(wrapped.and_then(|wrapped| {
        let master = slot
            .key
            .open_bytes(&slot::aad(slot.id, install_id), &wrapped)
            .ok()?;
        Some(SecretKey::from_bytes(master.expose_bytes().try_into().ok()?))
    }))
}

fn kind(id: SlotId, name: &str) -> Result<SlotKind, UnlockError> {
    SlotKind::from_name(name).ok_or_else(|| UnlockError::UnknownFormat {
        what: format!("slot {id} is of an unknown kind"),
    })
}

fn params(id: SlotId, kind: SlotKind, iterations: Option<i64>) -> Result<Option<KdfParams>, UnlockError> {
    match kind {
        SlotKind::Password => KdfParams::new(iterations.unwrap_or(0))
            .map(Some)
            .map_err(|source| UnlockError::SlotOutOfBounds { slot: id, source }),
        SlotKind::RecoveryKey | SlotKind::KeyFile => Ok(None),
    }
}
