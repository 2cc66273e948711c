//! Walking the rows of sealed columns in the order of their primary keys, and replacing their fields.

use std::fmt::Write as _;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{CachedStatement, Connection, params_from_iter};

use super::layout::quoted;
use super::rotation_rows::{self, Place};
use super::trace_rows;
use crate::column::SealedColumn;
use crate::error::OpenError;
use crate::keyring::{DataKeyNumber, KeyInfo};
use crate::rotation::RotationError;
use crate::rotation::sweep::{self, Fate};
use crate::row_key::RowKey;
use crate::sealed::Sealed;
use crate::vault::Vault;

/// Rows held in memory at once, unless they are large.
pub(super) const CHUNK_ROWS: u64 = 256;
/// Bytes of fields after which no more rows are taken into memory.
const CHUNK_BYTES: usize = 4 << 20;
/// The first field of each chunk is noted for the purge's scan, up to this row; then that of every 64th chunk.
const NOTED_ALL: u64 = 1024 * CHUNK_ROWS;

/// A sealed column as it stands in the schema, its names quoted.
pub(super) struct StoredColumn {
    column: SealedColumn,
    table: String,
    field: String,
    key: Vec<String>,
}

pub(super) struct FieldOfRow {
    pub(super) key: Vec<Value>,
    /// `None`: the field is NULL, there is nothing in it.
    pub(super) stored: Option<Vec<u8>>,
}

impl StoredColumn {
    /// Looks the column up, and the primary key its table declares.
    pub(super) fn of(connection: &Connection, column: SealedColumn) -> Result<Self, RotationError> {
        let mut statement =
            connection.prepare_cached("SELECT name, pk FROM pragma_table_info(?1) ORDER BY pk, cid")?;
        let mut rows = statement.query([column.stored_table()])?;
        let (mut key, mut found) = (Vec::new(), false);
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            found |= name.eq_ignore_ascii_case(column.stored_column());
            if row.get::<_, i64>(1)? > 0 {
                key.push(quoted(&name));
            }
        }
        if !found {
            return Err(RotationError::NoSuchColumn {
                table: column.stored_table().to_owned(),
                column: column.stored_column().to_owned(),
            });
        }
        if key.is_empty() {
            return Err(no_key(column));
        }
        Ok(Self {
            column,
            table: quoted(column.stored_table()),
            field: quoted(column.stored_column()),
            key,
        })
    }

    pub(super) fn count(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", self.table);
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// Whether any field is not under that key.
    pub(super) fn has_other(&self, connection: &Connection, key: &KeyInfo) -> rusqlite::Result<bool> {
        let Self { table, field, .. } = self;
        let sql =
            format!("SELECT 1 FROM {table} WHERE {field} IS NOT NULL AND substr({field}, 1, 6) IS NOT ?1");
        connection
            .prepare(&sql)?
            .exists([Sealed::header(key.algorithm, key.number)])
    }

    /// The next rows after that key, at most so many.
    pub(super) fn read(
        &self,
        connection: &Connection,
        after: &[Value],
        rows: u64,
    ) -> Result<Vec<FieldOfRow>, RotationError> {
        let Self { table, field, .. } = self;
        let key = self.key.join(", ");
        let from = if after.is_empty() {
            String::new()
        } else {
            format!("WHERE ({key}) > ({})", placeholders(1, after.len()))
        };
        let sql = format!("SELECT {field}, {key} FROM {table} {from} ORDER BY {key} LIMIT {rows}");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query(params_from_iter(after))?;
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK_BYTES
            && let Some(row) = found.next()?
        {
            let stored = match row.get_ref(0)? {
                ValueRef::Null => None,
                ValueRef::Blob(stored) => Some(stored.to_vec()),
                // Plain values are no sealed fields, as no bytes are none.
                ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => Some(Vec::new()),
            };
            bytes += stored.as_ref().map_or(0, Vec::len);
            let key = (1..=self.key.len())
                .map(|at| row.get(at))
                .collect::<Result<Vec<Value>, _>>()?;
            if key.contains(&Value::Null) {
                return Err(no_key(self.column));
            }
            chunk.push(FieldOfRow { key, stored });
        }
        Ok(chunk)
    }

    /// The statement that replaces a field on condition of its old bytes; made once a chunk.
    fn replacing<'t>(&self, transaction: &'t Connection) -> rusqlite::Result<CachedStatement<'t>> {
        let Self { table, field, .. } = self;
        let key = self.key.join(", ");
        let values = placeholders(3, self.key.len());
        transaction.prepare_cached(&format!(
            "UPDATE {table} SET {field} = ?1 WHERE {field} = ?2 AND ({key}) = ({values})"
        ))
    }
}

/// Replaces a field. Says whether it was still what it was.
fn replace(
    replacing: &mut CachedStatement<'_>,
    key: &[Value],
    old: &Sealed,
    new: &Sealed,
) -> rusqlite::Result<bool> {
    replacing.raw_bind_parameter(1, new)?;
    replacing.raw_bind_parameter(2, old)?;
    for (at, value) in (3..).zip(key) {
        replacing.raw_bind_parameter(at, value)?;
    }
    // The integrity seal of the row: its tag is to be taken out here ("the row will change") …
    let replaced = replacing.raw_execute()? == 1;
    // … and put in again here ("the row changed"); both within this transaction.
    Ok(replaced)
}

