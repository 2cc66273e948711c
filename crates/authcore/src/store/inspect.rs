//! Looking at a database without changing a byte of it.

use std::path::Path;

use fieldcrypt::sqlite::OpenMode;
use fieldcrypt::{SlotInfo, SlotSecret, Vault};

use super::integrity::{Guard, IntegrityOptions};
use super::{OpenError, columns, connect, server_state};
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
    if !path.exists() {
        return Err(OpenError::Missing {
            path: path.to_owned(),
        });
    }
    let connection = connect(path, OpenMode::ReadOnly)?;
    let vault = Vault::unlock(&connection, columns::registry(), secret)?;
    let complaints = match Guard::check(&vault, &connection, integrity) {
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
