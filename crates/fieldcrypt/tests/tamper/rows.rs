//! Somebody writes to the file without the keys: every change is refused, with the table and, where it can be told, the row.

use crate::database::{self, CITY, Database, NAME, NOTE};
use fieldcrypt::{IntegrityError, Report, RowKey, Sealed};
use rusqlite::Connection;

fn report(result: Result<fieldcrypt::Verified, IntegrityError>, attack: &str) -> Report {
    match result {
        Err(IntegrityError::Tampered(report)) => report,
        other => panic!("{attack}: {other:?}"),
    }
}

#[test]
fn an_untouched_database_is_verified() {
    let database = Database::new();
    let verified = database.seal.verify(&database.connection).expect("verified");
    assert!(verified.complete && verified.counter > 5);
    assert!(
        database.after("").is_ok(),
        "control: the attacker's way of looking is sound"
    );
}

#[test]
fn edited_deleted_added_rows_are_refused_with_table_and_row_named() {
    let database = Database::new();
    for (attack, finding) in [
        (
            "UPDATE people SET age = 99 WHERE id = 2",
            "table people: row 2 was altered",
        ),
        (
            "UPDATE people SET age = NULL WHERE id = 2",
            "table people: row 2 was altered",
        ),
        (
            "UPDATE people SET name = city WHERE id = 3",
            "table people: row 3 was altered",
        ),
        (
            "UPDATE notes SET note = x'00' WHERE key = 'a'",
            "table notes: row 'a' was altered",
        ),
        (
            "DELETE FROM people WHERE id = 1",
            "table people: row 1 is missing",
        ),
        (
            "DELETE FROM notes",
            "table notes: row 'a' is missing, row 'b' is missing",
        ),
        (
            "INSERT INTO people SELECT 4, age, name, city FROM people WHERE id = 1",
            "table people: row 4 was added",
        ),
        (
            "UPDATE people SET id = 9 WHERE id = 1",
            "table people: row 9 was added, row 1 is missing",
        ),
        (
            "UPDATE fieldcrypt_slots SET label = 'mine'",
            "table fieldcrypt_slots: row 1 was altered",
        ),
        (
            "DELETE FROM fieldcrypt_keys WHERE number = 2",
            "table fieldcrypt_keys: row 2 is missing",
        ),
        (
            "DELETE FROM fieldcrypt_row_marks WHERE row_key = x'020000000161'",
            "table notes: row 'a' was added",
        ),
        (
            "UPDATE fieldcrypt_row_marks SET mark = zeroblob(16) WHERE table_name = 'notes' AND row_key = x'020000000161'",
            "table notes: row 'a' was altered",
        ),
    ] {
        assert_eq!(
            report(database.after(attack), attack).to_string(),
            finding,
            "{attack}"
        );
    }
}

#[test]
fn a_row_put_back_from_an_older_copy_is_refused_and_named() {
    let database = Database::new();
    let old = database.folder.path().join("old.sqlite");
    database::copy(&database.path, &old);
    let row = RowKey::Integer(2);
    let newer = database.vault.seal(NAME, &row, b"Blaise Pascal").expect("seals");
    database
        .connection
        .execute("UPDATE people SET name = ?1 WHERE id = 2", [&newer])
        .expect("changed");
    database
        .connection
        .execute("DELETE FROM people WHERE id = 3", [])
        .expect("deleted");
    assert!(database.seal.verify(&database.connection).is_ok(), "control");

    // The rows alone: named.
    let attacker = database.attacker();
    attacker
        .execute_batch(&format!(
            "ATTACH '{}' AS old; BEGIN IMMEDIATE;
             DELETE FROM main.people WHERE id IN (2, 3);
             INSERT INTO main.people SELECT * FROM old.people WHERE id IN (2, 3)",
            old.display()
        ))
        .expect("attacks");
    let found = report(database.seal.verify(&attacker), "rows");
    assert_eq!(
        found.to_string(),
        "table people: row 2 was altered, row 3 was added"
    );

    // Every sealed value of them opens: without the seal, the attack works.
    let back: Sealed = attacker
        .query_row("SELECT name FROM main.people WHERE id = 2", [], |row| row.get(0))
        .expect("reads");
    assert_eq!(
        database
            .vault
            .open(NAME, &row, &back)
            .expect("opens")
            .expose_bytes(),
        b"Blaise"
    );

    // With their marks: the sum knows, and names the table.
    attacker
        .execute_batch(
            "DELETE FROM main.fieldcrypt_row_marks WHERE table_name = 'people';
             INSERT INTO main.fieldcrypt_row_marks SELECT * FROM old.fieldcrypt_row_marks WHERE table_name = 'people'",
        )
        .expect("attacks");
    let found = report(database.seal.verify(&attacker), "rows and marks");
    assert_eq!(found.tables.len(), 1);
    assert_eq!(found.tables[0].table, "people");
    assert!(found.tables[0].rows.is_empty());

    // With the old seal too, the other tables no longer fit it.
    attacker.execute_batch("ROLLBACK").expect("restored");
    let note = database
        .vault
        .seal(NOTE, &RowKey::Text("a"), b"new")
        .expect("seals");
    database
        .connection
        .execute("UPDATE notes SET note = ?1 WHERE key = 'a'", [note])
        .expect("changed");
    attacker
        .execute_batch(
            "BEGIN IMMEDIATE;
             DELETE FROM main.people WHERE id = 2;
             INSERT INTO main.people SELECT * FROM old.people WHERE id IN (2, 3);
             DELETE FROM main.fieldcrypt_row_marks WHERE table_name = 'people';
             INSERT INTO main.fieldcrypt_row_marks SELECT * FROM old.fieldcrypt_row_marks WHERE table_name = 'people';
             UPDATE main.fieldcrypt_seal SET seal = (SELECT seal FROM old.fieldcrypt_seal)",
        )
        .expect("attacks");
    let found = report(database.seal.verify(&attacker), "one table and the seal");
    assert_eq!(found.tables.len(), 1);
    assert_eq!(found.tables[0].table, "notes");
}

