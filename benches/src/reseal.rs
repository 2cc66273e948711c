//! Online re-sealing of ROWS rows of 200 bytes, with the integrity seal and without, beside the same `UPDATE` without
//! cryptography and SQLCipher's `PRAGMA rekey`; and one-row look-ups. Every side has a file of its own; they take turns.
//!
//! The plain `UPDATE` is measured twice: by a program that reads rows and writes each back on condition of its old value,
//! in the order, batches and transactions of a rotation (what re-sealing does, less the cryptography); and by one single
//! SQL statement over the whole table (the fastest SQLite can do it, and nobody else can write meanwhile).

use std::path::{Path, PathBuf};
use std::process::Command;

use fieldcrypt::sqlite::{OpenMode, checkpoint_truncate, open_connection};
use fieldcrypt::{
    Algorithm, ColumnRegistry, IntegritySeal, NewDataKey, NewVault, Phase, ProtectedTable, Rotation, RowKey, Sealed,
    SealedColumn, SlotSecret, Vault,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{Row, Took, median, memory, seconds, took};

const VALUE: SealedColumn = SealedColumn::new("things", "value");
const BATCH: u32 = Rotation::BATCH;
const TABLE: &str = "CREATE TABLE things (id INTEGER NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT";
/// Visits the rows in no order; as in `benches/sqlcipher`.
const STRIDE: u64 = 7_368_787;
const LOOKUPS: u64 = 200_000;

/// What to measure with.
pub struct Sides<'p> {
    pub sqlcipher: &'p str,
    pub rows: i64,
    pub rounds: usize,
}

#[derive(Clone, Copy, Default)]
struct Round {
    program: Took,
    statement: Took,
    bare: Took,
    sealed: Took,
    longest: f64,
    purge: Took,
    rekey: Took,
    plain_look: Took,
    our_look: Took,
    sqlcipher_look: Took,
    grown_mib: f64,
}

pub fn all(sides: &Sides<'_>) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = sides.rows;
    let mut plain = fill_plain(&folder.path().join("plain.sqlite"), rows);
    let mut bare = Ours::fill(&folder.path().join("bare.sqlite"), rows, false);
    let mut sealed = Ours::fill(&folder.path().join("sealed.sqlite"), rows, true);
    let cipher = Sqlcipher { binary: sides.sqlcipher, file: folder.path().join("cipher.sqlite") };
    cipher.run("fill", rows as u64);
    let rounds: Vec<Round> = (0..sides.rounds)
        .map(|_| {
            let mut round = Round {
                program: plain_by_a_program(&mut plain),
                statement: plain_by_one_statement(&mut plain),
                ..Round::default()
            };
            round.bare = bare.rotate().walked;
            let before = memory::begin_peak();
            let rotated = sealed.rotate();
            round.grown_mib = memory::peak_mib() - before;
            (round.sealed, round.longest, round.purge) = (rotated.walked, rotated.longest, rotated.purged);
            round.rekey = cipher.run("rekey", 0);
            round.plain_look = look_up(&plain, rows, |value| assert_eq!(value.len(), 200));
            round.our_look = sealed.look_up(rows);
            round.sqlcipher_look = cipher.run("lookup", LOOKUPS);
            let said = |what: &str, took: Took| eprint!("{what} {:.2} s ({:.2} s of processor)  ", took.wall, took.cpu);
            said("program", round.program);
            said("statement", round.statement);
            said("re-sealed without seal", round.bare);
            said("with it", round.sealed);
            said("rekey", round.rekey);
            eprintln!();
            round
        })
        .collect();
    sealed.verify();
    table(&rounds)
}

/// Three rotations with the seal and nothing beside them, for a profiler to look at.
pub fn walk_alone(rows: i64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sealed = Ours::fill(&folder.path().join("sealed.sqlite"), rows, true);
    eprintln!("filled");
    for _ in 0..3 {
        let walked = sealed.walk().walked;
        eprintln!("{:.2} s, {:.2} s of processor", walked.wall, walked.cpu);
        sealed.purge();
    }
}

