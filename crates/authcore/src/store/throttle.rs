//! The counts of wrong passwords: one fact of the server's state.

use fieldcrypt::Vault;
use rusqlite::Connection;

use super::apply::Room;
use super::change::{Outcome, Request};
use super::columns::SERVER_STATE;
use super::load::{from_json, to_json};
use super::server_state::{fetch, put};
use super::{StoreError, audit};
use crate::audit::event::AuditEvent;
use crate::live::LiveChange;
use crate::throttle::ThrottleState;

const NAME: &str = "throttle";

/// Nothing counted where nothing was ever kept.
pub(super) fn load(connection: &Connection, vault: &Vault) -> Result<ThrottleState, StoreError> {
    match fetch(connection, vault, NAME)? {
        None => Ok(ThrottleState::default()),
        Some(kept) => from_json(SERVER_STATE, NAME, kept.expose_bytes()),
    }
}

/// Keeps counts, unless what is there was counted or cleared later.
pub(super) fn keep(
    connection: &Connection,
    room: &Room<'_>,
    state: &ThrottleState,
) -> Result<(), StoreError> {
    if state.is_later_than(&load(connection, room.vault)?) {
        put(connection, room.vault, NAME, &to_json(state)?)?;
    }
    Ok(())
}

pub(super) fn clear(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
) -> Result<Outcome, StoreError> {
    let cleared = load(connection, room.vault)?.cleared();
    put(connection, room.vault, NAME, &to_json(&cleared)?)?;
    audit::record(connection, room, request, AuditEvent::ThrottleCleared)?;
    room.published.push(LiveChange::PutThrottle(Box::new(cleared)));
    Ok(Outcome::Done)
}
