//! The chain of the audit log: each event's link is keyed, and over the link before it, its number and what it says. So the
//! log's order and completeness can be shown to whoever kept a head of it, also against somebody with all keys.
//!
//! ```text
//! anchor (number, link of the last event swept out) ──▶ event n ──▶ event n+1 ──▶ … ──▶ head
//! ```

use std::path::Path;

use fieldcrypt::{ChainLink, RowChain, RowKey, Sealed, SlotSecret, Vault};
use rusqlite::{Connection, OptionalExtension as _};

use super::audit::EVENTS_MAX;
use super::columns::{AUDIT_EVENT, SERVER_STATE};
use super::integrity::IntegrityOptions;
use super::server_state::{fetch, put};
use super::{OpenError, StoreError, inspect, read};
use crate::audit::head::AuditHead;
use crate::ids::AuditEventId;

/// The fact of the server's state that says where the log begins.
const ANCHOR: &str = "audit-anchor";

/// An event as the chain sees it: where it stands, and its link as stored. The link is empty before the first event, and where
/// an event from before the chain did not open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) link: Vec<u8>,
}

impl Place {
    fn head(&self) -> Option<AuditHead> {
        Some(AuditHead {
            event: AuditEventId(self.id),
            link: ChainLink(self.link.as_slice().try_into().ok()?),
        })
    }
}

/// What stands in the plain columns of an event.
pub(super) struct Plain<'a> {
    pub(super) id: i64,
    pub(super) at: i64,
    pub(super) kind: &'a str,
}

/// The link of an event: over the link before, the number, the time, the kind and the opened record.
pub(super) fn link(chain: &RowChain, before: &[u8], event: &Plain<'_>, record: &[u8]) -> ChainLink {
    let (id, at) = (event.id.to_be_bytes(), event.at.to_be_bytes());
    chain.link(before, &[&id, &at, event.kind.as_bytes(), record])
}

pub(super) fn chain_of(vault: &Vault) -> Result<RowChain, StoreError> {
    vault
        .row_chain()
        .map_err(|error| StoreError::Keyring(error.to_string()))
}

/// Where the log ends: its newest event, or its anchor.
pub(super) fn end(connection: &Connection, vault: &Vault) -> Result<Place, StoreError> {
    let newest = connection
        .prepare_cached("SELECT id, chain FROM audit_events ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(Place {
                id: row.get(0)?,
                link: row.get(1)?,
            })
        })
        .optional()?;
    match newest {
        Some(newest) => Ok(newest),
        None => Ok(anchor(connection, vault)?.unwrap_or_default()),
    }
}

/// Begins the chain of a database that has none: a new one, or one from before the chain, whose events get their links.
/// Nothing is chained a second time: what was altered since stays a break.
pub(super) fn begin(connection: &Connection, vault: &Vault) -> Result<(), StoreError> {
    if anchor(connection, vault)?.is_some() {
        return Ok(());
    }
    let chain = chain_of(vault)?;
    let mut before: Option<Place> = None;
    let mut events = connection.prepare("SELECT id, at, kind, record FROM audit_events ORDER BY id")?;
    let mut rows = events.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let last = if let Some(last) = before.take() {
            last
        } else {
            let first = Place {
                id: id - 1,
                link: Vec::new(),
            };
            put_anchor(connection, vault, &first)?;
            first
        };
        let kind: String = row.get(2)?;
        let event = Plain {
            id,
            at: row.get(1)?,
            kind: &kind,
        };
        // An event that does not open is no reason to refuse the start; it stands in the chain as a break.
        let sealed: rusqlite::Result<Sealed> = row.get(3);
        let opened = sealed
            .ok()
            .and_then(|sealed| vault.open(AUDIT_EVENT, &RowKey::Integer(id), &sealed).ok());
        let link = opened.map(|record| link(&chain, &last.link, &event, record.expose_bytes()).0.to_vec());
        let link = link.unwrap_or_default();
        connection
            .prepare_cached("UPDATE audit_events SET chain = ?2 WHERE id = ?1")?
            .execute((id, &link))?;
        before = Some(Place { id, link });
    }
    if before.is_none() {
        put_anchor(connection, vault, &Place::default())?;
    }
    Ok(())
}

