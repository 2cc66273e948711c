//! The integrity seal: notices rows that were deleted, put back, added or edited by somebody without the keys.
//!
//! Sealing protects each value, but a row that is gone, or a row put back from an older copy, opens as it did. For every
//! [`ProtectedTable`] the seal therefore holds a hash of the *set* of its rows.
//!
//! ```text
//! row tag  = HMAC-SHA256(tag key,  lp(table) ‖ lp(row key) ‖ lp of each stored column in order)   summed up, never stored
//! row mark = HMAC-SHA256(mark key, row tag), first 16 bytes                                        stored, names the row
//! seal     = AES-256-GCM { schema digest, per table: Σ row tags mod 2^256, number of rows }, counter
//! ```
//!
//! # How it is kept
//! [`IntegritySeal::attach`] puts `TEMP` triggers on every protected table of one connection. They see each changed row's
//! old and new values, whatever SQL changed it (`DELETE … WHERE`, a foreign key's cascade, `REPLACE`), and write seal and
//! mark in the same statement. So no call can be forgotten, and a rollback of a statement, a savepoint or a transaction
//! takes the seal back with the rows, because SQLite does it. `TEMP` triggers live in the connection, not in the file:
//! who writes the file cannot change them, and functions they call are refused to any trigger that stands in the file
//! (`SQLITE_DIRECTONLY`). The road not taken: SQLite's pre-update hook sees the same values, but it does not see a
//! rollback of a savepoint or a failed statement, it cannot refuse, and rusqlite's feature for it needs libclang to build.
//! For the length of one batch of a rotation the update triggers hand what they see to a sum in memory, and seal and marks
//! are written once, in the same transaction: row by row they cost four times what they protect. Should that be cut short,
//! the seal does not fit. A connection without triggers that writes to a protected table breaks the seal: the next [`IntegritySeal::verify`]
//! refuses. That is the safe side.
//!
//! Not seen by triggers, and so not to be used on a protected table: incremental blob writes (`sqlite3_blob_write`),
//! and `ALTER TABLE` (see [`IntegritySeal::suspend`]).
//!
//! # Why the sum is safe, checked against its paper
//! This is `MSet-Add-Hash` of Clarke, Devadas, van Dijk, Gassend and Suh, *Incremental Multiset Hash Functions and Their
//! Application to Memory Integrity Checking*, ASIACRYPT 2003: the hash of a multiset M is
//! (H(0, r) + Σ M(b)·H(1, b) mod 2^m, |M|, r), where H is a pseudorandom function under a secret key and r is fresh. Collisions
//! among multisets are as hard as telling H from a random function: under a random function two different sets
//! have sums that differ by a non-empty sum of independent, uniform 256-bit numbers, which is zero with probability 2^-256.
//! Here H(1, ·) is the row tag: HMAC-SHA256 under a key of its own; the encoding of a row is injective (lengths before
//! parts, a type byte before values); m is 256. A primary key is unique, so no row is there twice. The simpler `MSet-XOR-Hash`
//! is collision resistant for sets only (a row there twice cancels out), and saves nothing: the tags cost, not the addition.
//!
//! That argument needs the attacker to see **neither tags nor sums**. The mask H(0, r) of the paper hides the sum; here the
//! seal hides and authenticates it. Tags must not be seen either: Wagner's generalised birthday attack (CRYPTO 2002)
//! finds old rows that add up to the sum, in about 2^36 steps for some 7,500 rows of which two versions each are known.
//! So a tag is never stored, and what is stored to name a damaged row is a mark made of it under another key: to who has not
//! that key it is the output of a random function, and tells no more than whether two tags are the same.
//!
//! # Why marks, when the sum decides
//! A sum says *that* a table was altered, not where; the person who must decide what to do wants to know which rows. With a mark
//! a row, an edited row does not fit its mark, a deleted one leaves its mark behind, an added one has none. It costs one
//! more small row per change and one HMAC of 32 bytes per row written. Who puts back a row together with its mark is caught by the sum,
//! and then only the table is named.
//!
//! # What it does not notice
//! A whole file put back from an older copy is consistent in itself; that is what [`crate::Witness`] is for. And it is
//! checked when [`IntegritySeal::verify`] is called, not when a row is read: what is altered while a program runs is
//! refused at the next check, sealed values at once.

mod chain;
pub(crate) mod hashing;
pub(crate) mod row_tag;
pub(crate) mod table_seal;
mod verify;

pub use chain::{ChainLink, RowChain};
pub(crate) use verify::TableCheck;
pub use verify::{DamagedRow, DamagedTable, IntegrityError, Report, RowDamage, Verified};

use hmac::Hmac;
use sha2::Sha256;

use crate::kdf;
use crate::keyring::KeyPurpose;
use crate::labels;
use crate::secret::SecretKey;
use crate::vault::Vault;
use row_tag::RowKeys;

/// A table whose set of rows is protected. It must declare a primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProtectedTable(&'static str);

impl ProtectedTable {
    /// The table of that name.
    #[must_use]
    pub const fn new(table: &'static str) -> Self {
        Self(table)
    }

    /// Its name.
    #[must_use]
    pub const fn table(&self) -> &'static str {
        self.0
    }
}

/// The integrity seal of a database: its keys, and which tables it is about. Bound to no connection.
pub struct IntegritySeal {
    pub(crate) keys: std::sync::Arc<IntegrityKeys>,
    /// The crate's own tables, then the program's.
    pub(crate) tables: Vec<&'static str>,
    pub(crate) witness: Hmac<Sha256>,
}

/// What tags, marks and seals are made with. Wiped on drop.
pub(crate) struct IntegrityKeys {
    pub(crate) rows: RowKeys,
    pub(crate) seal: SecretKey,
    pub(crate) install_id: [u8; 16],
}

impl Vault {
    /// The integrity seal over these tables. The tables of key slots and of the keyring are protected with them, so that an
    /// old slot put back does not let an old password in.
    ///
    /// # Errors
    /// When the keyring has no integrity key.
    pub fn integrity_seal(&self, tables: &[ProtectedTable]) -> Result<IntegritySeal, IntegrityError> {
        let keyring = self.keyring();
        let integrity = keyring
            .only_key(KeyPurpose::Integrity)
            .ok_or(IntegrityError::NoKey)?;
        let mut names = crate::sqlite::OWN_PROTECTED.to_vec();
        for table in tables {
            if !names.contains(&table.0) {
                names.push(table.0);
            }
        }
        Ok(IntegritySeal {
            keys: std::sync::Arc::new(IntegrityKeys {
                rows: RowKeys::new(integrity),
                seal: kdf::expand(integrity, labels::INTEGRITY_SEAL),
                install_id: self.install_id,
            }),
            tables: names,
            witness: row_tag::keyed(integrity, labels::WITNESS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(IntegritySeal: Debug, Display, Clone, Default);
    assert_not_impl_any!(crate::Witness: Debug, Display, Clone, Default);
    assert_impl_all!(IntegritySeal: Send, Sync);
    assert_impl_all!(crate::Witness: Send, Sync);
}
