//! What callers may ask the writer to do: typed changes, never SQL. Each is one entry of a transaction.

use std::sync::Arc;
use std::time::Duration;

use crate::access_keys::AccessKeyRecord;
use crate::audit::event::{AuditEvent, PasswordUse, SessionEnd};
use crate::client::Client;
use crate::clock::{Moment, WallTime};
use crate::ids::{AccessKeyId, SessionId, TokenId};
use crate::password::PasswordRecord;
use crate::second_factor::{SecondFactor, Spent};
use crate::session::state::{REFRESH_WAIT_MAX, Session};
use crate::session::successor::Successor;
use crate::signing_keys::NewSigningKey;
use crate::throttle::ThrottleState;
use crate::tls_keys::{TlsKey, TlsKeyName};
use crate::token::hashed::HashedToken;
use crate::token::signin::SigninTokenRecord;

/// A change, who asked for it, and when.
pub(crate) struct Request {
    pub(crate) change: Change,
    pub(crate) client: Client,
    pub(crate) now: Moment,
}

pub(crate) enum Change {
    /// A sign-in by password. Stale when the password is no longer the one that was checked.
    StartSession {
        id: SessionId,
        session: Box<Session>,
        password_generation: u64,
        max_sessions: usize,
    },
    /// A sign-in by signin token: spending it and making the session are one transaction.
    SpendSigninToken {
        hash: HashedToken,
        id: SessionId,
        session: Box<Session>,
        max_sessions: usize,
    },
    /// A refresh, or a counted wrong nonce. Stale when somebody else was first.
    ReplaceSession {
        id: SessionId,
        expected_revision: i64,
        session: Box<Session>,
        successor: Option<Successor>,
    },
    /// A new gate cookie of the session. Stale when somebody else was first.
    OpenGate {
        id: SessionId,
        expected_revision: i64,
        session: Box<Session>,
        successor: Option<Successor>,
        event: AuditEvent,
    },
    /// A gate cookie of the session was used.
    TouchSession {
        id: SessionId,
        used: WallTime,
    },
    EndSession {
        id: SessionId,
        reason: SessionEnd,
    },
    EndSessions {
        keep: Option<SessionId>,
        reason: SessionEnd,
    },
    /// Stale when the password that it was made with has changed.
    AddSigninToken {
        hash: HashedToken,
        record: SigninTokenRecord,
    },
    SpendOperationToken {
        jti: TokenId,
        forget_at: WallTime,
    },
    /// Stale when the password changed since `expected_generation`.
    SetPassword {
        record: Box<PasswordRecord>,
        expected_generation: Option<u64>,
        sessions: KeepSessions,
    },
    /// Stale when the password changed meanwhile.
    UpgradePasswordHash {
        record: Box<PasswordRecord>,
    },
    AddAccessKey {
        id: AccessKeyId,
        record: Box<AccessKeyRecord>,
    },
    RevokeAccessKey {
        id: AccessKeyId,
    },
    TouchAccessKey {
        id: AccessKeyId,
        used: WallTime,
    },
    SetSetting {
        key: String,
        value: Option<serde_json::Value>,
    },
    AddSigningKey {
        key: NewSigningKey,
    },
    PutTlsKeys {
        keys: Vec<(TlsKeyName, TlsKey)>,
    },
    Record(AuditEvent),
    /// A wrong password, and the counts with it.
    RefusePassword {
        purpose: PasswordUse,
        throttle: Box<ThrottleState>,
    },
    /// The counts after the right password.
    KeepThrottle {
        throttle: Box<ThrottleState>,
    },
    ClearThrottle,
    /// Taken when it is on already.
    SwitchOnSecondFactor {
        factor: Arc<SecondFactor>,
    },
    SwitchOffSecondFactor,
    /// Taken when the code was used meanwhile, stale when it is of a factor that is no more.
    SpendOneTimeCode {
        factor: Arc<SecondFactor>,
        spent: Spent,
    },
    /// A wrong one-time code, and the counts with it.
    RefuseOneTimeCode {
        purpose: PasswordUse,
        throttle: Box<ThrottleState>,
    },
}

impl Change {
    /// Whether anybody would want to hear of it. Refreshes and uses go on all the time: a page that looked again after each
    /// would make the next.
    pub(crate) const fn is_news(&self) -> bool {
        !matches!(
            self,
            Self::ReplaceSession { .. }
                | Self::TouchSession { .. }
                | Self::TouchAccessKey { .. }
                | Self::SpendOperationToken { .. }
                | Self::KeepThrottle { .. }
        )
    }

    /// Whether it has waited for too long to be made at all. A refresh whose browser has given up would leave it with a pair whose
    /// grace, counted from when it asked, is over before it asks again.
    pub(super) fn is_too_late(&self, waited: Duration) -> bool {
        matches!(self, Self::ReplaceSession { .. }) && waited > REFRESH_WAIT_MAX
    }
}

/// Which sessions outlive a change of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepSessions {
    All,
    One(SessionId),
    None,
}

/// What became of a change that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// The state it was decided on is gone; nothing was changed.
    Stale,
    /// There is no such thing; nothing was changed.
    NotFound,
    /// The name or token is taken or spent already; nothing was changed, unless the variant's change says otherwise.
    Taken,
    /// Its time is over; nothing was changed.
    Expired,
    /// So many were ended.
    Ended(usize),
}
