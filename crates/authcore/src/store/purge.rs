//! The purge after a change of slots or keys, beside others who read and write.
//!
//! A checkpoint that empties the log waits for every reader of it, and keeps every writer out while it waits: beside
//! `postern keys verify` over a large database, the server would answer nobody. So a purge here gives way at once and is
//! tried again until the reader has finished.

use std::time::Duration;

use fieldcrypt::sqlite::{Patience, wait_for_locks};
use fieldcrypt::{PurgeError, Purged, Vault};
use rusqlite::{Connection, ErrorCode};

/// How often, and how long apart: for a minute and more, in which several million fields are verified.
const TRIES: u32 = 240;
const APART: Duration = Duration::from_millis(250);

/// Purges, and tries again while somebody is in the way.
pub(super) fn patiently(vault: &Vault, connection: &mut Connection) -> Result<Purged, PurgeError> {
    let mut tries = 1;
    loop {
        match once(vault, connection) {
            Err(error) if tries < TRIES && somebody_is_in_the_way(&error) => {
                tries += 1;
                std::thread::sleep(APART);
            }
            result => return result,
        }
    }
}

/// Purges, unless somebody is in the way.
pub(super) fn once(vault: &Vault, connection: &mut Connection) -> Result<Purged, PurgeError> {
    wait_for_locks(connection, Patience::Brief)?;
    let purged = vault.purge(connection);
    wait_for_locks(connection, Patience::Long)?;
    purged
}

fn somebody_is_in_the_way(error: &PurgeError) -> bool {
    match error {
        PurgeError::Busy => true,
        PurgeError::Database(error) => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        ),
        _ => false,
    }
}