#[test]
fn every_pair_of_sealed_cells_swapped_is_refused_by_the_cells_and_by_the_seal() {
    let database = Database::new();
    let cells: Vec<(&str, &str, String)> = (1..=3)
        .flat_map(|id| {
            [
                ("people", "name", id.to_string()),
                ("people", "city", id.to_string()),
            ]
        })
        .chain(["a", "b"].map(|key| ("notes", "note", format!("'{key}'"))))
        .collect();
    let open_all = |connection: &Connection| {
        let mut opened = 0;
        for (table, column, key) in &cells {
            let key_column = if *table == "people" { "id" } else { "key" };
            let sql = format!("SELECT {column} FROM {table} WHERE {key_column} = {key}");
            let cell: Sealed = connection.query_row(&sql, [], |row| row.get(0)).expect("reads");
            let known = [NAME, CITY, NOTE]
                .into_iter()
                .find(|known| known.table() == *table && known.column() == *column)
                .expect("registered");
            let row = match key.parse() {
                Ok(id) => RowKey::Integer(id),
                Err(_) => RowKey::Text(key.trim_matches('\'')),
            };
            opened += usize::from(database.vault.open(known, &row, &cell).is_ok());
        }
        opened
    };
    assert_eq!(open_all(&database.connection), cells.len(), "control");
    let attacker = database.attacker();
    for (at, a) in cells.iter().enumerate() {
        for b in &cells[at + 1..] {
            let place = |cell: &(&str, &str, String)| {
                let key_column = if cell.0 == "people" { "id" } else { "key" };
                (
                    format!(
                        "(SELECT {} FROM {} WHERE {key_column} = {})",
                        cell.1, cell.0, cell.2
                    ),
                    format!(
                        "UPDATE {} SET {} = {{}} WHERE {key_column} = {}",
                        cell.0, cell.1, cell.2
                    ),
                )
            };
            let ((from_a, to_a), (from_b, to_b)) = (place(a), place(b));
            let swap = format!(
                "BEGIN IMMEDIATE; CREATE TEMP TABLE swap AS SELECT {from_a} AS a, {from_b} AS b; {}; {}; DROP TABLE temp.swap",
                to_a.replace("{}", "(SELECT b FROM temp.swap)"),
                to_b.replace("{}", "(SELECT a FROM temp.swap)"),
            );
            attacker.execute_batch(&swap).expect("swaps");
            assert_eq!(open_all(&attacker), cells.len() - 2, "{a:?} and {b:?}");
            let found = report(database.seal.verify(&attacker), &swap);
            assert_eq!(
                found.tables.iter().map(|table| table.rows.len()).sum::<usize>(),
                if (a.0, &a.2) == (b.0, &b.2) { 1 } else { 2 },
                "{a:?} and {b:?}: {found}"
            );
            attacker.execute_batch("ROLLBACK").expect("restored");
        }
    }
}

#[test]
fn a_seal_that_is_gone_altered_or_foreign_stops_the_start() {
    let database = Database::new();
    for (attack, gone) in [
        ("DELETE FROM fieldcrypt_seal", true),
        ("DROP TABLE fieldcrypt_seal", true),
        ("DROP TABLE fieldcrypt_row_marks", true),
        ("UPDATE fieldcrypt_seal SET seal = zeroblob(100)", false),
        ("UPDATE fieldcrypt_seal SET seal = x''", false),
    ] {
        let error = database.after(attack).expect_err(attack);
        assert!(
            matches!(
                (&error, gone),
                (IntegrityError::NoSeal, true) | (IntegrityError::SealDamaged, false)
            ),
            "{attack}: {error}"
        );
    }
    let stranger = Database::new();
    let foreign: Vec<u8> = stranger
        .connection
        .query_row("SELECT seal FROM fieldcrypt_seal", [], |row| row.get(0))
        .expect("reads");
    let hex = data_encoding::HEXLOWER.encode(&foreign);
    let error = database
        .after(&format!("UPDATE fieldcrypt_seal SET seal = x'{hex}'"))
        .expect_err("foreign");
    assert!(matches!(error, IntegrityError::SealDamaged), "{error}");
}

