//! Looking at a database without changing a byte of it.

use std::path::Path;

use fieldcrypt::{SlotInfo, SlotSecret, Vault};

use super::integrity::IntegrityOptions;
use super::{OpenError, Reading, read, server_state};
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
    let complaints = match checked {
        Ok(_) => Vec::new(),
        Err(error @ (OpenError::Integrity(_) | OpenError::Witness(_))) => vec![error.to_string()],
        Err(error) => return Err(error),
    };
    Ok(Inspection {
        slots: Vault::slots(&connection)?,
        highest_wall_time: server_state::highest_wall_time(&connection, &vault)?,
        complaints,
    })
}
