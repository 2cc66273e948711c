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
    /// Whether SQLite gives pieces of a long value: not without a rowid, and not beside generated columns.
    in_pieces: bool,
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
    Key(Vec<RowValue>),
}

/// A part of a primary key.
#[derive(Clone, Debug, PartialEq)]
pub enum RowValue {
    /// None, or one that is too long to name a row.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl RowValue {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(bytes) => Self::Text(String::from_utf8_lossy(bytes).into_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

impl Cell<'_> {
    /// What its row is called. Long parts of a key are cut.
    #[must_use]
    pub fn row_name(&self) -> RowName {
        let parts = (self.name_at..).map_while(|at| self.source.get_ref(at).ok());
        let parts: Vec<RowValue> = parts.map(RowValue::of).collect();
        match parts.as_slice() {
            [RowValue::Integer(id)] => RowName::Id(*id),
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
        let generated: bool = self.connection.query_row(
            "SELECT count(*) > 0 FROM pragma_table_xinfo(?1, 'main') WHERE hidden IN (2, 3)",
            [&name],
            |row| row.get(0),
        )?;
        Ok(SurveyedTable {
            in_pieces: matches!(rows, Rows::Id(_)) && !generated,
            name,
            columns: declared.into_iter().map(|(column, _)| column).collect(),
            rows,
        })
    }

    /// Hands every value of a table to `each`, long ones in pieces. Memory stays flat, except for long values of a table
    /// without rowid or with generated columns, which SQLite reads whole.
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
    /// Three results a column: the value unless it is long, its length, its type; then what names the row. Where there is
    /// no reading of pieces, a long value is taken whole.
    fn select(&self, columns: &[String]) -> String {
        let mut results: Vec<String> = columns
            .iter()
            .map(|column| {
                let column = quoted(column);
                let value = if self.in_pieces {
                    format!("CASE WHEN octet_length({column}) <= {PIECE} THEN {column} END")
                } else {
                    column.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_handed_out_with_its_row_and_long_ones_in_pieces() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("x.sqlite");
        let made = Connection::open(&path).expect("made");
        made.execute_batch(
            "CREATE TABLE t (a, b TEXT, c AS (a + 1) STORED, d AS (a + 2)); INSERT INTO t VALUES (7, NULL), (1.5, 'x');
             CREATE TABLE k (x TEXT, y INTEGER, PRIMARY KEY (y, x)) WITHOUT ROWID; INSERT INTO k VALUES ('p', 2);
             CREATE VIEW v AS SELECT 1;
             UPDATE t SET b = printf('%.*c', 2500000, 'z') WHERE a = 7;
             CREATE TABLE l (b TEXT); INSERT INTO l SELECT b FROM t WHERE a = 7;",
        )
        .expect("filled");
        drop(made);
        let survey = Survey::open(&path).expect("opens");
        let tables = survey.tables().expect("reads");
        let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["t", "k", "l", "sqlite_schema"]);
        assert_eq!(tables[0].columns, ["a", "b", "c"], "what is computed is not read");
        let (mut numbers, mut long) = (Vec::new(), Vec::new());
        let mut each = |cell: &Cell<'_>| match cell.value {
            Stored::Integer(number) => numbers.push((cell.row_name(), number)),
            Stored::Text(text) if cell.octets > 1 => long.push((cell.offset, text.len() as u64)),
            _ => {}
        };
        survey.each_value(&tables[0], &mut each).expect("reads");
        survey.each_value(&tables[2], &mut each).expect("reads");
        assert_eq!(numbers, [(RowName::Id(1), 7), (RowName::Id(1), 8)]);
        assert_eq!(
            long.remove(0),
            (0, 2_500_000),
            "beside generated columns it is read whole"
        );
        let ends: Vec<_> = long.iter().map(|(from, length)| from + length).collect();
        assert_eq!(ends, [PIECE, 2 * PIECE, 2_500_000]);
        assert_eq!(long[1].0, PIECE - OVERLAP);
        survey
            .each_value(&tables[1], &mut |cell| {
                let key = vec![RowValue::Integer(2), RowValue::Text("p".to_owned())];
                assert_eq!(cell.row_name(), RowName::Key(key));
            })
            .expect("reads");
    }

    #[test]
    fn a_journal_that_was_cut_off_is_left_as_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, copy) = (folder.path().join("x.sqlite"), folder.path().join("copy.sqlite"));
        let made = Connection::open(&path).expect("made");
        made.execute_batch(
            "CREATE TABLE t (a); INSERT INTO t VALUES (1); PRAGMA cache_size = 1; BEGIN;
             INSERT INTO t SELECT randomblob(2000) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8));",
        )
        .expect("begun");
        let journal = open::files(&path).pop().expect("a journal");
        assert!(journal.ends_with("x.sqlite-journal"));
        std::fs::copy(&path, &copy).expect("copied");
        std::fs::copy(&journal, folder.path().join("copy.sqlite-journal")).expect("copied");
        let before = open::files(&copy)
            .into_iter()
            .map(std::fs::read)
            .collect::<Result<Vec<_>, _>>();
        let survey = Survey::open(&copy).expect("opens");
        assert_eq!(survey.tables().expect("reads").len(), 2);
        drop(survey);
        let after = open::files(&copy)
            .into_iter()
            .map(std::fs::read)
            .collect::<Result<Vec<_>, _>>();
        assert_eq!(before.expect("read"), after.expect("read"));
    }
}