fn table(rounds: &[Round]) -> Vec<Row> {
    let of = |pick: &dyn Fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
    // Ratios of neighbours, then the middle one; on the clock, and of processor time.
    let ratio = |upper: fn(&Round) -> Took, lower: fn(&Round) -> Took| Took {
        wall: of(&|r| upper(r).wall / lower(r).wall),
        cpu: of(&|r| upper(r).cpu / lower(r).cpu),
    };
    let wall = |pick: fn(&Round) -> Took| of(&|r| pick(r).wall);
    let micro = |pick: fn(&Round) -> Took| wall(pick) / LOOKUPS as f64 * 1e6;
    let program = ratio(|r| r.program, |r| r.sealed);
    let statement = ratio(|r| r.statement, |r| r.sealed);
    let bare = ratio(|r| r.program, |r| r.bare);
    let rekey = ratio(|r| r.rekey, |r| r.sealed);
    let look = ratio(|r| r.our_look, |r| r.plain_look);
    let cipher_look = ratio(|r| r.sqlcipher_look, |r| r.our_look);
    let grown = of(&|r| r.grown_mib);
    vec![
        Row {
            what: "online re-sealing with the integrity seal, against the same UPDATE by a program",
            goal: "≥ 0.5×",
            measured: format!(
                "{:.2}× ({:.1} s against {:.1} s; processor {:.2}×)",
                program.wall,
                wall(|r| r.sealed),
                wall(|r| r.program),
                program.cpu
            ),
            met: program.wall >= 0.5,
        },
        Row {
            what: "the same, against one SQL UPDATE statement over the whole table",
            goal: "–",
            measured: format!(
                "{:.2}× (against {:.1} s; processor {:.2}×)",
                statement.wall,
                wall(|r| r.statement),
                statement.cpu
            ),
            met: true,
        },
        Row {
            what: "online re-sealing without the integrity seal, against the same UPDATE by a program",
            goal: "–",
            measured: format!("{:.2}× ({:.1} s; processor {:.2}×)", bare.wall, wall(|r| r.bare), bare.cpu),
            met: true,
        },
        Row {
            what: "online re-sealing with the integrity seal, against SQLCipher's offline PRAGMA rekey",
            goal: "faster",
            measured: format!(
                "{:.2}× as fast (against {:.1} s; processor {:.2}×)",
                rekey.wall,
                wall(|r| r.rekey),
                rekey.cpu
            ),
            met: rekey.wall > 1.0,
        },
        Row {
            what: "longest batch of 10,000 rows; the purge afterwards",
            goal: "–",
            measured: format!("{:.0} ms; {:.1} s", of(&|r| r.longest) * 1e3, wall(|r| r.purge)),
            met: true,
        },
        Row {
            what: "memory of the re-sealing process, purge included, peak above before",
            goal: "≤ 32 MiB",
            measured: format!("{grown:.1} MiB"),
            met: grown <= 32.0,
        },
        Row {
            what: "look-up of one row with opening, against plain SQLite",
            goal: "≤ 1.10×",
            measured: format!(
                "{:.2}× ({:.2} µs against {:.2} µs; processor {:.2}×)",
                look.wall,
                micro(|r| r.our_look),
                micro(|r| r.plain_look),
                look.cpu
            ),
            met: look.wall <= 1.10,
        },
        Row {
            what: "look-up of one row with opening, against SQLCipher at its default cache",
            goal: "≥ 2.5×",
            measured: format!(
                "{:.1}× as fast (SQLCipher: {:.2} µs; processor {:.1}×)",
                cipher_look.wall,
                micro(|r| r.sqlcipher_look),
                cipher_look.cpu
            ),
            met: cipher_look.wall >= 2.5,
        },
    ]
}

