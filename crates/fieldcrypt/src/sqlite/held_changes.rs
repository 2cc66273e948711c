//! The integrity seal over a batch of updates: their tags are summed up in memory, and seal and marks are written once.
//!
//! Kept by the triggers row by row, the seal costs four times what it protects: for each changed row it is opened, sealed
//! under a key of its own and written, and the mark is looked up and moved. A sum knows no order, so for the length of one
//! batch of a sweep the triggers add up instead of writing. They see every row as before, whoever changes it: what changes
//! otherwise than by an update of the held table that leaves its keys as they are is written at once.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::integrity::row_tag::RowMark;
use crate::integrity::table_seal::TableSum;

/// `(table)` → its name in the seal, and its updates are held from here on; `NULL` if it is not protected. `(NULL)`: what
/// is held is forgotten.
pub(super) const HOLD: &str = "fieldcrypt_hold";
/// `(table, old values…, new values…)` → whether the update is not held, and so to be written at once.
pub(super) const NOT_HELD: &str = "fieldcrypt_not_held";
/// `()` → how many rows are held.
pub(super) const HELD_ROWS: &str = "fieldcrypt_held_rows";
/// `(n)` → the n-th encoded row key of those held, in order; the last for what is past the end.
pub(super) const HELD_KEY: &str = "fieldcrypt_held_key";
/// `(row key)` → the mark of that row, if it is held.
pub(super) const HELD_MARK: &str = "fieldcrypt_held_mark";
/// `(stored seal)` → the seal with what is held put in.
pub(super) const SETTLED: &str = "fieldcrypt_settled";

/// What updates of one table came to.
pub(super) struct Held {
    pub(super) table: String,
    /// New tags less old ones.
    pub(super) sum: TableSum,
    /// By encoded row key, in the order of the changes until [`Held::sort`].
    marks: Vec<(Vec<u8>, RowMark)>,
}

impl Held {
    pub(super) fn of(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            sum: TableSum::default(),
            marks: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, mark: RowMark) {
        self.marks.push((key, mark));
    }

    /// In the order of the keys; of several changes of one row the last counts. Says how many rows there are.
    pub(super) fn sort(&mut self) -> usize {
        // Stable, and reversed before and after: of equal keys the last is the one that is kept.
        self.marks.reverse();
        self.marks.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.marks.dedup_by(|(a, _), (b, _)| a == b);
        self.marks.len()
    }

    pub(super) fn key(&self, at: usize) -> Option<&[u8]> {
        let (key, _) = self.marks.get(at).or_else(|| self.marks.last())?;
        Some(key)
    }

    pub(super) fn mark(&self, key: &[u8]) -> Option<&RowMark> {
        let at = self
            .marks
            .binary_search_by(|(known, _)| known.as_slice().cmp(key))
            .ok()?;
        self.marks.get(at).map(|(_, mark)| mark)
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
        let between: Option<i64> = self
            .connection
            .prepare_cached(&format!(
                "SELECT count(*) FROM (SELECT 1 FROM main.fieldcrypt_row_marks
                 WHERE table_name = ?1 AND row_key BETWEEN {HELD_KEY}(0) AND {HELD_KEY}({}) LIMIT ?2)",
                i64::MAX
            ))?
            .query_row(params![table, 2 * rows + 1], |row| row.get(0))
            .optional()?;
        Ok(between.is_some_and(|between| between <= 2 * rows))
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

    #[test]
    fn of_several_changes_of_one_row_the_last_counts() {
        let keys = RowKeys::new(&SecretKey::from_bytes(&[3; 32]));
        let mark = |row: &[u8]| keys.mark(&keys.tag(row));
        let mut held = Held::of("t");
        for (key, row) in [
            (b"b", b"1"),
            (b"a", b"2"),
            (b"b", b"3"),
            (b"b", b"4"),
            (b"c", b"5"),
        ] {
            held.put(key.to_vec(), mark(row));
        }
        assert_eq!(held.sort(), 3);
        for (key, row) in [(b"a", b"2"), (b"b", b"4"), (b"c", b"5")] {
            assert!(held.mark(key).expect("held").fits(mark(row).stored()));
        }
        assert!(held.mark(b"d").is_none());
        assert_eq!((held.key(0), held.key(9)), (Some(&b"a"[..]), Some(&b"c"[..])));
    }
}
