//! Looking at a database without changing a byte of it.

use std::path::Path;

use fieldcrypt::sqlite::OpenMode;
use fieldcrypt::{SlotInfo, SlotSecret, Vault};

use super::{OpenError, StoreError, columns, connect, server_state};
use crate::clock::WallTime;

/// What a database says about itself.
#[derive(Debug)]
pub struct Inspection {
    /// Its key slots.
    pub slots: Vec<SlotInfo>,
    /// The highest wall time a server saw, if one ever wrote it down.
    pub highest_wall_time: Option<WallTime>,
    /// What SQLite's own check complains about; empty when the file is sound.
    pub complaints: Vec<String>,
}

/// Unlocks a database over a connection that only reads, and checks its structure.
pub(crate) fn inspect(path: &Path, secret: &SlotSecret) -> Result<Inspection, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing {
            path: path.to_owned(),
        });
    }
    let connection = connect(path, OpenMode::ReadOnly)?;
    let vault = Vault::unlock(&connection, columns::registry(), secret)?;
    let complaints = connection
        .prepare("PRAGMA integrity_check(20)")
        .and_then(|mut check| {
            let lines = check.query_map([], |row| row.get::<_, String>(0))?;
            lines
                .filter(|line| !line.as_ref().is_ok_and(|line| line == "ok"))
                .collect()
        })
        .map_err(StoreError::from)?;
    Ok(Inspection {
        slots: Vault::slots(&connection)?,
        highest_wall_time: server_state::highest_wall_time(&connection, &vault)?,
        complaints,
    })
}
