//! The seal keeps itself: whatever SQL changes the rows, and whatever of it is rolled back, it says what is there.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a program writes SQL"
)]

use fieldcrypt::{
    ColumnRegistry, IntegrityError, IntegritySeal, NewVault, ProtectedTable, SlotSecret, Vault,
};
use proptest::prelude::*;
use rusqlite::Connection;

const PROTECTED: [ProtectedTable; 4] = [
    ProtectedTable::new("plain"),
    ProtectedTable::new("pairs"),
    ProtectedTable::new("parents"),
    ProtectedTable::new("children"),
];

/// Every affinity, a table without rowid, a unique column, a cascade, a trigger of the program's own.
const SCHEMA: &str = "
    CREATE TABLE plain (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, n NUMERIC, b BLOB, u UNIQUE, d DEFAULT 7);
    CREATE TABLE pairs (a TEXT NOT NULL, b BLOB NOT NULL, v INTEGER, PRIMARY KEY (b, a)) STRICT, WITHOUT ROWID;
    CREATE TABLE parents (id INTEGER NOT NULL PRIMARY KEY) STRICT;
    CREATE TABLE children (id INTEGER NOT NULL PRIMARY KEY, parent INTEGER REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE) STRICT;
    CREATE TABLE counted (n);
    CREATE TRIGGER own AFTER DELETE ON children BEGIN INSERT OR REPLACE INTO pairs VALUES ('gone', x'00', OLD.id); END;
";

fn open() -> (Connection, Vault, IntegritySeal) {
    let mut connection = Connection::open_in_memory().expect("opens");
    connection
        .execute_batch("PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY")
        .expect("set");
    let registry = ColumnRegistry::new(&[]).expect("empty");
    let secret = SlotSecret::key_file(vec![7; 32]).expect("long enough");
    let vault = Vault::create(&mut connection, registry, &secret, &NewVault::first(0)).expect("vault");
    connection.execute_batch(SCHEMA).expect("tables");
    let seal = vault.integrity_seal(&PROTECTED).expect("has a key");
    seal.rebuild(&connection, 0).expect("sealed");
    seal.attach(&connection).expect("attached");
    (connection, vault, seal)
}

