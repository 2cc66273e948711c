//! The registry of sealed columns: the one list from which sealing, rotation and the leak test take the columns.

use fieldcrypt::sqlite::{PlainColumn, PlainForm};
use fieldcrypt::{ColumnRegistry, SealedColumn};
use rusqlite::Connection;

use super::OpenError;

pub(super) const SETTING: SealedColumn = SealedColumn::new("settings", "value");
pub(super) const SERVER_STATE: SealedColumn = SealedColumn::new("server_state", "value");
pub(super) const PASSWORD: SealedColumn = SealedColumn::new("passwords", "record");
pub(super) const SESSION: SealedColumn = SealedColumn::new("sessions", "record");
pub(super) const SIGNIN_TOKEN: SealedColumn = SealedColumn::new("signin_tokens", "record");
pub(super) const SIGNING_KEY: SealedColumn = SealedColumn::new("signing_keys", "private_key");
pub(super) const ACCESS_KEY: SealedColumn = SealedColumn::new("access_keys", "record");
pub(super) const AUDIT_EVENT: SealedColumn = SealedColumn::new("audit_events", "record");
pub(super) const TLS_CERTIFICATE: SealedColumn = SealedColumn::new("tls_keys", "certificate");
pub(super) const TLS_PRIVATE_KEY: SealedColumn = SealedColumn::new("tls_keys", "private_key");

const ALL: [SealedColumn; 10] = [
    SETTING,
    SERVER_STATE,
    PASSWORD,
    SESSION,
    SIGNIN_TOKEN,
    SIGNING_KEY,
    ACCESS_KEY,
    AUDIT_EVENT,
    TLS_CERTIFICATE,
    TLS_PRIVATE_KEY,
];

#[expect(clippy::expect_used, reason = "a constant list; a test looks it over")]
pub(super) fn registry() -> ColumnRegistry {
    ColumnRegistry::new(&ALL).expect("no column is listed twice")
}

/// What stands unsealed beside them and is no secret, though it looks like one: identifiers, keyed hashes, public keys,
/// names that this program gives.
pub const PLAIN_COLUMNS: [PlainColumn; 11] = {
    use PlainForm::{Hash, Names, Random, RandomText};
    let column = PlainColumn::new;
    [
        column("refinery_schema_history", "name", Names, "names of migrations"),
        column("settings", "key", Names, "names of settings"),
        column("server_state", "name", Names, "names of facts"),
        column("sessions", "id", Random { bytes: 16 }, "identifiers of sessions"),
        column(
            "signin_tokens",
            "hash",
            Hash { bytes: 32 },
            "hashes of sign-in tokens, under a sealed key",
        ),
        column(
            "spent_tokens",
            "jti",
            Random { bytes: 16 },
            "identifiers of tokens that were used",
        ),
        column("signing_keys", "kid", RandomText, "thumbprints of public keys"),
        column("signing_keys", "public_key", Random { bytes: 32 }, "public keys"),
        column(
            "access_keys",
            "id",
            Random { bytes: 6 },
            "identifiers of access keys",
        ),
        column("audit_events", "kind", Names, "kinds of event"),
        column(
            "audit_events",
            "chain",
            Hash { bytes: 32 },
            "links of the chain of events, under a sealed key",
        ),
    ]
};

/// The sealed columns, for tools that look at a database without a key.
#[must_use]
pub fn sealed_columns() -> ColumnRegistry {
    registry()
}

/// Every column of the registry must be in the schema, as a BLOB.
pub(super) fn check_schema(connection: &Connection) -> Result<(), OpenError> {
    for column in ALL {
        let found: i64 = connection
            .query_row(
                "SELECT count(*) FROM pragma_table_info(?1) WHERE name = ?2 AND type = 'BLOB'",
                (column.table(), column.column()),
                |row| row.get(0),
            )
            .map_err(super::StoreError::from)?;
        if found != 1 {
            return Err(OpenError::ColumnMissing {
                table: column.table(),
                column: column.column(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blob_of_the_migrations_is_sealed_or_listed_as_plain() {
        let mut connection = Connection::open_in_memory().expect("opens");
        super::super::migrations::run(&mut connection).expect("migrates");
        check_schema(&connection).expect("the registry fits the schema");
        let mut statement = connection
            .prepare(
                "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND c.type = 'BLOB' AND t.name NOT LIKE 'sqlite_%'",
            )
            .expect("prepares");
        let blobs: Vec<(String, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .expect("reads");
        assert!(blobs.len() > ALL.len());
        for (table, column) in blobs {
            let sealed = ALL.iter().any(|c| c.table() == table && c.column() == column);
            let plain = PLAIN_COLUMNS
                .iter()
                .any(|c| c.table == table && c.column == column);
            assert!(
                sealed != plain,
                "{table}.{column} is neither sealed nor known to be plain"
            );
        }
    }
}
