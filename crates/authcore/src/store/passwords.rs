//! The row of the access password.

use fieldcrypt::{RowKey, Sealed, Vault};
use rusqlite::{Connection, OptionalExtension as _};

use super::apply::Room;
use super::change::{KeepSessions, Outcome, Request};
use super::columns::PASSWORD;
use super::load::{from_json, to_json};
use super::{StoreError, audit, sessions};
use crate::audit::event::{AuditEvent, SessionEnd};
use crate::live::LiveChange;
use crate::password::PasswordRecord;

/// There is one password, so one row.
const ROW: i64 = 1;

pub(super) fn load(connection: &Connection, vault: &Vault) -> Result<PasswordRecord, StoreError> {
    let sealed: Option<Sealed> = connection
        .prepare_cached("SELECT record FROM passwords WHERE id = ?1")?
        .query_row([ROW], |row| row.get(0))
        .optional()
        .map_err(|error| StoreError::damaged(PASSWORD, ROW, error))?;
    let sealed = sealed.ok_or_else(|| StoreError::damaged(PASSWORD, ROW, "it is missing"))?;
    let record = vault.open(PASSWORD, &RowKey::Integer(ROW), &sealed);
    let record = record.map_err(|error| StoreError::damaged(PASSWORD, ROW, error))?;
    from_json(PASSWORD, ROW, record.expose_bytes())
}

/// How often the password was set; a proof made for an older one is stale.
pub(super) fn generation(connection: &Connection, vault: &Vault) -> Result<u64, StoreError> {
    load(connection, vault).map(|record| record.generation)
}

/// Sets the password and, in the same transaction, ends the sessions that are not to outlive it.
pub(super) fn set(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    record: &PasswordRecord,
    expected_generation: Option<u64>,
    keep: KeepSessions,
) -> Result<Outcome, StoreError> {
    let current = generation(connection, room.vault)?;
    if expected_generation.is_some_and(|expected| expected != current) {
        return Ok(Outcome::Stale);
    }
    put(
        connection,
        room,
        &record.with_generation(current.saturating_add(1)),
    )?;
    audit::record(connection, room, request, AuditEvent::PasswordChanged)?;
    let keep = match keep {
        KeepSessions::All => return Ok(Outcome::Done),
        KeepSessions::One(session) => Some(session),
        KeepSessions::None => None,
    };
    sessions::end_all(connection, room, request, keep, SessionEnd::PasswordChanged)?;
    Ok(Outcome::Done)
}

/// The same password under newer parameters.
pub(super) fn upgrade(
    connection: &Connection,
    room: &mut Room<'_>,
    record: &PasswordRecord,
) -> Result<Outcome, StoreError> {
    if generation(connection, room.vault)? != record.generation {
        return Ok(Outcome::Stale);
    }
    put(connection, room, record)?;
    Ok(Outcome::Done)
}

/// The first password of a new database.
pub(crate) fn put_first(
    connection: &Connection,
    vault: &Vault,
    record: &PasswordRecord,
) -> Result<(), StoreError> {
    write(connection, vault, record)
}

fn put(connection: &Connection, room: &mut Room<'_>, record: &PasswordRecord) -> Result<(), StoreError> {
    write(connection, room.vault, record)?;
    room.published
        .push(LiveChange::PutPassword(Box::new(record.clone())));
    Ok(())
}

fn write(connection: &Connection, vault: &Vault, record: &PasswordRecord) -> Result<(), StoreError> {
    let sealed = vault.seal(PASSWORD, &RowKey::Integer(ROW), &to_json(record)?)?;
    connection
        .prepare_cached(
            "INSERT INTO passwords (id, record) VALUES (?1, ?2)
             ON CONFLICT (id) DO UPDATE SET record = excluded.record",
        )?
        .execute((ROW, sealed))?;
    Ok(())
}
