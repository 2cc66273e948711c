//! Reads everything the in-memory view holds, and the JSON form of sealed records.

use std::fmt::Display;
use std::sync::Arc;

use fieldcrypt::{SealedColumn, Vault};
use rusqlite::Connection;
use secrecy::zeroize::Zeroizing;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StoreError, access_keys, passwords, second_factor, sessions, settings, signing_keys, throttle};
use crate::clock::WallTime;
use crate::live::Loaded;

pub(super) fn everything(
    connection: &Connection,
    vault: &Vault,
    now: WallTime,
) -> Result<Loaded, StoreError> {
    Ok(Loaded {
        sessions: sessions::load(connection, vault, now)?,
        access_keys: access_keys::load(connection, vault)?,
        signing_keys: signing_keys::load(connection, vault, now)?,
        settings: settings::load(connection, vault)?,
        password: passwords::load(connection, vault)?,
        throttle: throttle::load(connection, vault)?,
        second_factor: second_factor::load(connection, vault)?.map(Arc::new),
    })
}

/// The plaintext of a record, wiped once it is sealed.
pub(super) fn to_json(record: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    serde_json::to_vec(record)
        .map(Zeroizing::new)
        .map_err(|error| StoreError::Keyring(error.to_string()))
}

/// The record in opened bytes. The error names the row, never its content.
pub(super) fn from_json<T: DeserializeOwned>(
    column: SealedColumn,
    row: impl Display,
    bytes: &[u8],
) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| {
        StoreError::damaged(
            column,
            row,
            format!(
                "its content does not read (line {}, column {})",
                error.line(),
                error.column()
            ),
        )
    })
}
