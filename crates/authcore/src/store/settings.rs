//! Rows of settings: only those the owner changed.

use std::collections::BTreeMap;

use fieldcrypt::{RowKey, Sealed, Vault};
use rusqlite::Connection;
use serde_json::Value;

use super::apply::Room;
use super::change::{Outcome, Request};
use super::columns::SETTING;
use super::load::{from_json, to_json};
use super::{StoreError, audit};
use crate::audit::event::AuditEvent;
use crate::live::LiveChange;
use crate::settings::SettingValues;

pub(super) fn load(connection: &Connection, vault: &Vault) -> Result<SettingValues, StoreError> {
    let mut statement = connection.prepare_cached("SELECT key, value FROM settings")?;
    let mut rows = statement.query([])?;
    let mut values = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        let sealed: Sealed = row
            .get(1)
            .map_err(|error| StoreError::damaged(SETTING, &key, error))?;
        let opened = vault.open(SETTING, &RowKey::Text(&key), &sealed);
        let opened = opened.map_err(|error| StoreError::damaged(SETTING, &key, error))?;
        let value: Value = from_json(SETTING, &key, opened.expose_bytes())?;
        values.insert(key, value);
    }
    Ok(SettingValues::new(values))
}

pub(super) fn set(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    key: &str,
    value: Option<&Value>,
) -> Result<Outcome, StoreError> {
    let changed = match value {
        Some(value) => {
            let sealed = room.vault.seal(SETTING, &RowKey::Text(key), &to_json(value)?)?;
            connection
                .prepare_cached(
                    "INSERT INTO settings (key, value) VALUES (?1, ?2)
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                )?
                .execute((key, sealed))?
        }
        None => connection
            .prepare_cached("DELETE FROM settings WHERE key = ?1")?
            .execute([key])?,
    };
    if changed == 0 {
        return Ok(Outcome::NotFound);
    }
    audit::record(
        connection,
        room,
        request,
        AuditEvent::SettingChanged { key: key.to_owned() },
    )?;
    room.published
        .push(LiveChange::PutSettings(load(connection, room.vault)?));
    Ok(Outcome::Done)
}
