//! Rows of the audit log.

use fieldcrypt::{RowKey, Sealed, Vault};
use rusqlite::Connection;

use super::apply::Room;
use super::audit_chain::{self, Plain};
use super::change::Request;
use super::columns::AUDIT_EVENT;
use super::load::{from_json, to_json};
use super::{Store, StoreError};
use crate::audit::event::{AuditEntry, AuditEvent, AuditRecord};
use crate::audit::{AuditQuery, PAGE_MAX};
use crate::client::Client;
use crate::clock::WallTime;
use crate::ids::AuditEventId;

/// Most events kept; the oldest go first. About 40 MB.
pub(super) const EVENTS_MAX: i64 = 100_000;

/// Writes an event down, in the transaction of the change it tells of.
pub(super) fn record(
    connection: &Connection,
    room: &Room<'_>,
    request: &Request,
    event: AuditEvent,
) -> Result<(), StoreError> {
    write(connection, room.vault, &request.client, request.now.wall, event)
}

/// As [`record`], for what is not asked of the writer.
pub(super) fn write(
    connection: &Connection,
    vault: &Vault,
    client: &Client,
    at: WallTime,
    event: AuditEvent,
) -> Result<(), StoreError> {
    // The row key is part of what is sealed, so it must be known before the insert.
    let last = audit_chain::end(connection, vault)?;
    let id = last.id.checked_add(1).ok_or_else(|| {
        StoreError::damaged(AUDIT_EVENT, last.id, "no number is left for the event after it")
    })?;
    let kind = event.kind();
    let entry = AuditEntry {
        event,
        client: client.clone(),
    };
    let record = to_json(&entry)?;
    let at = at.unix_ms();
    let link = audit_chain::link(
        &audit_chain::chain_of(vault)?,
        &last.link,
        &Plain { id, at, kind },
        &record,
    );
    let sealed = vault.seal(AUDIT_EVENT, &RowKey::Integer(id), &record)?;
    connection
        .prepare_cached("INSERT INTO audit_events (id, at, kind, record, chain) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((id, at, kind, sealed, link.0))?;
    Ok(())
}

/// Keeps the log bounded. The newest event stays, so numbers are never given twice.
pub(super) fn sweep(connection: &Connection, vault: &Vault) -> Result<usize, StoreError> {
    audit_chain::sweep(connection, vault, EVENTS_MAX)
}

impl Store {
    /// Events, newest first.
    pub(crate) fn audit_page(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        let kinds = query.kinds.as_ref().map(|kinds| kinds.join(","));
        let connection = self.reader();
        // Another process may have sealed the newest events with a key that is newer than what is in memory.
        self.vault()
            .reload_if_changed(&connection)
            .map_err(StoreError::from)?;
        let mut statement = connection.prepare_cached(
            "SELECT id, at, record FROM audit_events WHERE at >= ?1 AND id < ?2 \
             AND (?3 IS NULL OR instr(',' || ?3 || ',', ',' || kind || ',') > 0) ORDER BY id DESC LIMIT ?4",
        )?;
        let rows = statement.query((
            query.since.map_or(i64::MIN, WallTime::unix_ms),
            query.before.map_or(i64::MAX, |id| id.0),
            kinds,
            i64::try_from(query.limit.min(PAGE_MAX)).unwrap_or(i64::MAX),
        ))?;
        self.read_events(rows)
    }

    /// Events after that one, oldest first.
    pub(crate) fn audit_after(&self, last: AuditEventId) -> Result<Vec<AuditRecord>, StoreError> {
        let connection = self.reader();
        self.vault()
            .reload_if_changed(&connection)
            .map_err(StoreError::from)?;
        // Asked twice, by the place and by the number itself: in a damaged file numbers may not rise, and who follows must not
        // go round in a circle.
        let mut statement = connection.prepare_cached(
            "SELECT id, at, record FROM audit_events WHERE id > ?1 AND +id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let limit = i64::try_from(PAGE_MAX).unwrap_or(i64::MAX);
        let rows = statement.query((last.0, limit))?;
        self.read_events(rows)
    }

    /// The number of the newest event, or of the last that was swept out.
    pub(crate) fn newest_audit_event(&self) -> Result<AuditEventId, StoreError> {
        let connection = self.reader();
        let newest = connection
            .prepare_cached("SELECT coalesce(max(id), 0) FROM audit_events")?
            .query_row([], |row| row.get(0))?;
        Ok(AuditEventId(newest))
    }

    fn read_events(&self, mut rows: rusqlite::Rows<'_>) -> Result<Vec<AuditRecord>, StoreError> {
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let sealed: Sealed = row
                .get(2)
                .map_err(|error| StoreError::damaged(AUDIT_EVENT, id, error))?;
            let entry = self.vault().open(AUDIT_EVENT, &RowKey::Integer(id), &sealed);
            let entry = entry.map_err(|error| StoreError::damaged(AUDIT_EVENT, id, error))?;
            page.push(AuditRecord {
                id: AuditEventId(id),
                at: WallTime::from_unix_ms(row.get(1)?),
                entry: from_json(AUDIT_EVENT, id, entry.expose_bytes())?,
            });
        }
        Ok(page)
    }
}