fn fill_plain(path: &Path, rows: i64) -> Connection {
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

fn plain_by_a_program(connection: &mut Connection) -> Took {
    took(|| {
        let mut after = -1_i64;
        loop {
            let transaction = begin(connection);
            let mut batch: Vec<(i64, Vec<u8>)> = Vec::with_capacity(BATCH as usize);
            {
                let sql = "SELECT id, value FROM things WHERE id > ?1 ORDER BY id LIMIT ?2";
                let mut statement = transaction.prepare_cached(sql).expect("prepares");
                let mut found = statement.query((after, BATCH)).expect("reads");
                while let Some(row) = found.next().expect("reads") {
                    batch.push((row.get(0).expect("id"), row.get(1).expect("value")));
                }
                let sql = "UPDATE things SET value = ?1 WHERE value = ?2 AND id = ?3";
                let mut update = transaction.prepare_cached(sql).expect("prepares");
                for (id, value) in &batch {
                    let turned: Vec<u8> = value.iter().map(|byte| !byte).collect();
                    assert_eq!(update.execute((turned, value, id)).expect("writes"), 1);
                }
            }
            transaction.commit().expect("commits");
            let Some((last, _)) = batch.last() else { break };
            after = *last;
        }
    })
}

fn plain_by_one_statement(connection: &mut Connection) -> Took {
    let sql = "UPDATE things SET value = CAST(substr(value, 101) || substr(value, 1, 100) AS BLOB)";
    let took = took(|| assert_ne!(connection.execute(sql, []).expect("writes"), 0));
    checkpoint_truncate(connection).expect("written back");
    took
}

fn look_up(connection: &Connection, rows: i64, mut each: impl FnMut(Vec<u8>)) -> Took {
    let mut select = connection.prepare("SELECT value FROM things WHERE id = ?1").expect("prepares");
    let mut look = |turns: u64| {
        for turn in 0..turns {
            each(select.query_row([at(turn, rows)], |row| row.get(0)).expect("there"));
        }
    };
    look(LOOKUPS / 10);
    took(|| look(LOOKUPS))
}

fn at(turn: u64, rows: i64) -> i64 {
    (turn.wrapping_mul(STRIDE) % rows as u64) as i64
}

/// A database with a sealed column.
struct Ours {
    connection: Connection,
    vault: Vault,
    seal: Option<IntegritySeal>,
}

struct Rotated {
    /// From the first step to the destroyed key.
    walked: Took,
    longest: f64,
    purged: Took,
}

impl Ours {
    fn fill(path: &Path, rows: i64, with_seal: bool) -> Self {
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

    fn rotate(&mut self) -> Rotated {
        let walked = self.walk();
        Rotated { purged: self.purge(), ..walked }
    }

    /// From the first step to the destroyed key.
    fn walk(&mut self) -> Rotated {
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

    fn purge(&mut self) -> Took {
        let Self { connection, vault, .. } = self;
        let purged = took(|| drop(vault.purge(connection).expect("purged")));
        let transaction = begin(connection);
        assert!(Rotation::step(&transaction, vault, BATCH).expect("steps").is_none(), "it is not over");
        transaction.commit().expect("commits");
        purged
    }

    fn look_up(&self, rows: i64) -> Took {
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

    /// What was measured was the real thing: the seal fits, and every field opens.
    fn verify(&self) {
        let seal = self.seal.as_ref().expect("with the seal");
        assert!(seal.verify(&self.connection).expect("nothing was altered").complete);
        assert!(self.vault.check_fields(&self.connection).expect("reads").unopenable.is_empty());
    }
}

struct Sqlcipher<'p> {
    binary: &'p str,
    file: PathBuf,
}

impl Sqlcipher<'_> {
    fn run(&self, act: &str, count: u64) -> Took {
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

fn begin(connection: &mut Connection) -> Transaction<'_> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins")
}
