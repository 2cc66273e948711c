//! The steps of a [purge](crate::rotation::purge), carried out.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::{checkpoint_truncate, rotation, schema, trace_rows};
use crate::rotation::purge::{self, ORDER, PurgeError, Purged, Step};
use crate::vault::Vault;

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
        let mut files = Vec::new();
        for step in ORDER {
            match step {
                Step::DropStatistics => self.drop_statistics(connection)?,
                Step::EmptyLog | Step::EmptyLogAgain => {
                    if checkpoint_truncate(connection)? {
                        return Err(PurgeError::Busy);
                    }
                }
                Step::RewritePages => connection.execute_batch("VACUUM")?,
                Step::RemoveJournal => path.as_deref().map_or(Ok(()), remove_journal)?,
                Step::Scan => {
                    if let Some(path) = &path {
                        files = purge::scan(path, &pieces)?;
                    }
                }
            }
        }
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

    fn drop_statistics(&self, connection: &Connection) -> rusqlite::Result<()> {
        for statistics in ["sqlite_stat1", "sqlite_stat4"] {
            if schema::has_table(connection, statistics)? {
                for column in self.registry.iter() {
                    connection.execute(
                        &format!("DELETE FROM {statistics} WHERE tbl = ?1 COLLATE NOCASE"),
                        [column.stored_table()],
                    )?;
                }
            }
        }
        Ok(())
    }
}

/// In WAL mode a rollback journal belongs to nobody.
fn remove_journal(database: &Path) -> Result<(), PurgeError> {
    let [_, _, _, journal] = purge::files_of(database);
    match std::fs::remove_file(&journal) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(PurgeError::Io {
            file: journal,
            source,
        }),
        _ => Ok(()),
    }
}
