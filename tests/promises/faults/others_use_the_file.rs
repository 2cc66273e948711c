//! Another process has the database: a second server, commands (F-14), somebody who reads or writes it with another tool and
//! holds its lock (F-15).

use std::thread;

use e2e_support::killed::is_thorough;
use e2e_support::{Held, Postern, send};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::owner::{PASSWORD, login, refused, signed_in};

#[test]
fn a_second_server_is_refused_again_and_again_and_a_killed_one_leaves_no_lock() {
    let (mut postern, mut held) = signed_in();
    for _ in 0..if is_thorough() { 50 } else { 5 } {
        refused(&postern.run(&["serve"]), 75, "");
        held = Held::of(&held.refresh(&postern));
        postern = postern.killed_and_restarted();
        held = Held::of(&held.refresh(&postern));
    }
    assert!(held.is_good(&postern));
}

#[test]
fn what_commands_and_the_server_write_at_the_same_time_is_all_there() {
    let (postern, held) = signed_in();
    let each = if is_thorough() { 25 } else { 4 };
    let mut held = held;
    thread::scope(|scope| {
        let at_work: Vec<_> = ["a", "b"]
            .into_iter()
            .map(|who| {
                let postern = &postern;
                scope.spawn(move || {
                    for nth in 0..each {
                        let _ = postern.says(&["access-keys", "create", &format!("{who}{nth}")]);
                    }
                })
            })
            .collect();
        // There are a thousand keys at most.
        let mut nth = 0;
        while nth < 900 && at_work.iter().any(|one| !one.is_finished()) {
            held = Held::of(&held.refresh(&postern));
            let body = serde_json::json!({ "Name": format!("server{nth}") });
            let bearer = held.bearer();
            let made = postern.send(
                "POST",
                "/api/v1/access-keys",
                &[("authorization", &bearer)],
                &body,
            );
            assert_eq!(made.status, 201, "{}", made.body);
            nth += 1;
        }
        for one in at_work {
            one.join().expect("no panic");
        }
        let keys = postern.says_json(&["access-keys", "list"]);
        let keys = keys["AccessKeys"].as_array().expect("a list").clone();
        let named = |name: &str| keys.iter().any(|key| key["Name"] == name);
        for who in ["a", "b"] {
            assert!((0..each).all(|nth| named(&format!("{who}{nth}"))), "{keys:?}");
        }
        assert!(
            nth > 0 && (0..nth).all(|nth| named(&format!("server{nth}"))),
            "{nth}: {keys:?}"
        );
    });
    assert!(held.is_good(&postern));
}

fn another_tool(postern: &Postern) -> Connection {
    let path = postern.data_dir().join("postern.sqlite");
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("it opens")
}

#[expect(clippy::disallowed_methods, reason = "plays another process")]
fn does(connection: &Connection, sql: &str) {
    connection.execute_batch(sql).expect("done");
}

#[test]
fn a_reader_that_does_not_end_is_in_nobodys_way() {
    let (postern, mut held) = signed_in();
    let reader = another_tool(&postern);
    does(&reader, "BEGIN; SELECT count(*) FROM sessions");
    for _ in 0..200 {
        held = Held::of(&held.refresh(&postern));
        assert!(held.is_good(&postern));
    }
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
    does(&reader, "COMMIT");
}

/// Who holds the lock of writers keeps changes waiting for as long as the purge of a large database may take, half a minute; then
/// they are put off. Verification asks for no lock.
#[test]
fn a_writer_that_does_not_end_puts_changes_off_and_verification_goes_on() {
    let (postern, held) = signed_in();
    let writer = another_tool(&postern);
    does(&writer, "BEGIN IMMEDIATE");
    let (base, presented) = (postern.base.clone(), held.clone());
    let refreshing = thread::spawn(move || presented.try_refresh(&base).expect("an answer"));
    let whole = is_thorough();
    let mut verified = 0;
    while if whole {
        !refreshing.is_finished()
    } else {
        verified < 300
    } {
        assert!(held.is_good(&postern));
        verified += 1;
    }
    if whole {
        let answer = refreshing.join().expect("no panic");
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.cookie.is_none());
        println!("put off after {verified} verifications");
        does(&writer, "ROLLBACK");
    } else {
        assert!(!refreshing.is_finished(), "control: it waits");
        does(&writer, "ROLLBACK");
        let next = Held::of(&refreshing.join().expect("no panic"));
        assert!(next.is_good(&postern), "what waited is done");
    }
    let next = Held::of(&held.refresh(&postern));
    assert!(next.is_good(&postern), "and the next is done at once");
    let ready = send(&postern.base, "GET", "/ready", &[], &Value::Null).expect("an answer");
    assert_eq!(ready.status, 200, "nothing stays of it");
}
