//! The integrity seal's two tables, the full pass that checks them, and how they are made anew.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use super::layout::Layout;
use crate::integrity::table_seal::{SealState, TableSum};
use crate::integrity::{IntegrityError, IntegritySeal, Report, RowDamage, TableCheck, Verified};
use crate::row_key::lp_onto;

/// The crate's own tables that are always protected: an old slot or key put back must not let anybody in.
pub(crate) const OWN_PROTECTED: [&str; 3] = ["fieldcrypt_install", "fieldcrypt_keys", "fieldcrypt_slots"];

/// The two tables of the seal, which it cannot hold itself.
const OWN_TABLES: [(&str, &str); 2] = [
    (
        "fieldcrypt_seal",
        "(
             id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
             seal BLOB    NOT NULL
         ) STRICT",
    ),
    (
        "fieldcrypt_row_marks",
        "(
             table_name TEXT NOT NULL,
             row_key    BLOB NOT NULL,
             mark       BLOB NOT NULL,
             PRIMARY KEY (table_name, row_key)
         ) STRICT, WITHOUT ROWID",
    ),
];

impl IntegritySeal {
    /// Checks every row of every protected table, the schema, and the structure of the file. Writes nothing.
    ///
    /// Reads the whole database: two HMACs a row and SQLite's `integrity_check`, without which an index could be made to
    /// disagree with its table, so that a look-up finds what a full pass does not see.
    ///
    /// # Errors
    /// [`IntegrityError::Tampered`] names what was altered, [`IntegrityError::NoSeal`] and
    /// [`IntegrityError::SealDamaged`] leave everything open.
    pub fn verify(&self, connection: &Connection) -> Result<Verified, IntegrityError> {
        // One snapshot: another process may commit in between.
        atomically(connection, "DEFERRED", || self.verify_snapshot(connection))
    }

    fn verify_snapshot(&self, connection: &Connection) -> Result<Verified, IntegrityError> {
        let state = self.read(connection)?;
        let own_tables_altered = !own_tables_are_as_made(connection)?;
        let Some(schema) = state.schema else {
            if own_tables_altered {
                return Err(IntegrityError::Tampered(Report {
                    schema_altered: true,
                    ..Report::default()
                }));
            }
            return Ok(Verified {
                counter: state.counter,
                complete: false,
            });
        };
        let mut report = Report {
            schema_altered: own_tables_altered || schema_digest(connection)? != schema,
            structure: structure(connection)?,
            ..Report::default()
        };
        for (table, sealed) in &state.tables {
            let found = match Layout::read(connection, table) {
                Ok(layout) => self.check(connection, &layout)?,
                // No such table any more: all its marks are left over.
                Err(IntegrityError::NoTable { .. } | IntegrityError::NoPrimaryKey { .. }) => {
                    let mut gone = TableCheck::default();
                    left_over_marks(connection, table, &HashSet::new(), &mut gone)?;
                    gone
                }
                Err(error) => return Err(error),
            };
            report.tables.extend(found.finish(table, sealed));
        }
        if !report.is_clean() {
            return Err(IntegrityError::Tampered(report));
        }
        let complete = state.tables.len() == self.tables.len()
            && self
                .tables
                .iter()
                .all(|table| state.tables.iter().any(|(name, _)| name == table));
        Ok(Verified {
            counter: state.counter,
            complete,
        })
    }

    /// The seal's counter, without checking any row.
    ///
    /// # Errors
    /// When there is no seal, or it does not open.
    pub fn counter(&self, connection: &Connection) -> Result<u64, IntegrityError> {
        Ok(self.read(connection)?.counter)
    }

