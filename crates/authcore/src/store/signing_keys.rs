//! Rows of signing keys.

use std::time::Duration;

use fieldcrypt::{RowKey, Sealed, Vault};
use rusqlite::Connection;

use super::apply::{Room, apply};
use super::change::{Change, Outcome, Request};
use super::columns::SIGNING_KEY;
use super::{StoreError, audit};
use crate::audit::event::AuditEvent;
use crate::client::Client;
use crate::clock::{Moment, WallTime};
use crate::ids::SigningKeyId;
use crate::live::LiveChange;
use crate::signing_keys::{NewSigningKey, SigningKeySet, StoredSigningKey, overlap};

pub(super) fn load(
    connection: &Connection,
    vault: &Vault,
    now: WallTime,
) -> Result<SigningKeySet, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT kid, public_key, created_at, retired_at, private_key FROM signing_keys ORDER BY created_at, kid")?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let kid: String = row.get(0)?;
        let damaged = |reason: &str| StoreError::damaged(SIGNING_KEY, &kid, reason);
        let created = WallTime::from_unix_ms(row.get(2)?);
        let retired = row.get::<_, Option<i64>>(3)?.map(WallTime::from_unix_ms);
        if retired.is_some_and(|retired| overlap::is_gone(retired, now)) {
            continue;
        }
        let sealed: Sealed = row
            .get(4)
            .map_err(|error| StoreError::damaged(SIGNING_KEY, &kid, error))?;
        let seed = vault.open(SIGNING_KEY, &RowKey::Text(&kid), &sealed);
        let seed = seed.map_err(|error| StoreError::damaged(SIGNING_KEY, &kid, error))?;
        let seed =
            <&[u8; 32]>::try_from(seed.expose_bytes()).map_err(|_| damaged("it is not a 32-byte seed"))?;
        let public: [u8; 32] = row.get(1)?;
        keys.push(
            StoredSigningKey::new(SigningKeyId(kid.clone()), seed, &public, created, retired)
                .ok_or_else(|| damaged("its public key or its kid does not fit the private key"))?,
        );
    }
    SigningKeySet::new(keys)
        .ok_or_else(|| StoreError::damaged(SIGNING_KEY, "(any)", "no key is left that signs"))
}

/// A new key that signs from now on; the others verify until the last token they signed has expired.
pub(super) fn add(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    key: &NewSigningKey,
) -> Result<Outcome, StoreError> {
    replace(connection, room.vault, key, request.now.wall)?;
    audit::record(
        connection,
        room,
        request,
        AuditEvent::SigningKeyCreated { kid: key.kid.clone() },
    )?;
    room.published.push(LiveChange::PutSigningKeys(load(
        connection,
        room.vault,
        request.now.wall,
    )?));
    Ok(Outcome::Done)
}

/// The rows of [`add`].
pub(super) fn replace(
    connection: &Connection,
    vault: &Vault,
    key: &NewSigningKey,
    now: WallTime,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE signing_keys SET retired_at = ?1 WHERE retired_at IS NULL")?
        .execute([now.unix_ms()])?;
    insert(connection, vault, key, now)
}

/// Replaces the signing key when it is as old as it may become.
pub(super) fn replace_old(
    connection: &Connection,
    room: &mut Room<'_>,
    after: Option<Duration>,
    now: Moment,
) -> Result<usize, StoreError> {
    let age = now.wall.since(room.live.signing_keys().signing_since());
    if after.zip(age).is_none_or(|(after, age)| age < after) {
        return Ok(0);
    }
    let key = NewSigningKey::random()?;
    let request = Request {
        change: Change::AddSigningKey { key },
        client: Client::server(),
        now,
    };
    apply(connection, room, &request).map(|_| 1)
}

/// No token signed so far is good any more.
pub(super) fn delete_all(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("DELETE FROM signing_keys", [])?;
    Ok(())
}

pub(crate) fn insert(
    connection: &Connection,
    vault: &Vault,
    key: &NewSigningKey,
    now: WallTime,
) -> Result<(), StoreError> {
    let sealed = vault.seal(SIGNING_KEY, &RowKey::Text(key.kid.as_str()), key.expose_seed())?;
    connection
        .prepare_cached(
            "INSERT INTO signing_keys (kid, public_key, created_at, private_key) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((key.kid.as_str(), key.public, now.unix_ms(), sealed))?;
    Ok(())
}

/// Deletes keys whose last token has expired.
pub(super) fn sweep(
    connection: &Connection,
    room: &mut Room<'_>,
    now: WallTime,
) -> Result<usize, StoreError> {
    let gone = now
        .unix_ms()
        .saturating_sub(i64::try_from(overlap::OVERLAP.as_millis()).unwrap_or(i64::MAX));
    let swept = connection
        .prepare_cached("DELETE FROM signing_keys WHERE retired_at IS NOT NULL AND retired_at <= ?1")?
        .execute([gone])?;
    if swept > 0 {
        room.published
            .push(LiveChange::PutSigningKeys(load(connection, room.vault, now)?));
    }
    Ok(swept)
}
