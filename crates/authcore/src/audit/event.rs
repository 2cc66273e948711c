//! What is worth writing down: an enum, so that no secret and no free text finds its way in.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::clock::WallTime;
use crate::ids::{AccessKeyId, AuditEventId, SessionId, SigningKeyId};
use crate::session::state::SignInWay;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionEnd {
    /// Its owner signed out.
    SignedOut,
    /// Its owner, or the operator, ended it from elsewhere.
    Revoked,
    /// A refresh token came a second time: a copy is in other hands.
    RefreshTokenReused,
    /// A signin token came a second time; this session was made by its first use.
    SigninTokenReused,
    /// Ten wrong nonces with the right cookie.
    WrongNonces,
    /// The access password was changed.
    PasswordChanged,
    /// There were too many sessions; this was the one unused for longest.
    Crowded,
    /// The operator replaced every key at once.
    EveryKeyReplaced,
    /// A backup was put in the place of the database.
    Restored,
}

/// What a secret was refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PasswordUse {
    /// Signing in.
    SignIn,
    /// Making a signin token.
    IssueSigninToken,
    /// Changing the password.
    ChangePassword,
    /// Switching the second factor on or off.
    ChangeSecondFactor,
    /// Making an access key.
    CreateAccessKey,
    /// Making new keys.
    RotateKeys,
    /// Taking a backup or an export away.
    TakeBackup,
}

/// Why a backup that was due was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BackupProblem {
    /// The database could not be read, or was altered.
    Database,
    /// The folder of the backups could not be written, or has no room.
    Folder,
    /// What was written did not read back.
    ReadBack,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "Event", rename_all_fields = "PascalCase")]
pub enum AuditEvent {
    /// The database was made.
    InstallCreated,
    /// The owner signed in.
    SignedIn {
        /// The new session.
        session: SessionId,
        /// How.
        way: SignInWay,
    },
    /// A wrong password.
    PasswordRefused {
        /// Where it was given.
        purpose: PasswordUse,
    },
    /// A session ended.
    SessionEnded {
        /// The session.
        session: SessionId,
        /// Why.
        reason: SessionEnd,
        /// The client that refreshed the session last, where the one that ended it is another.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_client: Option<Client>,
    },
    /// Sessions were ended together.
    SessionsEnded {
        /// How many.
        count: usize,
        /// Why.
        reason: SessionEnd,
    },
    /// A session was let in on the host of an application, or may send browsers on without being asked.
    GateOpened {
        /// The session.
        session: SessionId,
        /// The host.
        host: String,
    },
    /// The second factor was switched on.
    SecondFactorOn,
    /// The second factor was switched off.
    SecondFactorOff,
    /// A recovery code was given in the place of a code of the app.
    RecoveryCodeUsed {
        /// How many there are still.
        left: usize,
    },
    /// A wrong one-time code, or one that was used before; where a password is asked for too, it was right.
    OneTimeCodeRefused {
        /// Where it was given.
        purpose: PasswordUse,
    },
    /// Wrong passwords were forgotten by the operator.
    ThrottleCleared,
    /// The access password was changed.
    PasswordChanged,
    /// A signin token was made.
    SigninTokenIssued,
    /// An access key was made.
    AccessKeyCreated {
        /// The key.
        access_key: AccessKeyId,
        /// Its name.
        name: String,
    },
    /// An access key was revoked.
    AccessKeyRevoked {
        /// The key.
        access_key: AccessKeyId,
        /// Its name.
        name: String,
    },
    /// A setting was changed or put back to its default.
    SettingChanged {
        /// Its key; never its value.
        key: String,
    },
    /// A new key signs from now on.
    SigningKeyCreated {
        /// The key.
        kid: SigningKeyId,
    },
    /// The server made itself a certificate (`tls.self_signed`).
    CertificateMade {
        /// Whose: `authority` or `server`.
        name: String,
    },
    /// A further way to open the database.
    SlotAdded {
        /// Its number.
        slot: i64,
    },
    /// A way to open the database has another secret.
    SlotChanged {
        /// Its number.
        slot: i64,
    },
    /// A way to open the database is no more.
    SlotRemoved {
        /// Its number.
        slot: i64,
    },
    /// A new master key.
    MasterKeyReplaced {
        /// Slots that open as before.
        kept: Vec<i64>,
        /// Slots that are no more.
        removed: Vec<i64>,
    },
    /// A new data key seals from now on; what is under the old one is sealed anew.
    DataKeyRotationBegun {
        /// The number of the new key.
        new: u32,
        /// The number of the old key.
        old: u32,
    },
    /// The old data key seals again; what is under the new one is sealed back.
    DataKeyRotationCalledOff {
        /// The number of the key that goes.
        new: u32,
    },
    /// Nothing was left under a data key, and it is no more.
    DataKeyDestroyed {
        /// Its number.
        key: u32,
    },
    /// A client took a backup away.
    BackupTaken,
    /// A backup that was due was not made.
    BackupFailed {
        /// Why.
        problem: BackupProblem,
    },
    /// A backup was put in the place of the database.
    DatabaseRestored {
        /// When the backup was made.
        taken: WallTime,
    },
}

