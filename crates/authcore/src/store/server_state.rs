//! Single facts, by name: the key under which tokens are hashed, the highest wall time seen, the keys still to be made.

use fieldcrypt::{RowKey, Sealed, Secret, SecretKey, Vault};
use rusqlite::{Connection, OptionalExtension as _};

use super::StoreError;
use super::columns::SERVER_STATE;
use crate::clock::WallTime;

const TOKEN_HASH_KEY: &str = "token-hash-key";
const HIGHEST_WALL_TIME: &str = "highest-wall-time";
pub(super) const PENDING_KEYS: &str = "pending-keys";

/// The key under which tokens are hashed; made with the database.
pub(crate) fn token_hash_key(connection: &Connection, vault: &Vault) -> Result<SecretKey, StoreError> {
    let damaged = |reason: &str| StoreError::damaged(SERVER_STATE, TOKEN_HASH_KEY, reason);
    let secret = fetch(connection, vault, TOKEN_HASH_KEY)?.ok_or_else(|| damaged("it is missing"))?;
    let bytes =
        <&[u8; 32]>::try_from(secret.expose_bytes()).map_err(|_| damaged("it is not 32 bytes long"))?;
    Ok(SecretKey::from_bytes(bytes))
}

pub(crate) fn put_token_hash_key(
    connection: &Connection,
    vault: &Vault,
    key: &SecretKey,
) -> Result<(), StoreError> {
    put(connection, vault, TOKEN_HASH_KEY, key.expose_bytes())
}

pub(super) fn highest_wall_time(
    connection: &Connection,
    vault: &Vault,
) -> Result<Option<WallTime>, StoreError> {
    let Some(secret) = fetch(connection, vault, HIGHEST_WALL_TIME)? else {
        return Ok(None);
    };
    let bytes = secret
        .expose_bytes()
        .try_into()
        .map_err(|_| StoreError::damaged(SERVER_STATE, HIGHEST_WALL_TIME, "it is not 8 bytes long"))?;
    Ok(Some(WallTime::from_unix_ms(i64::from_be_bytes(bytes))))
}

pub(super) fn put_highest_wall_time(
    connection: &Connection,
    vault: &Vault,
    now: WallTime,
) -> Result<(), StoreError> {
    put(connection, vault, HIGHEST_WALL_TIME, &now.unix_ms().to_be_bytes())
}

pub(super) fn fetch(
    connection: &Connection,
    vault: &Vault,
    name: &str,
) -> Result<Option<Secret>, StoreError> {
    let sealed: Option<Sealed> = connection
        .prepare_cached("SELECT value FROM server_state WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    sealed
        .map(|sealed| vault.open(SERVER_STATE, &RowKey::Text(name), &sealed))
        .transpose()
        .map_err(|error| StoreError::damaged(SERVER_STATE, name, error))
}

pub(super) fn put(
    connection: &Connection,
    vault: &Vault,
    name: &str,
    value: &[u8],
) -> Result<(), StoreError> {
    let sealed = vault.seal(SERVER_STATE, &RowKey::Text(name), value)?;
    connection
        .prepare_cached("INSERT INTO server_state (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")?
        .execute((name, sealed))?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, name: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM server_state WHERE name = ?1")?
        .execute([name])?;
    Ok(())
}
