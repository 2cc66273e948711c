//! Rows put back as they were in an older copy of the same database: sealed by the very same keys, each of them opens, and
//! without the seal it would be believed (case F-10).

use authcore::PROTECTED_TABLES;
use rusqlite::Connection;

use crate::genuine::{Genuine, Outcome};

/// Statements that put back what is not as it was, row by row and then the whole table.
fn put_back(connection: &Connection, table: &str) -> Vec<String> {
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect("prepares");
        let rows = statement.query_map([], |row| row.get(0)).expect("reads");
        rows.collect::<rusqlite::Result<_>>().expect("texts")
    };
    let column = texts(&format!(
        "SELECT name FROM pragma_table_info('{table}') WHERE cid = 0"
    ))
    .remove(0);
    let differing = |one: &str, other: &str| {
        texts(&format!(
            "SELECT quote({column}) FROM (SELECT * FROM {one}.{table} EXCEPT SELECT * FROM {other}.{table})"
        ))
    };
    let (old, new) = (differing("older", "main"), differing("main", "older"));
    let again = format!("INSERT OR REPLACE INTO main.{table} SELECT * FROM older.{table}");
    let mut attacks: Vec<String> = Vec::new();
    attacks.extend(old.iter().map(|key| format!("{again} WHERE {column} = {key}")));
    let gone = new.iter().filter(|key| !old.contains(key));
    attacks.extend(gone.map(|key| format!("DELETE FROM main.{table} WHERE {column} = {key}")));
    if !attacks.is_empty() {
        attacks.push(format!("DELETE FROM main.{table}; {again}"));
    }
    attacks
}

#[test]
fn a_row_of_an_older_copy_is_refused_whichever_it_is() {
    let genuine = Genuine::with_sessions_over(5);
    let copy = genuine.copy("rolled-back");
    let older = genuine.copy("older");
    older.become_all(&genuine.older);
    let attach = format!("ATTACH '{}' AS older", older.path().display());
    let attacker = Connection::open(copy.path()).expect("no key is needed for that");
    attacker.execute_batch(&attach).expect("attached");
    let tables = PROTECTED_TABLES.iter().map(fieldcrypt::ProtectedTable::table);
    let attacks: Vec<String> = tables.flat_map(|table| put_back(&attacker, table)).collect();
    drop(attacker);
    for attack in &attacks {
        copy.become_all(&genuine.bytes);
        let attacker = Connection::open(copy.path()).expect("opens");
        attacker
            .execute_batch(&format!("{attach}; {attack}"))
            .expect("put back");
        // The last to leave writes the log back.
        drop(attacker);
        assert!(matches!(copy.outcome(), Outcome::Refused(_)), "{attack}");
        assert!(copy.deceives_the_careless(), "control: {attack}");
    }
    eprintln!("{} ways to put back rows, each refused", attacks.len());
    assert!(attacks.len() >= 20, "control: {}", attacks.len());
    // All of it is what the witness is for: consistent in itself.
    copy.become_all(&genuine.older);
    assert_eq!(copy.outcome(), Outcome::Altered, "control: without a witness");
}