/// Takes out every event but the newest so many, and moves the anchor to the last that goes.
pub(super) fn sweep(connection: &Connection, vault: &Vault, keep: i64) -> Result<usize, StoreError> {
    let last = connection
        .prepare_cached(
            "SELECT id, chain FROM audit_events WHERE id <= (SELECT max(id) FROM audit_events) - ?1
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row([keep], |row| {
            Ok(Place {
                id: row.get(0)?,
                link: row.get(1)?,
            })
        })
        .optional()?;
    let Some(last) = last else { return Ok(0) };
    put_anchor(connection, vault, &last)?;
    let mut delete = connection.prepare_cached("DELETE FROM audit_events WHERE id <= ?1")?;
    Ok(delete.execute([last.id])?)
}

fn anchor(connection: &Connection, vault: &Vault) -> Result<Option<Place>, StoreError> {
    let Some(kept) = fetch(connection, vault, ANCHOR)? else {
        return Ok(None);
    };
    let (id, link) = kept
        .expose_bytes()
        .split_first_chunk::<8>()
        .ok_or_else(|| StoreError::damaged(SERVER_STATE, ANCHOR, "it is shorter than 8 bytes"))?;
    Ok(Some(Place {
        id: i64::from_be_bytes(*id),
        link: link.to_vec(),
    }))
}

fn put_anchor(connection: &Connection, vault: &Vault, last: &Place) -> Result<(), StoreError> {
    put(
        connection,
        vault,
        ANCHOR,
        &[&last.id.to_be_bytes(), last.link.as_slice()].concat(),
    )
}

/// Why the audit log is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditBreak {
    /// The database was never served by a version with a chain.
    #[error("the audit log of this database has no chain yet")]
    NoChain,
    /// Where the log begins cannot be read.
    #[error("where the audit log begins cannot be told: its anchor is gone or damaged")]
    NoAnchor,
    /// There is an event where none can be.
    #[error("event {0} was put in before the beginning of the audit log")]
    Inserted(i64),
    /// There is no such event.
    #[error("event {0} is missing from the audit log")]
    Missing(i64),
    /// It does not follow from the event before it.
    #[error("event {0} of the audit log was changed, moved, or put in the place of another")]
    Changed(i64),
    /// It is sealed with no key of this database, or was altered.
    #[error("event {0} of the audit log does not open")]
    DoesNotOpen(i64),
    /// Fewer events are there than a sweep leaves.
    #[error("the audit log was cut off before event {0}: a sweep leaves more events than there are")]
    CutOffBefore(i64),
    /// The log ends before the kept head.
    #[error("the audit log was cut off after event {0}: the kept head is of a later event")]
    CutOffAfter(i64),
    /// The chain holds, and is another than the one the head was of.
    #[error("event {0} is not the one that the kept head is of: it, or one before it, was changed")]
    OtherHistory(i64),
    /// The event of the kept head was swept out, so nothing can be told by it.
    #[error("the kept head is of event {0}, which was swept out since: nothing can be told by it")]
    HeadTooOld(i64),
}

/// What a walk along the chain came to.
#[derive(Clone, Debug)]
pub struct AuditVerification {
    /// How many events were found good, from the oldest on.
    pub events: u64,
    /// The last of them.
    pub head: Option<AuditHead>,
    /// The first thing that is wrong.
    pub broken: Option<AuditBreak>,
    /// What else the database's own proofs say, in words: the integrity seal, the witness.
    pub complaints: Vec<String>,
}

