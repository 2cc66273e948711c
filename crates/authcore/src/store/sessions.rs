//! Rows of sessions.

use std::collections::HashMap;
use std::sync::Arc;

use fieldcrypt::{RowKey, Sealed, Vault};
use rusqlite::Connection;

use super::StoreError;
use super::apply::Room;
use super::audit;
use super::change::{Outcome, Request};
use super::columns::SESSION;
use super::load::{from_json, to_json};
use super::writer::GROUP_MAX;
use crate::audit::event::{AuditEvent, SessionEnd};
use crate::clock::WallTime;
use crate::ids::SessionId;
use crate::live::{LiveChange, LiveSession};
use crate::session::state::{Remember, Session};
use crate::session::successor::Successor;

pub(super) fn load(
    connection: &Connection,
    vault: &Vault,
    now: WallTime,
) -> Result<HashMap<SessionId, Arc<LiveSession>>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id, revision, record FROM sessions")?;
    let mut rows = statement.query([])?;
    let mut sessions = HashMap::new();
    while let Some(row) = rows.next()? {
        let id = SessionId::from_bytes(row.get(0)?);
        let sealed: Sealed = row
            .get(2)
            .map_err(|error| StoreError::damaged(SESSION, id, error))?;
        let record = vault.open(SESSION, &RowKey::Blob(id.as_bytes()), &sealed);
        let record = record.map_err(|error| StoreError::damaged(SESSION, id, error))?;
        let session: Session = from_json(SESSION, id, record.expose_bytes())?;
        if !session.is_over(now) {
            sessions.insert(id, Arc::new(LiveSession::new(session, row.get(1)?, None)));
        }
    }
    Ok(sessions)
}

/// A new session; where there are too many, the one unused for longest makes room, those that end with the browser first.
pub(super) fn insert(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    id: SessionId,
    session: &Session,
    max_sessions: usize,
) -> Result<(), StoreError> {
    make_room(connection, room, request, max_sessions)?;
    let sealed = room
        .vault
        .seal(SESSION, &RowKey::Blob(id.as_bytes()), &to_json(session)?)?;
    connection
        .prepare_cached("INSERT INTO sessions (id, revision, record) VALUES (?1, 1, ?2)")?
        .execute((id.as_bytes(), sealed))?;
    audit::record(
        connection,
        room,
        request,
        AuditEvent::SignedIn {
            session: id,
            way: session.way,
        },
    )?;
    room.published.push(LiveChange::PutSession(
        id,
        Arc::new(LiveSession::new(session.clone(), 1, None)),
    ));
    Ok(())
}

/// Ends sessions until there is room for one more. What counts is the table: the view knows nothing of this commit yet, in which
/// there are no more than [`GROUP_MAX`].
fn make_room(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    max_sessions: usize,
) -> Result<(), StoreError> {
    if room.live.session_count() + GROUP_MAX < max_sessions {
        return Ok(());
    }
    let stored: i64 = connection
        .prepare_cached("SELECT count(*) FROM sessions")?
        .query_row([], |row| row.get(0))?;
    let stored = usize::try_from(stored).unwrap_or(usize::MAX);
    let mut too_many = stored.saturating_add(1).saturating_sub(max_sessions);
    if too_many == 0 {
        return Ok(());
    }
    let mut known = room.live.sessions();
    known.sort_by_key(|(_, live)| {
        (
            live.session.remember == Remember::Remembered,
            live.session.rotated,
        )
    });
    // After them those that came in this commit.
    let ids: Vec<SessionId> = known
        .into_iter()
        .map(|(id, _)| id)
        .chain(ids(connection)?)
        .collect();
    for id in ids {
        if too_many == 0 {
            break;
        }
        if end(connection, room, request, id, SessionEnd::Crowded)? != Outcome::NotFound {
            too_many -= 1;
        }
    }
    Ok(())
}

fn ids(connection: &Connection) -> Result<Vec<SessionId>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM sessions")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids
        .map(|id| id.map(SessionId::from_bytes))
        .collect::<rusqlite::Result<_>>()?)
}

/// Compare and swap: changes the row only if it is still the one that was decided on.
pub(super) fn replace(
    connection: &Connection,
    room: &mut Room<'_>,
    id: SessionId,
    expected: i64,
    session: &Session,
    successor: Option<&Successor>,
) -> Result<Outcome, StoreError> {
    let sealed = room
        .vault
        .seal(SESSION, &RowKey::Blob(id.as_bytes()), &to_json(session)?)?;
    let revision = expected.saturating_add(1);
    let changed = connection
        .prepare_cached("UPDATE sessions SET revision = ?3, record = ?4 WHERE id = ?1 AND revision = ?2")?
        .execute((id.as_bytes(), expected, revision, sealed))?;
    if changed == 0 {
        return Ok(Outcome::Stale);
    }
    let live = LiveSession::new(session.clone(), revision, successor.cloned());
    room.published.push(LiveChange::PutSession(id, Arc::new(live)));
    Ok(Outcome::Done)
}

/// Notes a use at the gate; where a refresh is in the same transaction, that one counts.
pub(super) fn touch(
    connection: &Connection,
    room: &mut Room<'_>,
    id: SessionId,
    used: WallTime,
) -> Result<Outcome, StoreError> {
    let Some(live) = room.live.session(id) else {
        return Ok(Outcome::NotFound);
    };
    let session = Session {
        gate_used: live.session.gate_used.max(Some(used)),
        ..live.session.clone()
    };
    replace(
        connection,
        room,
        id,
        live.revision,
        &session,
        live.successor.as_ref(),
    )
}

pub(super) fn end(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    id: SessionId,
    reason: SessionEnd,
) -> Result<Outcome, StoreError> {
    let ended = connection
        .prepare_cached("DELETE FROM sessions WHERE id = ?1")?
        .execute([id.as_bytes()])?;
    if ended == 0 {
        return Ok(Outcome::NotFound);
    }
    let last_client = room
        .live
        .session(id)
        .map(|live| live.session.client.clone())
        .filter(|last| *last != request.client);
    audit::record(
        connection,
        room,
        request,
        AuditEvent::SessionEnded {
            session: id,
            reason,
            last_client,
        },
    )?;
    room.published.push(LiveChange::RemoveSession(id));
    Ok(Outcome::Ended(ended))
}

pub(super) fn end_all(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    keep: Option<SessionId>,
    reason: SessionEnd,
) -> Result<Outcome, StoreError> {
    let ended = connection
        .prepare_cached("DELETE FROM sessions WHERE id IS NOT ?1")?
        .execute([keep.as_ref().map(SessionId::as_bytes)])?;
    if ended > 0 {
        audit::record(
            connection,
            room,
            request,
            AuditEvent::SessionsEnded { count: ended, reason },
        )?;
    }
    room.published.push(LiveChange::RemoveSessions { keep });
    Ok(Outcome::Ended(ended))
}

/// Deletes every session, by a process that has no view of them.
pub(super) fn delete_all(connection: &Connection) -> Result<usize, StoreError> {
    Ok(connection.execute("DELETE FROM sessions", [])?)
}

/// Deletes the rows of sessions that have ended by their limits.
pub(super) fn sweep(
    connection: &Connection,
    room: &mut Room<'_>,
    now: WallTime,
) -> Result<usize, StoreError> {
    let mut swept = 0;
    for (id, live) in room.live.sessions() {
        if live.session.is_over(now) {
            swept += connection
                .prepare_cached("DELETE FROM sessions WHERE id = ?1")?
                .execute([id.as_bytes()])?;
            room.published.push(LiveChange::RemoveSession(id));
        }
    }
    Ok(swept)
}
