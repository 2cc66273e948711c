//! A database file held still beside whoever writes, to be copied byte for byte.
//!
//! In WAL mode commits go to the log, and only a checkpoint changes the database file. So the file is a snapshot for as long
//! as no checkpoint can write to it, and a reader that began when the log was written back whole forbids just that (SQLite,
//! "Write-Ahead Logging", section 3.2: a checkpoint stops at the first reader's end mark). Taken under the write lock, so that
//! nobody commits between the two; the lock is held for the moment this takes, and writers go on while the copy is made.
//!
//! The road not taken: SQLite's backup API needs a database to write to, a second copy on the disk, and page by page it
//! costs several times as much as reading the file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::{ConnectionError, OpenMode, open_connection, schema};
use crate::error::UnlockError;
use crate::files;

/// How often, and how long apart, the log is tried to be written back whole: a reader that began before the last commit is
/// in the way until it ends. Half a minute, as long as any connection of ours waits for a lock.
const TRIES: u32 = 3_000;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// A state of the whole file. Until it is dropped, what others commit waits in the log.
pub struct Snapshot {
    /// Its open read transaction is what holds the file still.
    connection: Connection,
    file: Arc<File>,
    length: u64,
}

/// The bytes of a [`Snapshot`], to be read on any thread.
#[derive(Clone, Copy)]
pub struct SnapshotBytes<'a> {
    file: &'a File,
    length: u64,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The database could not be opened.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// Somebody reads an older state and does not come to an end.
    #[error("another process has been reading an older state of {} for too long", path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// The file could not be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite says something.
    #[error("the database cannot be read")]
    Database(#[from] rusqlite::Error),
}

impl Snapshot {
    /// Takes a snapshot of the database at `path`, beside whoever uses it.
    ///
    /// # Errors
    /// See [`SnapshotError`]; nothing was changed then.
    pub fn take(path: &Path) -> Result<Self, SnapshotError> {
        let connection = open_connection(path, OpenMode::Existing)?;
        // What it reads it reads once: a cache would fill and stay full for as long as the copy takes.
        connection.execute_batch("PRAGMA cache_size = -512")?;
        let mut writing = open_connection(path, OpenMode::Existing)?;
        for _ in 0..TRIES {
            // Without the write lock first: the bulk of the log need not keep a writer waiting.
            if !written_back(&connection)? {
                std::thread::sleep(BETWEEN_TRIES);
                continue;
            }
            let locked = writing.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if written_back(&connection)? {
                connection.execute_batch("BEGIN")?;
                // Only reading begins the transaction.
                let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
                connection.query_row("SELECT count(*) FROM main.sqlite_schema", [], |row| {
                    row.get::<_, i64>(0)
                })?;
                let size: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
                locked.rollback()?;
                return Self::of(path, connection, pages, size);
            }
        }
        Err(SnapshotError::Busy {
            path: path.to_owned(),
        })
    }

    fn of(path: &Path, connection: Connection, pages: i64, size: i64) -> Result<Self, SnapshotError> {
        let failed = |source| SnapshotError::Io {
            path: path.to_owned(),
            source,
        };
        let file = files::open(path)
            .and_then(|file| file.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(failed)?;
        let length = u64::try_from(pages.saturating_mul(size)).unwrap_or(0);
        if file.metadata().map_err(failed)?.len() < length {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(Self {
            connection,
            file,
            length,
        })
    }

    /// The connection whose read transaction holds the file still: what it reads is what is copied.
    #[must_use]
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> SnapshotBytes<'_> {
        SnapshotBytes {
            file: &self.file,
            length: self.length,
        }
    }
}

impl SnapshotBytes<'_> {
    /// How many there are.
    #[must_use]
    pub const fn length(self) -> u64 {
        self.length
    }

    /// Reads as many from `at` on as there are and fit; none at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_at(self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        files::read_at(self.file, buffer.get_mut(..room).unwrap_or_default(), at)
    }
}