impl AuditEvent {
    /// The event's name, as listed and filtered by.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::InstallCreated => "InstallCreated",
            Self::SignedIn { .. } => "SignedIn",
            Self::PasswordRefused { .. } => "PasswordRefused",
            Self::SessionEnded { .. } => "SessionEnded",
            Self::SessionsEnded { .. } => "SessionsEnded",
            Self::GateOpened { .. } => "GateOpened",
            Self::SecondFactorOn => "SecondFactorOn",
            Self::SecondFactorOff => "SecondFactorOff",
            Self::RecoveryCodeUsed { .. } => "RecoveryCodeUsed",
            Self::OneTimeCodeRefused { .. } => "OneTimeCodeRefused",
            Self::ThrottleCleared => "ThrottleCleared",
            Self::PasswordChanged => "PasswordChanged",
            Self::SigninTokenIssued => "SigninTokenIssued",
            Self::AccessKeyCreated { .. } => "AccessKeyCreated",
            Self::AccessKeyRevoked { .. } => "AccessKeyRevoked",
            Self::SettingChanged { .. } => "SettingChanged",
            Self::SigningKeyCreated { .. } => "SigningKeyCreated",
            Self::CertificateMade { .. } => "CertificateMade",
            Self::SlotAdded { .. } => "SlotAdded",
            Self::SlotChanged { .. } => "SlotChanged",
            Self::SlotRemoved { .. } => "SlotRemoved",
            Self::MasterKeyReplaced { .. } => "MasterKeyReplaced",
            Self::DataKeyRotationBegun { .. } => "DataKeyRotationBegun",
            Self::DataKeyRotationCalledOff { .. } => "DataKeyRotationCalledOff",
            Self::DataKeyDestroyed { .. } => "DataKeyDestroyed",
            Self::BackupTaken => "BackupTaken",
            Self::BackupFailed { .. } => "BackupFailed",
            Self::DatabaseRestored { .. } => "DatabaseRestored",
        }
    }
}

/// Every kind of event ([`AuditEvent::kind`]), in the order of the variants.
pub const KINDS: [&str; 28] = [
    "InstallCreated",
    "SignedIn",
    "PasswordRefused",
    "SessionEnded",
    "SessionsEnded",
    "GateOpened",
    "SecondFactorOn",
    "SecondFactorOff",
    "RecoveryCodeUsed",
    "OneTimeCodeRefused",
    "ThrottleCleared",
    "PasswordChanged",
    "SigninTokenIssued",
    "AccessKeyCreated",
    "AccessKeyRevoked",
    "SettingChanged",
    "SigningKeyCreated",
    "CertificateMade",
    "SlotAdded",
    "SlotChanged",
    "SlotRemoved",
    "MasterKeyReplaced",
    "DataKeyRotationBegun",
    "DataKeyRotationCalledOff",
    "DataKeyDestroyed",
    "BackupTaken",
    "BackupFailed",
    "DatabaseRestored",
];

/// An event as it is stored: what, and who was at the other end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// What happened.
    #[serde(flatten)]
    pub event: AuditEvent,
    /// Who called.
    #[serde(rename = "Client")]
    pub client: Client,
}

/// An event as it is read.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Its number.
    pub id: AuditEventId,
    /// When it was committed.
    pub at: WallTime,
    /// What and who.
    pub entry: AuditEntry,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variants stand in this file once more, as `kind` names them.
    #[test]
    fn every_kind_is_listed() {
        let source = include_str!("event.rs");
        let named: Vec<&str> = source
            .lines()
            .filter_map(|line| {
                line.trim()
                    .strip_prefix("Self::")?
                    .split_once("=> \"")?
                    .1
                    .strip_suffix("\",")
            })
            .collect();
        assert_eq!(named, KINDS);
    }
}