/// One step; some of them fail by intention, whole or after some rows.
fn any_step() -> impl Strategy<Value = String> {
    let id = 0_i64..6;
    let value = prop_oneof![
        Just("NULL"),
        Just("1"),
        Just("1.0"),
        Just("-0.0"),
        Just("1e300"),
        Just("'1'"),
        Just("'1.50'"),
        Just("'x'"),
        Just("x'31'"),
        Just("x''"),
        Just("9223372036854775807"),
        Just("0.1"),
        Just("''"),
    ];
    let plain = (
        prop_oneof![
            Just(""),
            Just("OR REPLACE"),
            Just("OR IGNORE"),
            Just("OR ROLLBACK"),
            Just("OR FAIL"),
            Just("OR ABORT")
        ],
        id.clone(),
        value.clone(),
        value.clone(),
        id.clone(),
    )
        .prop_map(|(or, id, v, w, u)| {
            format!(
                "INSERT {or} INTO plain (id, i, r, t, n, b, u) VALUES ({id}, {v}, {w}, {v}, {w}, {v}, {u})"
            )
        });
    let update = (
        prop_oneof![Just(""), Just("OR REPLACE"), Just("OR IGNORE"), Just("OR FAIL")],
        id.clone(),
        value.clone(),
        id.clone(),
    )
        .prop_map(|(or, id, v, to)| {
            format!("UPDATE {or} plain SET id = {to}, r = {v}, n = {v}, b = r WHERE id >= {id}")
        });
    let shift = (id.clone(), -2_i64..3)
        .prop_map(|(id, by)| format!("UPDATE plain SET id = id + {by}, u = u + {by} WHERE id < {id}"));
    let upsert = (id.clone(), value.clone(), id.clone()).prop_map(|(id, v, u)| format!(
        "INSERT INTO plain (id, t, u) VALUES ({id}, {v}, {u}), ({id} + 1, {v}, {u} + 1) ON CONFLICT DO UPDATE SET t = t || 'again' RETURNING t"));
    let pairs = (prop_oneof![Just("INSERT"), Just("REPLACE")], "[a-c]", id.clone())
        .prop_map(|(how, a, v)| format!("{how} INTO pairs VALUES ('{a}', x'0{v}', {v})"));
    let pairs_update = ("[a-c]", id.clone())
        .prop_map(|(a, v)| format!("UPDATE pairs SET a = '{a}', v = v + 1 WHERE b = x'0{v}'"));
    let family = (id.clone(), id.clone()).prop_map(|(id, parent)| {
        format!(
            "INSERT OR IGNORE INTO parents VALUES ({parent}); REPLACE INTO children VALUES ({id}, {parent})"
        )
    });
    let orphans = id
        .clone()
        .prop_map(|id| format!("DELETE FROM parents WHERE id >= {id}"));
    let moved = (id.clone(), id.clone())
        .prop_map(|(id, to)| format!("UPDATE OR REPLACE parents SET id = {to} WHERE id = {id}"));
    prop_oneof![
        4 => plain, 2 => update, 1 => shift, 2 => upsert, 3 => pairs, 1 => pairs_update, 3 => family, 1 => orphans, 1 => moved,
        1 => id.prop_map(|id| format!("DELETE FROM plain WHERE id = {id} OR u = {id}")),
        1 => prop_oneof![Just("DELETE FROM plain"), Just("DELETE FROM pairs"), Just("DELETE FROM children")].prop_map(str::to_owned),
        3 => prop_oneof![Just("BEGIN IMMEDIATE"), Just("COMMIT"), Just("ROLLBACK")].prop_map(str::to_owned),
        3 => prop_oneof![Just("SAVEPOINT s"), Just("RELEASE s"), Just("ROLLBACK TO s")].prop_map(str::to_owned),
        1 => Just("UPDATE counted SET n = 1; INSERT INTO counted VALUES (2)".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn in_any_sequence_of_changes_savepoints_and_rollbacks(steps in proptest::collection::vec(any_step(), 1..60)) {
        let (connection, _vault, seal) = open();
        for step in &steps {
            // A step that fails (a conflict, no such savepoint) must leave the seal right, too.
            let _ = connection.execute_batch(step);
            let verified = seal.verify(&connection);
            prop_assert!(verified.is_ok(), "after {step}: {}", verified.expect_err("an error"));
        }
        if !connection.is_autocommit() {
            connection.execute_batch("COMMIT").expect("commits");
            prop_assert!(seal.verify(&connection).is_ok());
        }
    }
}

#[test]
fn the_steps_do_what_they_are_there_for() {
    let (connection, _vault, seal) = open();
    let counter = || seal.counter(&connection).expect("counter");
    let changes = |sql: &str| {
        let before = counter();
        connection.execute_batch(sql).expect(sql);
        assert!(seal.verify(&connection).is_ok(), "{sql}");
        counter() - before
    };
    assert_eq!(
        changes("INSERT INTO plain (id, u) VALUES (1, 1), (2, 2), (3, 3)"),
        3
    );
    assert_eq!(
        changes("REPLACE INTO plain (id, u) VALUES (1, 2)"),
        3,
        "two rows replaced, one written"
    );
    assert_eq!(
        changes("DELETE FROM plain"),
        2,
        "the quick way of emptying a table is not taken"
    );
    assert_eq!(
        changes("INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1, 1), (2, 1)"),
        3
    );
    assert_eq!(
        changes("DELETE FROM parents"),
        1 + 2 + 3,
        "the cascade, and the program's own trigger with a replace"
    );
    assert_eq!(
        changes("INSERT INTO counted VALUES (1)"),
        0,
        "not a protected table"
    );
    assert_eq!(changes("BEGIN; INSERT INTO parents VALUES (9); ROLLBACK"), 0);
}

/// A number that SQLite may store in more than one way.
#[test]
fn a_negative_zero_is_no_false_alarm() {
    let (connection, _vault, seal) = open();
    connection
        .execute("INSERT INTO plain (id, r, n, b) VALUES (1, ?1, ?1, ?1)", [-0.0])
        .expect("writes");
    assert!(seal.verify(&connection).is_ok());
    connection.execute_batch("DELETE FROM plain").expect("deletes");
    assert!(seal.verify(&connection).is_ok());
}

/// The twin: the same changes on a connection that the seal is not attached to.
#[test]
fn a_connection_without_the_seal_breaks_it() {
    let (mut connection, _vault, seal) = open();
    connection
        .execute_batch("INSERT INTO plain (id) VALUES (1)")
        .expect("writes");
    // All TEMP triggers gone, as on a connection that never had them.
    let names: Vec<String> = connection
        .prepare("SELECT name FROM temp.sqlite_schema WHERE type = 'trigger'")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .expect("lists");
    let transaction = connection.transaction().expect("begins");
    assert_eq!(names.len(), 3 * (PROTECTED.len() + 3));
    for name in names {
        transaction
            .execute_batch(&format!("DROP TRIGGER temp.\"{name}\""))
            .expect("dropped");
    }
    transaction.commit().expect("commits");
    connection
        .execute_batch("UPDATE plain SET i = 2")
        .expect("writes");
    let error = seal.verify(&connection).expect_err("noticed");
    assert_eq!(
        error.to_string(),
        "the database was altered by something that has not its keys: table plain: row 1 was altered"
    );
}

#[test]
fn a_change_of_schema_is_made_between_suspend_and_rebuild() {
    let (connection, vault, seal) = open();
    connection
        .execute_batch("INSERT INTO parents VALUES (1)")
        .expect("writes");
    seal.suspend(&connection).expect("suspended");
    // Killed here, the next start finds it suspended.
    let again = vault.integrity_seal(&PROTECTED).expect("has a key");
    assert!(!again.verify(&connection).expect("no complaint").complete);
    connection
        .execute_batch("ALTER TABLE parents ADD COLUMN name TEXT; INSERT INTO parents VALUES (2, 'x')")
        .expect("migrates");
    again.rebuild(&connection, 0).expect("rebuilt");
    again.attach(&connection).expect("attached");
    assert!(again.verify(&connection).expect("verified").complete);
    connection
        .execute_batch("UPDATE parents SET name = 'y'; DELETE FROM parents WHERE id = 1")
        .expect("writes");
    assert!(again.verify(&connection).expect("verified").complete);

    // The twin: a schema changed without it is refused.
    connection
        .execute_batch("ALTER TABLE counted ADD COLUMN m")
        .expect("alters");
    assert!(again.verify(&connection).is_err());
}

#[test]
fn a_table_protected_later_is_asked_to_be_sealed() {
    let (connection, vault, _seal) = open();
    let mut more = PROTECTED.to_vec();
    more.push(ProtectedTable::new("counted"));
    let seal = vault.integrity_seal(&more).expect("has a key");
    assert!(
        !seal
            .verify(&connection)
            .expect("what is sealed is right")
            .complete
    );
    assert!(
        matches!(seal.attach(&connection), Err(IntegrityError::NotSealed { table }) if table == "counted")
    );
    assert!(
        matches!(seal.rebuild(&connection, 0), Err(IntegrityError::NoPrimaryKey { table }) if table == "counted"),
        "it has no primary key"
    );
    assert!(
        seal.verify(&connection).is_ok(),
        "the failed rebuild changed nothing"
    );
}
