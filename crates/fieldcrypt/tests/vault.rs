//! A vault used alone: made, unlocked, attacked.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "an attacker writes SQL and counts bytes"
)]

use std::path::PathBuf;

use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{
    Algorithm, ColumnRegistry, IndexedColumn, NewVault, OpenError, RowKey, Sealed, SealedColumn, SlotSecret,
    UnlockError, Vault,
};
use proptest::prelude::*;
use rusqlite::Connection;

const NAME: SealedColumn = SealedColumn::new("people", "name");
const CITY: SealedColumn = SealedColumn::new("people", "city");
const OTHER: SealedColumn = SealedColumn::new("things", "name");
const PASSWORD: &str = "a field password for tests";

fn registry() -> ColumnRegistry {
    ColumnRegistry::new(&[NAME, CITY, OTHER]).expect("no duplicates")
}

struct Fixture {
    _folder: tempfile::TempDir,
    path: PathBuf,
    connection: Connection,
    vault: Vault,
}

fn fixture(algorithm: Algorithm) -> Fixture {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("vault.sqlite");
    let mut connection = open_connection(&path, OpenMode::CreateNew).expect("opens");
    let new = NewVault {
        algorithm,
        ..NewVault::first(1_700_000_000)
    };
    let vault =
        Vault::create(&mut connection, registry(), &SlotSecret::password(PASSWORD), &new).expect("made");
    Fixture {
        _folder: folder,
        path,
        connection,
        vault,
    }
}

fn unlock(connection: &Connection, password: &str) -> Result<Vault, UnlockError> {
    Vault::unlock(connection, registry(), &SlotSecret::password(password))
}

#[test]
fn what_one_process_seals_the_next_opens_with_either_algorithm() {
    for algorithm in [Algorithm::Aes256Gcm, Algorithm::XChaCha20Poly1305] {
        let f = fixture(algorithm);
        let sealed = f.vault.seal(NAME, &RowKey::Integer(7), b"Ada").expect("seals");
        f.connection
            .execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY, name BLOB)")
            .expect("table");
        f.connection
            .execute("INSERT INTO people VALUES (7, ?1)", [&sealed])
            .expect("stored");
        let vault = unlock(&f.connection, PASSWORD).expect("unlocks");
        let stored: Sealed = f
            .connection
            .query_row("SELECT name FROM people", [], |row| row.get(0))
            .expect("read");
        assert_eq!(stored.algorithm(), algorithm);
        assert_eq!(
            vault
                .open(NAME, &RowKey::Integer(7), &stored)
                .expect("opens")
                .expose_bytes(),
            b"Ada"
        );
    }
}

#[test]
fn a_field_moved_anywhere_else_does_not_open() {
    let f = fixture(Algorithm::Aes256Gcm);
    let stranger = fixture(Algorithm::Aes256Gcm);
    let sealed = f.vault.seal(NAME, &RowKey::Integer(7), b"Ada").expect("seals");
    let moved = Err(OpenError::AuthenticationFailed);
    assert_eq!(
        f.vault.open(NAME, &RowKey::Integer(8), &sealed).map(drop),
        moved,
        "another row"
    );
    assert_eq!(
        f.vault.open(NAME, &RowKey::Text("7"), &sealed).map(drop),
        moved,
        "another type of key"
    );
    assert_eq!(
        f.vault.open(CITY, &RowKey::Integer(7), &sealed).map(drop),
        moved,
        "another column"
    );
    assert_eq!(
        f.vault.open(OTHER, &RowKey::Integer(7), &sealed).map(drop),
        moved,
        "another table"
    );
    assert_eq!(
        stranger.vault.open(NAME, &RowKey::Integer(7), &sealed).map(drop),
        moved,
        "another install"
    );
    assert!(
        f.vault.open(NAME, &RowKey::Integer(7), &sealed).is_ok(),
        "control: it opens where it belongs"
    );
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let f = fixture(Algorithm::Aes256Gcm);
    let bytes = f
        .vault
        .seal(NAME, &RowKey::Integer(1), b"attack at dawn")
        .expect("seals")
        .to_stored_bytes();
    let opens = |bytes: Vec<u8>| {
        Sealed::parse(bytes)
            .and_then(|s| f.vault.open(NAME, &RowKey::Integer(1), &s))
            .is_ok()
    };
    assert!(opens(bytes.clone()), "control");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!opens(flipped), "bit {bit}");
    }
    for cut in 0..bytes.len() {
        assert!(!opens(bytes[..cut].to_vec()), "cut at {cut}");
    }
    assert!(!opens([&bytes[..], &[0]].concat()), "one byte more");
}

