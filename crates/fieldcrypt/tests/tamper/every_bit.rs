//! Every bit of a small database is flipped, one at a time: it is refused, or it reads as it did.

use std::path::Path;

use crate::database::{self, CITY, Database, NAME, NOTE};
use fieldcrypt::sqlite::{OpenMode, checkpoint_truncate, open_connection};
use fieldcrypt::{RowKey, Sealed, SealedColumn, Vault};
use rusqlite::Connection;

type Failure = Box<dyn std::error::Error>;

/// Everything a program reads, by full pass and by look-up: sealed values opened, plain ones as they stand.
fn served(connection: &Connection, vault: &Vault) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    let mut open = |column: SealedColumn, row: &RowKey<'_>, sealed: &Sealed| -> Result<(), Failure> {
        let opened = vault.open(column, row, sealed)?;
        lines.push(format!(
            "{row:?} {}",
            String::from_utf8_lossy(opened.expose_bytes())
        ));
        Ok(())
    };
    let mut people = connection.prepare("SELECT id, age, name, city FROM people ORDER BY age")?;
    let mut rows = people.query([])?;
    let mut ages = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        ages.push(format!("{id} {:?}", row.get::<_, Option<i64>>(1)?));
        open(NAME, &RowKey::Integer(id), &row.get(2)?)?;
        open(CITY, &RowKey::Integer(id), &row.get(3)?)?;
    }
    for key in ["a", "b"] {
        let sealed =
            connection.query_row("SELECT note FROM notes WHERE key = ?1", [key], |row| row.get(0))?;
        open(NOTE, &RowKey::Text(key), &sealed)?;
    }
    lines.append(&mut ages);
    lines.push(connection.query_row(
        "SELECT count(*) || ' ' || (SELECT count(*) FROM people) FROM notes",
        [],
        |row| row.get(0),
    )?);
    Ok(lines)
}

/// What a program does at its start: unlock, verify, read. Over a read-only connection, so that the file stays as it is.
fn start(path: &Path) -> Result<Vec<String>, Failure> {
    let connection = open_connection(path, OpenMode::ReadOnly)?;
    let vault = Vault::unlock(&connection, database::registry(), &database::key_file())?;
    let seal = vault.integrity_seal(&database::PROTECTED)?;
    let verified = seal.verify(&connection)?;
    if !verified.complete {
        return Err("the seal is not complete".into());
    }
    served(&connection, &vault)
}

/// The file, closed, without a log.
fn closed() -> (tempfile::TempDir, std::path::PathBuf) {
    let Database {
        folder,
        path,
        connection,
        ..
    } = Database::new();
    assert!(!checkpoint_truncate(&connection).expect("written back"));
    drop(connection);
    (folder, path)
}

#[test]
fn nothing_altered_is_ever_served() {
    let (folder, path) = closed();
    let genuine = std::fs::read(&path).expect("reads");
    let expected = start(&path).expect("control: the untouched file starts");
    assert_eq!(expected.len(), 3 * 2 + 2 + 3 + 1);
    let (mut refused, mut harmless) = (0, 0);
    std::thread::scope(|scope| {
        let half = genuine.len() / 2;
        let work = [0..half, half..genuine.len()].map(|bytes| {
            let (genuine, expected, folder) = (&genuine, &expected, folder.path());
            scope.spawn(move || {
                let path = folder.join(format!("flipped-{}", bytes.start));
                let (mut refused, mut harmless) = (0, 0);
                for byte in bytes {
                    // A zero byte is mostly free space, of which there is much: one of its bits, in turn.
                    let bits = if genuine[byte] == 0 {
                        byte % 8..byte % 8 + 1
                    } else {
                        0..8
                    };
                    for bit in bits {
                        let mut flipped = genuine.clone();
                        flipped[byte] ^= 1 << bit;
                        std::fs::write(&path, flipped).expect("written");
                        match start(&path) {
                            Err(_) => refused += 1,
                            Ok(served) => {
                                assert_eq!(served, *expected, "bit {bit} of byte {byte}");
                                harmless += 1;
                            }
                        }
                    }
                }
                (refused, harmless)
            })
        });
        for half in work {
            let (r, h) = half.join().expect("no panic");
            refused += r;
            harmless += h;
        }
    });
    eprintln!(
        "{} bytes, {refused} flips refused, {harmless} harmless",
        genuine.len()
    );
    // What is harmless lies in free space and in counters of the header that nothing reads.
    assert!(refused > harmless, "{refused} refused, {harmless} harmless");
}
