//! Rows of signin tokens: live ones, and spent ones until they are forgotten.

use fieldcrypt::{RowKey, Sealed};
use rusqlite::{Connection, OptionalExtension as _};

use super::apply::Room;
use super::change::{Outcome, Request};
use super::columns::SIGNIN_TOKEN;
use super::load::{from_json, to_json};
use super::{StoreError, audit, passwords, sessions};
use crate::audit::event::{AuditEvent, SessionEnd};
use crate::clock::WallTime;
use crate::ids::SessionId;
use crate::token::hashed::HashedToken;
use crate::token::signin::{REMEMBERED, SigninTokenRecord};

pub(super) fn insert(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    hash: &HashedToken,
    record: &SigninTokenRecord,
) -> Result<Outcome, StoreError> {
    if outlived_its_password(connection, room, record)? {
        return Ok(Outcome::Stale);
    }
    put(connection, room, hash, record)?;
    audit::record(connection, room, request, AuditEvent::SigninTokenIssued)?;
    Ok(Outcome::Done)
}

/// Spends the token for `session`, once. A second use ends the session that the first one made, for one of the two was
/// not its owner's.
pub(super) fn spend(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    hash: &HashedToken,
    session: SessionId,
) -> Result<Outcome, StoreError> {
    let sealed: Option<Sealed> = connection
        .prepare_cached("SELECT record FROM signin_tokens WHERE hash = ?1")?
        .query_row([hash.as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(sealed) = sealed else {
        return Ok(Outcome::NotFound);
    };
    let row = RowKey::Blob(hash.as_bytes());
    let damaged = |error| StoreError::damaged(SIGNIN_TOKEN, "of the token that was presented", error);
    let record = room.vault.open(SIGNIN_TOKEN, &row, &sealed).map_err(damaged)?;
    let record: SigninTokenRecord = from_json(
        SIGNIN_TOKEN,
        "of the token that was presented",
        record.expose_bytes(),
    )?;
    if let Some(first) = record.spent_by {
        sessions::end(connection, room, request, first, SessionEnd::SigninTokenReused)?;
        return Ok(Outcome::Taken);
    }
    if request.now.wall >= record.expires || outlived_its_password(connection, room, &record)? {
        return Ok(Outcome::Expired);
    }
    put(
        connection,
        room,
        hash,
        &SigninTokenRecord {
            spent_by: Some(session),
            ..record
        },
    )?;
    Ok(Outcome::Done)
}

/// Whether the password that it stands in for was changed.
fn outlived_its_password(
    connection: &Connection,
    room: &Room<'_>,
    record: &SigninTokenRecord,
) -> Result<bool, StoreError> {
    let Some(generation) = record.password_generation else {
        return Ok(false);
    };
    Ok(generation != passwords::generation(connection, room.vault)?)
}

fn put(
    connection: &Connection,
    room: &Room<'_>,
    hash: &HashedToken,
    record: &SigninTokenRecord,
) -> Result<(), StoreError> {
    let sealed = room
        .vault
        .seal(SIGNIN_TOKEN, &RowKey::Blob(hash.as_bytes()), &to_json(record)?)?;
    connection
        .prepare_cached(
            "INSERT INTO signin_tokens (hash, forget_at, record) VALUES (?1, ?2, ?3)
             ON CONFLICT (hash) DO UPDATE SET record = excluded.record",
        )?
        .execute((hash.as_bytes(), record.expires.plus(REMEMBERED).unix_ms(), sealed))?;
    Ok(())
}

pub(super) fn sweep(connection: &Connection, now: WallTime) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached("DELETE FROM signin_tokens WHERE forget_at <= ?1")?;
    Ok(statement.execute([now.unix_ms()])?)
}

/// Deletes every signin token, used or not.
pub(super) fn delete_all(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("DELETE FROM signin_tokens", [])?;
    Ok(())
}