#[test]
fn a_wrong_password_opens_nothing_and_changes_nothing() {
    let f = fixture(Algorithm::Aes256Gcm);
    drop(f.connection);
    let before = std::fs::read(&f.path).expect("reads");
    {
        let connection = open_connection(&f.path, OpenMode::ReadOnly).expect("opens");
        assert!(matches!(
            unlock(&connection, "another field password"),
            Err(UnlockError::WrongSecret)
        ));
        let key_file = SlotSecret::key_file(vec![1; 32]).expect("long enough");
        assert!(matches!(
            Vault::unlock(&connection, registry(), &key_file),
            Err(UnlockError::WrongSecret)
        ));
    }
    assert_eq!(std::fs::read(&f.path).expect("reads"), before);
    let left: Vec<_> = std::fs::read_dir(f.path.parent().expect("folder"))
        .expect("lists")
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn damage_is_told_from_a_wrong_password() {
    let f = fixture(Algorithm::Aes256Gcm);
    let damage = |sql: &str, check: &dyn Fn(Result<Vault, UnlockError>)| {
        f.connection.execute_batch("SAVEPOINT damage").expect("savepoint");
        f.connection.execute_batch(sql).expect("damages");
        check(unlock(&f.connection, PASSWORD));
        f.connection
            .execute_batch("ROLLBACK TO damage; RELEASE damage")
            .expect("restored");
    };
    damage(
        "UPDATE fieldcrypt_slots SET wrapped_master = zeroblob(60)",
        &|r| {
            assert!(matches!(r, Err(UnlockError::DamagedSlot { .. })));
        },
    );
    damage("UPDATE fieldcrypt_slots SET kdf_iterations = 2147483648", &|r| {
        assert!(matches!(r, Err(UnlockError::SlotOutOfBounds { .. })));
    });
    damage("UPDATE fieldcrypt_slots SET kdf_iterations = 1000", &|r| {
        assert!(matches!(r, Err(UnlockError::SlotOutOfBounds { .. })));
    });
    damage(
        "UPDATE fieldcrypt_keys SET wrapped_key = zeroblob(60) WHERE number = 1",
        &|r| {
            assert!(matches!(r, Err(UnlockError::Keyring(_))));
        },
    );
    damage(
        "UPDATE fieldcrypt_keys SET purpose = 'index' WHERE number = 1",
        &|r| {
            assert!(matches!(r, Err(UnlockError::Keyring(_))));
        },
    );
    damage("DELETE FROM fieldcrypt_slots", &|r| {
        assert!(matches!(r, Err(UnlockError::WrongSecret)));
    });
    assert!(unlock(&f.connection, PASSWORD).is_ok(), "control");
}

#[test]
fn a_plain_value_in_a_sealed_column_is_an_error() {
    let f = fixture(Algorithm::Aes256Gcm);
    for plain in ["SELECT 'text'", "SELECT NULL", "SELECT 7", "SELECT x'00'"] {
        assert!(
            f.connection
                .query_row(plain, [], |row| row.get::<_, Sealed>(0))
                .is_err(),
            "{plain}"
        );
    }
}

#[test]
fn a_destroyed_or_unknown_key_is_named() {
    let f = fixture(Algorithm::Aes256Gcm);
    let sealed = f.vault.seal(NAME, &RowKey::Integer(1), b"x").expect("seals");
    let mut bytes = sealed.to_stored_bytes();
    bytes[5] = 9;
    let unknown = Sealed::parse(bytes).expect("parses");
    let number = unknown.key();
    assert_eq!(
        f.vault.open(NAME, &RowKey::Integer(1), &unknown).map(drop),
        Err(OpenError::UnknownKey { number })
    );
    f.connection
        .execute_batch(
            "UPDATE fieldcrypt_keys SET number = 4, state = 'destroyed', wrapped_key = NULL WHERE number = 2;
             UPDATE fieldcrypt_keys SET purpose = 'data' WHERE number = 4;
             UPDATE fieldcrypt_install SET keyring_version = keyring_version + 1",
        )
        .expect("a second process destroys a key");
    assert!(f.vault.reload_if_changed(&f.connection).expect("reloads"));
    let mut bytes = sealed.to_stored_bytes();
    bytes[5] = 4;
    let destroyed = Sealed::parse(bytes).expect("parses");
    let number = destroyed.key();
    assert_eq!(
        f.vault.open(NAME, &RowKey::Integer(1), &destroyed).map(drop),
        Err(OpenError::KeyDestroyed { number })
    );
}

#[test]
fn uses_are_counted_over_restarts() {
    let f = fixture(Algorithm::Aes256Gcm);
    for _ in 0..5 {
        f.vault.seal(NAME, &RowKey::Integer(1), b"x").expect("seals");
    }
    f.vault.record_uses(&f.connection).expect("recorded");
    f.vault.record_uses(&f.connection).expect("recorded once");
    let again = unlock(&f.connection, PASSWORD).expect("unlocks");
    assert_eq!(again.keys()[0].fields_sealed, 5);
}

#[test]
fn two_processes_and_a_reload_lose_no_use_from_the_count() {
    let f = fixture(Algorithm::Aes256Gcm);
    let second = unlock(&f.connection, PASSWORD).expect("unlocks");
    for vault in [&f.vault, &second, &second] {
        vault.seal(NAME, &RowKey::Integer(1), b"x").expect("seals");
    }
    f.connection
        .execute_batch("UPDATE fieldcrypt_install SET keyring_version = keyring_version + 1")
        .expect("a third process changes the keyring");
    assert!(f.vault.reload_if_changed(&f.connection).expect("reloads"));
    f.vault.record_uses(&f.connection).expect("recorded");
    second.record_uses(&f.connection).expect("recorded");
    assert_eq!(
        unlock(&f.connection, PASSWORD).expect("unlocks").keys()[0].fields_sealed,
        3
    );
}

#[test]
fn an_exhausted_key_seals_no_more() {
    let f = fixture(Algorithm::Aes256Gcm);
    f.connection
        .execute_batch("UPDATE fieldcrypt_keys SET fields_sealed = 4294967295")
        .expect("set");
    let vault = unlock(&f.connection, PASSWORD).expect("unlocks");
    assert!(vault.seal(NAME, &RowKey::Integer(1), b"the last").is_ok());
    assert!(vault.seal(NAME, &RowKey::Integer(1), b"one too many").is_err());
}

#[test]
fn no_secret_stands_in_the_file() {
    let f = fixture(Algorithm::Aes256Gcm);
    let sealed = f
        .vault
        .seal(NAME, &RowKey::Integer(1), b"find this plaintext")
        .expect("seals");
    f.connection
        .execute_batch("CREATE TABLE people (id INTEGER PRIMARY KEY, name BLOB, note TEXT)")
        .expect("table");
    f.connection
        .execute(
            "INSERT INTO people VALUES (1, ?1, 'a planted control')",
            [&sealed],
        )
        .expect("stored");
    drop(f.connection);
    let found = |needle: &str| {
        std::fs::read_dir(f.path.parent().expect("folder"))
            .expect("lists")
            .any(|file| {
                let bytes = std::fs::read(file.expect("entry").path()).expect("reads");
                bytes
                    .windows(needle.len())
                    .any(|window| window == needle.as_bytes())
            })
    };
    assert!(found("a planted control"), "the scan finds nothing at all");
    assert!(!found("find this plaintext") && !found(PASSWORD));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_sealed_opens_again(plain in proptest::collection::vec(any::<u8>(), 0..600), row in any::<i64>()) {
        thread_local! { static F: Fixture = fixture(Algorithm::Aes256Gcm); }
        F.with(|f| {
            let sealed = f.vault.seal(CITY, &RowKey::Integer(row), &plain).expect("seals");
            let opened = f.vault.open(CITY, &RowKey::Integer(row), &sealed).expect("opens");
            assert_eq!(opened.expose_bytes(), &plain[..]);
        });
    }
}

#[test]
fn a_padded_column_hides_lengths_and_is_not_mixed_up_with_a_plain_one() {
    const PADDED: SealedColumn = SealedColumn::new("people", "diary").padded();
    let folder = tempfile::tempdir().expect("folder");
    let mut connection =
        open_connection(&folder.path().join("x.sqlite"), OpenMode::CreateNew).expect("opens");
    let secret = || SlotSecret::key_file(vec![1; 32]).expect("long enough");
    let columns = ColumnRegistry::new(&[PADDED]).expect("no duplicates");
    let vault = Vault::create(&mut connection, columns, &secret(), &NewVault::first(0)).expect("made");
    let row = RowKey::Integer(1);
    let mut lengths = std::collections::BTreeSet::new();
    for len in 200..=300 {
        let value = vec![0_u8; len];
        let sealed = vault.seal(PADDED, &row, &value).expect("seals");
        lengths.insert(sealed.to_stored_bytes().len());
        assert_eq!(
            vault.open(PADDED, &row, &sealed).expect("opens").expose_bytes(),
            value
        );
    }
    assert!(lengths.len() <= 9, "101 lengths became {}", lengths.len());

    let plain = ColumnRegistry::new(&[SealedColumn::new("people", "diary")]).expect("no duplicates");
    let other = Vault::unlock(&connection, plain, &secret()).expect("unlocks");
    let (plain, sealed) = (
        SealedColumn::new("people", "diary"),
        vault.seal(PADDED, &row, b"x").expect("seals"),
    );
    assert_eq!(
        other.open(plain, &row, &sealed).map(drop),
        Err(OpenError::AuthenticationFailed)
    );
    let sealed = other.seal(plain, &row, b"x").expect("seals");
    assert_eq!(
        vault.open(PADDED, &row, &sealed).map(drop),
        Err(OpenError::AuthenticationFailed)
    );
}

#[test]
fn a_blind_index_finds_its_row_and_no_other() {
    let f = fixture(Algorithm::Aes256Gcm);
    let index = IndexedColumn::over(CITY);
    f.connection
        .execute_batch(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, city BLOB, city_index BLOB);
             CREATE INDEX people_by_city ON people (city_index)",
        )
        .expect("table");
    for (id, city) in [(1, "Paris"), (2, "London"), (3, "Paris")] {
        let sealed = f
            .vault
            .seal(CITY, &RowKey::Integer(id), city.as_bytes())
            .expect("seals");
        let found_by = f.vault.blind_index(index, city.as_bytes()).expect("indexed");
        f.connection
            .execute("INSERT INTO people VALUES (?1, ?2, ?3)", (id, sealed, found_by))
            .expect("stored");
    }
    let find = |city: &str| -> Vec<i64> {
        let looked_for = f.vault.blind_index(index, city.as_bytes()).expect("indexed");
        f.connection
            .prepare("SELECT id FROM people WHERE city_index = ?1 ORDER BY id")
            .and_then(|mut statement| statement.query_map([looked_for], |row| row.get(0))?.collect())
            .expect("reads")
    };
    assert_eq!(find("Paris"), [1, 3]);
    assert_eq!(find("London"), [2]);
    assert!(find("paris").is_empty());
    let by_name = f
        .vault
        .blind_index(IndexedColumn::over(NAME), b"Paris")
        .expect("indexed");
    assert_ne!(
        by_name,
        f.vault.blind_index(index, b"Paris").expect("indexed"),
        "another column"
    );
    let again = unlock(&f.connection, PASSWORD).expect("unlocks");
    assert_eq!(
        again.blind_index(index, b"Paris"),
        f.vault.blind_index(index, b"Paris"),
        "after a restart"
    );
    assert!(
        f.vault
            .blind_index(IndexedColumn::over(SealedColumn::new("x", "y")), b"")
            .is_err()
    );
}
