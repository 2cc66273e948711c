//! What a full pass finds, in words.

use std::fmt;

use super::row_tag::key_in_words;
use super::table_seal::TableSum;
use crate::error::SealError;

/// How many rows of a table are named; the others are counted.
const ROWS_NAMED: usize = 20;

/// The database is not as this program left it, or that cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntegrityError {
    /// There is no seal: nothing says what belongs in the tables.
    #[error("the database has no integrity seal")]
    NoSeal,
    /// The seal itself was altered, or belongs to another database.
    #[error("the integrity seal does not open: it was altered or belongs to another database")]
    SealDamaged,
    /// Rows, tables or the schema were altered.
    #[error("the database was altered by something that has not its keys: {0}")]
    Tampered(Report),
    /// A protected table has no declared primary key, or one that is `NULL` or a real number.
    #[error("table {table} cannot be protected: it needs a declared primary key of integers, texts or blobs")]
    NoPrimaryKey {
        /// The table.
        table: String,
    },
    /// A protected table is not in the schema.
    #[error("table {table} is to be protected, but there is none")]
    NoTable {
        /// The table.
        table: String,
    },
    /// A table is protected by this program, but the seal was made without it.
    #[error("table {table} is not in the integrity seal yet")]
    NotSealed {
        /// The table.
        table: String,
    },
    /// The counter is at its end. Not within anybody's lifetime.
    #[error("the counter of the integrity seal is at its end")]
    CounterExhausted,
    /// A setting did not take.
    #[error("SQLite did not take the setting recursive_triggers = ON")]
    Setting,
    /// The keyring has no integrity key.
    #[error("the keyring has no integrity key")]
    NoKey,
    /// The seal could not be made.
    #[error("the integrity seal could not be made")]
    Seal(#[source] SealError),
    /// The rows of a sweep are hashed on a thread of their own, which could not be started.
    #[error("the thread that hashes rows for the integrity seal could not be started")]
    NoThread(#[source] std::io::Error),
    /// It was started, and ended before its time.
    #[error("the thread that hashes rows for the integrity seal ended before its time")]
    ThreadEnded,
    /// SQLite says something.
    #[error("the protected tables cannot be read or written")]
    Database(#[from] rusqlite::Error),
}

/// A full pass found nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a seal that is not complete must be rebuilt"]
pub struct Verified {
    /// The seal's counter, for the witness.
    pub counter: u64,
    /// Whether the seal covers everything: `false` while the schema is being changed (see
    /// [`super::IntegritySeal::suspend`]), or when the program protects other tables than it did. It must be rebuilt then.
    pub complete: bool,
}

/// What was altered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The tables, in the order of the seal.
    pub tables: Vec<DamagedTable>,
    /// Whether a table, index, view or trigger was added, removed or changed.
    pub schema_altered: bool,
    /// What SQLite's own check says about the file's structure.
    pub structure: Vec<String>,
}

/// A table whose rows are not those last written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedTable {
    /// Its name.
    pub table: String,
    /// The rows, as far as they can be told, the first of them.
    pub rows: Vec<DamagedRow>,
    /// How many rows more.
    pub more: u64,
}

/// A row that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DamagedRow {
    /// Its primary key, as an SQL literal.
    pub key: String,
    /// What happened to it.
    pub damage: RowDamage,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowDamage {
    /// Edited, or put back from an older copy.
    Altered,
    /// Deleted.
    Missing,
    /// Added, or put back after it was deleted.
    Added,
}

impl Report {
    pub(crate) const fn is_clean(&self) -> bool {
        self.tables.is_empty() && !self.schema_altered && self.structure.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.tables.iter().map(ToString::to_string).collect();
        if self.schema_altered {
            parts.push("the schema was changed".to_owned());
        }
        parts.extend(
            self.structure
                .iter()
                .map(|line| format!("the file is damaged: {}", line.escape_debug())),
        );
        f.write_str(&parts.join("; "))
    }
}

impl fmt::Display for DamagedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}: ", self.table.escape_debug())?;
        if self.rows.is_empty() && self.more == 0 {
            return f.write_str("its rows are not those last written, which of them cannot be told");
        }
        let rows: Vec<_> = self.rows.iter().map(ToString::to_string).collect();
        f.write_str(&rows.join(", "))?;
        if self.more > 0 {
            write!(f, " and {} more", self.more)?;
        }
        Ok(())
    }
}

impl fmt::Display for DamagedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} {}", self.key, self.damage)
    }
}

impl fmt::Display for RowDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Altered => "was altered",
            Self::Missing => "is missing",
            Self::Added => "was added",
        })
    }
}

/// The pass over one table: what it adds up to, and what does not fit on the way.
#[derive(Default)]
pub(crate) struct TableCheck {
    pub(crate) found: TableSum,
    rows: Vec<DamagedRow>,
    more: u64,
}

impl TableCheck {
    pub(crate) fn damaged(&mut self, key: &[u8], damage: RowDamage) {
        if self.rows.len() < ROWS_NAMED {
            self.rows.push(DamagedRow {
                key: key_in_words(key),
                damage,
            });
        } else {
            self.more += 1;
        }
    }

    /// The finding, if there is one: rows that do not fit their marks, or a sum that is not the sealed one.
    pub(crate) fn finish(self, table: &str, sealed: &TableSum) -> Option<DamagedTable> {
        if self.rows.is_empty() && self.found == *sealed {
            return None;
        }
        Some(DamagedTable {
            table: table.to_owned(),
            rows: self.rows,
            more: self.more,
        })
    }
}
