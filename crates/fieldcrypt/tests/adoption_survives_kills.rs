//! Adopting a column, releasing it, and the purge after a change of slots, killed at the system calls by which they write:
//! nothing is lost, the same call again ends well, and nothing that was to go stands in any file.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "a program writes SQL, runs itself once more and counts bytes"
)]

#[path = "../../../tests/support/killed.rs"]
#[expect(
    unreachable_pub,
    reason = "the end-to-end tests have it in a crate of their own"
)]
mod killed;

use std::path::{Path, PathBuf};
use std::process::Command;

use fieldcrypt::adoption::PlainType;
use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{
    ColumnRegistry, KdfParams, MasterAccess, NewSlot, NewVault, RowKey, Sealed, SealedColumn, SlotId,
    SlotSecret, Vault,
};
use killed::{calls_of, killed_at, some_of};
use rusqlite::Connection;
use rusqlite::types::Value;

const TOKEN: SealedColumn = SealedColumn::new("accounts", "token");

/// More than one batch.
const ROWS: i64 = 1300;

/// Kills of each work, unless every one is tried.
const KILLS: usize = 24;

fn token(id: i64) -> String {
    format!(
        "token-{:016x}-of-account-{id}",
        id.wrapping_mul(0x1e37_79b9_7f4a_7c15)
    )
}

fn key_file(byte: u8) -> SlotSecret {
    SlotSecret::key_file(vec![byte; 32]).expect("long enough")
}

fn registry() -> ColumnRegistry {
    ColumnRegistry::new(&[TOKEN]).expect("one column")
}

/// What is done to the database and killed on the way.
#[derive(Clone, Copy, Debug)]
enum Work {
    Adopt,
    Release,
    ChangeSlot,
}

impl Work {
    /// The name by which the second process knows it.
    const fn name(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Release => "release",
            Self::ChangeSlot => "change-slot",
        }
    }

    fn named(name: &str) -> Self {
        let all = [Self::Adopt, Self::Release, Self::ChangeSlot];
        all.into_iter().find(|work| work.name() == name).expect("a work")
    }

    /// Does it; done before, it is brought to its end.
    fn run(self, path: &Path) {
        let mut connection = open_connection(path, OpenMode::Existing).expect("opens");
        match self {
            Self::Adopt => {
                let vault = Vault::unlock(&connection, registry(), &key_file(1)).expect("unlocks");
                let done = vault.adopt(&connection, TOKEN).expect("adopted");
                assert_eq!(done.sealed + done.already_sealed, ROWS as u64);
                assert!(done.scan.found.is_empty(), "{:?}", done.scan.found);
            }
            Self::Release => {
                let vault = Vault::unlock(&connection, registry(), &key_file(1)).expect("unlocks");
                let done = vault
                    .release(&connection, TOKEN, PlainType::Text)
                    .expect("released");
                assert_eq!(done.released + done.already_plain, ROWS as u64);
            }
            Self::ChangeSlot => {
                if let Ok(access) = MasterAccess::unlock(&connection, &key_file(1)) {
                    let new = NewSlot {
                        label: "new".to_owned(),
                        kdf: KdfParams::default(),
                        created_unix: 0,
                    };
                    access
                        .change_slot(&mut connection, SlotId(1), &key_file(2), &new)
                        .expect("changed");
                }
                let vault = Vault::unlock(&connection, registry(), &key_file(2)).expect("unlocks");
                vault.purge(&mut connection).expect("purged");
            }
        }
    }
}

/// A database as it may be found: indexed and analysed, with a vault beside its plain column.
fn plain(folder: &Path) -> PathBuf {
    let path = folder.join("found.sqlite");
    let mut connection = open_connection(&path, OpenMode::CreateNew).expect("opens");
    connection
        .execute_batch(
            "CREATE TABLE accounts (id INTEGER PRIMARY KEY, token TEXT);
             CREATE INDEX accounts_by_token ON accounts (token)",
        )
        .expect("tables");
    let transaction = connection.transaction().expect("begins");
    for id in 1..=ROWS {
        transaction
            .execute("INSERT INTO accounts VALUES (?1, ?2)", (id, token(id)))
            .expect("stored");
    }
    transaction.commit().expect("commits");
    connection.execute_batch("ANALYZE").expect("analysed");
    Vault::create(&mut connection, registry(), &key_file(1), &NewVault::first(0)).expect("vault");
    path
}

/// Every value, sealed or plain, is the one that was put in; says how many are sealed.
fn sealed_values(connection: &Connection, vault: &Vault) -> i64 {
    let mut statement = connection
        .prepare("SELECT id, token FROM accounts ORDER BY id")
        .expect("prepares");
    let mut rows = statement.query([]).expect("reads");
    let (mut seen, mut sealed) = (0, 0);
    while let Some(row) = rows.next().expect("reads") {
        let id: i64 = row.get(0).expect("a number");
        match row.get(1).expect("a value") {
            Value::Text(text) => assert_eq!(text, token(id)),
            Value::Blob(bytes) => {
                let field = Sealed::parse(bytes).expect("a sealed field");
                let opened = vault.open(TOKEN, &RowKey::Integer(id), &field).expect("opens");
                assert_eq!(opened.expose_bytes(), token(id).as_bytes());
                sealed += 1;
            }
            other => panic!("{other:?}"),
        }
        seen += 1;
    }
    assert_eq!(seen, ROWS, "a row is lost");
    sealed
}

