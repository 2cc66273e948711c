//! Rows of the keyring.

use rusqlite::Connection;

use super::trace_rows;
use crate::cipher::Algorithm;
use crate::column::ColumnRegistry;
use crate::error::{KeyringError, NewKeyError, SlotError};
use crate::keyring::{DataKeyNumber, Entry, KeyInfo, KeyPurpose, KeyState, Keyring};
use crate::labels;
use crate::rotation::clean_pass::CleanPass;
use crate::row_key::lp_onto;
use crate::secret::SecretKey;

pub(super) fn insert_new(
    connection: &Connection,
    install_id: &[u8; 16],
    wrap: &SecretKey,
    number: u32,
    purpose: KeyPurpose,
    algorithm: Algorithm,
    created_unix: i64,
) -> Result<(), NewKeyError> {
    let key = SecretKey::random()?;
    let aad = aad(install_id, DataKeyNumber(number), purpose, algorithm);
    let wrapped = wrap.seal_bytes(&aad, key.expose_bytes())?;
    connection.execute(
        "INSERT INTO fieldcrypt_keys (number, purpose, algorithm, state, wrapped_key, created, fields_sealed)
         VALUES (?1, ?2, ?3, 'active', ?4, ?5, 0)",
        (number, purpose.name(), algorithm.id(), wrapped, created_unix),
    )?;
    Ok(())
}

/// The keyring's change counter.
pub(super) fn version(connection: &Connection) -> Result<i64, KeyringError> {
    let mut statement =
        connection.prepare_cached("SELECT keyring_version FROM fieldcrypt_install WHERE id = 1")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

pub(super) fn load(
    connection: &Connection,
    install_id: &[u8; 16],
    wrap: &SecretKey,
    registry: &ColumnRegistry,
) -> Result<Keyring, KeyringError> {
    let mut statement = connection.prepare(
        "SELECT number, purpose, algorithm, state, wrapped_key, created, fields_sealed FROM fieldcrypt_keys ORDER BY number",
    )?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let number = DataKeyNumber(row.get(0)?);
        let unknown = |what| KeyringError::UnknownFormat { number, what };
        let purpose = KeyPurpose::from_name(row.get_ref(1)?.as_str().unwrap_or_default())
            .ok_or_else(|| unknown("its purpose"))?;
        let algorithm = row
            .get::<_, u8>(2)
            .ok()
            .and_then(Algorithm::from_id)
            .ok_or_else(|| unknown("its algorithm"))?;
        let state = KeyState::from_name(row.get_ref(3)?.as_str().unwrap_or_default())
            .ok_or_else(|| unknown("its state"))?;
        let wrapped: Option<Vec<u8>> = row.get(4)?;
        let key = match (state, wrapped) {
            (KeyState::Destroyed, _) => None,
            (KeyState::Active | KeyState::Retiring, None) => return Err(KeyringError::DamagedKey { number }),
            (KeyState::Active | KeyState::Retiring, Some(wrapped)) => {
                let damaged = || KeyringError::DamagedKey { number };
                let key = wrap
                    .open_bytes(&aad(install_id, number, purpose, algorithm), &wrapped)
                    .map_err(|_| damaged())?;
                Some(SecretKey::from_bytes(
                    key.expose_bytes().try_into().map_err(|_| damaged())?,
                ))
            }
        };
        let info = KeyInfo {
            number,
            purpose,
            algorithm,
            state,
            created_unix: row.get(5)?,
            fields_sealed: u64::try_from(row.get::<_, i64>(6)?).map_err(|_| unknown("its count of uses"))?,
        };
        entries.push(Entry::new(info, key, registry));
    }
    Keyring::new(*install_id, entries, version(connection)?).ok_or(KeyringError::NoActiveKey)
}

/// Tells every process that the keyring is not what it read.
pub(super) fn raise_version(transaction: &Connection) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE fieldcrypt_install SET keyring_version = keyring_version + 1 WHERE id = 1",
        [],
    )?;
    Ok(())
}

/// The number of a key to come. Destroyed keys leave their rows, so no number is given twice.
pub(super) fn next_number(connection: &Connection) -> rusqlite::Result<DataKeyNumber> {
    connection
        .query_row("SELECT max(number) + 1 FROM fieldcrypt_keys", [], |row| {
            row.get(0)
        })
        .map(DataKeyNumber)
}

pub(super) fn put_state(
    transaction: &Connection,
    number: DataKeyNumber,
    state: KeyState,
) -> rusqlite::Result<()> {
    transaction.execute(
        "UPDATE fieldcrypt_keys SET state = ?2 WHERE number = ?1",
        (number.0, state.name()),
    )?;
    Ok(())
}

/// Destroys the key of which it is proven that nothing is under it: its wrapped bytes are overwritten, its row stays as a
/// tombstone.
pub(super) fn destroy(proof: CleanPass<'_, Connection>) -> rusqlite::Result<()> {
    let (transaction, number) = proof.into_parts();
    let wrapped: Vec<u8> = transaction.query_row(
        "SELECT wrapped_key FROM fieldcrypt_keys WHERE number = ?1 AND state = 'retiring'",
        [number.0],
        |row| row.get(0),
    )?;
    trace_rows::note(transaction, &wrapped)?;
    transaction.execute(
        "UPDATE fieldcrypt_keys SET state = 'destroyed', wrapped_key = zeroblob(length(wrapped_key)) WHERE number = ?1",
        [number.0],
    )?;
    Ok(())
}

/// Wraps every key of the keyring that is not destroyed under another key; hands each old wrap to `gone`.
pub(super) fn wrap_anew(
    transaction: &Connection,
    install_id: &[u8; 16],
    keyring: &Keyring,
    wrap: &SecretKey,
    mut gone: impl FnMut(&[u8]) -> rusqlite::Result<()>,
) -> Result<(), SlotError> {
    for entry in keyring.entries() {
        let Some(key) = &entry.key else { continue };
        let KeyInfo {
            number,
            purpose,
            algorithm,
            ..
        } = entry.info;
        let old: Vec<u8> = transaction.query_row(
            "SELECT wrapped_key FROM fieldcrypt_keys WHERE number = ?1",
            [number.0],
            |row| row.get(0),
        )?;
        gone(&old)?;
        let wrapped = wrap.seal_bytes(&aad(install_id, number, purpose, algorithm), key.expose_bytes())?;
        transaction.execute(
            "UPDATE fieldcrypt_keys SET wrapped_key = ?2 WHERE number = ?1",
            (number.0, wrapped),
        )?;
    }
    Ok(())
}

/// Adds to the rows, since another process may have added too.
pub(super) fn record_uses(transaction: &Connection, keyring: &Keyring) -> Result<(), KeyringError> {
    for entry in keyring.entries() {
        let uses = entry.take_unrecorded();
        if uses > 0 {
            transaction
                .prepare_cached(
                    "UPDATE fieldcrypt_keys SET fields_sealed = fields_sealed + ?2 WHERE number = ?1",
                )?
                .execute((entry.info.number.0, i64::try_from(uses).unwrap_or(i64::MAX)))?;
        }
    }
    Ok(())
}

fn aad(install_id: &[u8; 16], number: DataKeyNumber, purpose: KeyPurpose, algorithm: Algorithm) -> Vec<u8> {
    let mut aad = [
        labels::KEYRING_AAD,
        &number.0.to_be_bytes(),
        &[algorithm.id()],
        install_id,
    ]
    .concat();
    lp_onto(&mut aad, purpose.name().as_bytes());
    aad
}
