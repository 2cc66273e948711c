//! One batch of a sweep: what is not under the active key is sealed anew.

use std::sync::mpsc::sync_channel;
use std::thread;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::column_walk::{CHUNK_ROWS, FieldOfRow, MaybeSealed, StoredColumn, key_text, with_row_key};
use super::held_changes::HeldChanges;
use super::replaced_fields::{Replacement, Replacing};
use super::rotation_rows::{self, Place};
use super::trace_rows;
use crate::column::SealedColumn;
use crate::error::{OpenError, SealError};
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
        rows += sweep.rows_after(&mut place.after, rows_before + rows, batch - rows)?;
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

/// A chunk as it is read, and what becomes of its fields.
type Chunk = Vec<FieldOfRow<MaybeSealed>>;
type Fates = Vec<FieldOfRow<Option<Result<Fate, SealError>>>>;

impl Sweep<'_> {
    /// At most `batch` rows after that one, which becomes the last of them. Says how many there were.
    ///
    /// The fields of a chunk are opened and sealed on a second thread while the chunk before is written: of the two, writing
    /// takes longer, and SQLite does it on one thread.
    fn rows_after(&self, after: &mut Vec<Value>, rows_before: u64, batch: u64) -> Result<u64, RotationError> {
        let (vault, active, column) = (self.vault, self.active, self.stored.column);
        let (to_seal, chunks) = sync_channel::<Chunk>(1);
        let (sealed, fates) = sync_channel::<Fates>(1);
        thread::scope(|scope| {
            thread::Builder::new()
                .name("fieldcrypt-seals".to_owned())
                .spawn_scoped(scope, move || {
                    // It ends when either side is gone.
                    chunks
                        .into_iter()
                        .map(|chunk| fates_of(vault, active, column, chunk))
                        .try_for_each(|fates| sealed.send(fates))
                })
                .map_err(RotationError::NoThread)?;
            // Both go with this closure, whatever it ends with, and with them the thread.
            let (to_seal, fates) = (to_seal, fates);
            let mut rows = 0;
            let mut read = after.clone();
            let mut waiting = None;
            loop {
                // Who waits for this core gets it now, and not at the end of a slice of some milliseconds.
                thread::yield_now();
                let chunk = self
                    .stored
                    .read(self.transaction, &read, CHUNK_ROWS.min(batch - rows))?;
                let next = chunk.last().map(|row| (row.key.clone(), rows_before + rows));
                rows += chunk.len() as u64;
                if let Some((last, _)) = &next {
                    read.clone_from(last);
                    to_seal.send(chunk).map_err(|_| RotationError::ThreadEnded)?;
                }
                let more = next.is_some();
                if let Some((last, before)) = std::mem::replace(&mut waiting, next) {
                    let fates = fates.recv().map_err(|_| RotationError::ThreadEnded)?;
                    self.write(fates, after, &last, before)?;
                    *after = last;
                }
                if !more {
                    return Ok(rows);
                }
            }
        })
    }

    /// The rows after the one key, up to the other.
    fn write(
        &self,
        fates: Fates,
        after: &[Value],
        last: &[Value],
        rows_before: u64,
    ) -> Result<(), RotationError> {
        let mut replacements = Vec::with_capacity(fates.len());
        for FieldOfRow { key, stored: fate } in fates {
            match fate.transpose()? {
                Some(Fate::Stays) => {}
                Some(Fate::Becomes { old, new }) => replacements.push(Replacement { key, old, new }),
                Some(Fate::Unopenable(reason)) => self.unopenable(&key, &reason.to_string())?,
                None => self.unopenable(&key, &OpenError::AuthenticationFailed.to_string())?,
            }
        }
        let noted = rows_before < NOTED_ALL || (rows_before / CHUNK_ROWS).is_multiple_of(64);
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

/// `None` for a row whose key no field was ever bound to. Rows without a field are left out.
fn fates_of(vault: &Vault, active: DataKeyNumber, column: SealedColumn, chunk: Chunk) -> Fates {
    chunk
        .into_iter()
        .filter_map(|FieldOfRow { key, stored }| {
            let MaybeSealed(bytes) = stored;
            let bytes = bytes?;
            let fate = with_row_key(&key, |row| sweep::fate(vault, active, column, row, bytes));
            Some(FieldOfRow { key, stored: fate })
        })
        .collect()
}
