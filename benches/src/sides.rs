//! The sides of the comparison of databases, each with a file of its own that holds the same rows of 200 bytes: plain SQLite,
//! a sealed column, SQLCipher.

use std::path::{Path, PathBuf};
use std::process::Command;

use fieldcrypt::sqlite::{OpenMode, checkpoint_truncate, open_connection};
use fieldcrypt::{
    Algorithm, ColumnRegistry, IntegritySeal, NewDataKey, NewVault, Phase, ProtectedTable, Rotation, RowKey, Sealed,
    SealedColumn, SlotSecret, Vault,
};
use rusqlite::types::FromSql;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{Took, seconds, took};

const VALUE: SealedColumn = SealedColumn::new("things", "value");
pub const BATCH: u32 = Rotation::BATCH;
const TABLE: &str = "CREATE TABLE things (id INTEGER NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT";
/// Visits the rows in no order; as in `benches/sqlcipher`.
const STRIDE: u64 = 7_368_787;
pub const LOOKUPS: u64 = 200_000;

pub fn fill_plain(path: &Path, rows: i64) -> Connection {
    let mut connection = open_connection(path, OpenMode::CreateNew).expect("opens");
    connection.execute_batch(TABLE).expect("table");
    let transaction = begin(&mut connection);
    {
        let mut insert = transaction.prepare("INSERT INTO things (id, value) VALUES (?1, ?2)").expect("prepares");
        for id in 0..rows {
            insert.execute((id, [b'x'; 200])).expect("stored");
        }
    }
    transaction.commit().expect("commits");
    checkpoint_truncate(&connection).expect("written back");
    connection
}

pub fn look_up(connection: &Connection, rows: i64, mut each: impl FnMut(Vec<u8>)) -> Took {
    let mut select = connection.prepare("SELECT value FROM things WHERE id = ?1").expect("prepares");
    let mut look = |turns: u64| {
        for turn in 0..turns {
            each(select.query_row([at(turn, rows)], |row| row.get(0)).expect("there"));
        }
    };
    look(LOOKUPS / 10);
    took(|| look(LOOKUPS))
}

/// Every row once, in the order of its key.
pub fn scan<V: FromSql>(connection: &Connection, rows: i64, mut each: impl FnMut(i64, V)) {
    let mut select = connection.prepare("SELECT id, value FROM things").expect("prepares");
    let mut found = select.query([]).expect("reads");
    let mut seen = 0;
    while let Some(row) = found.next().expect("reads") {
        each(row.get(0).expect("id"), row.get(1).expect("value"));
        seen += 1;
    }
    assert_eq!(seen, rows);
}

fn at(turn: u64, rows: i64) -> i64 {
    (turn.wrapping_mul(STRIDE) % rows as u64) as i64
}

/// A database with a sealed column.
pub struct Ours {
    connection: Connection,
    vault: Vault,
    seal: Option<IntegritySeal>,
}

pub struct Rotated {
    /// From the first step to the destroyed key.
    pub walked: Took,
    pub longest: f64,
    pub purged: Took,
}

impl Ours {
    pub fn fill(path: &Path, rows: i64, with_seal: bool) -> Self {
        let mut connection = open_connection(path, OpenMode::CreateNew).expect("opens");
        let registry = ColumnRegistry::new(&[VALUE]).expect("one column");
        let secret = SlotSecret::key_file(vec![1; 32]).expect("long enough");
        let vault = Vault::create(&mut connection, registry, &secret, &NewVault::first(0)).expect("made");
        connection.execute_batch(TABLE).expect("table");
        let transaction = begin(&mut connection);
        {
            let mut insert = transaction.prepare("INSERT INTO things (id, value) VALUES (?1, ?2)").expect("prepares");
            for id in 0..rows {
                let sealed = vault.seal(VALUE, &RowKey::Integer(id), &[b'x'; 200]).expect("seals");
                insert.execute((id, sealed)).expect("stored");
            }
        }
        transaction.commit().expect("commits");
        let seal = with_seal.then(|| {
            let seal = vault.integrity_seal(&[ProtectedTable::new("things")]).expect("a seal");
            seal.rebuild(&connection, 0).expect("sealed");
            seal.attach(&connection).expect("attached");
            seal
        });
        checkpoint_truncate(&connection).expect("written back");
        Self { connection, vault, seal }
    }

