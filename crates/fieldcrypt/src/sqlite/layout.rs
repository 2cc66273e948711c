//! A table as its schema declares it: its columns in order, and which of them are the primary key.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::integrity::IntegrityError;
use crate::integrity::row_tag::{Value, encode_key, encode_row};

/// A table's columns.
pub(super) struct Layout {
    pub(super) table: String,
    pub(super) columns: Vec<String>,
    /// Positions in `columns`, in the order of the primary key.
    key: Vec<usize>,
}

impl Layout {
    pub(super) fn read(connection: &Connection, table: &str) -> Result<Self, IntegrityError> {
        let is_table: i64 = connection.query_row(
            // A virtual table has no root page; an attacker's would run its module's code.
            "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = ?1 AND rootpage > 0",
            [table],
            |row| row.get(0),
        )?;
        if is_table != 1 {
            return Err(IntegrityError::NoTable {
                table: table.to_owned(),
            });
        }
        // Generated columns are functions of the others; they are not stored, or follow from what is.
        let mut statement = connection
            .prepare("SELECT name, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid")?;
        let declared: Vec<(String, i64)> = statement
            .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut key: Vec<(i64, usize)> = declared
            .iter()
            .enumerate()
            .filter(|(_, (_, place))| *place > 0)
            .map(|(position, (_, place))| (*place, position))
            .collect();
        if key.is_empty() {
            return Err(IntegrityError::NoPrimaryKey {
                table: table.to_owned(),
            });
        }
        key.sort_unstable();
        Ok(Self {
            table: table.to_owned(),
            columns: declared.into_iter().map(|(name, _)| name).collect(),
            key: key.into_iter().map(|(_, position)| position).collect(),
        })
    }

    /// Row key and row, encoded. The values are those of all columns, in order.
    pub(super) fn encode<'v>(
        &self,
        value: impl Fn(usize) -> Value<'v>,
    ) -> Result<(Vec<u8>, Vec<u8>), IntegrityError> {
        let key = self.encode_key(&value)?;
        let row = encode_row(&self.table, &key, (0..self.columns.len()).map(value));
        Ok((key, row))
    }

    /// The row key alone.
    pub(super) fn encode_key<'v>(
        &self,
        value: impl Fn(usize) -> Value<'v>,
    ) -> Result<Vec<u8>, IntegrityError> {
        encode_key(self.key.iter().map(|position| value(*position))).ok_or_else(|| {
            IntegrityError::NoPrimaryKey {
                table: self.table.clone(),
            }
        })
    }

    /// Hands every row's encoded key and row to `each`. Reads the table itself: an index may have been made to disagree.
    pub(super) fn each_row(
        &self,
        connection: &Connection,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), IntegrityError>,
    ) -> Result<(), IntegrityError> {
        let columns: Vec<_> = self.columns.iter().map(|name| quoted(name)).collect();
        let sql = format!(
            "SELECT {} FROM main.{} NOT INDEXED",
            columns.join(", "),
            quoted(&self.table)
        );
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (key, row) = self.encode(|position| row.get_ref(position).map_or(Value::Null, value))?;
            each(&key, &row)?;
        }
        Ok(())
    }
}

/// A value of SQLite's as one of ours.
pub(super) const fn value(from: ValueRef<'_>) -> Value<'_> {
    match from {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(bytes) => Value::Text(bytes),
        ValueRef::Blob(bytes) => Value::Blob(bytes),
    }
}

/// An SQL identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An SQL text literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