#[test]
fn a_changed_schema_is_refused() {
    let database = Database::new();
    for attack in [
        "CREATE TRIGGER t AFTER INSERT ON people BEGIN DELETE FROM notes; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP INDEX people_by_age",
        "CREATE TABLE x (a REFERENCES people (id) ON DELETE CASCADE)",
        "ALTER TABLE notes ADD COLUMN extra TEXT",
        "DROP TABLE notes",
        "DROP TABLE notes; CREATE VIEW notes AS SELECT 'a' AS key, x'00' AS note",
        "DROP TABLE notes; CREATE VIRTUAL TABLE notes USING fts5 (key, note)",
        "ALTER TABLE people RENAME TO folk",
    ] {
        let found = report(database.after(attack), attack);
        assert!(found.schema_altered, "{attack}: {found}");
    }
}

/// With a constraint of its own the seal's table would swallow every later change, and its counter stand still.
#[test]
fn a_changed_table_of_the_seal_is_refused_and_accepted_only_as_it_was_made() {
    for attack in [
        "ALTER TABLE fieldcrypt_seal RENAME TO kept;
         CREATE TABLE fieldcrypt_seal (
             id INTEGER NOT NULL PRIMARY KEY, seal BLOB NOT NULL,
             held INTEGER AS (1) UNIQUE ON CONFLICT IGNORE
         ) STRICT;
         INSERT INTO fieldcrypt_seal (id, seal) SELECT id, seal FROM kept;
         DROP TABLE kept",
        "ALTER TABLE fieldcrypt_row_marks ADD COLUMN extra TEXT",
        "CREATE UNIQUE INDEX fieldcrypt_marks ON fieldcrypt_row_marks (mark)",
    ] {
        let database = Database::new();
        let attacker = database.attacker();
        attacker.execute_batch(attack).expect("attacks");
        let found = report(database.seal.verify(&attacker), attack);
        assert!(found.schema_altered, "{attack}: {found}");
        database
            .seal
            .rebuild(&attacker, 0)
            .expect("the operator accepts it");
        let verified = database.seal.verify(&attacker);
        assert!(verified.is_ok(), "{attack}: {verified:?}");
    }
}

/// A row left out of an index is there for a full pass and not there for a look-up.
#[test]
fn an_index_that_disagrees_with_its_table_is_refused() {
    let database = Database::new();
    let attack = "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX people_by_age ON people (age) WHERE age = 31' WHERE name = 'people_by_age';
         PRAGMA writable_schema = RESET;
         REINDEX people_by_age;
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX people_by_age ON people (age)' WHERE name = 'people_by_age';
         PRAGMA writable_schema = RESET";
    let attacker = database.attacker();
    attacker.execute_batch(attack).expect("attacks");
    let served = |sql| {
        attacker
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .expect("counts")
    };
    assert_eq!(
        served("SELECT count(*) FROM people NOT INDEXED WHERE age >= 0"),
        3
    );
    assert_eq!(
        served("SELECT count(*) FROM people INDEXED BY people_by_age WHERE age >= 0"),
        1,
        "control: the attack works"
    );
    let found = report(database.seal.verify(&attacker), "index");
    assert!(
        !found.structure.is_empty() && !found.schema_altered && found.tables.is_empty(),
        "{found}"
    );
}

#[test]
fn what_is_accepted_is_sealed_anew_with_a_higher_counter() {
    let database = Database::new();
    let before = database.seal.counter(&database.connection).expect("counter");
    let attacker = database.attacker();
    attacker
        .execute_batch("DELETE FROM people WHERE id = 1")
        .expect("attacks");
    assert!(database.seal.verify(&database.connection).is_err());
    let counter = database.seal.rebuild(&database.connection, 0).expect("accepted");
    assert!(counter > before);
    assert_eq!(
        database
            .seal
            .verify(&database.connection)
            .expect("verified")
            .counter,
        counter
    );
    attacker
        .execute_batch("DELETE FROM fieldcrypt_seal")
        .expect("attacks");
    assert_eq!(
        database
            .seal
            .rebuild(&database.connection, 5000)
            .expect("accepted"),
        5001,
        "a lost counter goes on above the witness's"
    );
}

#[test]
fn functions_of_the_seal_are_of_no_use_to_a_trigger_in_the_file() {
    let database = Database::new();
    let attacker = database.attacker();
    attacker
        .execute_batch(
            "CREATE TABLE loot (x);
             CREATE TRIGGER steal AFTER INSERT ON loot BEGIN
                 UPDATE fieldcrypt_seal SET seal = fieldcrypt_reseal('notes', seal, 1, 'a', x'00');
             END",
        )
        .expect("attacks");
    for trusted_schema in ["OFF", "ON"] {
        database
            .connection
            .execute_batch(&format!("PRAGMA trusted_schema = {trusted_schema}"))
            .expect("set");
        let error = database
            .connection
            .execute("INSERT INTO loot VALUES (1)", [])
            .expect_err("refused");
        assert!(error.to_string().contains("unsafe use"), "{error}");
    }
}
