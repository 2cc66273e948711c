//! An existing database takes fieldcrypt in, and leaves it again.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a program writes SQL and counts bytes"
)]

use std::path::{Path, PathBuf};

use fieldcrypt::adoption::{AdoptError, PlainType};
use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{ColumnRegistry, NewVault, ProtectedTable, RowKey, Sealed, SealedColumn, SlotSecret, Vault};
use rusqlite::Connection;

const TOKEN: SealedColumn = SealedColumn::new("accounts", "token");
const DIARY: SealedColumn = SealedColumn::new("diary", "entry").padded();
const STRICT: SealedColumn = SealedColumn::new("strict", "word");
const KEYLESS: SealedColumn = SealedColumn::new("keyless", "word");

/// More than two batches.
const ROWS: i64 = 2300;

struct Fixture {
    _folder: tempfile::TempDir,
    path: PathBuf,
    connection: Connection,
    vault: Vault,
}

fn token(id: i64) -> String {
    format!(
        "token-{:016x}-of-account-{id}",
        id.wrapping_mul(0x1e37_79b9_7f4a_7c15)
    )
}

/// A database as it may be found: indexed, analysed, never vacuumed.
fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("found.sqlite");
    let mut connection = open_connection(&path, OpenMode::CreateNew).expect("opens");
    connection
        .execute_batch(
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, token TEXT, more TEXT);
             CREATE INDEX accounts_by_token ON accounts (token);
             CREATE TABLE diary (author TEXT, day INTEGER, entry BLOB, PRIMARY KEY (day, author)) WITHOUT ROWID;
             CREATE TABLE strict (id INTEGER PRIMARY KEY, word TEXT) STRICT;
             INSERT INTO strict VALUES (1, 'a plain word');
             CREATE TABLE keyless (word TEXT)",
        )
        .expect("tables");
    let transaction = connection.transaction().expect("begins");
    for id in 1..=ROWS {
        transaction
            .execute("INSERT INTO accounts VALUES (?1, ?2, 'more')", (id, token(id)))
            .expect("stored");
    }
    transaction
        .execute_batch(
            "INSERT INTO accounts VALUES (5000, NULL, 'no token');
             INSERT INTO diary VALUES ('ada', 1, 'rain all day long'), ('ada', 2, x'00112233445566778899'), ('bob', 1, 'sun all day long')",
        )
        .expect("stored");
    transaction.commit().expect("commits");
    connection
        .execute_batch(
            "ANALYZE;
             PRAGMA secure_delete = OFF;
             CREATE TABLE old_copy AS SELECT token FROM accounts;
             DROP TABLE old_copy;
             PRAGMA secure_delete = ON",
        )
        .expect("analysed, and copies left in free pages");
    let registry = ColumnRegistry::new(&[TOKEN, DIARY, STRICT, KEYLESS]).expect("no duplicates");
    let secret = SlotSecret::key_file(vec![7; 32]).expect("long enough");
    let vault = Vault::create(&mut connection, registry, &secret, &NewVault::first(0)).expect("vault");
    Fixture {
        _folder: folder,
        path,
        connection,
        vault,
    }
}

/// How many of the needles stand in the database's files, by the plainest search there is.
fn standing(path: &Path, needles: &[String]) -> usize {
    let files: Vec<Vec<u8>> = ["", "-wal", "-journal"]
        .iter()
        .filter_map(|suffix| std::fs::read(format!("{}{suffix}", path.display())).ok())
        .collect();
    needles
        .iter()
        .filter(|needle| {
            files.iter().any(|file| {
                file.windows(needle.len())
                    .any(|window| window == needle.as_bytes())
            })
        })
        .count()
}

fn some_tokens() -> Vec<String> {
    [1, 2, 999, 1000, 1001, ROWS].map(token).to_vec()
}

