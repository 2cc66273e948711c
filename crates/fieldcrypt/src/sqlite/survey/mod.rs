//! Looking at any SQLite file, of any program, value by value: without a key, and without changing a byte.
//!
//! What follows from other values is not read again: indices, views, virtual tables (the tables in which they keep what is
//! theirs are read), generated columns that are not stored.

mod open;

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, MAIN_DB, Row};

use super::connection::ConnectionError;
use super::layout::quoted;

/// Longest value that is read at once; longer ones come in pieces of this size.
const PIECE: u64 = 1 << 20;

/// Bytes at the start of a piece that stood at the end of the one before, so that what stands across two is seen whole.
const OVERLAP: u64 = 8 << 10;

/// Columns that one statement reads: three results each, of which SQLite allows 2,000.
const COLUMNS_AT_ONCE: usize = 500;

/// Longest part of a primary key that names a row.
const KEY_PART: usize = 256;

/// A file could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It is no SQLite database, or one that is encrypted as a whole.
    #[error("it is not an SQLite database")]
    NotADatabase,
    /// It is one, and does not open.
    #[error(transparent)]
    Connection(ConnectionError),
    /// A table does not read.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

impl From<ConnectionError> for SurveyError {
    fn from(error: ConnectionError) -> Self {
        match &error {
            ConnectionError::Sqlite(inner)
                if inner.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) =>
            {
                Self::NotADatabase
            }
            _ => Self::Connection(error),
        }
    }
}

/// A database file, open for looking.
pub struct Survey {
    connection: Connection,
}

/// A table, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyedTable {
    /// Its name.
    pub name: String,
    /// Its columns that are stored.
    pub columns: Vec<String>,
    rows: Rows,
}

/// What names a row.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rows {
    /// The rowid, by whichever of its names no column has.
    Id(&'static str),
    /// These columns; the table has no rowid, or all its names are taken.
    Key(Vec<String>),
}

/// A value, or a piece of a long one: each begins with the last 8 KiB bytes of the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stored<'v> {
    /// None.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text, in UTF-8 unless somebody wrote something else.
    Text(&'v [u8]),
    /// Bytes.
    Blob(&'v [u8]),
}

/// One value at its place.
#[derive(Clone, Copy)]
pub struct Cell<'v> {
    /// Which column of [`SurveyedTable::columns`].
    pub column: usize,
    /// The row's place in its table, from 1.
    pub row: u64,
    /// The value, or a piece of it.
    pub value: Stored<'v>,
    /// Where in the value the piece begins.
    pub offset: u64,
    /// Length of the whole value in bytes.
    pub octets: u64,
    source: &'v Row<'v>,
    name_at: usize,
}

/// What a row is called.
#[derive(Clone, Debug, PartialEq)]
pub enum RowName {
    /// Its rowid.
    Id(i64),
    /// Its primary key.
    Key(Vec<rusqlite::types::Value>),
}

impl Cell<'_> {
    /// What its row is called. Long parts of a key are cut.
    #[must_use]
    pub fn row_name(&self) -> RowName {
        let parts = (self.name_at..).map_while(|at| self.source.get(at).ok());
        let mut parts: Vec<rusqlite::types::Value> = parts.collect();
        match parts.as_mut_slice() {
            [rusqlite::types::Value::Integer(id)] => RowName::Id(*id),
            _ => RowName::Key(parts),
        }
    }
}

impl Survey {
    /// Opens the file.
    ///
    /// # Errors
    /// See [`SurveyError`].
    pub fn open(path: &Path) -> Result<Self, SurveyError> {
        let connection = open::open(path)?;
        Ok(Self { connection })
    }

    /// The files in which bytes of the database stand: itself, its log, its journal. They must not be opened by this process
    /// while a [`Survey`] of them lives: closing them would drop its locks.
    #[must_use]
    pub fn files(path: &Path) -> Vec<PathBuf> {
        open::files(path)
    }