    /// Takes every protected table as it is now and seals it: for a new database, after a change of schema, and to accept a
    /// database that was tampered with or put back (where whatever may have come back must be ended by the caller).
    /// The new counter is above `floor`, the witness's counter, and above the old seal's, if that opens. Returns it.
    ///
    /// In the caller's transaction, or in one of its own.
    ///
    /// # Errors
    /// When a protected table is not there or has no primary key; nothing was changed then, nor after any other error.
    pub fn rebuild(&self, connection: &Connection, floor: u64) -> Result<u64, IntegrityError> {
        atomically(connection, "IMMEDIATE", || {
            let before = match self.read(connection) {
                Ok(state) => state.counter,
                Err(IntegrityError::NoSeal | IntegrityError::SealDamaged) => 0,
                Err(error) => return Err(error),
            };
            // As they are made here, whatever somebody made of them.
            for (name, columns) in OWN_TABLES {
                connection.execute_batch(&format!(
                    "DROP TABLE IF EXISTS {name}; CREATE TABLE {name} {columns};"
                ))?;
            }
            let mut tables = Vec::with_capacity(self.tables.len());
            for table in &self.tables {
                let layout = Layout::read(connection, table)?;
                tables.push((layout.table.clone(), self.mark_all(connection, &layout)?));
            }
            let mut state = SealState {
                counter: before.max(floor),
                schema: Some(schema_digest(connection)?),
                tables,
            };
            state.advance()?;
            self.write(connection, &state)?;
            Ok(state.counter)
        })
    }

    /// Opens the seal for a change of schema: until [`IntegritySeal::rebuild`], rows are neither sealed nor checked. Call it
    /// after [`IntegritySeal::verify`] and before the first migration; killed in between, the next start finds the seal
    /// open (`complete` is `false`), runs the migrations again and rebuilds. What is altered in that time is not noticed.
    ///
    /// # Errors
    /// When there is no seal, or it does not open.
    pub fn suspend(&self, connection: &Connection) -> Result<(), IntegrityError> {
        atomically(connection, "IMMEDIATE", || {
            let mut state = self.read(connection)?;
            state.schema = None;
            state.advance()?;
            self.write(connection, &state)
        })
    }

    pub(super) fn read(&self, connection: &Connection) -> Result<SealState, IntegrityError> {
        let there: i64 = connection.query_row(
            "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name IN ('fieldcrypt_seal', 'fieldcrypt_row_marks')",
            [],
            |row| row.get(0),
        )?;
        if there != 2 {
            return Err(IntegrityError::NoSeal);
        }
        let stored: Vec<u8> = connection
            .query_row("SELECT seal FROM main.fieldcrypt_seal WHERE id = 1", [], |row| {
                row.get(0)
            })
            .optional()?
            .ok_or(IntegrityError::NoSeal)?;
        SealState::open(&stored, &self.keys.seal, &self.keys.install_id)
    }

    fn write(&self, connection: &Connection, state: &SealState) -> Result<(), IntegrityError> {
        let stored = state.seal(&self.keys.seal, &self.keys.install_id)?;
        connection.execute(
            "INSERT INTO main.fieldcrypt_seal (id, seal) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET seal = ?1",
            [stored],
        )?;
        Ok(())
    }

    /// Holds every row of a table against its mark.
    fn check(&self, connection: &Connection, layout: &Layout) -> Result<TableCheck, IntegrityError> {
        let mut marks = connection
            .prepare("SELECT mark FROM main.fieldcrypt_row_marks WHERE table_name = ?1 AND row_key = ?2")?;
        let mut check = TableCheck::default();
        let mut rows_with_a_mark: i64 = 0;
        layout.each_row(connection, |key, row| {
            let tag = self.keys.rows.tag(row);
            check.found.add(&tag);
            let mark: Option<Vec<u8>> = marks
                .query_row((&layout.table, key), |row| row.get(0))
                .optional()?;
            match mark {
                Some(mark) => {
                    rows_with_a_mark += 1;
                    if !self.keys.rows.mark(&tag).fits(&mark) {
                        check.damaged(key, RowDamage::Altered);
                    }
                }
                None => check.damaged(key, RowDamage::Added),
            }
            Ok(())
        })?;
        let marks: i64 = connection.query_row(
            "SELECT count(*) FROM main.fieldcrypt_row_marks WHERE table_name = ?1",
            [&layout.table],
            |row| row.get(0),
        )?;
        if marks != rows_with_a_mark {
            let mut there = HashSet::new();
            layout.each_row(connection, |key, _| {
                there.insert(key.to_vec());
                Ok(())
            })?;
            left_over_marks(connection, &layout.table, &there, &mut check)?;
        }
        Ok(check)
    }

