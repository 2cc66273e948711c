//! The proof that nothing is left under a key that is to be destroyed.

use crate::column::{ColumnRegistry, SealedColumn};
use crate::keyring::DataKeyNumber;

/// Proof that every field of every registered column is under the active key, or empty. Made only here, by a look at all
/// of them; good only within the transaction it was made in, which `T` stands for: after it, somebody may have written.
pub(crate) struct CleanPass<'t, T> {
    transaction: &'t T,
    retiring: DataKeyNumber,
}

impl<'t, T> CleanPass<'t, T> {
    /// Looks at every column; `None` when something is left. `has_other` says whether a column holds anything that is
    /// not under the active key.
    pub(crate) fn over<E>(
        transaction: &'t T,
        registry: &ColumnRegistry,
        retiring: DataKeyNumber,
        has_other: impl Fn(SealedColumn) -> Result<bool, E>,
    ) -> Result<Option<Self>, E> {
        for column in registry.iter() {
            if has_other(column)? {
                return Ok(None);
            }
        }
        Ok(Some(Self {
            transaction,
            retiring,
        }))
    }

    /// The key nothing is under, and the transaction in which that is so.
    pub(crate) const fn into_parts(self) -> (&'t T, DataKeyNumber) {
        (self.transaction, self.retiring)
    }
}
