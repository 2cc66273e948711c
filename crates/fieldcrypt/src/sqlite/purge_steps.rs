//! The steps of a [purge](crate::rotation::purge), carried out.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::{OpenMode, checkpoint_truncate, open_connection, rotation, schema, trace_rows};
use crate::files;
use crate::rotation::purge::{self, PurgeError, Purged};
use crate::vault::Vault;

/// How often, and how long apart, the log is tried to be emptied once the file is rewritten; each time waits as long as the
/// connection waits for locks.
const EMPTYING_TRIES: u32 = 40;
const EMPTYING_APART: std::time::Duration = std::time::Duration::from_millis(50);

impl Vault {
    /// Takes what was replaced out of every file of the database, and proves it by a scan of their bytes. To be called
    /// after a change of slots or keys; rewrites the file, so it takes as long as copying it and holds its write lock.
    ///
    /// # Errors
    /// See [`PurgeError`]. It may be called again, at any time: what to look for stays noted until it was proven gone.
    pub fn purge(&self, connection: &mut Connection) -> Result<Purged, PurgeError> {
        if !connection.is_autocommit() {
            return Err(PurgeError::WithinTransaction);
        }
        let pieces = trace_rows::read(connection)?;
        let path = connection
            .path()
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let tables: Vec<&str> = self.registry.iter().map(|column| column.stored_table()).collect();
        rewrite_files(connection, &tables)?;
        let files = match &path {
            Some(path) => purge::scan(path, &pieces)?,
            None => Vec::new(),
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        schema::complete(&transaction)?;
        // What was noted in the meantime was not looked for.
        if trace_rows::read(&transaction)? == pieces {
            trace_rows::forget(&transaction)?;
            rotation::purged(&transaction)?;
        }
        transaction.commit()?;
        Ok(Purged {
            pieces: pieces.len(),
            files,
        })
    }

    /// Whether something was replaced that was not purged yet.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn purge_is_due(connection: &Connection) -> rusqlite::Result<bool> {
        Ok(!trace_rows::read(connection)?.is_empty())
    }
}

/// Everything SQLite keeps of these tables' old values, in the order that leaves nothing.
pub(super) fn rewrite_files(connection: &Connection, tables: &[&str]) -> Result<(), PurgeError> {
    // `sqlite_stat4` keeps samples of a column that was ever indexed and analysed.
    for statistics in ["sqlite_stat1", "sqlite_stat4"] {
        if schema::has_table(connection, statistics)? {
            for table in tables {
                connection.execute(
                    &format!("DELETE FROM main.{statistics} WHERE tbl = ?1 COLLATE NOCASE"),
                    [table],
                )?;
            }
        }
    }
    // The log holds pages as they were.
    empty_log(connection)?;
    // `secure_delete` overwrites what our connections free; what another tool freed still stands in free pages and gaps.
    vacuum(connection)?;
    // The rewriting went through the log too. It is not to be done again for somebody who reads just now.
    let mut tries = 1;
    while let Err(error) = empty_log(connection) {
        if !matches!(error, PurgeError::Busy) || tries == EMPTYING_TRIES {
            return Err(error);
        }
        tries += 1;
        std::thread::sleep(EMPTYING_APART);
    }
    // Left over from a time before the log, or from another program.
    connection
        .path()
        .filter(|path| !path.is_empty())
        .map_or(Ok(()), |path| remove_journal(Path::new(path)))
}

/// Rewrites the file. `VACUUM` makes a copy of all of it first, which in memory would take as much as the database does; so
/// it is made in a file, in the database's own folder, removed from it as soon as it is open, and holds what the
/// database holds. On a connection of its own: to change where temporary things are kept takes the integrity seal's
/// temporary triggers from a connection.
fn vacuum(connection: &Connection) -> Result<(), PurgeError> {
    let path = connection.path().filter(|path| !path.is_empty()).map(Path::new);
    let Some((path, folder)) = path.and_then(|path| Some((path, path.parent()?.to_str()?))) else {
        return Ok(connection.execute_batch("VACUUM main")?);
    };
    let rewriting = open_connection(path, OpenMode::Existing)?;
    rewriting.execute_batch("PRAGMA temp_store = FILE")?;
    // Called deprecated, and there is no other way but the environment. It is the process's: nothing else of ours keeps
    // temporary things in files.
    rewriting.pragma_update(None, "temp_store_directory", folder)?;
    let done = rewriting.execute_batch("VACUUM main");
    rewriting.pragma_update(None, "temp_store_directory", "")?;
    Ok(done?)
}

/// The checkpoint tells a reader in the way as data, not as an error.
fn empty_log(connection: &Connection) -> Result<(), PurgeError> {
    if checkpoint_truncate(connection)? {
        return Err(PurgeError::Busy);
    }
    Ok(())
}

/// In WAL mode a rollback journal belongs to nobody.
fn remove_journal(database: &Path) -> Result<(), PurgeError> {
    let [_, _, _, journal] = files::of(database);
    match std::fs::remove_file(&journal) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(PurgeError::Io {
            file: journal,
            source,
        }),
        _ => Ok(()),
    }
}
