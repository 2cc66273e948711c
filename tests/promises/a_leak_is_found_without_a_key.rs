//! `postern leak-test` finds what a thief would: a planted secret wherever it stands, and nothing in a clean file. It has no
//! key, and changes nothing.
#![expect(clippy::disallowed_methods, reason = "secrets are planted with SQL")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use crate::a_second_factor_is_asked_for::Factor;
use crate::owner::{PASSWORD, signed_in};

/// A folder, and a database of another program in it.
struct Foreign {
    folder: tempfile::TempDir,
    connection: Connection,
}

fn foreign(sql: &str) -> Foreign {
    let folder = tempfile::tempdir().expect("a folder");
    let connection = Connection::open(folder.path().join("foreign.sqlite")).expect("made");
    connection.execute_batch(sql).expect("SQL");
    Foreign { folder, connection }
}

impl Foreign {
    fn path(&self) -> PathBuf {
        self.folder.path().join("foreign.sqlite")
    }

    fn tested(&self, more: &[&str]) -> Tested {
        leak_test(&self.path(), more)
    }
}

/// What the command said.
struct Tested {
    code: Option<i32>,
    report: Value,
    said: String,
}

impl Tested {
    /// What was found, as `kind in place`.
    fn found(&self) -> Vec<String> {
        let findings = self.report.get("Findings").and_then(Value::as_array);
        let text = |finding: &Value, member: &str| finding[member].as_str().unwrap_or("").to_owned();
        findings
            .map(|all| {
                all.iter()
                    .map(|f| format!("{} in {}", text(f, "Kind"), text(f, "In")))
                    .collect()
            })
            .unwrap_or_default()
    }

    #[track_caller]
    fn is_clean(&self) {
        assert_eq!(self.code, Some(0), "{}", self.said);
        assert!(self.found().is_empty(), "{}", self.said);
    }

    #[track_caller]
    fn finds(&self, expected: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.said);
        let found = self.found();
        for one in expected {
            assert!(found.iter().any(|found| found == one), "{one}: {}", self.said);
        }
    }

    fn class(&self, column: &str) -> &str {
        let columns = self
            .report
            .get("Columns")
            .and_then(Value::as_array)
            .expect("columns");
        let column = columns
            .iter()
            .find(|c| c["Column"] == column)
            .expect("the column");
        column["Class"].as_str().expect("a class")
    }
}

/// Runs the command; no file of the folder may change, and none may come.
#[track_caller]
fn leak_test(path: &Path, more: &[&str]) -> Tested {
    let folder = path.parent().expect("a folder");
    let before = contents(folder);
    let output = Command::new(env!("CARGO_BIN_EXE_postern"))
        .args(["leak-test", "--json"])
        .arg(path)
        .args(more)
        .env_clear()
        .output()
        .expect("it starts");
    assert!(contents(folder) == before, "a file was changed or made");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Tested {
        code: output.status.code(),
        report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        said,
    }
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("the folder");
    files
        .map(|file| file.expect("an entry").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("readable")))
        .collect()
}

/// A token in GitHub's form, another one for every number.
fn token(number: usize) -> String {
    format!("ghp_{}{number:04}", "aB3dE6gH".repeat(4))
}