/// Writes the log back into the database file. Says whether nothing is left in the log that is not in the file.
fn written_back(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        let (busy, in_log, done): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && in_log == done)
    })
}

/// The install id in a database, read without any key.
///
/// # Errors
/// When it is no database with a vault of a format that is known.
pub fn install_id(connection: &Connection) -> Result<[u8; 16], UnlockError> {
    if !schema::exists(connection)? {
        return Err(UnlockError::NoVault);
    }
    schema::install_id(connection)
}

/// Writes the log back, and takes log and log index away: afterwards the file alone is the database. The next connection of
/// ours makes a log again. Says whether that was done: not while anybody else has the database open.
///
/// # Errors
/// What SQLite says.
pub fn leave_log_mode(connection: &Connection) -> rusqlite::Result<bool> {
    match connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0)) {
        Ok(mode) => Ok(mode.eq_ignore_ascii_case("delete")),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(snapshot: &Snapshot) -> Vec<u8> {
        let bytes = snapshot.bytes();
        let mut all = vec![0; usize::try_from(bytes.length()).expect("small")];
        let mut at = 0;
        while at < all.len() {
            let read = bytes.read_at(&mut all[at..], at as u64).expect("reads");
            assert!(read > 0, "the end comes where it was said");
            at += read;
        }
        all
    }

    fn sum(path: &Path) -> i64 {
        let connection = open_connection(path, OpenMode::ReadOnly).expect("opens");
        connection
            .query_row("SELECT sum(n) FROM t", [], |row| row.get(0))
            .expect("reads")
    }

    #[test]
    fn what_is_committed_while_it_is_held_is_not_in_it_and_no_checkpoint_changes_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.sqlite");
        let mut writer = open_connection(&path, OpenMode::CreateNew).expect("made");
        writer
            .execute_batch(
                "CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB); INSERT INTO t VALUES (1, zeroblob(9000))",
            )
            .expect("writes");
        let snapshot = Snapshot::take(&path).expect("taken");
        let before = bytes_of(&snapshot);
        writer
            .execute_batch("UPDATE t SET b = randomblob(9000); INSERT INTO t VALUES (2, randomblob(50000))")
            .expect("a writer is not in the way");
        // Another process's checkpoint, of the kind that insists: it gives up on us.
        writer.busy_handler(Some(|_| false)).expect("no waiting");
        assert!(
            super::super::checkpoint_truncate(&writer).expect("tries"),
            "control: something is in its way"
        );
        assert_eq!(bytes_of(&snapshot), before, "the file stood still");
        let copy = folder.path().join("copy.sqlite");
        std::fs::write(&copy, &before).expect("written");
        assert_eq!((sum(&copy), sum(&path)), (1, 3));
        drop(snapshot);
        assert!(
            !super::super::checkpoint_truncate(&writer).expect("writes back"),
            "and then it goes on"
        );
        assert_ne!(std::fs::read(&path).expect("reads"), before);
    }

    #[test]
    fn a_second_snapshot_beside_the_first_is_the_same_state_while_nobody_writes() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.sqlite");
        let writer = open_connection(&path, OpenMode::CreateNew).expect("made");
        writer
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
            .expect("writes");
        let (one, other) = (
            Snapshot::take(&path).expect("taken"),
            Snapshot::take(&path).expect("taken"),
        );
        assert_eq!(bytes_of(&one), bytes_of(&other));
    }

    #[test]
    fn the_file_alone_is_the_database_once_nobody_else_has_it_open() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.sqlite");
        let writer = open_connection(&path, OpenMode::CreateNew).expect("made");
        writer
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY); INSERT INTO t VALUES (7)")
            .expect("writes");
        let mut other = open_connection(&path, OpenMode::Existing).expect("opens");
        other.busy_handler(Some(|_| false)).expect("no waiting");
        assert!(!leave_log_mode(&other).expect("asks"), "somebody has it open");
        drop(writer);
        assert!(leave_log_mode(&other).expect("asks"));
        drop(other);
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
        assert_eq!(sum(&path), 7);
    }
}
