//! The walk over a column's rows in the order of their primary keys: the one that sweeps, checks and adoptions use.

use std::fmt::Write as _;

use rusqlite::Error::FromSqlConversionFailure;
use rusqlite::types::{FromSql, FromSqlResult, Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::layout::quoted;
use crate::column::SealedColumn;
use crate::keyring::KeyInfo;
use crate::rotation::RotationError;
use crate::row_key::RowKey;
use crate::sealed::Sealed;

/// Rows held in memory at once, unless they are large.
pub(super) const CHUNK_ROWS: u64 = 256;
/// Bytes of fields after which no more rows are taken into memory.
const CHUNK_BYTES: usize = 4 << 20;

/// A sealed column as it stands in the schema, its names quoted.
pub(super) struct StoredColumn {
    pub(super) column: SealedColumn,
    pub(super) table: String,
    pub(super) field: String,
    pub(super) key: Vec<String>,
}

/// A row on the way.
pub(super) struct FieldOfRow<T> {
    pub(super) key: Vec<Value>,
    pub(super) stored: T,
}

impl StoredColumn {
    /// Looks the column up, and the primary key its table declares.
    pub(super) fn of(connection: &Connection, column: SealedColumn) -> Result<Self, RotationError> {
        let mut statement = connection
            .prepare_cached("SELECT name, pk FROM pragma_table_info(?1, 'main') ORDER BY pk, cid")?;
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
            table: format!("main.{}", quoted(column.stored_table())),
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
    ///
    /// In a damaged file the rows may not stand in the order of their keys, and SQLite does not look: it goes to a place and
    /// reads on from there. What does not come after that key is refused, so that every walk ends.
    pub(super) fn read<T: FromSql>(
        &self,
        connection: &Connection,
        after: &[Value],
        rows: u64,
    ) -> Result<Vec<FieldOfRow<T>>, RotationError> {
        let Self { table, field, .. } = self;
        let key = self.key.join(", ");
        let (from, is_after) = if after.is_empty() {
            (String::new(), "1".to_owned())
        } else {
            let is_after = self.compared(">", 1);
            (format!("WHERE {is_after}"), is_after)
        };
        let sql =
            format!("SELECT {field}, {key}, {is_after} FROM {table} {from} ORDER BY {key} LIMIT {rows}");
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query(params_from_iter(after))?;
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while bytes < CHUNK_BYTES
            && let Some(row) = found.next()?
        {
            let value = row.get_ref(0)?;
            bytes += value.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
            let stored = T::column_result(value)
                .map_err(|error| FromSqlConversionFailure(0, value.data_type(), Box::new(error)))?;
            let key = (1..=self.key.len())
                .map(|at| row.get(at))
                .collect::<Result<Vec<Value>, _>>()?;
            if key.contains(&Value::Null) {
                return Err(no_key(self.column));
            }
            if !row.get::<_, bool>(1 + self.key.len())? {
                return Err(out_of_order(table).into());
            }
            chunk.push(FieldOfRow { key, stored });
        }
        Ok(chunk)
    }

    /// The condition that holds the key against parameters, the first of that number.
    pub(super) fn compared(&self, operator: &str, first: usize) -> String {
        let values: Vec<String> = (first..first + self.key.len())
            .map(|at| format!("?{at}"))
            .collect();
        format!("({}) {operator} ({})", self.key.join(", "), values.join(", "))
    }
}

/// A stored value as what may be a sealed field; `None` for NULL, in which there is nothing.
pub(super) struct MaybeSealed(pub(super) Option<Vec<u8>>);

impl FromSql for MaybeSealed {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Self(match value {
            ValueRef::Null => None,
            ValueRef::Blob(stored) => Some(stored.to_vec()),
            // Plain values are no sealed fields, as no bytes are none.
            ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => Some(Vec::new()),
        }))
    }
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

fn no_key(column: SealedColumn) -> RotationError {
    RotationError::NoPrimaryKey {
        table: column.stored_table().to_owned(),
    }
}

fn out_of_order(table: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        Some(format!(
            "the rows of {table} do not stand in the order of their keys: the file is damaged"
        )),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    const COLUMN: SealedColumn = SealedColumn::new("people", "name");

    /// Three rows, the last of which says that it has the number of the first.
    fn with_rows_out_of_order() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("damaged.sqlite");
        let connection = Connection::open(&path).expect("made");
        connection
            .execute_batch(
                "CREATE TABLE people (id INTEGER PRIMARY KEY, name BLOB);
                 INSERT INTO people VALUES (1, 'the first field.'), (2, 'another of them.'), (3, 'this is the last')",
            )
            .expect("made");
        drop(connection);
        let bytes = std::fs::read(&path).expect("reads");
        let text = b"this is the last";
        let at = bytes.windows(text.len()).position(|part| part == text);
        // Before the text: the row's number, and three bytes that say what is in it (SQLite file format, section 2.1).
        let number = at.expect("it is there") - 4;
        assert_eq!(bytes[number], 3, "control: the number is where it should be");
        let file = std::fs::OpenOptions::new().write(true).open(&path);
        file.expect("opens")
            .write_all_at(&[1], u64::try_from(number).expect("64 bits"))
            .expect("written");
        let connection = Connection::open(&path).expect("opens");
        (folder, connection)
    }

    #[test]
    fn a_walk_through_rows_out_of_order_ends() {
        let (_folder, connection) = with_rows_out_of_order();
        let stored = StoredColumn::of(&connection, COLUMN).expect("it is there");
        let first = stored
            .read::<MaybeSealed>(&connection, &[], 256)
            .expect("nothing is known to be wrong yet");
        let last = &first[first.len() - 1].key;
        assert_eq!(
            (first.len(), last.as_slice()),
            (3, [Value::Integer(1)].as_slice()),
            "control: out of order, and the walk would begin again"
        );
        let Err(RotationError::Database(error)) = stored.read::<MaybeSealed>(&connection, last, 256) else {
            panic!("rows that do not come after the last one");
        };
        assert_eq!(
            error.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseCorrupt)
        );
        assert!(error.to_string().contains("people"), "{error}");
    }
}
