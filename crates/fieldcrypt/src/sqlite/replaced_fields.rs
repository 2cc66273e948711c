//! Replacing the fields of a chunk of rows by one statement.
//!
//! A statement a row costs twice what the whole of sealing does, and under triggers four times. So one `UPDATE` goes over
//! the rows of a chunk and asks two functions of the connection: is this field, with these very bytes, to be replaced;
//! and by what. A row that is not as it was read is left alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};

use super::column_walk::StoredColumn;
use crate::sealed::Sealed;

const IS_REPLACED: &str = "fieldcrypt_is_replaced";
const REPLACEMENT: &str = "fieldcrypt_replacement";

/// One field to be replaced.
pub(super) struct Replacement {
    pub(super) key: Vec<Value>,
    /// As it stands: the condition.
    pub(super) old: Sealed,
    pub(super) new: Sealed,
}

/// The functions, on a connection for as long as this lives.
pub(super) struct Replacing<'t> {
    connection: &'t Connection,
    chunk: Arc<Mutex<Chunk>>,
}

#[derive(Default)]
struct Chunk {
    replacements: Vec<Replacement>,
    /// Where the next row most likely stands: rows come in the order of their keys.
    at: usize,
}

impl<'t> Replacing<'t> {
    pub(super) fn on(connection: &'t Connection) -> rusqlite::Result<Self> {
        let replacing = Self {
            connection,
            chunk: Arc::default(),
        };
        // Of no use to anything that stands in the file.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        let chunk = Arc::clone(&replacing.chunk);
        connection.create_scalar_function(IS_REPLACED, -1, flags, move |context| {
            Ok(lock(&chunk).find(context).is_some())
        })?;
        let chunk = Arc::clone(&replacing.chunk);
        connection.create_scalar_function(REPLACEMENT, -1, flags, move |context| {
            Ok(lock(&chunk)
                .find(context)
                .map(|replacement| replacement.new.to_stored_bytes()))
        })?;
        Ok(replacing)
    }

    /// Replaces these fields, which are of rows after the one key and up to the other. Gives back those whose rows were not
    /// what they were, or could not be changed.
    pub(super) fn replace(
        &self,
        column: &StoredColumn,
        after: &[Value],
        last: &[Value],
        replacements: Vec<Replacement>,
    ) -> rusqlite::Result<Vec<Replacement>> {
        if replacements.is_empty() {
            return Ok(replacements);
        }
        let StoredColumn {
            table, field, key, ..
        } = column;
        let asked = format!("{field}, {}", key.join(", "));
        let (upper, bounds) = (column.compared("<=", 1), last.iter().chain(after));
        let lower = if after.is_empty() {
            String::new()
        } else {
            format!("AND {}", column.compared(">", 1 + last.len()))
        };
        let sql = format!(
            "UPDATE {table} SET {field} = {REPLACEMENT}({asked}) WHERE {upper} {lower} AND {IS_REPLACED}({asked})"
        );
        let wanted = replacements.len();
        *lock(&self.chunk) = Chunk { replacements, at: 0 };
        let replaced = self
            .connection
            .prepare_cached(&sql)?
            .execute(params_from_iter(bounds))?;
        let Chunk { replacements, .. } = std::mem::take(&mut *lock(&self.chunk));
        if replaced == wanted {
            return Ok(Vec::new());
        }
        self.left(column, replacements)
    }

    /// Those that do not stand in their rows.
    fn left(
        &self,
        column: &StoredColumn,
        replacements: Vec<Replacement>,
    ) -> rusqlite::Result<Vec<Replacement>> {
        let StoredColumn { table, field, .. } = column;
        let sql = format!(
            "SELECT 1 FROM {table} WHERE {field} = ?1 AND {}",
            column.compared("=", 2)
        );
        let mut there = self.connection.prepare_cached(&sql)?;
        let mut left = Vec::new();
        for replacement in replacements {
            there.raw_bind_parameter(1, &replacement.new)?;
            for (at, value) in (2..).zip(&replacement.key) {
                there.raw_bind_parameter(at, value)?;
            }
            if there.raw_query().next()?.is_none() {
                left.push(replacement);
            }
        }
        Ok(left)
    }
}

impl Drop for Replacing<'_> {
    fn drop(&mut self) {
        for function in [IS_REPLACED, REPLACEMENT] {
            // Without a chunk they replace nothing.
            drop(self.connection.remove_function(function, -1));
        }
    }
}

impl Chunk {
    /// What is asked about: the field, then its row's key.
    fn find(&mut self, context: &Context<'_>) -> Option<&Replacement> {
        let asked = |replacement: &Replacement| {
            context.get_raw(0) == ValueRef::Blob(replacement.old.stored())
                && (1..context.len()).eq(1..=replacement.key.len())
                && (1..)
                    .zip(&replacement.key)
                    .all(|(at, part)| context.get_raw(at) == ValueRef::from(part))
        };
        let ahead = self.replacements.get(self.at..)?;
        let found = ahead
            .iter()
            .position(asked)
            .map(|steps| self.at + steps)
            .or_else(|| self.replacements.iter().position(asked))?;
        self.at = found;
        self.replacements.get(found)
    }
}

fn lock(chunk: &Mutex<Chunk>) -> MutexGuard<'_, Chunk> {
    chunk.lock().unwrap_or_else(PoisonError::into_inner)
}
