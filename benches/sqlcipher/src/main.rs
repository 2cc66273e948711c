//! SQLCipher's side of the comparison, one act a call, its seconds on the clock and of the processor printed: `bench-sqlcipher ACT FILE COUNT`. Driven by
//! `benches/src/reseal.rs`, which runs it in turn with the other sides.
//!
//! - `fill`: as many rows of 200 bytes.
//! - `rekey`: `PRAGMA rekey` from the file's key to the other one; nobody else can use the database meanwhile.
//! - `scan`: every row once, in order, at the same cache.
//! - `lookup`: as many look-ups of one row by its key, at the cache SQLCipher and SQLite have by default.

use std::time::Instant;

use rusqlite::Connection;

/// Raw keys: the comparison is of pages, not of key derivations.
const KEYS: [&str; 2] = [
    "x'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'",
    "x'ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100'",
];

/// A step that visits the rows in no order, coprime to their number; the same in every side's look-ups.
const STRIDE: u64 = 7_368_787;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [act, file, count] = arguments.as_slice() else {
        panic!("bench-sqlcipher fill|rekey|lookup|scan FILE COUNT");
    };
    let count: u64 = count.parse().expect("a number");
    let seconds = match act.as_str() {
        "fill" => fill(file, count),
        "rekey" => rekey(file),
        "lookup" => lookup(file, count),
        "scan" => scan(file, count),
        _ => panic!("fill, rekey, lookup or scan"),
    };
    println!("{} {}", seconds.0, seconds.1);
}

fn begin() -> (Instant, f64) {
    (Instant::now(), processor())
}

fn since((begun, processor_before): (Instant, f64)) -> (f64, f64) {
    (begun.elapsed().as_secs_f64(), processor() - processor_before)
}

/// This thread's processor time (proc(5)).
fn processor() -> f64 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").expect("ours");
    line.split(' ').next().expect("a field").parse::<f64>().expect("nanoseconds") / 1e9
}

/// With the key that fits, and its place in the list.
fn open(file: &str) -> (Connection, usize) {
    for (at, key) in KEYS.into_iter().enumerate() {
        let connection = Connection::open(file).expect("opens");
        // It would say on standard error that a key does not fit.
        connection.pragma_update(None, "cipher_log_level", "NONE").expect("set");
        connection.pragma_update(None, "key", key).expect("takes a key");
        if connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).is_ok() {
            let version: String = connection.query_row("PRAGMA cipher_version", [], |row| row.get(0)).expect("SQLCipher");
            assert!(!version.is_empty());
            return (connection, at);
        }
    }
    panic!("no key fits {file}");
}

fn fill(file: &str, rows: u64) -> (f64, f64) {
    let (mut connection, _) = open(file);
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").expect("set");
    connection
        .execute_batch("CREATE TABLE things (id INTEGER NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT")
        .expect("table");
    let begun = begin();
    let transaction = connection.transaction().expect("begins");
    {
        let mut insert = transaction.prepare("INSERT INTO things (id, value) VALUES (?1, ?2)").expect("prepares");
        for id in 0..rows {
            insert.execute((id as i64, [b'x'; 200])).expect("stored");
        }
    }
    transaction.commit().expect("commits");
    since(begun)
}

fn rekey(file: &str) -> (f64, f64) {
    let (connection, at) = open(file);
    // SQLCipher's documentation: rekey is not for a database in WAL mode.
    connection.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL").expect("set");
    let begun = begin();
    connection.pragma_update(None, "rekey", KEYS[1 - at]).expect("rekeyed");
    let took = since(begun);
    drop(connection);
    assert_eq!(open(file).1, 1 - at, "the new key does not open it");
    took
}

fn lookup(file: &str, count: u64) -> (f64, f64) {
    let (connection, _) = open(file);
    connection.execute_batch("PRAGMA journal_mode = WAL").expect("set");
    let rows: i64 = connection.query_row("SELECT count(*) FROM things", [], |row| row.get(0)).expect("counts");
    let mut select = connection.prepare("SELECT value FROM things WHERE id = ?1").expect("prepares");
    let mut look = |turns: u64| {
        for turn in 0..turns {
            let id = (turn.wrapping_mul(STRIDE) % rows as u64) as i64;
            let value: Vec<u8> = select.query_row([id], |row| row.get(0)).expect("there");
            assert_eq!(value.len(), 200);
        }
    };
    look(count / 10);
    let begun = begin();
    look(count);
    since(begun)
}

fn scan(file: &str, rows: u64) -> (f64, f64) {
    let (connection, _) = open(file);
    connection.execute_batch("PRAGMA journal_mode = WAL").expect("set");
    let mut select = connection.prepare("SELECT id, value FROM things").expect("prepares");
    let begun = begin();
    let mut seen = 0;
    let mut found = select.query([]).expect("reads");
    while let Some(row) = found.next().expect("reads") {
        let (_, value): (i64, Vec<u8>) = (row.get(0).expect("id"), row.get(1).expect("value"));
        assert_eq!(value.len(), 200);
        seen += 1;
    }
    assert_eq!(seen, rows);
    since(begun)
}
