//! A rotation of the data key of a large database, by `postern keys rotate data` beside a server that verifies: how long a
//! verification takes meanwhile against before and after, and how much memory the command takes.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use authcore::PROTECTED_TABLES;
use fieldcrypt::sqlite::{OpenMode, checkpoint_truncate, open_connection};
use fieldcrypt::{ColumnRegistry, RowKey, SealedColumn, SlotSecret, Vault};
use rusqlite::TransactionBehavior;

use crate::client::Client;
use crate::cores::Cores;
use crate::server::{Held, Postern, command};
use crate::{Row, memory, quantile, seconds};

const EVENT: SealedColumn = SealedColumn::new("audit_events", "record");

/// Verifying clients, and how often each asks: 1,000 a second in all, what neither side is short of time for.
const CLIENTS: usize = 4;
const PACE: Duration = Duration::from_millis(4);

pub fn beside_a_server(binary: &str, rows: i64) -> Vec<Row> {
    let postern = Postern::start(binary, tempfile::tempdir().expect("a folder"), Cores::All);
    postern.set_password();
    let folder = postern.stop();
    fill(folder.path(), rows);
    let postern = Postern::start(binary, folder, Cores::All);
    let held = postern.sign_in();
    let idle = || paced(&postern, &held, || thread::sleep(Duration::from_secs(8)));
    let before = idle();
    let mut peak: f64 = 0.0;
    let mut walked = 0.0;
    let during = paced(&postern, &held, || {
        walked = seconds(|| {
            let mut rotating = command(binary, postern.folder.path(), Cores::All, &["keys", "rotate", "data"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("starts");
            peak = watched(&mut rotating);
        });
    });
    let after = idle();
    let ratio = during / before.midpoint(after);
    vec![
        Row {
            what: "p99 of a verification while the data key is rotated, against the mean of before and after",
            goal: "≤ 2×",
            measured: format!(
                "{ratio:.2}× ({:.2} ms; {:.2} ms before, {:.2} ms after; {rows} rows in {walked:.1} s)",
                during * 1e3,
                before * 1e3,
                after * 1e3
            ),
            met: ratio <= 2.0,
        },
        Row { what: "memory of `postern keys rotate data`, peak", goal: "–", measured: format!("{peak:.1} MiB at {rows} rows"), met: true },
    ]
}

/// The most memory the process held, read until it ends.
fn watched(process: &mut Child) -> f64 {
    let mut peak: f64 = 0.0;
    loop {
        if let Some(status) = process.try_wait().expect("waits") {
            assert!(status.success(), "the rotation failed");
            return peak;
        }
        peak = peak.max(memory::mib(process.id(), "VmHWM:").unwrap_or(0.0));
        thread::sleep(Duration::from_millis(20));
    }
}

/// The p99 of verifications at a steady pace while something is done.
fn paced(postern: &Postern, held: &Held, act: impl FnOnce()) -> f64 {
    let stop = AtomicBool::new(false);
    let mut times = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(&postern.address);
                    let bearer = format!("Authorization: Bearer {}\r\n", held.token);
                    let request = client.request("GET", "/api/v1/settings/max_sessions", &bearer, "");
                    let mut times = Vec::new();
                    let mut due = Instant::now();
                    while !stop.load(Ordering::Relaxed) {
                        times.push(seconds(|| assert_eq!(client.status(&request), Some(200))));
                        due += PACE;
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    times
                })
            })
            .collect();
        act();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect::<Vec<f64>>()
    });
    quantile(&mut times, 0.99)
}

/// So many audit events of 200 bytes, under the integrity seal.
pub fn fill(folder: &Path, rows: i64) {
    let password = std::fs::read(folder.join("config/postern/field-password")).expect("the field password");
    let secret = SlotSecret::password(std::str::from_utf8(&password).expect("text").trim_end());
    let database = folder.join("data/postern/postern.sqlite");
    let mut connection = open_connection(&database, OpenMode::Existing).expect("opens");
    let registry = ColumnRegistry::new(&[EVENT]).expect("one column");
    let vault = Vault::unlock(&connection, registry, &secret).expect("unlocks");
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
    {
        let first: i64 = transaction
            .query_row("SELECT coalesce(max(id), 0) + 1 FROM audit_events", [], |row| row.get(0))
            .expect("reads");
        let mut insert = transaction
            .prepare("INSERT INTO audit_events (id, at, kind, record) VALUES (?1, 0, 'filler', ?2)")
            .expect("prepares");
        for id in first..first + rows {
            let sealed = vault.seal(EVENT, &RowKey::Integer(id), &[b'x'; 200]).expect("seals");
            insert.execute((id, sealed)).expect("stored");
        }
    }
    vault.record_uses(&transaction).expect("counted");
    let seal = vault.integrity_seal(&PROTECTED_TABLES).expect("a key");
    seal.rebuild(&transaction, 0).expect("sealed");
    transaction.commit().expect("commits");
    checkpoint_truncate(&connection).expect("written back");
}
