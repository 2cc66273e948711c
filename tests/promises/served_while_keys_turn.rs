//! Keys and slots change beside a running server with clients at work, and the command that changes them is killed and run
//! again: no request fails, nobody is stranded.

use e2e_support::invariants::{ends_well, nothing_is_left_of, said};
use e2e_support::killed::{Call, calls_of, killed_at, some_of};
use e2e_support::{Held, Known, Postern};
use rusqlite::{Connection, OpenFlags};

use crate::owner::{PASSWORD, signed_in};
use crate::traffic::Traffic;

/// Kills of each command.
const KILLS: usize = 3;

#[test]
fn no_request_fails_while_commands_that_change_keys_are_killed_and_run_again() {
    let (postern, held) = signed_in();
    let traffic = Traffic::of(&postern, 3);
    for command in [
        &["keys", "rotate", "signing"][..],
        &["keys", "rotate", "master", "--drop-other-slots"],
        &["keys", "rotate", "data"],
        &["keys", "rotate", "all", "--drop-other-slots"],
        &["slots", "add", "recovery"],
    ] {
        // Once to its end, with clients at work, to see what calls there are.
        for call in some_of(calls_of(&postern.command(command)), KILLS) {
            let when = format!("{command:?} killed at {} {}", call.name, call.nth);
            let before = postern.database().wraps();
            // One call more or less, beside a server: not every one is reached.
            let _ = killed_at(&postern.command(command), &call);
            traffic.has_gone_on(5);
            ends_well(postern.command(command), &when);
            let gone = before.difference(&postern.database().wraps()).copied().collect();
            assert_eq!(postern.database().standing(&gone), 0, "{when}");
        }
    }
    let tally = traffic.end();
    let mut known = Known {
        password: PASSWORD.to_owned(),
        signed_in: tally.held,
        ended: tally.ended,
        secrets: vec![PASSWORD.to_owned()],
    };
    known.signed_in.push(held);
    known.holds_when_served(&postern, "at the end");
    let install = postern.stopped();
    let field_password = ["config/postern/field-password"];
    assert_eq!(
        known.holds_on_disk(&install, &field_password, "stopped"),
        field_password[0]
    );
    let before = install.database().pieces();
    install.does(&["keys", "rotate", "data"]);
    nothing_is_left_of(&before, &install.database(), "rotated once more");
    known.holds_when_served(&install.serve(), "after a restart");
}

/// Kills a command at its first write, then at its second, until it leaves a rotation of that direction with both keys.
fn killed_until(postern: &Postern, command: &[&str], wanted: &str) {
    for nth in 1.. {
        let call = Call {
            name: "fdatasync".to_owned(),
            nth,
        };
        assert!(killed_at(&postern.command(command), &call), "it came to its end");
        if let Some((phase, direction, _)) = postern.database().rotation()
            && direction == wanted
            && phase != "purging"
        {
            return;
        }
    }
}

#[test]
fn called_off_and_killed_it_is_called_off_all_the_same_and_a_new_key_is_a_new_one() {
    let (postern, held) = signed_in();
    let traffic = Traffic::of(&postern, 2);
    let active = |postern: &Postern| -> Vec<i64> {
        let keys = postern.says_json(&["keys", "status"]);
        let keys = keys["DataKeys"].as_array().expect("a list").clone();
        let active = keys
            .iter()
            .filter(|key| key["Purpose"] == "data" && key["State"] == "active");
        active.filter_map(|key| key["Number"].as_i64()).collect()
    };
    // The same command again says what it said before: it goes on.
    killed_until(&postern, &["keys", "rotate", "data"], "forward");
    let database = postern.database();
    let old = database.retiring_key();
    killed_until(&postern, &["keys", "rotate", "--abort"], "back");
    ends_well(
        postern.command(&["keys", "rotate", "--abort"]),
        "called off again",
    );
    assert_eq!(active(&postern), [old], "the key of before seals");
    // Who asks for a new key while one is called off gets a new one.
    killed_until(&postern, &["keys", "rotate", "data"], "forward");
    let old = database.retiring_key();
    killed_until(&postern, &["keys", "rotate", "--abort"], "back");
    ends_well(postern.command(&["keys", "rotate", "data"]), "a new key");
    let new = active(&postern);
    assert!(new.len() == 1 && new[0] > old, "{new:?} after {old}");
    let tally = traffic.end();
    let mut known = Known {
        password: PASSWORD.to_owned(),
        signed_in: tally.held,
        ended: tally.ended,
        secrets: Vec::new(),
    };
    known.signed_in.push(held);
    known.holds_when_served(&postern, "at the end");
}

/// SQLite would keep every writer out for as long as a purge waits for a reader.
#[test]
fn a_purge_gives_way_to_a_reader_of_the_database_and_to_the_server() {
    let (postern, held) = signed_in();
    let reader = Connection::open_with_flags(
        postern.data_dir().join("postern.sqlite"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .expect("it opens");
    let count = "BEGIN; SELECT count(*) FROM sessions";
    read(&reader, count);
    let mut rotating = postern.command(&["keys", "rotate", "data"]);
    rotating.stderr(std::process::Stdio::piped());
    let rotating = rotating
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    while postern
        .database()
        .rotation()
        .is_none_or(|(phase, _, _)| phase != "purging")
    {
        std::thread::yield_now();
    }
    // The old key is destroyed; its bytes are in the log, which the reader holds.
    let mut held = held;
    for _ in 0..20 {
        held = Held::of(&held.refresh(&postern));
    }
    assert!(postern.database().rotation().is_some(), "control: it still waits");
    read(&reader, "COMMIT");
    let output = rotating.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(postern.database().rotation(), None);
}

#[expect(clippy::disallowed_methods, reason = "plays another process that reads")]
fn read(reader: &Connection, sql: &str) {
    reader.execute_batch(sql).expect("reads");
}
