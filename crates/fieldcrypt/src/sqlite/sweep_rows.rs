//! One batch of a sweep: what is not under the active key is sealed anew.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::column_walk::{CHUNK_ROWS, FieldOfRow, StoredColumn, key_text, sealed_bytes, with_row_key};
use super::held_changes::HeldChanges;
use super::replaced_fields::{Replacement, Replacing};
use super::rotation_rows::{self, Place};
use super::trace_rows;
use crate::column::SealedColumn;
use crate::error::OpenError;
use crate::keyring::DataKeyNumber;
use crate::rotation::RotationError;
use crate::rotation::sweep::{self, Fate};
use crate::vault::Vault;

/// The first field of each chunk is noted for the purge's scan, up to this row; then that of every 64th chunk.
const NOTED_ALL: u64 = 1024 * CHUNK_ROWS;

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
    let replacing = Replacing::on(transaction)?;
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
            stored: &stored,
            replacing: &replacing,
        };
        let held = HeldChanges::of(transaction, column.stored_table())?;
        while rows < batch {
            let chunk = stored.read(
                transaction,
                &place.after,
                CHUNK_ROWS.min(batch - rows),
                sealed_bytes,
            )?;
            let Some(last) = chunk.last().map(|row| row.key.clone()) else {
                break;
            };
            let before = rows_before + rows;
            let noted = before < NOTED_ALL || (before / CHUNK_ROWS).is_multiple_of(64);
            rows += chunk.len() as u64;
            sweep.chunk(chunk, &place.after, &last, noted)?;
            place.after = last;
        }
        held.settle()?;
        if rows >= batch {
            return Ok(Walked {
                place,
                rows,
                every_row: false,
            });
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
    stored: &'t StoredColumn,
    replacing: &'t Replacing<'t>,
}

impl Sweep<'_> {
    /// The rows after the one key, up to the other.
    fn chunk(
        &self,
        chunk: Vec<FieldOfRow<Option<Vec<u8>>>>,
        after: &[Value],
        last: &[Value],
        noted: bool,
    ) -> Result<(), RotationError> {
        let column = self.stored.column;
        let mut replacements = Vec::with_capacity(chunk.len());
        for FieldOfRow { key, stored } in chunk {
            let Some(bytes) = stored else { continue };
            let fate = with_row_key(&key, |row| {
                sweep::fate(self.vault, self.active, column, row, bytes)
            });
            match fate.transpose()? {
                Some(Fate::Stays) => {}
                Some(Fate::Becomes { old, new }) => replacements.push(Replacement { key, old, new }),
                Some(Fate::Unopenable(reason)) => self.unopenable(&key, &reason.to_string())?,
                None => self.unopenable(&key, &OpenError::AuthenticationFailed.to_string())?,
            }
        }
        if noted && let Some(first) = replacements.first() {
            trace_rows::note(self.transaction, first.old.stored())?;
        }
        for left in self.replacing.replace(self.stored, after, last, replacements)? {
            self.unopenable(&left.key, "it could not be replaced")?;
        }
        Ok(())
    }

    fn unopenable(&self, key: &[Value], reason: &str) -> rusqlite::Result<()> {
        rotation_rows::record_unopenable(self.transaction, self.stored.column, &key_text(key), reason)
    }
}
