//! Connections: every setting the format asks for, set and read back.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// SQLite before this version can corrupt a database in WAL mode when two connections reset the log at once.
const VERSION_FLOOR: i32 = 3_051_003;

/// How often, and how long apart, a connection asks for a lock that another holds: for half a minute, longer than the
/// purge of a large file takes. SQLite's own waiting grows to 100 ms, within which a rotation takes the lock again and
/// again; asking every millisecond gets in between two of its batches.
const BUSY_TRIES: i32 = 30_000;
const BUSY_WAIT: std::time::Duration = std::time::Duration::from_millis(1);

/// The same, of a connection that is to give way.
const BUSY_TRIES_BRIEF: i32 = 250;

/// How a database file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It is made; it must not exist.
    CreateNew,
    /// It is read and written; it must exist.
    Existing,
    /// It is only read: not a byte of the database file or its log changes. A database without a log is read as
    /// immutable, so that no log and no shared-memory file is made beside it.
    ReadOnly,
}

/// How long a connection waits for a lock that another holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Half a minute: it is to be served. So a connection is opened.
    Long,
    /// A quarter of a second: it is to give way and to try again later. A checkpoint that waits for a reader keeps every
    /// writer out for as long as it waits.
    Brief,
}

/// A connection was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The library is too old to be trusted with a write-ahead log.
    #[error("SQLite {found} is too old: at least 3.51.3 is needed")]
    TooOld {
        /// The version linked.
        found: &'static str,
    },
    /// A setting did not take.
    #[error("SQLite did not take the setting {setting} = {wanted}, it says {found}")]
    Setting {
        /// The pragma.
        setting: &'static str,
        /// What was asked for.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// SQLite says something.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The new file could not be made.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Settings of a connection that only reads, then those of one that writes.
const READING: [(&str, &str, &str); 6] = [
    ("foreign_keys", "ON", "1"),
    ("trusted_schema", "OFF", "0"),
    ("temp_store", "MEMORY", "2"),
    ("mmap_size", "0", "0"),
    ("cell_size_check", "ON", "1"),
    ("cache_size", "-8192", "-8192"),
];
const WRITING: [(&str, &str, &str); 3] = [
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", "2"),
    ("secure_delete", "ON", "1"),
];

/// Opens a database file.
///
/// # Errors
/// See [`ConnectionError`].
pub fn open_connection(path: &Path, mode: OpenMode) -> Result<Connection, ConnectionError> {
    if rusqlite::version_number() < VERSION_FLOOR {
        return Err(ConnectionError::TooOld {
            found: rusqlite::version(),
        });
    }
    let flags = match mode {
        OpenMode::CreateNew => {
            // Made by us, so that it is ours alone and never somebody else's; SQLite gives the log the same mode.
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(path)?;
            OpenFlags::SQLITE_OPEN_READ_WRITE
        }
        OpenMode::Existing => OpenFlags::SQLITE_OPEN_READ_WRITE,
        OpenMode::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = if mode == OpenMode::ReadOnly && !beside(path, "-wal").exists() {
        let uri = file_uri(path) + "?immutable=1";
        Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        Connection::open_with_flags(path, flags)?
    };
    only_reading(&mut connection)?;
    if mode != OpenMode::ReadOnly {
        for (setting, wanted, reads) in WRITING {
            set(&connection, setting, wanted, reads)?;
        }
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The settings of a connection that only reads.
pub(super) fn only_reading(connection: &mut Connection) -> Result<(), ConnectionError> {
    wait_for_locks(connection, Patience::Long)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    for (setting, wanted, reads) in READING {
        set(connection, setting, wanted, reads)?;
    }
    Ok(())
}

/// Says how long the connection waits for locks from here on.
///
/// # Errors
/// What SQLite says.
pub fn wait_for_locks(connection: &mut Connection, patience: Patience) -> rusqlite::Result<()> {
    connection.busy_handler(Some(match patience {
        Patience::Long => |tries| wait(tries, BUSY_TRIES),
        Patience::Brief => |tries| wait(tries, BUSY_TRIES_BRIEF),
    }))
}

fn wait(tries: i32, most: i32) -> bool {
    std::thread::sleep(BUSY_WAIT);
    tries < most
}

/// The file of that name with this at its end.
pub(super) fn beside(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The file as a URI (SQLite, "Uniform Resource Identifiers"), every byte that could mean something else escaped.
pub(super) fn file_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    uri
}

fn set(
    connection: &Connection,
    setting: &'static str,
    wanted: &'static str,
    reads: &str,
) -> Result<(), ConnectionError> {
    connection.execute_batch(&format!("PRAGMA {setting} = {wanted}"))?;
    let found: String = connection
        .query_row(
            &format!("SELECT CAST({setting} AS TEXT) FROM pragma_{setting}"),
            [],
            |row| row.get(0),
        )
        .or_else(|_| {
            connection
                .query_row(&format!("PRAGMA {setting}"), [], |row| {
                    row.get::<_, rusqlite::types::Value>(0)
                })
                .map(text)
        })?;
    if found == reads {
        Ok(())
    } else {
        Err(ConnectionError::Setting {
            setting,
            wanted,
            found,
        })
    }
}

fn text(value: rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    }
}

/// Writes the log back into the database file and empties it. Says whether a reader was in the way: SQLite reports that as
/// data, not as an error.
///
/// # Errors
/// What SQLite says.
pub fn checkpoint_truncate(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .map(|busy| busy != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_takes_in_every_mode() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.sqlite");
        let made = open_connection(&path, OpenMode::CreateNew).expect("made");
        made.execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY)")
            .expect("writes");
        assert!(
            open_connection(&path, OpenMode::CreateNew).is_err(),
            "an existing file was taken over"
        );
        open_connection(&path, OpenMode::Existing).expect("opens");
        let reader = open_connection(&path, OpenMode::ReadOnly).expect("opens");
        assert!(reader.execute_batch("INSERT INTO t VALUES (1)").is_err());
    }
}