#[test]
fn nothing_is_found_in_a_clean_database_running_or_stopped() {
    let (mut postern, held) = signed_in();
    let set = postern.run_fed(
        &["settings", "set", "secret.upstream", "--value-file", "-"],
        "a secret of the upstream",
    );
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let key = postern.says_json(&["access-keys", "create", "backup", "--scope", "api:read"]);
    let _ = postern.says(&["slots", "add", "recovery"]);
    assert_eq!(held.refresh(&postern).status, 200);
    let field_password = std::fs::read_to_string(postern.field_password()).expect("there");
    let lists = tempfile::tempdir().expect("a folder");
    let words = lists.path().join("words");
    let list = format!(
        "{PASSWORD}\n{}\npassword\nactive\nsettings\n",
        field_password.trim()
    );
    std::fs::write(&words, list).expect("written");
    let words = ["--try-passwords", words.to_str().expect("text")];
    // A copy as a thief takes it while the server runs: file and log.
    let copy = tempfile::tempdir().expect("a folder");
    for name in ["postern.sqlite", "postern.sqlite-wal"] {
        let from = postern.data_dir().join(name);
        std::fs::copy(from, copy.path().join(name)).expect("copied");
    }
    leak_test(&copy.path().join("postern.sqlite"), &words).is_clean();
    assert_eq!(postern.stop(), Some(0));
    let database = postern.data_dir().join("postern.sqlite");
    let tested = leak_test(&database, &words);
    tested.is_clean();
    for (column, class) in [
        ("sessions.record", "sealed"),
        ("settings.value", "sealed"),
        ("access_keys.record", "sealed"),
        ("signin_tokens.hash", "hashed"),
        ("access_keys.name", "plain"),
        ("spent_tokens.jti", "empty"),
    ] {
        assert_eq!(tested.class(column), class, "{column}");
    }
    // Control: each secret of the clean file is found as soon as it stands in the open.
    let connection = Connection::open(&database).expect("opens");
    let secret = key.to_string();
    for (secret, kind) in [
        (secret.as_str(), "access key of Postern"),
        (&held.cookie, "refresh cookie of Postern"),
        (&held.access_token, "JWT"),
        (PASSWORD, "listed password, in plain"),
    ] {
        connection
            .execute("UPDATE fieldcrypt_slots SET label = ?1", [secret])
            .expect("written");
        let tested = leak_test(&database, &words);
        tested.finds(&[&format!("{kind} in fieldcrypt_slots.label")]);
        assert!(!tested.said.contains(&held.access_token) && !tested.said.contains(PASSWORD));
    }
}

#[test]
fn a_secret_planted_in_any_column_of_any_table_is_named() {
    let (mut postern, _) = signed_in();
    assert_eq!(postern.stop(), Some(0));
    let database = postern.data_dir().join("postern.sqlite");
    let connection = Connection::open(&database).expect("opens");
    // A strict column takes no text but where it is declared: who plants something can change that.
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(replace(sql, 'STRICT, WITHOUT', 'WITHOUT'), ') STRICT', ')');",
        )
        .expect("changed");
    drop(connection);
    let connection = Connection::open(&database).expect("opens");
    connection
        .execute_batch("PRAGMA ignore_check_constraints = ON")
        .expect("set");
    let mut statement = connection
        .prepare(
            "SELECT t.name, c.name, c.type = 'INTEGER' AND c.pk > 0
             FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1, c.cid",
        )
        .expect("prepared");
    let columns: Vec<(String, String, bool)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .and_then(Iterator::collect)
        .expect("read");
    drop(statement);
    let (mut expected, mut tokens) = (Vec::new(), Vec::new());
    for (number, (table, column, is_rowid)) in columns.iter().enumerate() {
        if *is_rowid {
            continue; // It is the rowid, and holds whole numbers alone.
        }
        let of_table = columns.iter().filter(|(name, ..)| name == table);
        let (names, values): (Vec<_>, Vec<_>) = of_table
            .map(|(_, name, _)| {
                let planted = format!("'{}'", token(number));
                let value = if name == column {
                    planted
                } else {
                    (1000 + number).to_string()
                };
                (format!("\"{name}\""), value)
            })
            .unzip();
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES ({})",
            names.join(", "),
            values.join(", ")
        );
        connection.execute(&sql, []).expect("planted");
        expected.push(format!("GitHub token in {table}.{column}"));
        tokens.push(token(number));
    }
    assert!(expected.len() > 60, "{}", expected.len());
    drop(connection);
    let tested = leak_test(&database, &[]);
    tested.finds(&expected.iter().map(String::as_str).collect::<Vec<_>>());
    tested.finds(&["value that is not sealed in sessions.record"]);
    for token in tokens {
        assert!(!tested.said.contains(&token), "shown in full");
    }
}

#[test]
fn a_plain_value_in_a_sealed_column_is_named_with_its_row() {
    let (mut postern, _) = signed_in();
    assert_eq!(postern.stop(), Some(0));
    let database = postern.data_dir().join("postern.sqlite");
    let connection = Connection::open(&database).expect("opens");
    connection
        .execute_batch(
            "INSERT INTO settings (key, value) VALUES ('secret.upstream', CAST('\"in the open\"' AS BLOB))",
        )
        .expect("written");
    let tested = leak_test(&database, &[]);
    tested.finds(&["value that is not sealed in settings.value"]);
    assert!(tested.said.contains("secret.upstream"), "{}", tested.said);
}

