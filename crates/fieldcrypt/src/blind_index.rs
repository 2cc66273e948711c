//! Blind indexes: finding a sealed value without opening the others.
//!
//! A companion column holds a keyed hash of the value; a look-up hashes what is looked for and compares. An
//! ordinary SQL index over the companion column makes it fast.
//!
//! # Security
//! **Equal values are visible as equal** to whoever has the file, and so is how often each occurs. For a column of few
//! possible values that may be all there is to hide. Nothing is visible without the index key beyond that: values cannot
//! be guessed and tried, columns cannot be compared with each other.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::column::SealedColumn;
use crate::keyring::KeyPurpose;
use crate::row_key::lp_onto;
use crate::vault::Vault;

/// Bytes of a blind index: among 2^32 different values two are alike with probability 2^-65.
const LEN: usize = 16;

/// A sealed column that can be looked up by equality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IndexedColumn(SealedColumn);

impl IndexedColumn {
    /// The index over that column.
    #[must_use]
    pub const fn over(column: SealedColumn) -> Self {
        Self(column)
    }
}

/// What stands in the companion column, and what it is compared with. Implements `ToSql`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlindIndex([u8; LEN]);

impl BlindIndex {
    pub(crate) const fn stored(&self) -> &[u8] {
        &self.0
    }
}

/// A blind index was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlindIndexError {
    /// The column is not in the registry.
    #[error("column {table}.{column} is not in the registry of sealed columns")]
    ColumnNotRegistered {
        /// Logical table.
        table: &'static str,
        /// Logical column.
        column: &'static str,
    },
    /// The keyring has no index key.
    #[error("the keyring has no index key")]
    NoKey,
}

impl Vault {
    /// `HMAC-SHA256(index key, lp(table) ‖ lp(column) ‖ value)`, first 16 bytes. The value is taken as it is: what is to be
    /// found regardless of case or form is brought to one form by the caller, here and when it is stored.
    ///
    /// # Errors
    /// When the column is not in the registry, or the keyring has no index key.
    pub fn blind_index(&self, column: IndexedColumn, value: &[u8]) -> Result<BlindIndex, BlindIndexError> {
        let column = column.0;
        if self.registry.position(column).is_none() {
            return Err(BlindIndexError::ColumnNotRegistered {
                table: column.table(),
                column: column.column(),
            });
        }
        let keyring = self.keyring();
        let key = keyring
            .only_key(KeyPurpose::Index)
            .ok_or(BlindIndexError::NoKey)?;
        Ok(compute(key.expose_bytes(), column, value))
    }
}

#[expect(
    clippy::expect_used,
    reason = "HMAC takes a key of any length (RFC 2104 section 2)"
)]
fn compute(key: &[u8; 32], column: SealedColumn, value: &[u8]) -> BlindIndex {
    let mut names = Vec::with_capacity(64);
    lp_onto(&mut names, column.table().as_bytes());
    lp_onto(&mut names, column.column().as_bytes());
    let full = Hmac::<Sha256>::new_from_slice(key)
        .expect("any length")
        .chain_update(names)
        .chain_update(value)
        .finalize()
        .into_bytes();
    let mut index = [0; LEN];
    index.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    BlindIndex(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by hand from the formula: Python's `hmac.new(bytes(range(32)), b"\0\0\0\6people\0\0\0\5email" + b"ada@example.org", "sha256")`.
    #[test]
    fn the_formula_is_that_of_the_format() {
        let mut key = [0; 32];
        key.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
        let index = compute(&key, SealedColumn::new("people", "email"), b"ada@example.org");
        assert_eq!(
            data_encoding::HEXLOWER.encode(&index.0),
            "14943b0bc5c49fc332e561c23791ef13"
        );
    }

    #[test]
    fn table_column_and_value_do_not_run_into_each_other() {
        let key = [1; 32];
        let index = |table, column, value: &[u8]| compute(&key, SealedColumn::new(table, column), value);
        let base = index("ab", "c", b"d");
        for other in [
            index("a", "bc", b"d"),
            index("ab", "cd", b""),
            index("ab", "c", b"e"),
            index("ab", "", b"cd"),
        ] {
            assert_ne!(base, other);
        }
    }
}