    fn mark_all(&self, connection: &Connection, layout: &Layout) -> Result<TableSum, IntegrityError> {
        let mut insert = connection.prepare(
            "INSERT INTO main.fieldcrypt_row_marks (table_name, row_key, mark) VALUES (?1, ?2, ?3)",
        )?;
        let mut sum = TableSum::default();
        layout.each_row(connection, |key, row| {
            let tag = self.keys.rows.tag(row);
            sum.add(&tag);
            insert.execute((&layout.table, key, self.keys.rows.mark(&tag).stored()))?;
            Ok(())
        })?;
        Ok(sum)
    }
}

/// Marks whose rows are not there.
fn left_over_marks(
    connection: &Connection,
    table: &str,
    there: &HashSet<Vec<u8>>,
    check: &mut TableCheck,
) -> rusqlite::Result<()> {
    let mut marks = connection
        .prepare("SELECT row_key FROM main.fieldcrypt_row_marks WHERE table_name = ?1 ORDER BY row_key")?;
    let mut rows = marks.query([table])?;
    while let Some(row) = rows.next()? {
        let key: Vec<u8> = row.get(0)?;
        if !there.contains(&key) {
            check.damaged(&key, RowDamage::Missing);
        }
    }
    Ok(())
}

/// Whether the seal's own tables are those made here, but for white space: with a constraint of their own they could swallow
/// every later change of the seal, and keep its counter where it was.
fn own_tables_are_as_made(connection: &Connection) -> rusqlite::Result<bool> {
    let words = |sql: &str| sql.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut made =
        connection.prepare("SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1")?;
    let mut indexes = connection.prepare(
        "SELECT 1 FROM main.sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL",
    )?;
    for (name, columns) in OWN_TABLES {
        let sql: String = made.query_row([name], |row| row.get(0))?;
        if words(&sql) != words(&format!("CREATE TABLE {name} {columns}")) || indexes.exists([name])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// SHA-256 of every table, index, view and trigger of the file. Without it, whoever writes the file could add a
/// trigger or a cascade that changes rows by our own hand. Not in it: the statistics tables, which come and go, and the
/// crate's own tables.
fn schema_digest(connection: &Connection) -> rusqlite::Result<[u8; 32]> {
    let mut statement = connection.prepare(
        "SELECT type, name, tbl_name, ifnull(sql, '') FROM main.sqlite_schema
         WHERE NOT (type IN ('table', 'index') AND (name GLOB 'sqlite_*' OR name GLOB 'fieldcrypt_*'))
         ORDER BY type, name",
    )?;
    let mut rows = statement.query([])?;
    let mut encoded = Vec::new();
    while let Some(row) = rows.next()? {
        for column in 0..4 {
            lp_onto(
                &mut encoded,
                row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default(),
            );
        }
    }
    Ok(Sha256::digest(&encoded).into())
}

/// What SQLite's own check says; nothing when all is well.
fn structure(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA main.integrity_check(10)")?;
    let lines: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// All or nothing, on one snapshot: in a transaction of its own, or in a savepoint of the caller's.
fn atomically<T>(
    connection: &Connection,
    behavior: &str,
    work: impl FnOnce() -> Result<T, IntegrityError>,
) -> Result<T, IntegrityError> {
    let (begin, commit, undo) = if connection.is_autocommit() {
        (format!("BEGIN {behavior}"), "COMMIT", "ROLLBACK")
    } else {
        (
            "SAVEPOINT fieldcrypt_integrity".to_owned(),
            "RELEASE fieldcrypt_integrity",
            "ROLLBACK TO fieldcrypt_integrity; RELEASE fieldcrypt_integrity",
        )
    };
    connection.execute_batch(&begin)?;
    let done = work().and_then(|done| Ok(connection.execute_batch(commit).map(|()| done)?));
    if done.is_err() {
        // The first error is the one to tell; SQLite may have rolled back already.
        drop(connection.execute_batch(undo));
    }
    done
}