#[test]
fn a_deleted_secret_in_a_free_page_is_named_by_file_and_place() {
    let foreign =
        foreign("PRAGMA secure_delete = OFF; CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('kept');");
    let padding = "The quick brown fox. ".repeat(100);
    foreign
        .connection
        .execute(
            "INSERT INTO t VALUES (?1)",
            [format!("{padding}{} {padding}", token(1))],
        )
        .expect("written");
    foreign.tested(&[]).finds(&["GitHub token in t.a"]);
    foreign
        .connection
        .execute("DELETE FROM t WHERE a <> 'kept'", [])
        .expect("deleted");
    let tested = foreign.tested(&[]);
    tested.finds(&["GitHub token in foreign.sqlite"]);
    let at = tested.report["Findings"][0]["At"]
        .as_str()
        .expect("a place")
        .to_owned();
    let at: usize = at.trim_start_matches("byte ").parse().expect("a number");
    let bytes = std::fs::read(foreign.path()).expect("read");
    assert!(bytes[at..].starts_with(token(1).as_bytes()), "it stands there");
    foreign.connection.execute_batch("VACUUM").expect("vacuumed");
    foreign.tested(&[]).is_clean();
}

#[test]
fn what_stands_in_the_log_alone_is_found_with_or_without_its_index() {
    let foreign = foreign(
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x');
         PRAGMA wal_checkpoint(TRUNCATE);",
    );
    // The log is emptied, the file is in the mode with a log: looked at without one.
    let copy = tempfile::tempdir().expect("a folder");
    let copied = copy.path().join("foreign.sqlite");
    std::fs::copy(foreign.path(), &copied).expect("copied");
    leak_test(&copied, &[]).is_clean();
    let write = |sql: &str| foreign.connection.execute_batch(sql).expect("written");
    write(&format!("INSERT INTO t VALUES ('{}')", token(1)));
    foreign.tested(&[]).finds(&["GitHub token in t.a"]);
    for beside in [&["-wal"][..], &["-wal", "-shm"]] {
        for suffix in beside {
            let name = format!("foreign.sqlite{suffix}");
            std::fs::copy(foreign.folder.path().join(&name), copy.path().join(&name)).expect("copied");
        }
        leak_test(&copied, &[]).finds(&["GitHub token in t.a"]);
    }
    // Deleted again: only an older page of the log holds it.
    write("PRAGMA secure_delete = ON; DELETE FROM t WHERE a <> 'x'");
    foreign.tested(&[]).finds(&["GitHub token in foreign.sqlite-wal"]);
}

