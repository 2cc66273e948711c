//! The rule of refresh, pure: what a presented credential does to a session (`3-http-contract.md`, "Refresh rules";
//! replay detection as in RFC 9700 section 4.14.2).
//!
//! ```text
//!                       session secret wrong, session over ───▶ Refuse
//!   turn is current     nonce right ──▶ Rotate                 nonce wrong ──▶ CountWrongNonce (the tenth: End)
//!   turn is previous    inside the grace, nonce right ──▶ SameSuccessor
//!                       the same, but the successor was lost with a restart ──▶ Rotate, and both pairs lead on
//!                       later ──▶ End (theft)
//!   turn is neither     ──▶ End (theft): only a turn that once was good travels with the right session secret
//! ```

use super::state::{HashedCredential, HashedNonce, HashedPair, REFRESH_GRACE, Session, WRONG_NONCES_MAX};
use crate::audit::event::SessionEnd;
use crate::clock::{Moment, Monotonic};

/// What a refresh does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshDecision {
    /// A new pair; these become the previous.
    Rotate(LeadOn),
    /// The pair that the last rotation made, once more.
    SameSuccessor,
    /// Nothing but a count.
    CountWrongNonce,
    /// The session ends here, for that reason.
    End(SessionEnd),
    /// Nothing happens to the session.
    Refuse(RefuseReason),
}

/// Which pairs still refresh, for the grace, once there is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeadOn {
    /// The one that was current.
    Current,
    /// That, and the one before: a restart swallowed the successor that both could have been given, and some tabs may
    /// hold the one, some the other.
    CurrentAndPrevious,
}

/// Why nothing happened; for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefuseReason {
    /// No live session of that id.
    #[error("no such session")]
    NoSession,
    /// The id is known, the session secret is wrong.
    #[error("the session secret is wrong")]
    WrongSecret,
    /// The idle or the absolute limit has passed.
    #[error("the session has ended by its limits")]
    Over,
    /// A cookie alone refreshes nothing.
    #[error("no nonce was sent")]
    NoNonce,
    /// The nonce does not belong to the cookie.
    #[error("the nonce is wrong")]
    WrongNonce,
    /// The credential was used before; the session has ended.
    #[error("the refresh token was used before; the session has been ended")]
    Reused,
}

/// Decides. `successor_since` is when this process made the current pair, if it still holds it for the grace.
pub(crate) fn decide(
    session: &Session,
    successor_since: Option<Monotonic>,
    credential: &HashedCredential,
    now: Moment,
) -> RefreshDecision {
    if !session.secret.matches(&credential.secret) {
        return RefreshDecision::Refuse(RefuseReason::WrongSecret);
    }
    if session.is_over(now.wall) {
        return RefreshDecision::Refuse(RefuseReason::Over);
    }
    // After a restart only the wall clock knows; a rotation "in the future" has no age and no grace.
    let lost_by_a_restart = successor_since.is_none()
        && now
            .wall
            .since(session.rotated)
            .is_some_and(|age| age <= REFRESH_GRACE);
    if session.current.turn.matches(&credential.turn) {
        let lead_on = if lost_by_a_restart {
            LeadOn::CurrentAndPrevious
        } else {
            LeadOn::Current
        };
        return nonce_decides(
            session,
            &session.current,
            credential,
            RefreshDecision::Rotate(lead_on),
        );
    }
    let Some(previous) = session
        .previous
        .iter()
        .find(|pair| pair.turn.matches(&credential.turn))
    else {
        return RefreshDecision::End(SessionEnd::RefreshTokenReused);
    };
    let inside_the_grace = match successor_since {
        Some(made) => (now.monotonic.since(made) <= REFRESH_GRACE).then_some(RefreshDecision::SameSuccessor),
        None => lost_by_a_restart.then_some(RefreshDecision::Rotate(LeadOn::CurrentAndPrevious)),
    };
    match inside_the_grace {
        Some(granted) => nonce_decides(session, previous, credential, granted),
        None => RefreshDecision::End(SessionEnd::RefreshTokenReused),
    }
}

fn nonce_decides(
    session: &Session,
    pair: &HashedPair,
    credential: &HashedCredential,
    granted: RefreshDecision,
) -> RefreshDecision {
    let wrong = || {
        if session.wrong_nonces.saturating_add(1) >= WRONG_NONCES_MAX {
            RefreshDecision::End(SessionEnd::WrongNonces)
        } else {
            RefreshDecision::CountWrongNonce
        }
    };
    match &credential.nonce {
        // Not a guess: a page that lost its half asks with the cookie alone. It must not end the tab that kept it.
        HashedNonce::Absent => RefreshDecision::Refuse(RefuseReason::NoNonce),
        HashedNonce::Given(nonce) if pair.nonce.matches(nonce) => granted,
        HashedNonce::Given(_) | HashedNonce::Malformed => wrong(),
    }
}

/// The session after a rotation.
pub(crate) fn rotated(session: &Session, lead_on: LeadOn, fresh: HashedPair, now: Moment) -> Session {
    let mut previous = match lead_on {
        LeadOn::Current => Vec::new(),
        LeadOn::CurrentAndPrevious => session.previous.clone(),
    };
    previous.push(session.current.clone());
    // Restarts one after the other keep no more than two generations good.
    previous.drain(..previous.len().saturating_sub(2));
    Session {
        current: fresh,
        previous,
        rotated: now.wall,
        wrong_nonces: 0,
        ..session.clone()
    }
}
