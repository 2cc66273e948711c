//! Looking at a database without changing a byte of it.

use std::path::Path;

use fieldcrypt::sqlite::FieldCheck;
use fieldcrypt::{KeyInfo, SlotInfo, SlotSecret, Vault};

use super::integrity::IntegrityOptions;
use super::{
    KeyKind, OpenError, Reading, RotationStatus, pending_keys, read, rotation, server_state, signing_keys,
    throttle, tls_keys,
};
use crate::clock::WallTime;
use crate::throttle::ThrottleState;
use crate::tls_keys::TlsCertificates;

/// What a database says about itself.
#[derive(Debug)]
pub struct Inspection {
    /// Its key slots.
    pub slots: Vec<SlotInfo>,
    /// The keys that seal, destroyed ones too.
    pub keys: Vec<KeyInfo>,
    /// The highest wall time a server saw, if one ever wrote it down.
    pub highest_wall_time: Option<WallTime>,
    /// What is not as this program left it, in words; empty when the integrity seal holds and the file is sound.
    pub complaints: Vec<String>,
    /// The rotation of the data key under way, if there is one.
    pub rotation: Option<RotationStatus>,
    /// The kinds of key that a rotation of several kinds has not come to yet.
    pub pending_keys: Vec<KeyKind>,
    /// The counts of wrong passwords, as they were kept last.
    pub throttle: ThrottleState,
    /// The certificates that the server made itself.
    pub tls: TlsCertificates,
}

/// Unlocks a database over a connection that only reads, and checks its structure and its integrity seal.
pub(crate) fn inspect(
    path: &Path,
    secret: &SlotSecret,
    integrity: &IntegrityOptions,
) -> Result<Inspection, OpenError> {
    let reading = read(path, secret, integrity)?;
    let rotation = rotation::status(&reading.connection)?;
    Ok(Inspection {
        rotation,
        pending_keys: pending_keys::load(&reading.connection, &reading.vault)?,
        throttle: throttle::load(&reading.connection, &reading.vault)?,
        tls: tls_keys::load(&reading.connection, &reading.vault)?.into(),
        slots: Vault::slots(&reading.connection)?,
        keys: reading.vault.keys(),
        highest_wall_time: server_state::highest_wall_time(&reading.connection, &reading.vault)?,
        complaints: complaints(reading.checked)?,
    })
}

/// What a database's own proofs say of it.
#[derive(Debug)]
pub struct Verification {
    /// As [`Inspection::complaints`].
    pub complaints: Vec<String>,
    /// Which sealed fields open.
    pub fields: FieldCheck,
}

/// As [`inspect`], opens every sealed field, and holds each public signing key against its private half.
pub(crate) fn verify(
    path: &Path,
    secret: &SlotSecret,
    integrity: &IntegrityOptions,
) -> Result<Verification, OpenError> {
    verification(read(path, secret, integrity)?)
}

pub(super) fn verification(reading: Reading) -> Result<Verification, OpenError> {
    let fields = reading.vault.check_fields(&reading.connection)?;
    let mut complaints = complaints(reading.checked)?;
    if fields.unopenable.is_empty() {
        // At the beginning of time no key is too old to be looked at.
        let pairs = signing_keys::load(&reading.connection, &reading.vault, WallTime::from_unix_ms(0));
        complaints.extend(pairs.err().map(|error| error.to_string()));
    }
    Ok(Verification { complaints, fields })
}

pub(super) fn complaints<T>(checked: Result<T, OpenError>) -> Result<Vec<String>, OpenError> {
    match checked {
        Ok(_) => Ok(Vec::new()),
        Err(error @ (OpenError::Integrity(_) | OpenError::Witness(_))) => Ok(vec![error.to_string()]),
        Err(error) => Err(error),
    }
}