    /// Its tables, SQLite's own among them: the schema and the statistics hold texts and copies of values.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn tables(&self) -> Result<Vec<SurveyedTable>, SurveyError> {
        // A virtual table has no root page, and reading it would run its module's code.
        let mut statement = self.connection.prepare(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0
             UNION ALL SELECT 'sqlite_schema'",
        )?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        names.map(|name| self.table(name?)).collect()
    }

    fn table(&self, name: String) -> Result<SurveyedTable, SurveyError> {
        // Hidden: 2 is a generated column that is computed, 3 one that is stored.
        let mut statement = self.connection.prepare(
            "SELECT name, pk FROM pragma_table_xinfo(?1, 'main') WHERE hidden IN (0, 3) ORDER BY cid",
        )?;
        let declared: Vec<(String, i64)> = statement
            .query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let without_rowid: bool = self.connection.query_row(
            "SELECT max(wr) IS 1 FROM pragma_table_list(?1) WHERE schema = 'main'",
            [&name],
            |row| row.get(0),
        )?;
        let free = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|id| !declared.iter().any(|(column, _)| column.eq_ignore_ascii_case(id)));
        let rows = match free {
            Some(id) if !without_rowid => Rows::Id(id),
            _ => {
                let mut key: Vec<_> = declared.iter().filter(|(_, place)| *place > 0).collect();
                key.sort_unstable_by_key(|(_, place)| *place);
                Rows::Key(key.into_iter().map(|(column, _)| column.clone()).collect())
            }
        };
        Ok(SurveyedTable {
            name,
            columns: declared.into_iter().map(|(column, _)| column).collect(),
            rows,
        })
    }

    /// Hands every value of a table to `each`, long ones in pieces. Memory stays flat, except for long values of a table
    /// without rowid, which SQLite reads whole.
    ///
    /// # Errors
    /// What SQLite says, and what `each` says.
    pub fn each_value(
        &self,
        table: &SurveyedTable,
        each: &mut dyn FnMut(&Cell<'_>),
    ) -> Result<(), SurveyError> {
        let mut first = 0;
        for columns in table.columns.chunks(COLUMNS_AT_ONCE) {
            self.some_columns(table, first, columns, each)?;
            first += columns.len();
        }
        Ok(())
    }

    fn some_columns(
        &self,
        table: &SurveyedTable,
        first: usize,
        columns: &[String],
        each: &mut dyn FnMut(&Cell<'_>),
    ) -> Result<(), SurveyError> {
        let mut statement = self.connection.prepare(&table.select(columns))?;
        let name_at = columns.len() * 3;
        let mut rows = statement.query([])?;
        let mut number = 0;
        while let Some(row) = rows.next()? {
            number += 1;
            for (at, column) in columns.iter().enumerate() {
                let octets = row
                    .get::<_, Option<i64>>(3 * at + 1)?
                    .map_or(0, i64::unsigned_abs);
                let cell = Cell {
                    column: first + at,
                    row: number,
                    value: Stored::of(row.get_ref(3 * at)?),
                    offset: 0,
                    octets,
                    source: row,
                    name_at,
                };
                if cell.value != Stored::Null || octets == 0 {
                    each(&cell);
                    continue;
                }
                let is_text = row.get_ref(3 * at + 2)? == ValueRef::Text(b"text");
                let blob = self.connection.blob_open(
                    MAIN_DB,
                    table.name.as_str(),
                    column.as_str(),
                    row.get(name_at)?,
                    true,
                )?;
                let mut done = 0;
                while done < octets {
                    let (from, to) = (done.saturating_sub(OVERLAP), octets.min(done + PIECE));
                    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
                    blob.read_at_exact(&mut bytes, usize::try_from(from).unwrap_or(usize::MAX))?;
                    let value = if is_text {
                        Stored::Text(&bytes)
                    } else {
                        Stored::Blob(&bytes)
                    };
                    each(&Cell {
                        value,
                        offset: from,
                        ..cell
                    });
                    done = to;
                }
            }
        }
        Ok(())
    }
}

impl SurveyedTable {
    /// Three results a column: the value unless it is long, its length, its type; then what names the row. Without a rowid
    /// there is no reading of pieces, and a long value is taken whole.
    fn select(&self, columns: &[String]) -> String {
        let mut results: Vec<String> = columns
            .iter()
            .map(|column| {
                let column = quoted(column);
                let value = match &self.rows {
                    Rows::Id(_) => format!("CASE WHEN octet_length({column}) <= {PIECE} THEN {column} END"),
                    Rows::Key(_) => column.clone(),
                };
                format!("{value}, octet_length({column}), typeof({column})")
            })
            .collect();
        match &self.rows {
            Rows::Id(id) => results.push((*id).to_owned()),
            Rows::Key(key) => results.extend(key.iter().map(|part| {
                let part = quoted(part);
                format!("CASE WHEN octet_length({part}) <= {KEY_PART} THEN {part} END")
            })),
        }
        format!(
            "SELECT {} FROM main.{} NOT INDEXED",
            results.join(", "),
            quoted(&self.name)
        )
    }
}

impl<'v> Stored<'v> {
    const fn of(value: ValueRef<'v>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(bytes) => Self::Text(bytes),
            ValueRef::Blob(bytes) => Self::Blob(bytes),
        }
    }
}
