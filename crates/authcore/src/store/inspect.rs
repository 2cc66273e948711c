//! Looking at a database without changing a byte of it.

use std::path::Path;

use fieldcrypt::sqlite::FieldCheck;
use fieldcrypt::{SlotInfo, SlotSecret, Vault};

use super::integrity::IntegrityOptions;
use super::{OpenError, Reading, StoreError, read, server_state};
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
    let Reading {
        connection,
        vault,
        checked,
    } = read(path, secret, integrity)?;
    let complaints = complaints(checked)?;
    Ok(Inspection {
        slots: Vault::slots(&connection)?,
        highest_wall_time: server_state::highest_wall_time(&connection, &vault)?,
        complaints,
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
    let Reading {
        connection,
        vault,
        checked,
    } = read(path, secret, integrity)?;
    let complaints = complaints(checked)?;
    // One state of the database and the keys that belong to it, whoever writes meanwhile.
    let transaction = connection.unchecked_transaction().map_err(StoreError::from)?;
    vault
        .reload_if_changed(&transaction)
        .map_err(|error| StoreError::Keyring(error.to_string()))?;
    let fields = vault.check_fields(&transaction)?;
    Ok(Verification { complaints, fields })
}

fn complaints<T>(checked: Result<T, OpenError>) -> Result<Vec<String>, OpenError> {
    match checked {
        Ok(_) => Ok(Vec::new()),
        Err(error @ (OpenError::Integrity(_) | OpenError::Witness(_))) => Ok(vec![error.to_string()]),
        Err(error) => Err(error),
    }
}
