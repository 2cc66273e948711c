//! Opening a file so that nothing of it changes, and nothing is made beside it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::connection::{ConnectionError, beside, file_uri, only_reading};

/// A VFS of SQLite's that takes no lock ("The SQLite OS Interface", section 2.1): for files that nobody else has open.
const LOCKLESS_VFS: &str = "unix-none";

/// What stands beside the file decides how it is read.
enum Way {
    /// A log and its index, perhaps of a program that runs: its locks are honoured, the index is not written
    /// (`readonly_shm`).
    LogWithIndex,
    /// A log alone: a copy, or what a crash left. Its index is kept in memory, for which SQLite asks for an exclusive lock,
    /// and no lock is to be had on a file that is only read: so it is told that there are none.
    LogAlone,
    /// In the mode with a log, without one: SQLite would make one.
    Immutable,
    /// In the mode with a journal.
    Journal,
}

fn way(path: &Path) -> io::Result<Way> {
    let log_is_empty = beside(path, "-wal").metadata().map_or(true, |log| log.len() == 0);
    if beside(path, "-shm").exists() && beside(path, "-wal").exists() {
        return Ok(Way::LogWithIndex);
    }
    if !log_is_empty {
        return Ok(Way::LogAlone);
    }
    let mut header = Vec::new();
    File::open(path)?.take(20).read_to_end(&mut header)?;
    // Version 2 for reading or writing: a log ("Database File Format", section 1.3.3).
    let log = header.get(18..20).is_some_and(|versions| versions.contains(&2));
    Ok(if log { Way::Immutable } else { Way::Journal })
}

/// Opens the file.
///
/// # Errors
/// What SQLite says; [`rusqlite::ErrorCode::NotADatabase`] where it is none.
pub(super) fn open(path: &Path) -> Result<Connection, ConnectionError> {
    match way(path)? {
        Way::LogWithIndex => with(path, "?mode=ro&readonly_shm=1").or_else(|_| with(path, "?mode=ro")),
        Way::LogAlone => log_alone(path),
        Way::Immutable => with(path, "?immutable=1"),
        // A journal of a transaction that was cut off asks for a rollback, which would write: it is read as it stands.
        Way::Journal => with(path, "?mode=ro").or_else(|_| with(path, "?immutable=1")),
    }
}

fn with(path: &Path, parameters: &str) -> Result<Connection, ConnectionError> {
    let uri = file_uri(path) + parameters;
    let connection = Connection::open_with_flags(uri, flags() | OpenFlags::SQLITE_OPEN_URI)?;
    settle(connection)
}

#[cfg(unix)]
fn log_alone(path: &Path) -> Result<Connection, ConnectionError> {
    let connection = Connection::open_with_flags_and_vfs(path, flags(), LOCKLESS_VFS)?;
    // Closing would else write the log into the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
    settle(connection)
}

#[cfg(not(unix))]
fn log_alone(path: &Path) -> Result<Connection, ConnectionError> {
    with(path, "?mode=ro")
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn settle(mut connection: Connection) -> Result<Connection, ConnectionError> {
    only_reading(&mut connection)?;
    // What cannot be read at all is told here, where there may be another way.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// The files in which bytes of the database may stand, those that are there.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let names = ["-wal", "-journal"].map(|suffix| beside(path, suffix));
    let files = std::iter::once(path.to_owned()).chain(names);
    files.filter(|file| file.is_file()).collect()
}
