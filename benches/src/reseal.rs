//! Online re-sealing of ROWS rows of 200 bytes, with the integrity seal and without, beside the same `UPDATE` without
//! cryptography and SQLCipher's `PRAGMA rekey`; one-row look-ups and full scans. Every side has a file of its own; they take turns.
//!
//! The plain `UPDATE` is measured twice: by a program that reads rows and writes each back on condition of its old value,
//! in the order, batches and transactions of a rotation (what re-sealing does, less the cryptography); and by one single
//! SQL statement over the whole table (the fastest SQLite can do it, and nobody else can write meanwhile).

use fieldcrypt::sqlite::checkpoint_truncate;
use rusqlite::Connection;

use crate::sides::{BATCH, LOOKUPS, Ours, Sqlcipher, begin, fill_plain, look_up, scan};
use crate::{Row, Took, median, memory, took};

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
    plain_scan: Took,
    our_scan: Took,
    sqlcipher_scan: Took,
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
            round.plain_scan = took(|| scan(&plain, rows, |_, value: Vec<u8>| assert_eq!(value.len(), 200)));
            round.our_scan = sealed.scan(rows);
            round.sqlcipher_scan = cipher.run("scan", rows as u64);
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
    let plain_scan = ratio(|r| r.our_scan, |r| r.plain_scan);
    let cipher_scan = ratio(|r| r.sqlcipher_scan, |r| r.our_scan);
    let grown = of(&|r| r.grown_mib);
    vec![
        Row {
            what: "online re-sealing with the integrity seal, against the same UPDATE by a program",
            goal: "≥ 0.58×",
            measured: format!(
                "{:.2}× ({:.1} s against {:.1} s; processor {:.2}×)",
                program.wall,
                wall(|r| r.sealed),
                wall(|r| r.program),
                program.cpu
            ),
            met: program.wall >= 0.58,
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
            goal: "≥ 1.15×",
            measured: format!(
                "{:.2}× as fast (against {:.1} s; processor {:.2}×)",
                rekey.wall,
                wall(|r| r.rekey),
                rekey.cpu
            ),
            met: rekey.wall >= 1.15,
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
        Row {
            what: "full scan with opening, against plain SQLite",
            goal: "–",
            measured: format!("{:.2}× ({:.2} s against {:.2} s)", plain_scan.wall, wall(|r| r.our_scan), wall(|r| r.plain_scan)),
            met: true,
        },
        Row {
            what: "full scan with opening, against SQLCipher at its default cache",
            goal: "≥ 1.3×",
            measured: format!(
                "{:.2}× as fast (against {:.2} s; processor {:.2}×)",
                cipher_scan.wall,
                wall(|r| r.sqlcipher_scan),
                cipher_scan.cpu
            ),
            met: cipher_scan.wall >= 1.3,
        },
    ]
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
