//! Noticing what another process committed.
//!
//! `PRAGMA data_version` changes whenever another connection has committed, and never for our own commits: a counter
//! that no writer can forget to raise.

use rusqlite::Connection;

use super::StoreError;

/// The last state of the file that this process has taken in.
pub(super) struct ChangeCounter(i64);

impl ChangeCounter {
    pub(super) fn new(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self(read(connection)?))
    }

    /// Whether somebody else committed since the last call.
    pub(super) fn moved(&mut self, connection: &Connection) -> Result<bool, StoreError> {
        let now = read(connection)?;
        Ok(std::mem::replace(&mut self.0, now) != now)
    }

    /// What was taken in did not take: ask again.
    pub(super) fn forget(&mut self) {
        self.0 = -1;
    }
}

fn read(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))?)
}
