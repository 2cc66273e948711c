//! The integrity seal over a batch of updates: their tags are summed up in memory, and seal and marks are written once.
//!
//! Kept by the triggers row by row, the seal costs four times what it protects: for each changed row it is opened, sealed
//! under a key of its own and written, and the mark is looked up and moved. A sum knows no order, so for the length of one
//! batch of a sweep the triggers add up instead of writing. They see every row as before, whoever changes it: what changes
//! otherwise than by an update of the held table that leaves its keys as they are is written at once.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::integrity::hashing::{Hashed, Hashing};
use crate::integrity::row_tag::RowMark;
use crate::integrity::table_seal::TableSum;
use crate::integrity::{IntegrityError, IntegrityKeys};

/// `(table)` → its name in the seal, and its updates are held from here on; `NULL` if it is not protected. `(NULL)`: what
/// is held is forgotten.
pub(super) const HOLD: &str = "fieldcrypt_hold";
/// `(table, old values…, new values…)` → whether the update is not held, and so to be written at once.
pub(super) const NOT_HELD: &str = "fieldcrypt_not_held";
/// `()` → how many rows were held; from here on none is.
pub(super) const HELD_ROWS: &str = "fieldcrypt_held_rows";
/// `(n)` → the n-th encoded row key of those held, in order; the last for what is past the end.
pub(super) const HELD_KEY: &str = "fieldcrypt_held_key";
/// `(row key)` → the mark of that row, if it is held.
pub(super) const HELD_MARK: &str = "fieldcrypt_held_mark";
/// `(stored seal)` → the seal with what is held put in.
pub(super) const SETTLED: &str = "fieldcrypt_settled";

/// The updates of one table.
pub(super) struct Held {
    pub(super) table: String,
    /// Until they are asked for.
    hashing: Option<Hashing>,
    sum: TableSum,
    /// In the order of the encoded row keys.
    marks: Vec<(Vec<u8>, RowMark)>,
    /// Where the mark that is asked for next most likely stands.
    at: usize,
}

impl Held {
    pub(super) fn of(table: &str, keys: &Arc<IntegrityKeys>) -> Result<Self, IntegrityError> {
        let hashing = Hashing::start(Arc::clone(keys)).map_err(IntegrityError::NoThread)?;
        Ok(Self {
            table: table.to_owned(),
            hashing: Some(hashing),
            sum: TableSum::default(),
            marks: Vec::new(),
            at: 0,
        })
    }

    /// Takes an update, unless what is held was asked for already.
    pub(super) fn put(&mut self, key: &[u8], before: &[u8], after: &[u8]) -> bool {
        let Some(hashing) = &mut self.hashing else {
            return false;
        };
        hashing.put(key, before, after);
        true
    }

    /// No more updates are taken; says how many rows there were.
    pub(super) fn finish(&mut self) -> Result<usize, IntegrityError> {
        if let Some(hashing) = self.hashing.take() {
            let Hashed { sum, mut marks } = hashing.finish().ok_or(IntegrityError::ThreadEnded)?;
            // Stable, and reversed before: of several updates of one row the last is the one that is kept.
            marks.reverse();
            marks.sort_by(|(a, _), (b, _)| a.cmp(b));
            marks.dedup_by(|(a, _), (b, _)| a == b);
            (self.sum, self.marks) = (sum, marks);
        }
        Ok(self.marks.len())
    }

    pub(super) const fn sum(&self) -> &TableSum {
        &self.sum
    }

    pub(super) fn key(&self, at: usize) -> Option<&[u8]> {
        let (key, _) = self.marks.get(at).or_else(|| self.marks.last())?;
        Some(key)
    }

    pub(super) fn mark(&mut self, key: &[u8]) -> Option<&RowMark> {
        // Rows are asked for in order, each twice: by the condition, and by the update.
        let near = [self.at, self.at + 1].into_iter();
        let mut near = near.filter(|at| self.marks.get(*at).is_some_and(|(known, _)| known == key));
        self.at = near.next().or_else(|| {
            self.marks
                .binary_search_by(|(known, _)| known.as_slice().cmp(key))
                .ok()
        })?;
        self.marks.get(self.at).map(|(_, mark)| mark)
    }
}

/// A table whose updates are held, on a connection that keeps the seal; nothing on one that does not, or where the table is
/// not protected. Dropped without being settled, what was held is forgotten: the transaction is to be rolled back, and
/// where it is not, the seal does not fit.
pub(super) struct HeldChanges<'t> {
    connection: &'t Connection,
    table: Option<String>,
}