#[test]
fn an_adopted_column_opens_and_stands_nowhere_in_plain() {
    let f = fixture();
    assert_eq!(standing(&f.path, &some_tokens()), 6, "control: they stood there");
    let done = f.vault.adopt(&f.connection, TOKEN).expect("adopted");
    assert_eq!((done.sealed, done.already_sealed), (ROWS as u64, 0));
    assert_eq!(done.scan.looked_for, ROWS as u64);
    assert!(done.scan.found.is_empty(), "{:?}", done.scan.found);
    assert_eq!(standing(&f.path, &some_tokens()), 0);
    for id in [1, 1000, 1001, ROWS] {
        let sealed: Sealed = f
            .connection
            .query_row("SELECT token FROM accounts WHERE id = ?1", [id], |row| row.get(0))
            .expect("a sealed field");
        let opened = f.vault.open(TOKEN, &RowKey::Integer(id), &sealed).expect("opens");
        assert_eq!(opened.expose_bytes(), token(id).as_bytes());
    }
    let nulls: i64 = f
        .connection
        .query_row("SELECT count(*) FROM accounts WHERE token IS NULL", [], |row| {
            row.get(0)
        })
        .expect("counts");
    assert_eq!(nulls, 1, "NULL stays NULL");
    let registry = ColumnRegistry::new(&[TOKEN]).expect("no duplicates");
    let secret = SlotSecret::key_file(vec![7; 32]).expect("long enough");
    let again = Vault::unlock(&f.connection, registry, &secret).expect("unlocks");
    assert_eq!(
        again.keys()[0].fields_sealed,
        ROWS as u64,
        "every seal is counted"
    );
}

/// The twin: the same sealing by a plain `UPDATE`, without the purge.
#[test]
fn without_the_purge_the_scan_finds_what_sqlite_keeps() {
    let f = fixture();
    for id in 1..=ROWS {
        let sealed = f
            .vault
            .seal(TOKEN, &RowKey::Integer(id), token(id).as_bytes())
            .expect("seals");
        f.connection
            .execute("UPDATE accounts SET token = ?2 WHERE id = ?1", (id, sealed))
            .expect("stored");
    }
    let scan = f.vault.scan_for_plaintext(&f.connection, TOKEN).expect("scans");
    assert!(!scan.found.is_empty());
    assert!(standing(&f.path, &some_tokens()) > 0);
    // After a checkpoint, too: the samples of the statistics.
    f.connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("vacuumed");
    let scan = f.vault.scan_for_plaintext(&f.connection, TOKEN).expect("scans");
    assert!(
        !scan.found.is_empty(),
        "nothing in sqlite_stat4: then why drop it"
    );
    // What a plain update left, the same call takes away.
    let done = f.vault.adopt(&f.connection, TOKEN).expect("adopted");
    assert_eq!((done.sealed, done.already_sealed), (0, ROWS as u64));
    assert!(done.scan.found.is_empty(), "{:?}", done.scan.found);
}

#[test]
fn a_value_that_stands_in_another_column_is_named() {
    let f = fixture();
    f.connection
        .execute("UPDATE accounts SET more = token WHERE id = 17", [])
        .expect("copied");
    let done = f.vault.adopt(&f.connection, TOKEN).expect("adopted");
    let rows: Vec<_> = done.scan.found.iter().map(|found| found.row.as_str()).collect();
    assert_eq!(rows, ["17"]);
}

#[test]
fn an_adoption_that_was_stopped_goes_on_and_seals_nothing_twice() {
    let f = fixture();
    f.connection
        .execute_batch(
            "CREATE TEMP TRIGGER stop BEFORE UPDATE ON accounts WHEN OLD.id = 1500
             BEGIN SELECT raise(ABORT, 'pulled the plug'); END",
        )
        .expect("set");
    assert!(matches!(
        f.vault.adopt(&f.connection, TOKEN),
        Err(AdoptError::Database(_))
    ));
    let sealed: i64 = f
        .connection
        .query_row(
            "SELECT count(*) FROM accounts WHERE typeof(token) = 'blob'",
            [],
            |row| row.get(0),
        )
        .expect("counts");
    assert_eq!(
        sealed, 1000,
        "one batch is committed, the next is rolled back whole"
    );
    f.connection.execute_batch("DROP TRIGGER stop").expect("dropped");
    let done = f.vault.adopt(&f.connection, TOKEN).expect("adopted");
    assert_eq!((done.sealed, done.already_sealed), (1300, 1000));
    assert!(done.scan.found.is_empty());
    let back = f
        .vault
        .release(&f.connection, TOKEN, PlainType::Text)
        .expect("released");
    assert_eq!((back.released, back.already_plain), (ROWS as u64, 0));
}

