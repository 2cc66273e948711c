//! Rows of access keys.

use std::collections::HashMap;
use std::sync::Arc;

use fieldcrypt::{RowKey, Sealed, Vault};
use rusqlite::{Connection, OptionalExtension as _};

use super::apply::Room;
use super::change::{Outcome, Request};
use super::columns::ACCESS_KEY;
use super::load::{from_json, to_json};
use super::{StoreError, audit};
use crate::access_keys::AccessKeyRecord;
use crate::audit::event::AuditEvent;
use crate::clock::WallTime;
use crate::ids::AccessKeyId;
use crate::live::{LiveAccessKey, LiveChange};

pub(super) fn load(
    connection: &Connection,
    vault: &Vault,
) -> Result<HashMap<AccessKeyId, Arc<LiveAccessKey>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, name, record FROM access_keys")?;
    let mut rows = statement.query([])?;
    let mut keys = HashMap::new();
    while let Some(row) = rows.next()? {
        let id = AccessKeyId::from_bytes(row.get(0)?);
        let sealed: Sealed = row
            .get(2)
            .map_err(|error| StoreError::damaged(ACCESS_KEY, id, error))?;
        let record = open(vault, id, &sealed)?;
        if row.get_ref(1)?.as_str().ok() != Some(record.name.as_str()) {
            return Err(StoreError::damaged(
                ACCESS_KEY,
                id,
                "its name is not the one that was sealed",
            ));
        }
        keys.insert(id, Arc::new(LiveAccessKey::new(record)));
    }
    Ok(keys)
}

pub(super) fn insert(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    id: AccessKeyId,
    record: &AccessKeyRecord,
) -> Result<Outcome, StoreError> {
    let sealed = seal(room.vault, id, record)?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO access_keys (id, name, record) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute((id.as_bytes(), &record.name, sealed))?;
    if inserted == 0 {
        return Ok(Outcome::Taken);
    }
    let event = AuditEvent::AccessKeyCreated {
        access_key: id,
        name: record.name.clone(),
    };
    audit::record(connection, room, request, event)?;
    room.published.push(LiveChange::PutAccessKey(
        id,
        Arc::new(LiveAccessKey::new(record.clone())),
    ));
    Ok(Outcome::Done)
}

pub(super) fn revoke(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    id: AccessKeyId,
) -> Result<Outcome, StoreError> {
    let name: Option<String> = connection
        .prepare_cached("DELETE FROM access_keys WHERE id = ?1 RETURNING name")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(name) = name else {
        return Ok(Outcome::NotFound);
    };
    audit::record(
        connection,
        room,
        request,
        AuditEvent::AccessKeyRevoked { access_key: id, name },
    )?;
    room.published.push(LiveChange::RemoveAccessKey(id));
    Ok(Outcome::Done)
}

/// Notes when a key was used last; memory knows already.
pub(super) fn touch(
    connection: &Connection,
    room: &Room<'_>,
    id: AccessKeyId,
    used: WallTime,
) -> Result<Outcome, StoreError> {
    let Some(live) = room.live.access_key(id) else {
        return Ok(Outcome::NotFound);
    };
    let record = AccessKeyRecord {
        last_used: Some(used),
        ..live.record.clone()
    };
    let sealed = seal(room.vault, id, &record)?;
    let changed = connection
        .prepare_cached("UPDATE access_keys SET record = ?2 WHERE id = ?1")?
        .execute((id.as_bytes(), sealed))?;
    Ok(if changed == 1 {
        Outcome::Done
    } else {
        Outcome::NotFound
    })
}

fn seal(vault: &Vault, id: AccessKeyId, record: &AccessKeyRecord) -> Result<Sealed, StoreError> {
    Ok(vault.seal(ACCESS_KEY, &RowKey::Blob(id.as_bytes()), &to_json(record)?)?)
}

fn open(vault: &Vault, id: AccessKeyId, sealed: &Sealed) -> Result<AccessKeyRecord, StoreError> {
    let record = vault.open(ACCESS_KEY, &RowKey::Blob(id.as_bytes()), sealed);
    let record = record.map_err(|error| StoreError::damaged(ACCESS_KEY, id, error))?;
    from_json(ACCESS_KEY, id, record.expose_bytes())
}
