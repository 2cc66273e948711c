//! A vault over two tables of people and their notes, opened by key files, which cost no PBKDF2.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{ColumnRegistry, NewSlot, NewVault, RowKey, Sealed, SealedColumn, SlotSecret, Vault};
use rusqlite::Connection;

pub(crate) const NAME: SealedColumn = SealedColumn::new("people", "name");
pub(crate) const NOTE: SealedColumn = SealedColumn::new("notes", "text");
pub(crate) const SECOND: SealedColumn = SealedColumn::new("notes", "second").stored_in("notes", "renamed");

pub(crate) fn registry() -> ColumnRegistry {
    ColumnRegistry::new(&[NAME, NOTE, SECOND]).expect("no duplicates")
}

pub(crate) fn key_file(byte: u8) -> SlotSecret {
    SlotSecret::key_file(vec![byte; 32]).expect("long enough")
}

pub(crate) fn new_slot(label: &str) -> NewSlot {
    NewSlot {
        label: label.to_owned(),
        kdf: fieldcrypt::KdfParams::default(),
        created_unix: 1_700_000_000,
    }
}

pub(crate) struct Fixture {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) vault: Vault,
}

/// A vault whose first slot opens with key file 1.
pub(crate) fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("vault.sqlite");
    let mut connection = open_connection(&path, OpenMode::CreateNew).expect("opens");
    let vault = Vault::create(&mut connection, registry(), &key_file(1), &NewVault::first(0)).expect("made");
    connection
        .execute_batch(
            "CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name BLOB, plain TEXT) STRICT;
             CREATE TABLE notes (owner TEXT NOT NULL, nr BLOB NOT NULL, text BLOB NOT NULL, renamed BLOB,
                                 PRIMARY KEY (owner, nr)) STRICT, WITHOUT ROWID;",
        )
        .expect("tables");
    Fixture {
        folder,
        path,
        connection,
        vault,
    }
}

pub(crate) fn open(path: &Path) -> Connection {
    open_connection(path, OpenMode::Existing).expect("opens")
}

pub(crate) fn put_person(connection: &Connection, vault: &Vault, id: i64) {
    let sealed = vault
        .seal(NAME, &RowKey::Integer(id), person(id).as_bytes())
        .expect("seals");
    connection
        .execute(
            "INSERT OR REPLACE INTO people (id, name, plain) VALUES (?1, ?2, 'a planted control')",
            (id, sealed),
        )
        .expect("stored");
}

pub(crate) fn person(id: i64) -> String {
    format!("person number {id}")
}

pub(crate) fn put_note(connection: &Connection, vault: &Vault, owner: &str, nr: &[u8]) {
    let key = [RowKey::Text(owner), RowKey::Blob(nr)];
    let seal = |column| {
        vault
            .seal(column, &RowKey::Composite(&key), note(owner, nr).as_bytes())
            .expect("seals")
    };
    connection
        .execute(
            "INSERT INTO notes (owner, nr, text, renamed) VALUES (?1, ?2, ?3, ?4)",
            (
                owner,
                nr,
                seal(NOTE),
                nr.first().is_some_and(|n| n % 2 == 0).then(|| seal(SECOND)),
            ),
        )
        .expect("stored");
}

pub(crate) fn note(owner: &str, nr: &[u8]) -> String {
    format!("note {nr:?} of {owner}")
}

/// Every field opens to what was put in; says how many fields there were.
pub(crate) fn everything_opens(connection: &Connection, vault: &Vault) -> usize {
    let mut fields = 0;
    let mut people = connection
        .prepare("SELECT id, name FROM people")
        .expect("prepares");
    let mut rows = people.query([]).expect("reads");
    while let Some(row) = rows.next().expect("reads") {
        let id = row.get(0).expect("id");
        let sealed: Sealed = row.get(1).expect("sealed");
        let opened = vault.open(NAME, &RowKey::Integer(id), &sealed).expect("opens");
        assert_eq!(opened.expose_bytes(), person(id).as_bytes());
        fields += 1;
    }
    let mut notes = connection
        .prepare("SELECT owner, nr, text, renamed FROM notes")
        .expect("prepares");
    let mut rows = notes.query([]).expect("reads");
    while let Some(row) = rows.next().expect("reads") {
        let (owner, nr): (String, Vec<u8>) = (row.get(0).expect("owner"), row.get(1).expect("nr"));
        let key = [RowKey::Text(&owner), RowKey::Blob(&nr)];
        for (column, sealed) in [(NOTE, row.get(2)), (SECOND, row.get::<_, Option<Sealed>>(3))] {
            if let Some(sealed) = sealed.expect("sealed or NULL") {
                let opened = vault
                    .open(column, &RowKey::Composite(&key), &sealed)
                    .expect("opens");
                assert_eq!(opened.expose_bytes(), note(&owner, &nr).as_bytes());
                fields += 1;
            }
        }
    }
    fields
}

/// How often the bytes stand in the files of a folder. Independent of the library's own scan.
pub(crate) fn count_in(folder: &Path, needle: &[u8]) -> usize {
    assert!(!needle.is_empty());
    std::fs::read_dir(folder)
        .expect("lists")
        .map(|file| {
            let bytes = std::fs::read(file.expect("entry").path()).expect("reads");
            bytes
                .windows(needle.len())
                .filter(|window| *window == needle)
                .count()
        })
        .sum()
}

/// How many of the pieces, the last 16 bytes of sealed things, stand in the files of a folder.
pub(crate) fn pieces_in(folder: &Path, pieces: &HashSet<[u8; 16]>) -> usize {
    let in_file = |file: std::io::Result<std::fs::DirEntry>| {
        let bytes = std::fs::read(file.expect("entry").path()).expect("reads");
        let windows = bytes.windows(16).filter_map(|window| window.first_chunk());
        windows.filter(|window| pieces.contains(*window)).count()
    };
    std::fs::read_dir(folder).expect("lists").map(in_file).sum()
}

/// The last 16 bytes of every sealed field and every wrapped key.
pub(crate) fn pieces(connection: &Connection) -> HashSet<[u8; 16]> {
    let sql = "SELECT name FROM people UNION ALL SELECT text FROM notes UNION ALL SELECT renamed FROM notes
               UNION ALL SELECT wrapped_key FROM fieldcrypt_keys UNION ALL SELECT wrapped_master FROM fieldcrypt_slots";
    let mut statement = connection.prepare(sql).expect("prepares");
    let rows = statement
        .query_map([], |row| row.get::<_, Option<Vec<u8>>>(0))
        .expect("reads");
    rows.filter_map(|row| row.expect("reads")?.last_chunk().copied())
        .collect()
}
