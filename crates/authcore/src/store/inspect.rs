//! Looking at a database without changing a byte of it.

use std::path::Path;

use fieldcrypt::sqlite::FieldCheck;
use fieldcrypt::{SlotInfo, SlotSecret, Vault};

use super::integrity::IntegrityOptions;
use super::{OpenError, read, server_state};
use crate::clock::WallTime;

/// What a database says about itself.
#[derive(Debug)]
pub struct Inspection {
    /// Its key slots.
    pub slots: Vec<SlotInfo>,
    /// The highest wall time a server saw, if one ever wrote it down.
    pub highest_wall_time: Option<WallTime>,
    /// What is not as this program left it, in words; empty when the integrity seal holds and the file is sound.
    pub complaints: Vec<String>,
}

/// Unlocks a database over a connection that only reads, and checks its structure and its integrity seal.
pub(crate) fn inspect(
    path: &Path,
    secret: &SlotSecret,
    integrity: &IntegrityOptions,
) -> Result<Inspection, OpenError> {
    let reading = read(path, secret, integrity)?;
    Ok(Inspection {
        slots: Vault::slots(&reading.connection)?,
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

/// As [`inspect`], and opens every sealed field.
pub(crate) fn verify(
    path: &Path,
    secret: &SlotSecret,
    integrity: &IntegrityOptions,
) -> Result<Verification, OpenError> {
    let reading = read(path, secret, integrity)?;
    Ok(Verification {
        fields: reading.vault.check_fields(&reading.connection)?,
        complaints: complaints(reading.checked)?,
    })
}

fn complaints<T>(checked: Result<T, OpenError>) -> Result<Vec<String>, OpenError> {
    match checked {
        Ok(_) => Ok(Vec::new()),
        Err(error @ (OpenError::Integrity(_) | OpenError::Witness(_))) => Ok(vec![error.to_string()]),
        Err(error) => Err(error),
    }
}
