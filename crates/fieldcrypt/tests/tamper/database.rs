//! A small protected database, and an attacker's connection to its file: no keys, no triggers.

use std::path::{Path, PathBuf};

use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{
    ColumnRegistry, IntegritySeal, NewVault, ProtectedTable, RowKey, SealedColumn, SlotSecret, Vault,
};
use rusqlite::Connection;

pub(crate) const NAME: SealedColumn = SealedColumn::new("people", "name");
pub(crate) const CITY: SealedColumn = SealedColumn::new("people", "city");
pub(crate) const NOTE: SealedColumn = SealedColumn::new("notes", "note");
pub(crate) const PROTECTED: [ProtectedTable; 2] =
    [ProtectedTable::new("people"), ProtectedTable::new("notes")];

pub(crate) fn registry() -> ColumnRegistry {
    ColumnRegistry::new(&[NAME, CITY, NOTE]).expect("no duplicates")
}

/// A key file: unlocking takes no 600,000 rounds.
pub(crate) fn key_file() -> SlotSecret {
    SlotSecret::key_file(vec![7; 32]).expect("long enough")
}

pub(crate) struct Database {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) vault: Vault,
    pub(crate) seal: IntegritySeal,
}

impl Database {
    /// Two tables, three people (1 to 3) and two notes (`a`, `b`), sealed and attached. Pages of 512 bytes: a small file.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("protected.sqlite");
        let raw = Connection::open(&path).expect("made");
        raw.execute_batch("PRAGMA page_size = 512; PRAGMA journal_mode = WAL")
            .expect("set");
        drop(raw);
        let mut connection = open_connection(&path, OpenMode::Existing).expect("opens");
        let vault =
            Vault::create(&mut connection, registry(), &key_file(), &NewVault::first(0)).expect("vault");
        connection
            .execute_batch(
                "CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, age INTEGER, name BLOB, city BLOB) STRICT;
                 CREATE TABLE notes (key TEXT NOT NULL PRIMARY KEY, note BLOB NOT NULL) STRICT, WITHOUT ROWID;
                 CREATE INDEX people_by_age ON people (age);",
            )
            .expect("tables");
        let seal = vault.integrity_seal(&PROTECTED).expect("has a key");
        seal.rebuild(&connection, 0).expect("sealed");
        seal.attach(&connection).expect("attached");
        let database = Self {
            folder,
            path,
            connection,
            vault,
            seal,
        };
        for (id, name) in [(1, "Ada"), (2, "Blaise"), (3, "Carl")] {
            database.put_person(id, name);
        }
        for key in ["a", "b"] {
            let note = database
                .vault
                .seal(NOTE, &RowKey::Text(key), key.as_bytes())
                .expect("seals");
            database
                .connection
                .execute("INSERT INTO notes VALUES (?1, ?2)", (key, note))
                .expect("stored");
        }
        database
    }

    pub(crate) fn put_person(&self, id: i64, name: &str) {
        let row = RowKey::Integer(id);
        let sealed = self.vault.seal(NAME, &row, name.as_bytes()).expect("seals");
        let city = self.vault.seal(CITY, &row, b"Paris").expect("seals");
        self.connection
            .execute(
                "INSERT INTO people VALUES (?1, ?2, ?3, ?4)",
                (id, 30 + id, sealed, city),
            )
            .expect("stored");
    }

    /// Somebody with the file and without the keys.
    pub(crate) fn attacker(&self) -> Connection {
        Connection::open(&self.path).expect("opens")
    }

    /// Lets the attacker work, says what the next check says, and puts everything back.
    pub(crate) fn after(&self, attack: &str) -> Result<fieldcrypt::Verified, fieldcrypt::IntegrityError> {
        let attacker = self.attacker();
        attacker.execute_batch("BEGIN IMMEDIATE").expect("begins");
        attacker.execute_batch(attack).expect(attack);
        let result = self.seal.verify(&attacker);
        attacker.execute_batch("ROLLBACK").expect("restored");
        result
    }
}

/// A copy of the database, log and all.
pub(crate) fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let with = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        if with(from).exists() {
            std::fs::copy(with(from), with(to)).expect("copied");
        } else {
            drop(std::fs::remove_file(with(to)));
        }
    }
}
