//! Who gets in: one access password, sessions, tokens and keys, over a sealed SQLite store. Knows no HTTP, no command
//! line and no terminal.
//!
//! ```text
//! service (Passwords, Sessions, …) ──▶ pure rule (refresh::decide, policy, overlap)
//!        │                    ╲──────▶ live: the in-memory view, which verifying a request looks at
//!        ▼
//! store: typed changes ──▶ one writer thread ──▶ SQLite, sealed by fieldcrypt ──▶ live
//! ```
//!
//! [`Authority`] opens the store and hands out the services.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access_keys;
pub mod audit;
mod authority;
mod backups;
mod client;
mod clock;
mod figures;
#[cfg(any(test, fuzzing))]
pub mod foreign_bytes;
mod gate;
mod ids;
mod live;
mod one_use;
mod password;
mod principal;
mod rotations;
mod second_factor;
mod session;
mod settings;
mod signing_keys;
mod store;
mod throttle;
mod tls_keys;
mod token;

pub use access_keys::{
    ACCESS_KEY_LIFE, ACCESS_KEY_LIFE_MAX, AccessKeyView, AccessKeys, CreateAccessKeyError, CreatedAccessKey,
};
pub use audit::head::AuditHead;
pub use audit::{AuditLog, AuditQuery};
pub use authority::{Authority, AuthorityOptions, Unauthorized};
pub use backups::Backups;
pub use client::Client;
pub use clock::{Clock, Moment, Monotonic, WallTime};
pub use figures::Figures;
pub use gate::{
    BrowserState, BrowserStateMark, Entered, Gate, GateCookie, GateScope, GateScopeError, HANDOFF_CODE_LIFE,
    HandoffCode, HandoffError, Visitor,
};
pub use ids::{AccessKeyId, AuditEventId, KnownDeviceId, SessionId, SigningKeyId, TokenId};
pub use one_use::{OneUseError, OperationTokens, SigninTokenAuthority, SigninTokens};
pub use password::{
    AccessPassword, Busy, ChangeAuthority, ChangeError, ConfirmError, NotNow, PASSWORD_BYTES_MAX,
    PASSWORD_ITERATIONS_MAX, PASSWORD_ITERATIONS_MIN, PasswordVerified, Passwords, Permit, PolicyViolation,
    TooLong, VerifyError,
};
pub use principal::{Permission, Principal, Scope, ScopeError, Scopes};
pub use rotations::Rotations;
pub use second_factor::{
    ActConfirmed, ENROLMENT_LIFE, Enrolment, OneTimeCode, RECOVERY_CODES, RecoveryCode, SecondFactorStatus,
    SecondFactors, SetUpError,
};
pub use session::{
    BROWSER_SESSION_IDLE, REFRESH_GRACE, REMEMBERED_SESSION_IDLE, RefreshCredential, RefreshError,
    RefreshNonce, RefreshToken, RefuseReason, Remember, SESSION_ABSOLUTE, SessionView, Sessions, SignInError,
    SignInWay, TokenSet, WRONG_NONCES_MAX,
};
pub use settings::{SettingError, SettingKind, SettingSpec, SettingView, Settings};
pub use signing_keys::{SigningKeyView, SigningKeys};
pub use store::{
    AuditBreak, AuditVerification, CurrentDatabase, DatabaseFacts, DatabaseSnapshot, Ended, Examination,
    InTheWay, Inspection, IntegrityOptions, KeyKind, KeyRotation, OpenError, OpenedCopy, PLAIN_COLUMNS,
    PROTECTED_TABLES, Restored, RotationFailed, RotationProgress, RotationStatus, SealCheck, SlotChangeError,
    Slots, StoreError, Verification, sealed_columns,
};
pub use throttle::{KnownDevice, Slowed, Source, ThrottleState, ThrottleStatus};
pub use tls_keys::{StoredTlsKeys, TlsCertificates, TlsKey, TlsKeyName, TlsKeys};
pub use token::access::{ACCESS_TOKEN_LIFE, ACCESS_TOKEN_LIFE_MIN, AccessToken, SessionProof};
pub use token::access_key::AccessKeySecret;
pub use token::assertion::ASSERTION_LIFE;
pub use token::jwt::Refused;
pub use token::operation::{OPERATION_TOKEN_LIFE, Operation, OperationToken};
pub use token::signin::{SIGNIN_TOKEN_LIFE_MAX, SigninToken};