#[test]
fn any_sqlite_file_is_looked_at_in_full() {
    let foreign = foreign(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, note TEXT, colour, uuid TEXT, picture BLOB, seen TEXT);
         INSERT INTO people VALUES (1, 'Anna', 'Likes long walks, and boats.', '#1e90ff',
             '550e8400-e29b-41d4-a716-446655440000', x'89504e470d0a1a0a', '2026-11-25T22:25:41Z');
         CREATE TABLE odd (\"rowid\" TEXT, \"quote\"\"d\" TEXT); INSERT INTO odd VALUES ('a', 'b');
         CREATE TABLE paired (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO paired VALUES ('a', 'b');
         CREATE VIRTUAL TABLE words USING fts5(body); INSERT INTO words VALUES ('quite ordinary words');
         CREATE VIEW seen AS SELECT name FROM people;",
    );
    foreign.tested(&[]).is_clean();
    let long = |at: usize| {
        let mut text = vec![b'.'; (1 << 20) + 9000];
        text[at..at + 40].copy_from_slice(token(1).as_bytes());
        text
    };
    for (sql, value, expected) in [
        (
            "UPDATE people SET note = CAST(?1 AS TEXT)",
            long((1 << 20) - 20),
            "GitHub token in people.note",
        ),
        (
            "UPDATE people SET picture = ?1",
            long((1 << 20) + 8960),
            "GitHub token in people.picture",
        ),
        (
            "UPDATE paired SET b = CAST(?1 AS TEXT)",
            long(1 << 20),
            "GitHub token in paired.b",
        ),
        (
            "UPDATE odd SET \"quote\"\"d\" = CAST(?1 AS TEXT)",
            token(2).into_bytes(),
            "GitHub token in odd.quote\"d",
        ),
        (
            "INSERT INTO words VALUES (CAST(?1 AS TEXT))",
            token(3).into_bytes(),
            "GitHub token in words_content.c0",
        ),
        (
            "UPDATE people SET note = CAST(?1 AS TEXT)",
            b"5f2KqP9xYb7LmW3sTz8VnRc4HdJg6AeQ1uXo".to_vec(),
            "text that looks random: a token or a key in people.note",
        ),
        (
            "UPDATE people SET note = CAST(?1 AS TEXT)",
            b"$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde".to_vec(),
            "fast password hash (bcrypt with a small cost) in people.note",
        ),
    ] {
        foreign.connection.execute("SAVEPOINT before", []).expect("begun");
        foreign.connection.execute(sql, [value]).expect("planted");
        foreign.connection.execute("RELEASE before", []).expect("kept");
        foreign.tested(&[]).finds(&[expected]);
    }
    foreign
        .connection
        .execute_batch(&format!("CREATE VIEW leak AS SELECT '{}'", token(9)))
        .expect("made");
    foreign.tested(&[]).finds(&["GitHub token in sqlite_schema.sql"]);
}

#[test]
fn fast_hashes_of_listed_passwords_are_found() {
    let foreign = foreign(
        "CREATE TABLE users (a TEXT, b BLOB, c TEXT, pin INTEGER);
         INSERT INTO users VALUES ('5f4dcc3b5aa765d61d8327deb882cf99', x'5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8',
             '{\"hash\":\"XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=\"}', 48151623);",
    );
    let words = foreign.folder.path().join("words");
    std::fs::write(&words, "monkey\npassword\n48151623\n").expect("written");
    foreign
        .tested(&["--try-passwords", words.to_str().expect("text")])
        .finds(&[
            "MD5 of a listed password, in hexadecimal in users.a",
            "SHA-1 of a listed password in users.b",
            "SHA-256 of a listed password, in base64 in users.c",
            "listed password, in plain in users.pin",
        ]);
    std::fs::write(&words, "monkey\n").expect("written");
    let tested = foreign.tested(&["--try-passwords", words.to_str().expect("text")]);
    assert!(!tested.said.contains("listed"), "{}", tested.said);
}

#[test]
fn an_age_file_says_to_whom_it_is_encrypted_and_what_is_neither_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(
        &path,
        "age-encryption.org/v1\n-> scrypt c2FsdA 18\nYm9keQ\n--- mac\n\u{1}\u{2}",
    )
    .expect("written");
    let tested = leak_test(&path, &[]);
    tested.is_clean();
    assert!(
        tested.said.contains("a passphrase (scrypt, 2^18)"),
        "{}",
        tested.said
    );
    for bytes in [
        &b"just some text"[..],
        b"",
        b"SQLite format 3\0 and then nonsense",
    ] {
        std::fs::write(&path, bytes).expect("written");
        let tested = leak_test(&path, &[]);
        assert_eq!(tested.code, Some(65), "{}", tested.said);
    }
    assert_eq!(leak_test(&folder.path().join("none"), &[]).code, Some(74));
}

#[test]
fn the_secret_of_the_second_factor_is_no_finding_and_would_be_one_unsealed() {
    let (mut postern, held) = signed_in();
    let factor = Factor::on(&postern, &held.bearer());
    assert_eq!(postern.stop(), Some(0));
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.sqlite");
    std::fs::copy(postern.data_dir().join("postern.sqlite"), &copy).expect("copied");
    leak_test(&copy, &[]).is_clean();
    let connection = Connection::open(&copy).expect("opens");
    let planted = connection.execute(
        "UPDATE server_state SET value = CAST(?1 AS BLOB) WHERE name = 'second-factor'",
        [&factor.secret],
    );
    assert_eq!(planted, Ok(1));
    drop(connection);
    let tested = leak_test(&copy, &[]);
    assert_eq!(tested.code, Some(1), "control: {}", tested.said);
    assert!(
        tested.found().iter().any(|found| found.contains("server_state")),
        "{}",
        tested.said
    );
}
