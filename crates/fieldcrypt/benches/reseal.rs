//! Online re-sealing of ROWS rows × 200 bytes against the same UPDATE without any cryptography, in one run, over the same
//! file, in the same batches: `cargo bench -p fieldcrypt --bench reseal`, or `… -- 100000` for fewer rows.
//!
//! Two plain updates are measured: by a program that reads the rows and writes each back (what re-sealing does, less the
//! cryptography), and by one SQL statement a batch (the fastest SQLite can do it).
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a benchmark reads the clock, writes SQL, and may fail"
)]

use std::time::{Duration, Instant};

use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{
    Algorithm, ColumnRegistry, NewDataKey, NewVault, Phase, Rotation, RowKey, SealedColumn, SlotSecret, Vault,
};
use rusqlite::{Connection, TransactionBehavior};

const VALUE: SealedColumn = SealedColumn::new("things", "value");
const BATCH: u32 = Rotation::BATCH;

fn main() {
    let rows: i64 = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("bench.sqlite");
    let mut connection = open_connection(&path, OpenMode::CreateNew).expect("opens");
    let registry = ColumnRegistry::new(&[VALUE]).expect("one column");
    let secret = SlotSecret::key_file(vec![1; 32]).expect("long enough");
    let vault = Vault::create(&mut connection, registry, &secret, &NewVault::first(0)).expect("made");
    fill(&mut connection, &vault, rows);

    let memory_before = peak_memory_kib();
    // Each twice, in turn: the second run finds the same warm cache as the others.
    for round in 1..=2 {
        let (program, _) = plain_by_a_program(&mut connection);
        let statement = plain_by_statements(&mut connection, rows);
        let (reseal, longest, proving) = reseal(&mut connection, &vault);
        println!(
            "round {round}, {rows} rows x 200 bytes: plain by a program {program:.2?}, plain by statements {statement:.2?}, \
             re-sealed {reseal:.2?}"
        );
        println!(
            "  ratio to a program {:.2}, to statements {:.2}; longest batch {longest:.1?}, last look {proving:.1?}",
            program.as_secs_f64() / reseal.as_secs_f64(),
            statement.as_secs_f64() / reseal.as_secs_f64(),
        );
    }
    println!(
        "peak memory before {memory_before} KiB, after {} KiB",
        peak_memory_kib()
    );
    let start = Instant::now();
    let purged = vault.purge(&mut connection).expect("purged");
    println!(
        "purge {:.2?}, {} pieces looked for",
        start.elapsed(),
        purged.pieces
    );
}

fn fill(connection: &mut Connection, vault: &Vault, rows: i64) {
    connection
        .execute_batch("CREATE TABLE things (id INTEGER NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT")
        .expect("table");
    let transaction = connection.transaction().expect("begins");
    {
        let mut insert = transaction
            .prepare("INSERT INTO things (id, value) VALUES (?1, ?2)")
            .expect("prepares");
        for id in 0..rows {
            let sealed = vault
                .seal(VALUE, &RowKey::Integer(id), &[b'x'; 200])
                .expect("seals");
            insert.execute((id, sealed)).expect("stored");
        }
    }
    transaction.commit().expect("commits");
}

/// Reads each row and writes it back, in the batches and transactions of a rotation. The values are turned by an
/// involution, so that twice leaves them as they were.
fn plain_by_a_program(connection: &mut Connection) -> (Duration, u64) {
    let start = Instant::now();
    let mut written = 0;
    for _ in 0..2 {
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
                    let turned: Vec<u8> = value.iter().rev().copied().collect();
                    written += update.execute((turned, value, id)).expect("writes") as u64;
                }
            }
            transaction.commit().expect("commits");
            let Some((last, _)) = batch.last() else { break };
            after = *last;
        }
    }
    (start.elapsed() / 2, written)
}

/// One statement a batch; twice leaves the values as they were.
fn plain_by_statements(connection: &mut Connection, rows: i64) -> Duration {
    let start = Instant::now();
    let half = "CAST(substr(value, 118) || substr(value, 1, 117) AS BLOB)";
    for _ in 0..2 {
        for from in (0..rows).step_by(BATCH as usize) {
            let transaction = begin(connection);
            transaction
                .prepare_cached(&format!(
                    "UPDATE things SET value = {half} WHERE id >= ?1 AND id < ?2"
                ))
                .expect("prepares")
                .execute((from, from + i64::from(BATCH)))
                .expect("writes");
            transaction.commit().expect("commits");
        }
    }
    // 6 + 12 + 200 + 16 = 234 bytes: two halves of 117 are swapped, so that twice is nothing.
    start.elapsed() / 2
}

/// A rotation without its purge; the longest batch; the look at every field.
fn reseal(connection: &mut Connection, vault: &Vault) -> (Duration, Duration, Duration) {
    let start = Instant::now();
    let new = NewDataKey {
        algorithm: Algorithm::Aes256Gcm,
        created_unix: 0,
    };
    let transaction = begin(connection);
    Rotation::begin(&transaction, vault, &new).expect("begins");
    transaction.commit().expect("commits");
    vault.reload_if_changed(connection).expect("reloads");
    let (mut longest, mut proving, mut phase) = (Duration::ZERO, Duration::ZERO, Phase::Sweeping);
    while phase != Phase::Purging {
        let step = Instant::now();
        let transaction = begin(connection);
        let rotation = Rotation::step(&transaction, vault, BATCH)
            .expect("steps")
            .expect("is under way");
        transaction.commit().expect("commits");
        if phase == Phase::Proving {
            proving = step.elapsed();
        } else {
            longest = longest.max(step.elapsed());
        }
        phase = rotation.phase;
    }
    vault.reload_if_changed(connection).expect("reloads");
    let took = start.elapsed();
    // The next round begins a rotation of its own; the last one's purge is measured by itself.
    connection
        .execute_batch("DELETE FROM fieldcrypt_rotation")
        .expect("set aside");
    (took, longest, proving)
}

fn begin(connection: &mut Connection) -> rusqlite::Transaction<'_> {
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .expect("begins")
}

fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