/// How many of the needles stand in the database's files, by the plainest search there is.
fn standing<'n>(path: &Path, needles: impl IntoIterator<Item = &'n [u8]>) -> usize {
    let files: Vec<Vec<u8>> = ["", "-wal", "-journal"]
        .iter()
        .filter_map(|suffix| std::fs::read(format!("{}{suffix}", path.display())).ok())
        .collect();
    let stands = |needle: &&[u8]| {
        files
            .iter()
            .any(|file| file.windows(needle.len()).any(|window| window == *needle))
    };
    needles.into_iter().filter(stands).count()
}

/// This test's own binary, to do that work on that database.
fn second_process(work: Work, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args([
        "--exact",
        "a_work_that_nobody_kills_comes_to_its_end",
        "--test-threads=1",
    ]);
    command.env("FIELDCRYPT_WORK", work.name());
    command.env("FIELDCRYPT_DATABASE", path);
    command
}

/// The work that the other tests kill, in a process of its own; alone, it goes through all of them.
#[test]
fn a_work_that_nobody_kills_comes_to_its_end() {
    let told = |name| std::env::var(name).ok();
    if let (Some(work), Some(path)) = (told("FIELDCRYPT_WORK"), told("FIELDCRYPT_DATABASE")) {
        return Work::named(&work).run(Path::new(&path));
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = plain(folder.path());
    for work in [Work::Adopt, Work::Release] {
        work.run(&path);
    }
    let connection = open_connection(&path, OpenMode::Existing).expect("opens");
    let vault = Vault::unlock(&connection, registry(), &key_file(1)).expect("unlocks");
    assert_eq!(sealed_values(&connection, &vault), 0);
    drop(connection);
    Work::ChangeSlot.run(&path);
}

/// Kills the work at its writes, each time on a copy; then `check` looks at what is left, and at what the same work makes of
/// it. Says how many copies it found half done.
fn killed_at_its_writes(work: Work, database: &Path, check: impl Fn(&Path) -> bool) -> usize {
    let copied = |number: usize| {
        let to = database.with_file_name(format!("copy-{number}.sqlite"));
        std::fs::copy(database, &to).expect("copied");
        to
    };
    let calls = calls_of(&second_process(work, &copied(0)));
    assert!(calls.len() > 30, "control: it writes, {} times", calls.len());
    let (mut half_done, mut came_to_its_end) = (0, 0);
    let chosen = some_of(calls, KILLS);
    for (number, call) in chosen.iter().enumerate() {
        let copy = copied(number + 1);
        if !killed_at(&second_process(work, &copy), call) {
            // The rewriting of the file writes once more or less from time to time.
            came_to_its_end += 1;
        }
        half_done += usize::from(check(&copy));
        work.run(&copy);
        assert!(
            !check(&copy),
            "{work:?} after {call:?}, and again: it is half done"
        );
        for suffix in ["", "-wal", "-shm"] {
            // The log may be gone.
            let _ = std::fs::remove_file(format!("{}{suffix}", copy.display()));
        }
    }
    let tried = chosen.len();
    assert!(
        came_to_its_end * 4 <= tried,
        "control: {came_to_its_end} of {tried} were not killed"
    );
    half_done
}

#[test]
fn an_adoption_killed_at_any_write_loses_nothing_and_leaves_nothing_in_plain() {
    let folder = tempfile::tempdir().expect("folder");
    let path = plain(folder.path());
    let tokens: Vec<String> = [1, 2, 999, 1000, 1001, ROWS].map(token).to_vec();
    let needles = || tokens.iter().map(String::as_bytes);
    assert_eq!(
        standing(&path, needles()),
        tokens.len(),
        "control: they stand there"
    );
    let half_done = killed_at_its_writes(Work::Adopt, &path, |copy| {
        let connection = open_connection(copy, OpenMode::Existing).expect("opens");
        let vault = Vault::unlock(&connection, registry(), &key_file(1)).expect("unlocks");
        sealed_values(&connection, &vault) < ROWS || standing(copy, needles()) > 0
    });
    assert!(half_done > 0, "control: no kill came in between");
}

#[test]
fn a_release_killed_at_any_write_loses_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let path = plain(folder.path());
    Work::Adopt.run(&path);
    let half_done = killed_at_its_writes(Work::Release, &path, |copy| {
        let connection = open_connection(copy, OpenMode::Existing).expect("opens");
        let vault = Vault::unlock(&connection, registry(), &key_file(1)).expect("unlocks");
        sealed_values(&connection, &vault) > 0
    });
    assert!(half_done > 0, "control: no kill came in between");
}

#[test]
fn a_change_of_slot_and_its_purge_killed_at_any_write_leave_one_secret_and_no_old_wrap() {
    let folder = tempfile::tempdir().expect("folder");
    let path = plain(folder.path());
    let wrap = |path: &Path| -> Vec<u8> {
        let connection = open_connection(path, OpenMode::Existing).expect("opens");
        let sql = "SELECT wrapped_master FROM fieldcrypt_slots";
        connection.query_row(sql, [], |row| row.get(0)).expect("one slot")
    };
    let old = wrap(&path);
    let half_done = killed_at_its_writes(Work::ChangeSlot, &path, |copy| {
        let connection = open_connection(copy, OpenMode::Existing).expect("opens");
        let opened = [1, 2].map(|byte| Vault::unlock(&connection, registry(), &key_file(byte)).ok());
        let [old_opens, new_opens] = opened.each_ref().map(Option::is_some);
        assert!(old_opens != new_opens, "exactly one of the two secrets opens it");
        let vault = opened.into_iter().flatten().next().expect("one of them");
        assert_eq!(sealed_values(&connection, &vault), 0);
        old_opens || standing(copy, [&old[..]]) > 0
    });
    assert!(half_done > 0, "control: no kill came in between");
}
