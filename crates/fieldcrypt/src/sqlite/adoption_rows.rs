//! The walk over a column that is adopted or released, and the purge of what SQLite keeps of it.

use std::path::Path;

use rusqlite::types::{FromSql, FromSqlResult, Value, ValueRef};
use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter};
use zeroize::Zeroizing;

use super::column_walk::{FieldOfRow, StoredColumn, with_row_key};
use super::layout::value;
use super::purge_steps::rewrite_files;
use crate::adoption::{AdoptError, Adopted, FoundPlaintext, PlainType, Released, ScanReport, Stored};
use crate::byte_scan::Needles;
use crate::column::SealedColumn;
use crate::files;
use crate::integrity::row_tag::{encode_key, key_in_words};
use crate::rotation::RotationError;
use crate::row_key::RowKey;
use crate::vault::Vault;

/// Rows of one transaction: a writer that waits is served in between.
const BATCH: u64 = 1000;

/// Values looked for in one pass over the files.
const SCANNED_AT_ONCE: usize = 100_000;

/// Found values that are named.
const NAMED: usize = 20;

impl Vault {
    /// Seals every value of a plaintext column, purges its traces and looks whether any is left. See the
    /// crate's documentation.
    ///
    /// # Errors
    /// See [`AdoptError`]. Batches that were committed stay; the same call goes on.
    pub fn adopt(&self, connection: &Connection, column: SealedColumn) -> Result<Adopted, AdoptError> {
        let (mut sealed, mut already_sealed) = (0, 0);
        Walk::new(connection, column)?.rewrite(self, connection, |row, key| {
            let plain = match &row.stored.0 {
                Value::Null => return Ok(None),
                Value::Text(text) => text.as_bytes(),
                Value::Blob(bytes) => match self.tell(column, key, bytes, || row.name())? {
                    Stored::Plain => bytes,
                    Stored::Sealed(_) => {
                        already_sealed += 1;
                        return Ok(None);
                    }
                },
                Value::Integer(_) | Value::Real(_) => return Err(AdoptError::Number { row: row.name() }),
            };
            sealed += 1;
            let field = self.seal(column, key, plain)?;
            Ok(Some(Stale(Value::Blob(field.to_stored_bytes()))))
        })?;
        rewrite_files(connection, &[column.stored_table()]).map_err(AdoptError::NotPurged)?;
        Ok(Adopted {
            sealed,
            already_sealed,
            scan: self.scan_for_plaintext(connection, column)?,
        })
    }

    /// Opens every value of a sealed column and writes it in plain: the way back.
    ///
    /// # Errors
    /// See [`AdoptError`]. Batches that were committed stay; the same call goes on.
    pub fn release(
        &self,
        connection: &Connection,
        column: SealedColumn,
        plain_type: PlainType,
    ) -> Result<Released, AdoptError> {
        let mut done = Released::default();
        Walk::new(connection, column)?.rewrite(self, connection, |row, key| {
            let opened = match &row.stored.0 {
                Value::Null => return Ok(None),
                Value::Blob(bytes) => self.tell(column, key, bytes, || row.name())?,
                Value::Text(_) | Value::Integer(_) | Value::Real(_) => Stored::Plain,
            };
            let Stored::Sealed(secret) = opened else {
                done.already_plain += 1;
                return Ok(None);
            };
            done.released += 1;
            let bytes = secret.expose_bytes();
            Ok(Some(Stale(match plain_type {
                PlainType::Blob => Value::Blob(bytes.to_vec()),
                PlainType::Text => Value::Text(
                    std::str::from_utf8(bytes)
                        .map_err(|_| AdoptError::NoText { row: row.name() })?
                        .to_owned(),
                ),
            })))
        })?;
        Ok(done)
    }

