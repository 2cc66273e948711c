//! What a thief with the file and the field password reads: every sealed value, by `fieldcrypt` as a stranger would use it.
#![expect(clippy::disallowed_methods, reason = "a thief writes SQL")]

use std::path::Path;

use authcore::sealed_columns;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{RowKey, Sealed, SealedColumn, SlotSecret, Vault};
use serde_json::Value;

use crate::house::FIELD;

pub(crate) struct Stolen {
    signing_keys: Vec<(String, Vec<u8>)>,
    sessions: Vec<(Vec<u8>, Vec<u8>)>,
    access_keys: Vec<(Vec<u8>, Vec<u8>)>,
    signin_tokens: Vec<(Vec<u8>, Vec<u8>)>,
    server_state: Vec<(String, Vec<u8>)>,
    revision: i64,
}

impl Stolen {
    pub(crate) fn from(folder: &Path) -> Self {
        let connection = open_connection(&folder.join("postern.sqlite"), OpenMode::ReadOnly).expect("opens");
        let vault =
            Vault::unlock(&connection, sealed_columns(), &SlotSecret::password(FIELD)).expect("unlocks");
        let text = |table: &'static str, key: &'static str, column: &'static str| {
            let mut statement = connection
                .prepare(&format!("SELECT {key}, {column} FROM {table}"))
                .expect("SQL");
            let rows =
                statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Sealed>(1)?)));
            let open = |(key, sealed): (String, Sealed)| {
                let secret = vault
                    .open(SealedColumn::new(table, column), &RowKey::Text(&key), &sealed)
                    .expect("opens");
                (key, secret.expose_bytes().to_vec())
            };
            rows.expect("rows")
                .map(|row| open(row.expect("a row")))
                .collect::<Vec<_>>()
        };
        let blob = |table: &'static str, key: &'static str| {
            let mut statement = connection
                .prepare(&format!("SELECT {key}, record FROM {table}"))
                .expect("SQL");
            let rows = statement.query_map([], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Sealed>(1)?))
            });
            let open = |(key, sealed): (Vec<u8>, Sealed)| {
                let secret = vault
                    .open(SealedColumn::new(table, "record"), &RowKey::Blob(&key), &sealed)
                    .expect("opens");
                (key, secret.expose_bytes().to_vec())
            };
            rows.expect("rows")
                .map(|row| open(row.expect("a row")))
                .collect::<Vec<_>>()
        };
        let revision = connection.query_row("SELECT coalesce(max(revision), 0) FROM sessions", [], |row| {
            row.get(0)
        });
        Self {
            signing_keys: text("signing_keys", "kid", "private_key"),
            server_state: text("server_state", "name", "value"),
            sessions: blob("sessions", "id"),
            access_keys: blob("access_keys", "id"),
            signin_tokens: blob("signin_tokens", "hash"),
            revision: revision.expect("a number"),
        }
    }

    /// The seed of the signing key.
    pub(crate) fn seed(&self) -> [u8; 32] {
        let (_, seed) = self.signing_keys.first().expect("a key");
        seed.as_slice().try_into().expect("32 bytes")
    }

    pub(crate) fn kid(&self) -> &str {
        &self.signing_keys.first().expect("a key").0
    }

    /// The key under which tokens are hashed.
    pub(crate) fn hash_key(&self) -> [u8; 32] {
        let key = self
            .server_state
            .iter()
            .find(|(name, _)| name == "token-hash-key")
            .expect("there");
        key.1.as_slice().try_into().expect("32 bytes")
    }

    /// The first session, as cookies name it.
    pub(crate) fn session(&self) -> String {
        HEXLOWER.encode(&self.sessions.first().expect("a session").0)
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    /// The first access key, as its text names it.
    pub(crate) fn access_key(&self) -> String {
        HEXLOWER.encode(&self.access_keys.first().expect("a key").0)
    }

    /// Every value of 32 bytes that stands in what was opened, as bytes or as text.
    pub(crate) fn values(&self) -> Vec<[u8; 32]> {
        let mut found = vec![self.seed(), self.hash_key()];
        let keyed = [&self.sessions, &self.access_keys, &self.signin_tokens];
        for (key, record) in keyed.into_iter().flatten() {
            found.extend(whole(key));
            collect(&serde_json::from_slice(record).expect("JSON"), &mut found);
        }
        found.extend(self.server_state.iter().filter_map(|(_, value)| whole(value)));
        assert!(found.len() > 3, "there is something to try");
        found
    }
}

fn collect(value: &Value, found: &mut Vec<[u8; 32]>) {
    match value {
        Value::String(text) => {
            let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap_or_default();
            found.extend(whole(&bytes));
        }
        Value::Array(members) => members.iter().for_each(|member| collect(member, found)),
        Value::Object(members) => members.values().for_each(|member| collect(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn whole(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}
