//! Rows of key slots.

use rusqlite::Connection;

use crate::error::{CreateError, UnlockError};
use crate::kdf::KdfParams;
use crate::random;
use crate::secret::SecretKey;
use crate::slot::{self, SlotId, SlotInfo, SlotKind, SlotSecret};
use crate::vault::NewVault;

/// Bytes of salt (NIST SP 800-132 section 5.1 asks for at least 16).
const SALT: usize = 32;

pub(super) fn insert_first(
    connection: &Connection,
    install_id: &[u8; 16],
    master: &SecretKey,
    secret: &SlotSecret,
    new: &NewVault,
) -> Result<(), CreateError> {
    let id = SlotId(1);
    let salt: [u8; SALT] = random::array()?;
    let opened = secret.derive(&salt, new.kdf);
    let wrapped = opened
        .wrap
        .seal_bytes(&slot::aad(id, install_id), master.expose_bytes())?;
    let iterations = (secret.kind() == SlotKind::Password).then_some(new.kdf.iterations());
    connection.execute(
        "INSERT INTO fieldcrypt_slots (id, kind, label, kdf_iterations, salt, commitment, wrapped_master, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        (
            id.0,
            secret.kind().name(),
            &new.slot_label,
            iterations,
            salt,
            opened.commitment(),
            wrapped,
            new.created_unix,
        ),
    )?;
    Ok(())
}

/// The master key, from the first slot of the secret's kind whose commitment fits.
pub(super) fn open_any(
    connection: &Connection,
    install_id: &[u8; 16],
    secret: &SlotSecret,
) -> Result<SecretKey, UnlockError> {
    let mut statement = connection.prepare(
        "SELECT id, kdf_iterations, salt, commitment, wrapped_master FROM fieldcrypt_slots WHERE kind = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([secret.kind().name()])?;
    while let Some(row) = rows.next()? {
        let id = SlotId(row.get(0)?);
        let params = params(id, secret.kind(), row.get(1)?)?.unwrap_or_default();
        let opened = secret.derive(&row.get::<_, Vec<u8>>(2)?, params);
        if !opened.fits(&row.get::<_, Vec<u8>>(3)?) {
            continue;
        }
        let damaged = || UnlockError::DamagedSlot { slot: id };
        let master = opened
            .wrap
            .open_bytes(&slot::aad(id, install_id), &row.get::<_, Vec<u8>>(4)?)
            .map_err(|_| damaged())?;
        return Ok(SecretKey::from_bytes(
            master.expose_bytes().try_into().map_err(|_| damaged())?,
        ));
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
        let kind: String = row.get(1)?;
        let kind = SlotKind::from_name(&kind).ok_or_else(|| UnlockError::UnknownFormat {
            what: format!("slot {id} is of an unknown kind"),
        })?;
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

fn params(id: SlotId, kind: SlotKind, iterations: Option<i64>) -> Result<Option<KdfParams>, UnlockError> {
    match kind {
        SlotKind::Password => KdfParams::new(iterations.unwrap_or(0))
            .map(Some)
            .map_err(|source| UnlockError::SlotOutOfBounds { slot: id, source }),
        SlotKind::RecoveryKey | SlotKind::KeyFile => Ok(None),
    }
}
