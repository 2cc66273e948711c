//! Which columns are sealed: constants, and the one registry of them.

/// A sealed column, by its logical table and column names: a renamed table still opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SealedColumn {
    table: &'static str,
    column: &'static str,
    padded: bool,
    /// Where it stands in the schema, when that is elsewhere by now.
    stored: Option<(&'static str, &'static str)>,
}

impl SealedColumn {
    /// The column of that table.
    #[must_use]
    pub const fn new(table: &'static str, column: &'static str) -> Self {
        Self {
            table,
            column,
            padded: false,
            stored: None,
        }
    }

    /// The same column, its values padded (Padmé) before they are sealed, so that their lengths say little. At most 12 %
    /// longer, and one byte. To be decided before the first value is sealed: a value sealed the one way does not
    /// open the other way.
    #[must_use]
    pub const fn padded(self) -> Self {
        Self { padded: true, ..self }
    }

    /// Whether its values are padded.
    #[must_use]
    pub const fn is_padded(&self) -> bool {
        self.padded
    }

    /// The same column after its table or column was renamed: it keeps its logical names, under which its fields were
    /// sealed, and is found in the schema under these.
    #[must_use]
    pub const fn stored_in(self, table: &'static str, column: &'static str) -> Self {
        Self {
            stored: Some((table, column)),
            ..self
        }
    }

    /// Logical table name.
    #[must_use]
    pub const fn table(&self) -> &'static str {
        self.table
    }

    /// Logical column name.
    #[must_use]
    pub const fn column(&self) -> &'static str {
        self.column
    }

    /// Table name in the schema.
    pub(crate) const fn stored_table(&self) -> &'static str {
        match self.stored {
            Some((table, _)) => table,
            None => self.table,
        }
    }

    /// Column name in the schema.
    pub(crate) const fn stored_column(&self) -> &'static str {
        match self.stored {
            Some((_, column)) => column,
            None => self.column,
        }
    }

    fn is_named_like(&self, other: &Self) -> bool {
        self.table == other.table && self.column == other.column
    }
}

/// Every sealed column of a program. A column that is not in it can be neither sealed nor opened.
#[derive(Clone, Debug, Default)]
pub struct ColumnRegistry(Vec<SealedColumn>);

/// A column is listed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {}.{} is listed twice", .0.table, .0.column)]
pub struct DuplicateColumn(pub SealedColumn);

impl ColumnRegistry {
    /// A registry of these columns.
    ///
    /// # Errors
    /// When one is listed twice.
    pub fn new(columns: &[SealedColumn]) -> Result<Self, DuplicateColumn> {
        for (at, column) in columns.iter().enumerate() {
            if columns
                .iter()
                .take(at)
                .any(|earlier| earlier.is_named_like(column))
            {
                return Err(DuplicateColumn(*column));
            }
        }
        Ok(Self(columns.to_vec()))
    }

    /// Place of a column in the registry.
    pub(crate) fn position(&self, column: SealedColumn) -> Option<usize> {
        self.0
            .iter()
            .position(|known| known.is_named_like(&column) && known.padded == column.padded)
    }

    /// The columns, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = SealedColumn> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_cannot_be_listed_twice() {
        let column = SealedColumn::new("t", "c");
        assert!(ColumnRegistry::new(&[column, SealedColumn::new("t", "d")]).is_ok());
        assert_eq!(
            ColumnRegistry::new(&[column, column]).map(drop),
            Err(DuplicateColumn(column))
        );
        assert_eq!(
            ColumnRegistry::new(&[column.padded(), column]).map(drop),
            Err(DuplicateColumn(column)),
            "padded or not, it is the same column"
        );
    }
}
