//! Rows of TLS keys.

use fieldcrypt::{RowKey, Sealed, SealedColumn, Secret, Vault};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::apply::Room;
use super::change::{Outcome, Request};
use super::columns::{TLS_CERTIFICATE, TLS_PRIVATE_KEY};
use super::{Store, StoreError, audit};
use crate::audit::event::AuditEvent;
use crate::tls_keys::{StoredTlsKeys, TlsKey, TlsKeyName};

/// Puts them in the place of those of the same names.
pub(super) fn put(
    connection: &Connection,
    room: &Room<'_>,
    request: &Request,
    keys: &[(TlsKeyName, TlsKey)],
) -> Result<Outcome, StoreError> {
    for (name, key) in keys {
        let row = RowKey::Text(name.name());
        let certificate = room.vault.seal(TLS_CERTIFICATE, &row, &key.certificate)?;
        let private_key = room.vault.seal(TLS_PRIVATE_KEY, &row, key.expose_private_key())?;
        connection
            .prepare_cached(
                "INSERT INTO tls_keys (name, certificate, private_key) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE
                 SET certificate = excluded.certificate, private_key = excluded.private_key",
            )?
            .execute((name.name(), certificate, private_key))?;
        let made = AuditEvent::CertificateMade {
            name: name.name().to_owned(),
        };
        audit::record(connection, room, request, made)?;
    }
    Ok(Outcome::Done)
}

/// Whoever may have read them can pass for the server, or vouch for anybody.
pub(super) fn delete_all(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("DELETE FROM tls_keys", [])?;
    Ok(())
}

/// What is stored; nothing in a database that was made before there was such a table, and not opened for writing since.
pub(super) fn load(connection: &Connection, vault: &Vault) -> Result<StoredTlsKeys, StoreError> {
    let table: i64 = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'tls_keys'",
        [],
        |row| row.get(0),
    )?;
    if table == 0 {
        return Ok(StoredTlsKeys::default());
    }
    Ok(StoredTlsKeys {
        authority: one(connection, vault, TlsKeyName::Authority)?,
        server: one(connection, vault, TlsKeyName::Server)?,
    })
}

fn one(connection: &Connection, vault: &Vault, name: TlsKeyName) -> Result<Option<TlsKey>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT certificate, private_key FROM tls_keys WHERE name = ?1")?;
    let found = statement.query_row([name.name()], |row| {
        Ok((
            field(row, 0, TLS_CERTIFICATE, name),
            field(row, 1, TLS_PRIVATE_KEY, name),
        ))
    });
    let Some((certificate, private_key)) = found.optional()? else {
        return Ok(None);
    };
    let open = |column, sealed: &Sealed| -> Result<Secret, StoreError> {
        let opened = vault.open(column, &RowKey::Text(name.name()), sealed);
        opened.map_err(|error| StoreError::damaged(column, name.name(), error))
    };
    let certificate = open(TLS_CERTIFICATE, &certificate?)?;
    let private_key = open(TLS_PRIVATE_KEY, &private_key?)?;
    Ok(Some(TlsKey::new(
        certificate.expose_bytes().to_vec(),
        private_key,
    )))
}

/// The error of a field that is no sealed one names its row.
fn field(row: &Row<'_>, at: usize, column: SealedColumn, name: TlsKeyName) -> Result<Sealed, StoreError> {
    row.get(at)
        .map_err(|error| StoreError::damaged(column, name.name(), error))
}

impl Store {
    /// What is stored, read from the file.
    pub(crate) fn tls_keys(&self) -> Result<StoredTlsKeys, StoreError> {
        let connection = self.reader();
        // Another process may have sealed it anew, with a key that is newer than what is in memory.
        self.vault()
            .reload_if_changed(&connection)
            .map_err(StoreError::from)?;
        load(&connection, self.vault())
    }
}