impl<'t> HeldChanges<'t> {
    pub(super) fn of(connection: &'t Connection, table: &str) -> rusqlite::Result<Self> {
        let attached = connection
            .prepare_cached("SELECT 1 FROM pragma_function_list WHERE name = ?1")?
            .exists([HOLD])?;
        let table = if attached {
            connection
                .prepare_cached(&format!("SELECT {HOLD}(?1)"))?
                .query_row([table], |row| row.get(0))?
        } else {
            None
        };
        Ok(Self { connection, table })
    }

    /// Writes what was held: marks, then the seal.
    pub(super) fn settle(self) -> rusqlite::Result<()> {
        let Some(table) = &self.table else {
            return Ok(());
        };
        let rows: i64 = self
            .connection
            .prepare_cached(&format!("SELECT {HELD_ROWS}()"))?
            .query_row([], |row| row.get(0))?;
        if rows == 0 {
            return Ok(());
        }
        if self.lie_together(table, rows)? {
            self.connection
                .prepare_cached(&format!(
                    "UPDATE main.fieldcrypt_row_marks SET mark = {HELD_MARK}(row_key)
                     WHERE table_name = ?1 AND row_key BETWEEN {HELD_KEY}(0) AND {HELD_KEY}({})
                     AND {HELD_MARK}(row_key) IS NOT NULL",
                    i64::MAX
                ))?
                .execute([table])?;
        } else {
            let mut update = self.connection.prepare_cached(&format!(
                "UPDATE main.fieldcrypt_row_marks SET mark = {HELD_MARK}(row_key)
                 WHERE table_name = ?1 AND row_key = {HELD_KEY}(?2)"
            ))?;
            for at in 0..rows {
                update.execute(params![table, at])?;
            }
        }
        self.connection
            .prepare_cached(&format!(
                "UPDATE main.fieldcrypt_seal SET seal = {SETTLED}(seal) WHERE id = 1"
            ))?
            .execute([])?;
        Ok(())
    }

    /// Whether few other marks lie between those held, so that going over all of them is the shorter way. It is where
    /// encoded keys are in the order of the keys: numbers that are not negative, texts of one length.
    fn lie_together(&self, table: &str, rows: i64) -> rusqlite::Result<bool> {
        let between: i64 = self
            .connection
            .prepare_cached(&format!(
                "SELECT count(*) FROM (SELECT 1 FROM main.fieldcrypt_row_marks
                 WHERE table_name = ?1 AND row_key BETWEEN {HELD_KEY}(0) AND {HELD_KEY}({}) LIMIT ?2)",
                i64::MAX
            ))?
            .query_row(params![table, 2 * rows + 1], |row| row.get(0))?;
        Ok(between <= 2 * rows)
    }
}

impl Drop for HeldChanges<'_> {
    fn drop(&mut self) {
        if self.table.is_some() {
            // The function cannot fail; if the statement does, what is held stays held, and the seal does not fit.
            drop(
                self.connection
                    .query_row(&format!("SELECT {HOLD}(NULL)"), [], |_| Ok(())),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrity::row_tag::RowKeys;
    use crate::secret::SecretKey;

    fn keys() -> Arc<IntegrityKeys> {
        let key = SecretKey::from_bytes(&[3; 32]);
        Arc::new(IntegrityKeys {
            rows: RowKeys::new(&key),
            seal: key,
            install_id: [0; 16],
        })
    }

    /// More than are handed over at once.
    #[test]
    fn of_several_updates_of_one_row_the_last_is_marked_and_all_are_summed() {
        let keys = keys();
        let mut held = Held::of("t", &keys).expect("a thread");
        let row = |n: u32| [&n.to_be_bytes()[..], &[7; 300]].concat();
        for n in 0..2000_u32 {
            let key = (n % 1999).to_be_bytes();
            assert!(held.put(&key, &row(n), &row(n + 1)));
        }
        assert_eq!(held.finish().expect("hashed"), 1999);
        assert!(!held.put(b"k", b"", b""), "it came too late");
        for (key, last) in [(0_u32, 2000), (1, 2), (2, 3), (1998, 1999), (5, 6)] {
            let mark = keys.rows.mark(&keys.rows.tag(&row(last)));
            assert!(
                held.mark(&key.to_be_bytes()).expect("held").fits(mark.stored()),
                "{key}"
            );
        }
        assert!(held.mark(b"none").is_none());
        assert_eq!(held.key(0), Some(&0_u32.to_be_bytes()[..]));
        assert_eq!(held.key(usize::MAX), Some(&1998_u32.to_be_bytes()[..]));
        let mut expected = TableSum::default();
        expected.subtract(&keys.rows.tag(&row(0)));
        expected.add(&keys.rows.tag(&row(2000)));
        assert_eq!(held.sum(), &expected);
    }
}
