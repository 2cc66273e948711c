//! What becomes of one field when a sweep comes by.

use crate::column::SealedColumn;
use crate::error::{OpenError, SealError};
use crate::keyring::DataKeyNumber;
use crate::row_key::RowKey;
use crate::sealed::Sealed;
use crate::vault::Vault;

/// What becomes of it.
pub(crate) enum Fate {
    /// It is under the active key, and opens.
    Stays,
    /// It was under another key.
    Becomes {
        /// As it stands: the condition of the update.
        old: Sealed,
        /// The same value under the active key.
        new: Sealed,
    },
    /// It does not open: left as it is, recorded.
    Unopenable(OpenError),
}

/// Opens the field and, where it is not under the active key, seals it anew. A field under the active key is opened too:
/// one whose header was altered to look so would lose its key.
pub(crate) fn fate(
    vault: &Vault,
    active: DataKeyNumber,
    column: SealedColumn,
    row: &RowKey<'_>,
    stored: Vec<u8>,
) -> Result<Fate, SealError> {
    let opened = Sealed::parse(stored).and_then(|old| {
        let plaintext = vault.open(column, row, &old)?;
        Ok((old, plaintext))
    });
    match opened {
        Err(reason) => Ok(Fate::Unopenable(reason)),
        Ok((old, _)) if old.key() == active => Ok(Fate::Stays),
        Ok((old, plaintext)) => {
            let new = vault.seal(column, row, plaintext.expose_bytes())?;
            Ok(Fate::Becomes { old, new })
        }
    }
}