/// What a walk of one batch came to.
pub(super) struct Walked {
    pub(super) place: Place,
    pub(super) rows: u64,
    /// Whether that was the last row of the last column.
    pub(super) every_row: bool,
}

/// Walks the next rows, at most `batch`, and seals anew what is not under the active key.
pub(super) fn walk(
    transaction: &Connection,
    vault: &Vault,
    active: DataKeyNumber,
    rows_before: u64,
    batch: u64,
) -> Result<Walked, RotationError> {
    let mut place = rotation_rows::place(transaction)?;
    let mut rows = 0;
    let columns: Vec<SealedColumn> = vault.registry.iter().collect();
    let at = place.column.as_ref().and_then(|(table, column)| {
        columns
            .iter()
            .position(|known| known.table() == table && known.column() == column)
    });
    if at.is_none() {
        // The start; or a column that this version of the program no longer has.
        place = Place::default();
    }
    for column in columns.into_iter().skip(at.unwrap_or(0)) {
        let name = Some((column.table().to_owned(), column.column().to_owned()));
        if place.column != name {
            place = Place {
                column: name,
                after: Vec::new(),
            };
        }
        let stored = StoredColumn::of(transaction, column)?;
        let sweep = Sweep {
            transaction,
            vault,
            active,
            column,
        };
        loop {
            if rows >= batch {
                return Ok(Walked {
                    place,
                    rows,
                    every_row: false,
                });
            }
            let chunk = stored.read(transaction, &place.after, CHUNK_ROWS.min(batch - rows))?;
            let before = rows_before + rows;
            let mut noted = before >= NOTED_ALL && !(before / CHUNK_ROWS).is_multiple_of(64);
            let Some(last) = chunk.last().map(|row| row.key.clone()) else {
                break;
            };
            rows += chunk.len() as u64;
            let mut replacing = stored.replacing(transaction)?;
            for row in chunk {
                field(&sweep, &mut replacing, row, &mut noted)?;
            }
            place.after = last;
        }
    }
    Ok(Walked {
        place,
        rows,
        every_row: true,
    })
}

/// What a walk works with.
struct Sweep<'t> {
    transaction: &'t Connection,
    vault: &'t Vault,
    active: DataKeyNumber,
    column: SealedColumn,
}

fn field(
    sweep: &Sweep<'_>,
    replacing: &mut CachedStatement<'_>,
    row: FieldOfRow,
    noted: &mut bool,
) -> Result<(), RotationError> {
    let FieldOfRow {
        key,
        stored: Some(bytes),
    } = row
    else {
        return Ok(());
    };
    let &Sweep {
        transaction,
        vault,
        active,
        column,
    } = sweep;
    let fate = with_row_key(&key, |row| sweep::fate(vault, active, column, row, bytes));
    let reason = match fate.transpose()? {
        Some(Fate::Stays) => return Ok(()),
        Some(Fate::Becomes { old, new }) => {
            if replace(replacing, &key, &old, &new)? {
                if !*noted {
                    trace_rows::note(transaction, old.stored())?;
                    *noted = true;
                }
                return Ok(());
            }
            "it could not be replaced".to_owned()
        }
        Some(Fate::Unopenable(reason)) => reason.to_string(),
        None => OpenError::AuthenticationFailed.to_string(),
    };
    rotation_rows::record_unopenable(transaction, column, &key_text(&key), &reason)?;
    Ok(())
}

/// The key as what a field is bound to; `None` for a value that no field was ever bound to.
pub(super) fn with_row_key<R>(key: &[Value], then: impl FnOnce(&RowKey<'_>) -> R) -> Option<R> {
    let part = |value| match value {
        &Value::Integer(integer) => Some(RowKey::Integer(integer)),
        Value::Text(text) => Some(RowKey::Text(text)),
        Value::Blob(bytes) => Some(RowKey::Blob(bytes)),
        Value::Null | Value::Real(_) => None,
    };
    if let [single] = key {
        return part(single).map(|key| then(&key));
    }
    let parts: Vec<RowKey<'_>> = key.iter().map(part).collect::<Option<_>>()?;
    Some(then(&RowKey::Composite(&parts)))
}

/// The key for a person to read; two keys never read alike.
pub(super) fn key_text(key: &[Value]) -> String {
    let mut text = String::new();
    for (at, value) in key.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Null => write!(text, "NULL"),
            Value::Integer(integer) => write!(text, "{integer}"),
            Value::Real(real) => write!(text, "{real:?}"),
            Value::Text(value) => write!(text, "{value:?}"),
            Value::Blob(bytes) => bytes.iter().try_fold((), |(), byte| write!(text, "{byte:02x}")),
        };
        if at + 1 < key.len() {
            text.push_str(", ");
        }
    }
    text
}

fn placeholders(first: usize, count: usize) -> String {
    let list: Vec<String> = (first..first + count).map(|at| format!("?{at}")).collect();
    list.join(", ")
}

fn no_key(column: SealedColumn) -> RotationError {
    RotationError::NoPrimaryKey {
        table: column.stored_table().to_owned(),
    }
}
