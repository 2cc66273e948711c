//! Opening every sealed field, to know that all of them open.

use rusqlite::Connection;

use super::column_walk::{CHUNK_ROWS, FieldOfRow, MaybeSealed, StoredColumn, key_text, with_row_key};
use crate::error::OpenError;
use crate::rotation::{RotationError, UnopenableField};
use crate::sealed::Sealed;
use crate::vault::Vault;

/// What opening every sealed field of a database came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldCheck {
    /// Fields that opened.
    pub opened: u64,
    /// Fields that did not, in the order of the registry and of the primary keys.
    pub unopenable: Vec<UnopenableField>,
}

impl Vault {
    /// Opens every field of every registered column, within one transaction of the caller's where others write. Memory
    /// stays flat but for what does not open.
    ///
    /// # Errors
    /// When a registered column is not in the schema, or its table declares no primary key, and what SQLite says.
    pub fn check_fields(&self, connection: &Connection) -> Result<FieldCheck, RotationError> {
        let mut check = FieldCheck::default();
        for column in self.registry.iter() {
            let stored = StoredColumn::of(connection, column)?;
            let mut after = Vec::new();
            loop {
                let chunk = stored.read(connection, &after, CHUNK_ROWS)?;
                let Some(last) = chunk.last().map(|row| row.key.clone()) else {
                    break;
                };
                for FieldOfRow { key, stored } in chunk {
                    let MaybeSealed(Some(bytes)) = stored else {
                        continue;
                    };
                    let opened = with_row_key(&key, |row| self.open(column, row, &Sealed::parse(bytes)?))
                        .unwrap_or(Err(OpenError::AuthenticationFailed));
                    match opened {
                        Ok(_) => check.opened += 1,
                        Err(reason) => check.unopenable.push(UnopenableField {
                            table: column.table().to_owned(),
                            column: column.column().to_owned(),
                            row: key_text(&key),
                            reason: reason.to_string(),
                        }),
                    }
                }
                after = last;
            }
        }
        Ok(check)
    }
}
