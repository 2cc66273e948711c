//! Which function of the store makes which change, inside the writer's transaction.

use fieldcrypt::Vault;
use rusqlite::Connection;

use super::change::{Change, Outcome, Request};
use super::{
    StoreError, access_keys, audit, passwords, second_factor, sessions, settings, signin_tokens,
    signing_keys, spent_tokens, throttle, tls_keys,
};
use crate::audit::event::AuditEvent;
use crate::live::{Live, LiveChange};

/// What a change works with: the keys, the view to look at, and what is to be shown once it is committed.
pub(super) struct Room<'a> {
    pub(super) vault: &'a Vault,
    pub(super) live: &'a Live,
    pub(super) published: Vec<LiveChange>,
}

/// Makes the change in the file, and says in the room what it does to the view.
pub(super) fn apply(
    connection: &Connection,
    room: &mut Room<'_>,
    request: &Request,
) -> Result<Outcome, StoreError> {
    match &request.change {
        Change::StartSession {
            id,
            session,
            password_generation,
            max_sessions,
        } => {
            if passwords::generation(connection, room.vault)? != *password_generation {
                return Ok(Outcome::Stale);
            }
            sessions::insert(connection, room, request, *id, session, *max_sessions)?;
            Ok(Outcome::Done)
        }
        Change::SpendSigninToken {
            hash,
            id,
            session,
            max_sessions,
        } => {
            let outcome = signin_tokens::spend(connection, room, request, hash, *id)?;
            if outcome == Outcome::Done {
                sessions::insert(connection, room, request, *id, session, *max_sessions)?;
            }
            Ok(outcome)
        }
        Change::ReplaceSession {
            id,
            expected_revision,
            session,
            successor,
        } => sessions::replace(
            connection,
            room,
            *id,
            *expected_revision,
            session,
            successor.as_ref(),
        ),
        Change::OpenGate {
            id,
            expected_revision,
            session,
            successor,
            event,
        } => {
            let successor = successor.as_ref();
            let outcome = sessions::replace(connection, room, *id, *expected_revision, session, successor)?;
            if outcome == Outcome::Done {
                audit::record(connection, room, request, event.clone())?;
            }
            Ok(outcome)
        }
        Change::TouchSession { id, used } => sessions::touch(connection, room, *id, *used),
        Change::EndSession { id, reason } => sessions::end(connection, room, request, *id, *reason),
        Change::EndSessions { keep, reason } => sessions::end_all(connection, room, request, *keep, *reason),
        Change::AddSigninToken { hash, record } => {
            signin_tokens::insert(connection, room, request, hash, record)
        }
        Change::SpendOperationToken { jti, forget_at } => spent_tokens::insert(connection, *jti, *forget_at),
        Change::SetPassword {
            record,
            expected_generation,
            sessions,
        } => passwords::set(connection, room, request, record, *expected_generation, *sessions),
        Change::UpgradePasswordHash { record } => passwords::upgrade(connection, room, record),
        Change::AddAccessKey { id, record } => access_keys::insert(connection, room, request, *id, record),
        Change::RevokeAccessKey { id } => access_keys::revoke(connection, room, request, *id),
        Change::TouchAccessKey { id, used } => access_keys::touch(connection, room, *id, *used),
        Change::SetSetting { key, value } => settings::set(connection, room, request, key, value.as_ref()),
        Change::AddSigningKey { key } => signing_keys::add(connection, room, request, key),
        Change::PutTlsKeys { keys } => tls_keys::put(connection, room, request, keys),
        Change::Record(event) => {
            audit::record(connection, room, request, event.clone())?;
            Ok(Outcome::Done)
        }
        Change::RefusePassword { purpose, throttle } => {
            throttle::keep(connection, room, throttle)?;
            let event = AuditEvent::PasswordRefused { purpose: *purpose };
            audit::record(connection, room, request, event)?;
            Ok(Outcome::Done)
        }
        Change::KeepThrottle { throttle } => {
            throttle::keep(connection, room, throttle)?;
            Ok(Outcome::Done)
        }
        Change::ClearThrottle => throttle::clear(connection, room, request),
        Change::SwitchOnSecondFactor { factor } => {
            second_factor::switch_on(connection, room, request, factor)
        }
        Change::SwitchOffSecondFactor => second_factor::switch_off(connection, room, request),
        Change::SpendOneTimeCode { factor, spent } => {
            second_factor::spend(connection, room, request, factor, spent)
        }
        Change::RefuseOneTimeCode { purpose, throttle } => {
            second_factor::refuse(connection, room, request, *purpose, throttle)
        }
    }
}