    /// Looks for every value of a sealed column in the database's files: the file itself, its log, its journal. A control
    /// that is surely there, the install id, is looked for as well: a scan that does not find it proves nothing.
    ///
    /// # Errors
    /// [`AdoptError::ScanIsBlind`] when the control is not found; when a value does not open or a file does not read.
    pub fn scan_for_plaintext(
        &self,
        connection: &Connection,
        column: SealedColumn,
    ) -> Result<ScanReport, AdoptError> {
        let database = Path::new(connection.path().unwrap_or_default());
        let mut control = Needles::default();
        control.add(0, &self.install_id);
        let in_files: usize = files::of(database)
            .iter()
            .map(|file| control.found_in(file).map(|found| found.len()))
            .sum::<std::io::Result<_>>()?;
        if in_files == 0 {
            return Err(AdoptError::ScanIsBlind {
                file: database.to_owned(),
            });
        }
        let walk = Walk::new(connection, column)?;
        let mut report = ScanReport::default();
        let mut needles = Needles::default();
        let mut names = Vec::new();
        let mut cursor = Vec::new();
        loop {
            let rows = walk.rows_after(connection, &cursor)?;
            for row in &rows {
                let Value::Blob(bytes) = &row.stored.0 else {
                    continue;
                };
                let told = row.with_key(|key| self.tell(column, key, bytes, || row.name()))?;
                let Stored::Sealed(secret) = told else { continue };
                if needles.add(names.len(), secret.expose_bytes()) {
                    names.push(row.name());
                } else {
                    report.too_plain += 1;
                }
            }
            let last = rows.into_iter().next_back();
            if names.len() >= SCANNED_AT_ONCE || last.is_none() {
                report.looked_for += names.len() as u64;
                for file in files::of(database) {
                    for number in needles.found_in(&file)? {
                        if report.found.len() < NAMED
                            && let Some(row) = names.get(number)
                        {
                            report.found.push(FoundPlaintext {
                                row: row.clone(),
                                file: file.clone(),
                            });
                        }
                    }
                }
                (needles, names) = (Needles::default(), Vec::new());
            }
            match last {
                Some(row) => cursor = row.key,
                None => return Ok(report),
            }
        }
    }
}

/// The walk over the column, and the statement that changes a row of it.
struct Walk {
    stored: StoredColumn,
    update: String,
}

/// A row on the way.
type Row = FieldOfRow<Stale>;

impl Walk {
    fn new(connection: &Connection, column: SealedColumn) -> Result<Self, AdoptError> {
        if !connection.is_autocommit() {
            return Err(AdoptError::InTransaction);
        }
        let stored = StoredColumn::of(connection, column).map_err(|error| match error {
            RotationError::Database(error) => error.into(),
            _ => AdoptError::NoColumn {
                table: column.stored_table(),
                column: column.stored_column(),
            },
        })?;
        let StoredColumn { table, field, .. } = &stored;
        let update = format!(
            "UPDATE {table} SET {field} = ?1 WHERE {}",
            stored.compared("=", 2)
        );
        Ok(Self { stored, update })
    }

    /// The next batch of rows in the order of the primary key.
    fn rows_after(&self, connection: &Connection, last: &[Value]) -> Result<Vec<Row>, AdoptError> {
        self.stored
            .read(connection, last, BATCH)
            .map_err(|error| match error {
                RotationError::Database(error) => error.into(),
                _ => AdoptError::NoRowKey,
            })
    }

    /// Hands every value to `new_value`, which says what it becomes, if anything else; a transaction a batch.
    fn rewrite(
        &self,
        vault: &Vault,
        connection: &Connection,
        mut new_value: impl FnMut(&Row, &RowKey<'_>) -> Result<Option<Stale>, AdoptError>,
    ) -> Result<(), AdoptError> {
        let mut last = Vec::new();
        loop {
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            // Another process may have changed the keys.
            vault.reload_if_changed(&transaction)?;
            let rows = self.rows_after(&transaction, &last)?;
            let mut update = transaction.prepare(&self.update)?;
            for row in &rows {
                if let Some(new) = row.with_key(|key| new_value(row, key))? {
                    update.execute(params_from_iter([&new.0].into_iter().chain(&row.key)))?;
                }
            }
            drop(update);
            vault.record_uses(&transaction)?;
            transaction.commit()?;
            match rows.into_iter().next_back() {
                Some(row) => last = row.key,
                None => return Ok(()),
            }
        }
    }
}

impl Row {
    /// Its row key, as the program gives it: bare, or composite when the primary key has several columns.
    fn with_key<T>(&self, then: impl FnOnce(&RowKey<'_>) -> Result<T, AdoptError>) -> Result<T, AdoptError> {
        with_row_key(&self.key, then).unwrap_or(Err(AdoptError::NoRowKey))
    }

    fn name(&self) -> String {
        encode_key(self.key.iter().map(|key| value(key.into())))
            .map_or_else(|| "without a key".to_owned(), |key| key_in_words(&key))
    }
}

/// A value that may be plain. Wiped on drop.
struct Stale(Value);

impl FromSql for Stale {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Value::column_result(value).map(Self)
    }
}

impl Drop for Stale {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.0, Value::Null) {
            Value::Text(text) => drop(Zeroizing::new(text)),
            Value::Blob(bytes) => drop(Zeroizing::new(bytes)),
            Value::Null | Value::Integer(_) | Value::Real(_) => {}
        }
    }
}
