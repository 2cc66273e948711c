//! What stands unsealed in the vault's own tables, and why that is no secret.

/// A column that is not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainColumn {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What its values look like.
    pub form: PlainForm,
    /// What they are, for a person.
    pub holds: &'static str,
}

/// What the values of a column look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainForm {
    /// Random bytes, always so many.
    Random {
        /// How many.
        bytes: usize,
    },
    /// A hash under a key or of something that cannot be guessed, always so many bytes.
    Hash {
        /// How many.
        bytes: usize,
    },
    /// Encrypted under a key that is not in the file.
    Encrypted {
        /// How many bytes, where that is always the same.
        bytes: Option<usize>,
    },
    /// Random bytes in a text form.
    RandomText,
    /// Copies of other tables' primary keys.
    Keys,
    /// Names that the program gives.
    Names,
}

impl PlainColumn {
    /// The column of that table.
    #[must_use]
    pub const fn new(
        table: &'static str,
        column: &'static str,
        form: PlainForm,
        holds: &'static str,
    ) -> Self {
        Self {
            table,
            column,
            form,
            holds,
        }
    }
}

const SALT: &str = "salts of the key derivation";
const COMMITMENT: &str = "commitments: one costs a guesser a full key derivation";
const WRAPPED_MASTER: &str = "the master key, wrapped under a slot's secret";

/// Every BLOB of the vault's own tables, and every text that looks like a secret and is none.
pub const OWN_COLUMNS: [PlainColumn; 25] = {
    use PlainForm::{Encrypted, Hash, Keys, Names, Random};
    let column = PlainColumn::new;
    [
        column(
            "fieldcrypt_install",
            "install_id",
            Random { bytes: 16 },
            "the number of this install",
        ),
        column("fieldcrypt_slots", "kind", Names, "kinds of slot"),
        column("fieldcrypt_slots", "salt", Random { bytes: 32 }, SALT),
        column("fieldcrypt_slots", "commitment", Hash { bytes: 32 }, COMMITMENT),
        column(
            "fieldcrypt_slots",
            "wrapped_master",
            Encrypted { bytes: Some(60) },
            WRAPPED_MASTER,
        ),
        column("fieldcrypt_new_slot", "kind", Names, "kinds of slot"),
        column("fieldcrypt_new_slot", "salt", Random { bytes: 32 }, SALT),
        column(
            "fieldcrypt_new_slot",
            "commitment",
            Hash { bytes: 32 },
            COMMITMENT,
        ),
        column(
            "fieldcrypt_new_slot",
            "wrapped_master",
            Encrypted { bytes: Some(60) },
            WRAPPED_MASTER,
        ),
        column("fieldcrypt_keys", "purpose", Names, "what a key is for"),
        column("fieldcrypt_keys", "state", Names, "states of keys"),
        column(
            "fieldcrypt_keys",
            "wrapped_key",
            Encrypted { bytes: Some(60) },
            "keys, wrapped under the master key",
        ),
        column(
            "fieldcrypt_traces",
            "piece",
            Random { bytes: 16 },
            "what a purge looks for: ends of ciphertexts",
        ),
        column("fieldcrypt_rotation", "phase", Names, "where a rotation is"),
        column("fieldcrypt_rotation", "direction", Names, "where a rotation goes"),
        column("fieldcrypt_rotation", "at_table", Names, "where a rotation is"),
        column("fieldcrypt_rotation", "at_column", Names, "where a rotation is"),
        column(
            "fieldcrypt_rotation_place",
            "value",
            Keys,
            "the key of the row a rotation came to",
        ),
        column("fieldcrypt_unopenable", "table_name", Names, "names of tables"),
        column("fieldcrypt_unopenable", "column_name", Names, "names of columns"),
        column("fieldcrypt_row_marks", "table_name", Names, "names of tables"),
        column(
            "fieldcrypt_unopenable",
            "row_key",
            Keys,
            "keys of rows that do not open",
        ),
        column(
            "fieldcrypt_seal",
            "seal",
            Encrypted { bytes: None },
            "the integrity seal, encrypted",
        ),
        column(
            "fieldcrypt_row_marks",
            "row_key",
            Keys,
            "keys of rows under the integrity seal",
        ),
        column(
            "fieldcrypt_row_marks",
            "mark",
            Hash { bytes: 16 },
            "marks of the integrity seal, under a key",
        ),
    ]
};

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "this room is where SQL lives")]
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn every_blob_of_the_own_tables_is_listed() {
        let connection = Connection::open_in_memory().expect("opens");
        super::super::schema::create(&connection, &[7; 16]).expect("makes its tables");
        let mut statement = connection
            .prepare(
                "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND c.type IN ('BLOB', 'ANY')",
            )
            .expect("prepares");
        let blobs: Vec<(String, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .expect("reads");
        assert!(blobs.len() > 8);
        for (table, column) in blobs {
            let listed = OWN_COLUMNS
                .iter()
                .any(|own| own.table == table && own.column == column);
            assert!(listed, "{table}.{column} is not listed");
        }
    }
}