/// Walks the chain of a database, in one state of it, beside a running server or without one. Writes nothing.
pub(crate) fn verify_audit(
    path: &Path,
    secret: &SlotSecret,
    integrity: &IntegrityOptions,
    kept: Option<&AuditHead>,
) -> Result<AuditVerification, OpenError> {
    let reading = read(path, secret, integrity)?;
    let walked = walk(&reading.connection, &reading.vault, kept, EVENTS_MAX)?;
    Ok(AuditVerification {
        complaints: inspect::complaints(reading.checked)?,
        ..walked
    })
}

/// The head of a database's audit log; `None` while nothing was written into it.
pub(crate) fn audit_head(
    path: &Path,
    secret: &SlotSecret,
    integrity: &IntegrityOptions,
) -> Result<Option<AuditHead>, OpenError> {
    let reading = read(path, secret, integrity)?;
    if !is_chained(&reading.connection)? {
        return Ok(None);
    }
    Ok(end(&reading.connection, &reading.vault)?.head())
}

fn is_chained(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM pragma_table_info('audit_events') WHERE name = 'chain'";
    Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0))? == 1)
}

fn walk(
    connection: &Connection,
    vault: &Vault,
    kept: Option<&AuditHead>,
    swept_to: i64,
) -> Result<AuditVerification, StoreError> {
    let mut found = AuditVerification {
        events: 0,
        head: None,
        broken: None,
        complaints: Vec::new(),
    };
    found.broken = follow(connection, vault, kept, swept_to, &mut found)?.err();
    Ok(found)
}

fn follow(
    connection: &Connection,
    vault: &Vault,
    kept: Option<&AuditHead>,
    swept_to: i64,
    found: &mut AuditVerification,
) -> Result<Result<(), AuditBreak>, StoreError> {
    if !is_chained(connection)? {
        return Ok(Err(AuditBreak::NoChain));
    }
    let first = match anchor(connection, vault) {
        Ok(Some(anchor)) => anchor,
        Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(Err(AuditBreak::NoAnchor)),
        Err(error) => return Err(error),
    };
    let chain = chain_of(vault)?;
    let (mut last, begin) = (first.clone(), first.id);
    let mut at_kept = (kept.map(|kept| kept.event.0) == Some(begin)).then(|| first.link.clone());
    let mut events =
        connection.prepare("SELECT id, at, kind, record, chain FROM audit_events ORDER BY id")?;
    let mut rows = events.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if id <= begin {
            return Ok(Err(AuditBreak::Inserted(id)));
        }
        if id != last.id + 1 {
            return Ok(Err(AuditBreak::Missing(last.id + 1)));
        }
        let kind: String = row.get(2)?;
        let event = Plain {
            id,
            at: row.get(1)?,
            kind: &kind,
        };
        let sealed: rusqlite::Result<Sealed> = row.get(3);
        let opened = sealed
            .ok()
            .and_then(|sealed| vault.open(AUDIT_EVENT, &RowKey::Integer(id), &sealed).ok());
        let Some(record) = opened else {
            return Ok(Err(AuditBreak::DoesNotOpen(id)));
        };
        let stored: Vec<u8> = row.get(4)?;
        if link(&chain, &last.link, &event, record.expose_bytes()).0 != *stored {
            return Ok(Err(AuditBreak::Changed(id)));
        }
        last = Place { id, link: stored };
        found.events += 1;
        found.head = last.head();
        if kept.is_some_and(|kept| kept.event.0 == id) {
            at_kept = Some(last.link.clone());
        }
    }
    // Whoever has the keys could take events out at the beginning and say that they were swept.
    if begin > 0 && last.id - begin < swept_to {
        return Ok(Err(AuditBreak::CutOffBefore(begin + 1)));
    }
    Ok(match (kept, at_kept) {
        (None, _) => Ok(()),
        (Some(kept), Some(link)) if *link == kept.link.0 => Ok(()),
        (Some(kept), Some(_)) => Err(AuditBreak::OtherHistory(kept.event.0)),
        (Some(kept), None) if kept.event.0 < begin => Err(AuditBreak::HeadTooOld(kept.event.0)),
        (Some(_), None) => Err(AuditBreak::CutOffAfter(last.id)),
    })
}

#[cfg(test)]
mod tests;