#[test]
fn what_is_released_is_what_was_adopted() {
    let f = fixture();
    let dump = |f: &Fixture| -> Vec<String> {
        f.connection
            .prepare("SELECT quote(id) || quote(token) FROM accounts UNION ALL SELECT quote(author) || day || quote(entry) FROM diary")
            .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
            .expect("reads")
    };
    f.connection
        .execute_batch("UPDATE diary SET entry = CAST(entry AS BLOB)")
        .expect("all blobs");
    let before = dump(&f);
    f.vault.adopt(&f.connection, TOKEN).expect("adopted");
    let done = f.vault.adopt(&f.connection, DIARY).expect("adopted");
    assert_eq!((done.sealed, done.scan.looked_for), (3, 3));
    assert_ne!(dump(&f), before);

    let sealed: Sealed = f
        .connection
        .query_row(
            "SELECT entry FROM diary WHERE author = 'ada' AND day = 1",
            [],
            |row| row.get(0),
        )
        .expect("a sealed field");
    let row = RowKey::Composite(&[RowKey::Integer(1), RowKey::Text("ada")]);
    let opened = f
        .vault
        .open(DIARY, &row, &sealed)
        .expect("the key's columns in the key's order");
    assert_eq!(opened.expose_bytes(), b"rain all day long");

    assert!(
        matches!(f.vault.release(&f.connection, DIARY, PlainType::Text), Err(AdoptError::NoText { row }) if row == "(2, 'ada')")
    );
    f.vault
        .release(&f.connection, TOKEN, PlainType::Text)
        .expect("released");
    f.vault
        .release(&f.connection, DIARY, PlainType::Blob)
        .expect("released");
    assert_eq!(dump(&f), before);
    let again = f
        .vault
        .release(&f.connection, TOKEN, PlainType::Text)
        .expect("nothing to do");
    assert_eq!((again.released, again.already_plain), (0, ROWS as u64));
}

#[test]
fn what_cannot_be_sealed_is_refused_with_its_row() {
    let f = fixture();
    let adopt = |column| {
        f.vault
            .adopt(&f.connection, column)
            .expect_err("refused")
            .to_string()
    };
    f.connection
        .execute_batch("ALTER TABLE diary ADD COLUMN mood; UPDATE diary SET entry = 7 WHERE author = 'bob'")
        .expect("set");
    assert!(adopt(DIARY).starts_with("row (1, 'bob') holds a number"));
    assert!(adopt(KEYLESS).contains("no declared primary key"));
    assert!(matches!(
        f.vault.adopt(&f.connection, STRICT),
        Err(AdoptError::Database(_))
    ));
    let word: String = f
        .connection
        .query_row("SELECT word FROM strict", [], |row| row.get(0))
        .expect("still plain");
    assert_eq!(word, "a plain word");

    // A field of another row looks sealed and does not open: neither sealed over nor taken for sealed.
    let strange = f.vault.seal(TOKEN, &RowKey::Integer(1), b"x").expect("seals");
    f.connection
        .execute("UPDATE accounts SET token = ?1 WHERE id = 2", [&strange])
        .expect("set");
    for result in [
        f.vault.adopt(&f.connection, TOKEN).map(drop),
        f.vault.release(&f.connection, TOKEN, PlainType::Blob).map(drop),
    ] {
        assert!(matches!(result, Err(AdoptError::Unclear { row, .. }) if row == "2"));
    }
    f.connection.execute_batch("BEGIN").expect("begins");
    assert!(matches!(
        f.vault.adopt(&f.connection, TOKEN),
        Err(AdoptError::InTransaction)
    ));
}

#[test]
fn a_reader_in_the_way_is_told_and_the_next_call_finishes() {
    let f = fixture();
    f.connection
        .busy_timeout(std::time::Duration::from_millis(1))
        .expect("set");
    let reader = open_connection(&f.path, OpenMode::Existing).expect("opens");
    reader.execute_batch("BEGIN").expect("begins");
    let _: i64 = reader
        .query_row("SELECT count(*) FROM accounts", [], |row| row.get(0))
        .expect("reads");
    assert!(matches!(
        f.vault.adopt(&f.connection, TOKEN),
        Err(AdoptError::NotPurged(fieldcrypt::PurgeError::Busy))
    ));
    reader.execute_batch("COMMIT").expect("ends");
    let done = f.vault.adopt(&f.connection, TOKEN).expect("adopted");
    assert_eq!(done.already_sealed, ROWS as u64);
    assert!(done.scan.found.is_empty());
}

#[test]
fn the_integrity_seal_follows_an_adoption() {
    let f = fixture();
    let seal = f
        .vault
        .integrity_seal(&[ProtectedTable::new("accounts"), ProtectedTable::new("diary")])
        .expect("has a key");
    seal.rebuild(&f.connection, 0).expect("sealed");
    seal.attach(&f.connection).expect("attached");
    f.vault.adopt(&f.connection, TOKEN).expect("adopted");
    f.vault.adopt(&f.connection, DIARY).expect("adopted");
    assert!(seal.verify(&f.connection).expect("verified").complete);
}
