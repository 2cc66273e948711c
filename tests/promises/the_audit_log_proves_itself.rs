//! The audit log's chain, walked by the real binary beside the real server: it outlives kills and new keys, and names what
//! was done to it.
#![expect(clippy::disallowed_methods, reason = "an attacker writes SQL")]

use e2e_support::Postern;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::owner::{PASSWORD, login, refused, signed_in};

fn head(postern: &Postern) -> String {
    postern.says(&["audit", "head"]).trim().to_owned()
}

fn attack(postern: &Postern, sql: &str) {
    let database = postern.data_dir().join("postern.sqlite");
    let connection = Connection::open(database).expect("nobody holds it");
    connection.execute_batch(sql).expect("no key is needed for that");
}

#[test]
fn a_kept_head_holds_after_a_kill_and_after_every_new_key() {
    let (mut postern, _) = signed_in();
    let first = head(&postern);
    let verified = postern.says_json(&["audit", "verify", "--head", &first]);
    assert_eq!(verified.get("Head"), Some(&json!(first)), "{verified}");
    assert_eq!(login(&postern.base, "wrong").expect("an answer").status, 401);
    assert_ne!(head(&postern), first, "control: there is a new event");
    postern.kill();
    let said = postern.says(&["audit", "verify", "--head", &first]);
    assert!(said.contains("holds, and nothing up to event"), "{said}");

    let mut postern = postern.killed_and_restarted();
    let _ = postern.says(&["keys", "rotate", "data"]);
    let _ = postern.says(&["keys", "rotate", "signing"]);
    let turned = head(&postern);
    for kept in [&first, &turned] {
        let _ = postern.says(&["audit", "verify", "--head", kept]);
    }
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
    assert_eq!(postern.stop(), Some(0));
    let _ = postern.says(&["audit", "verify", "--head", &turned]);

    let list = postern.says_json(&["audit", "list", "--kind", "PasswordRefused", "--since", "1h"]);
    let events = list.get("Events").and_then(Value::as_array).expect("a list");
    assert_eq!(events.len(), 1, "{list}");
    let none = postern.says_json(&["audit", "list", "--since", "2999-01-01T00:00:00Z"]);
    assert_eq!(none, json!({ "Events": [] }));
    let newest = postern.says_json(&["audit", "list", "--limit", "1"]);
    let number = newest
        .pointer("/Events/0/Id")
        .and_then(Value::as_i64)
        .expect("one");
    assert!(head(&postern).starts_with(&format!("{number}-")), "{newest}");
}

#[test]
fn what_was_done_to_the_log_is_named() {
    for (sql, said) in [
        (
            "UPDATE audit_events SET at = at + 1 WHERE id = 2",
            "event 2 of the audit log was changed",
        ),
        (
            "UPDATE audit_events SET kind = 'BackupTaken' WHERE id = 1",
            "event 1 of the audit log was changed",
        ),
        ("DELETE FROM audit_events WHERE id = 2", "event 2 is missing"),
        (
            "UPDATE audit_events SET id = 99 WHERE id = 1",
            "event 1 is missing",
        ),
        (
            "INSERT INTO audit_events SELECT 99, at, kind, record, chain FROM audit_events WHERE id = 1",
            "is missing",
        ),
        (
            "UPDATE audit_events SET record = zeroblob(64) WHERE id = 2",
            "event 2 of the audit log does not open",
        ),
        (
            "DELETE FROM server_state WHERE name = 'audit-anchor'",
            "its anchor is gone",
        ),
        // Without its newest event the chain holds; the integrity seal and the head know.
        (
            "DELETE FROM audit_events WHERE id = (SELECT max(id) FROM audit_events)",
            "was cut off after event",
        ),
        (
            "DELETE FROM audit_events WHERE id = (SELECT max(id) FROM audit_events)",
            "table audit_events",
        ),
    ] {
        let (mut postern, _) = signed_in();
        let kept = head(&postern);
        assert_eq!(postern.stop(), Some(0));
        let _ = postern.says(&["audit", "verify", "--head", &kept]);
        attack(&postern, sql);
        refused(&postern.run(&["audit", "verify", "--head", &kept]), 65, said);
        let json = postern.run(&["audit", "verify", "--json"]);
        assert_eq!(json.status.code(), Some(65), "{sql}");
    }
}

#[test]
fn a_head_of_another_database_is_noticed() {
    let (postern, _) = signed_in();
    let (other, _) = signed_in();
    let foreign = head(&other);
    refused(
        &postern.run(&["audit", "verify", "--head", &foreign]),
        65,
        "is not the one",
    );
    refused(
        &postern.run(&["audit", "verify", "--head", "12"]),
        64,
        "not what postern audit head prints",
    );
}