    pub fn rotate(&mut self) -> Rotated {
        let walked = self.walk();
        Rotated { purged: self.purge(), ..walked }
    }

    /// From the first step to the destroyed key.
    pub fn walk(&mut self) -> Rotated {
        let Self { connection, vault, .. } = self;
        let mut longest: f64 = 0.0;
        let walked = took(|| {
            let new = NewDataKey { algorithm: Algorithm::Aes256Gcm, created_unix: 0 };
            let transaction = begin(connection);
            Rotation::begin(&transaction, vault, &new).expect("begins");
            transaction.commit().expect("commits");
            vault.reload_if_changed(connection).expect("reloads");
            let mut phase = Phase::Sweeping;
            while phase != Phase::Purging {
                let proving = phase == Phase::Proving;
                let step = seconds(|| {
                    let transaction = begin(connection);
                    let rotation = Rotation::step(&transaction, vault, BATCH).expect("steps").expect("is under way");
                    transaction.commit().expect("commits");
                    phase = rotation.phase;
                });
                if !proving {
                    longest = longest.max(step);
                }
            }
            vault.reload_if_changed(connection).expect("reloads");
        });
        Rotated { walked, longest, purged: Took::default() }
    }

    pub fn purge(&mut self) -> Took {
        let Self { connection, vault, .. } = self;
        let purged = took(|| drop(vault.purge(connection).expect("purged")));
        let transaction = begin(connection);
        assert!(Rotation::step(&transaction, vault, BATCH).expect("steps").is_none(), "it is not over");
        transaction.commit().expect("commits");
        purged
    }

    pub fn look_up(&self, rows: i64) -> Took {
        let mut select = self.connection.prepare("SELECT value FROM things WHERE id = ?1").expect("prepares");
        let mut look = |turns: u64| {
            for turn in 0..turns {
                let id = at(turn, rows);
                let sealed: Sealed = select.query_row([id], |row| row.get(0)).expect("there");
                let value = self.vault.open(VALUE, &RowKey::Integer(id), &sealed).expect("opens");
                assert_eq!(value.expose_bytes().len(), 200);
            }
        };
        look(LOOKUPS / 10);
        took(|| look(LOOKUPS))
    }

    pub fn scan(&self, rows: i64) -> Took {
        took(|| {
            scan(&self.connection, rows, |id, sealed: Sealed| {
                let value = self.vault.open(VALUE, &RowKey::Integer(id), &sealed).expect("opens");
                assert_eq!(value.expose_bytes().len(), 200);
            });
        })
    }

    /// What was measured was the real thing: the seal fits, and every field opens.
    pub fn verify(&self) {
        let seal = self.seal.as_ref().expect("with the seal");
        assert!(seal.verify(&self.connection).expect("nothing was altered").complete);
        assert!(self.vault.check_fields(&self.connection).expect("reads").unopenable.is_empty());
    }
}

pub struct Sqlcipher<'p> {
    pub binary: &'p str,
    pub file: PathBuf,
}

impl Sqlcipher<'_> {
    pub fn run(&self, act: &str, count: u64) -> Took {
        let output = Command::new(self.binary)
            .args([act, self.file.to_str().expect("text"), &count.to_string()])
            .stderr(std::process::Stdio::inherit())
            .output()
            .expect("runs");
        assert!(output.status.success(), "{act} failed");
        let line = String::from_utf8_lossy(&output.stdout);
        let (wall, cpu) = line.trim().split_once(' ').expect("two figures");
        Took { wall: wall.parse().expect("seconds"), cpu: cpu.parse().expect("seconds") }
    }
}

pub fn begin(connection: &mut Connection) -> Transaction<'_> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins")
}
