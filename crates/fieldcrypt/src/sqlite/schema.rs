//! The vault's own tables.

use rusqlite::{Connection, OptionalExtension as _};

use crate::error::UnlockError;

/// The format of these tables.
const VERSION: i64 = 1;

/// Columns of a slot, proven or not.
const SLOT: &str = "id INTEGER NOT NULL PRIMARY KEY,
    kind           TEXT    NOT NULL,
    label          TEXT    NOT NULL,
    kdf_iterations INTEGER,
    salt           BLOB    NOT NULL,
    commitment     BLOB    NOT NULL,
    wrapped_master BLOB    NOT NULL,
    created        INTEGER NOT NULL";

pub(super) fn exists(connection: &Connection) -> rusqlite::Result<bool> {
    has_table(connection, "fieldcrypt_install")
}

pub(super) fn create(connection: &Connection, install_id: &[u8; 16]) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE fieldcrypt_install (
             id              INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
             format          INTEGER NOT NULL,
             install_id      BLOB    NOT NULL CHECK (length(install_id) = 16),
             keyring_version INTEGER NOT NULL
         ) STRICT;
         CREATE TABLE fieldcrypt_slots (
             {SLOT}
         ) STRICT;
         CREATE TABLE fieldcrypt_keys (
             number        INTEGER NOT NULL PRIMARY KEY,
             purpose       TEXT    NOT NULL,
             algorithm     INTEGER NOT NULL,
             state         TEXT    NOT NULL,
             wrapped_key   BLOB,
             created       INTEGER NOT NULL,
             fields_sealed INTEGER NOT NULL
         ) STRICT;",
    ))?;
    connection.execute(
        "INSERT INTO fieldcrypt_install (id, format, install_id, keyring_version) VALUES (1, ?1, ?2, 1)",
        (VERSION, install_id),
    )?;
    complete(connection)
}

/// Makes the tables that changing keys works with, where they are missing: a vault of an earlier version has none.
pub(super) fn complete(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS fieldcrypt_new_slot (     -- a slot that is not proven yet, and opens nothing
             {SLOT}
         ) STRICT;
         CREATE TABLE IF NOT EXISTS fieldcrypt_traces (        -- what a purge must find nowhere any more
             piece BLOB NOT NULL                               -- every bit inverted, or it would find itself
         ) STRICT;
         CREATE TABLE IF NOT EXISTS fieldcrypt_rotation (
             id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
             phase      TEXT    NOT NULL,
             direction  TEXT    NOT NULL,
             active     INTEGER NOT NULL,
             retiring   INTEGER NOT NULL,
             at_table   TEXT,                                  -- logical; NULL: the walk starts
             at_column  TEXT,
             rows_done  INTEGER NOT NULL,
             rows_total INTEGER NOT NULL,
             started    INTEGER NOT NULL
         ) STRICT;
         CREATE TABLE IF NOT EXISTS fieldcrypt_rotation_place (-- primary key of the last row walked
             part  INTEGER NOT NULL PRIMARY KEY,
             value ANY     NOT NULL
         ) STRICT;
         CREATE TABLE IF NOT EXISTS fieldcrypt_unopenable (
             table_name  TEXT NOT NULL,
             column_name TEXT NOT NULL,
             row_key     TEXT NOT NULL,
             reason      TEXT NOT NULL,
             PRIMARY KEY (table_name, column_name, row_key)
         ) STRICT, WITHOUT ROWID;",
    ))
}

pub(super) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?
        .exists([name])
}

pub(super) fn install_id(connection: &Connection) -> Result<[u8; 16], UnlockError> {
    let row: Option<(i64, [u8; 16])> = connection
        .query_row(
            "SELECT format, install_id FROM fieldcrypt_install WHERE id = 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    match row {
        Some((VERSION, install_id)) => Ok(install_id),
        Some((format, _)) => Err(UnlockError::UnknownFormat {
            what: format!("format {format} of the vault"),
        }),
        None => Err(UnlockError::UnknownFormat {
            what: "the row of fieldcrypt_install is missing".to_owned(),
        }),
    }
}
