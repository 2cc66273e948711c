//! The second factor: one fact of the server's state, there while it is on.

use std::sync::Arc;

use fieldcrypt::Vault;
use rusqlite::Connection;

use super::apply::Room;
use super::change::{Outcome, Request};
use super::columns::SERVER_STATE;
use super::load::{from_json, to_json};
use super::server_state::{fetch, forget, put};
use super::{StoreError, audit, throttle};
use crate::audit::event::{AuditEvent, PasswordUse};
use crate::clock::WallTime;
use crate::live::LiveChange;
use crate::second_factor::{SecondFactor, Spent};
use crate::throttle::ThrottleState;

const NAME: &str = "second-factor";

pub(super) fn load(connection: &Connection, vault: &Vault) -> Result<Option<SecondFactor>, StoreError> {
    let kept = fetch(connection, vault, NAME)?;
    kept.map(|kept| from_json(SERVER_STATE, NAME, kept.expose_bytes()))
        .transpose()
}

/// Switches it on; taken where it is on already.
pub(super) fn switch_on(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    factor: &Arc<SecondFactor>,
) -> Result<Outcome, StoreError> {
    if load(connection, room.vault)?.is_some() {
        return Ok(Outcome::Taken);
    }
    put(connection, room.vault, NAME, &to_json(&**factor)?)?;
    audit::record(connection, room, request, AuditEvent::SecondFactorOn)?;
    room.published
        .push(LiveChange::PutSecondFactor(Some(Arc::clone(factor))));
    Ok(Outcome::Done)
}

pub(super) fn switch_off(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
) -> Result<Outcome, StoreError> {
    if fetch(connection, room.vault, NAME)?.is_none() {
        return Ok(Outcome::NotFound);
    }
    forget(connection, NAME)?;
    audit::record(connection, room, request, AuditEvent::SecondFactorOff)?;
    room.published.push(LiveChange::PutSecondFactor(None));
    Ok(Outcome::Done)
}

/// Uses a code up; stale when the factor that it was right for is no more, taken when it was used meanwhile.
pub(super) fn spend(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    factor: &SecondFactor,
    spent: &Spent,
) -> Result<Outcome, StoreError> {
    let Some(current) = load(connection, room.vault)?.filter(|current| current.is(factor)) else {
        return Ok(Outcome::Stale);
    };
    let Some(left) = current.without(spent) else {
        return Ok(Outcome::Taken);
    };
    put(connection, room.vault, NAME, &to_json(&left)?)?;
    if let Spent::Recovery(_) = spent {
        let left = left.recovery_codes_left();
        audit::record(connection, room, request, AuditEvent::RecoveryCodeUsed { left })?;
    }
    room.published
        .push(LiveChange::PutSecondFactor(Some(Arc::new(left))));
    Ok(Outcome::Done)
}

pub(super) fn refuse(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
    purpose: PasswordUse,
    counts: &ThrottleState,
) -> Result<Outcome, StoreError> {
    throttle::keep(connection, room, counts)?;
    let event = AuditEvent::OneTimeCodeRefused { purpose };
    audit::record(connection, room, request, event)?;
    Ok(Outcome::Done)
}

/// In a database that was put back to an earlier state: no code is taken that may have been used since, as `before` tells, the
/// state that is given up. Says how many recovery codes are no more; `None` where the factor is off.
pub(super) fn put_back(
    connection: &Connection,
    vault: &Vault,
    before: Option<&SecondFactor>,
    now: WallTime,
) -> Result<Option<usize>, StoreError> {
    let Some(kept) = load(connection, vault)? else {
        return Ok(None);
    };
    let left = kept.put_back(before, now);
    put(connection, vault, NAME, &to_json(&left)?)?;
    Ok(Some(kept.recovery_codes_left() - left.recovery_codes_left()))
}
