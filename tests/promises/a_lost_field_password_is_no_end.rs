//! Key slots: several ways in, each proven before another goes.
#![expect(clippy::disallowed_methods, reason = "a thief reads with SQL")]

use e2e_support::Postern;
use serde_json::Value;

use crate::owner::{Held, PASSWORD, login, refused, signed_in};

fn slots(postern: &Postern) -> Vec<(i64, String)> {
    let list = postern.says_json(&["slots", "list"]);
    let slots = list.get("Slots").and_then(Value::as_array).expect("a list");
    let of = |slot: &Value| {
        let id = slot.get("Id").and_then(Value::as_i64).expect("a number");
        (
            id,
            slot.get("Kind")
                .and_then(Value::as_str)
                .expect("a kind")
                .to_owned(),
        )
    };
    slots.iter().map(of).collect()
}

/// The wrapped master key of the first slot.
fn slot_one(postern: &Postern) -> Vec<u8> {
    let database = postern.data_dir().join("postern.sqlite");
    let database =
        rusqlite::Connection::open_with_flags(database, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
    let sql = "SELECT wrapped_master FROM fieldcrypt_slots WHERE id = 1";
    database
        .expect("it opens")
        .query_row(sql, [], |row| row.get(0))
        .expect("there")
}

#[test]
fn with_the_recovery_key_a_lost_field_password_is_replaced_and_the_old_one_is_dead() {
    let (postern, held) = signed_in();
    let made = postern.says_json(&["slots", "add", "recovery", "--label", "in the safe"]);
    let recovery = made
        .get("RecoveryKey")
        .and_then(Value::as_str)
        .expect("shown once")
        .to_owned();
    assert!(!postern.data_holds(&recovery) && !postern.logged().contains(&recovery));
    let old = std::fs::read_to_string(postern.field_password()).expect("made");
    std::fs::remove_file(postern.field_password()).expect("lost");

    let by_key = ["--recovery-key-file", "-"];
    // Any letter for any other: a key may hold no particular one.
    let mut typo = recovery.clone();
    let last = typo.pop().expect("it has letters");
    typo.push(if last == 'q' { 'p' } else { 'q' });
    refused(
        &postern.run_fed(&["slots", "list", by_key[0], by_key[1]], &typo),
        78,
        "recovery key",
    );
    // A unit and a container configure the one that is lost, in an environment that nobody at the shell sets.
    let configured = [("POSTERN_FIELD_PASSWORD_FILE", "/nowhere/field-password")];
    let opened = postern.run_fed_with(&["slots", "list", by_key[0], by_key[1]], &recovery, &configured);
    assert!(
        opened.status.success(),
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    let screen = postern.at_a_terminal(&["slots", "list", by_key[0], by_key[1]], &format!("{recovery}\n"));
    assert!(
        screen.contains("Recovery key: ") && screen.contains("in the safe"),
        "{screen}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let new = folder.path().join("new");
    std::fs::write(&new, "a new and longer field password").expect("written");
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&new, owner_only).expect("set");
    let new = new.display().to_string();
    let change = [
        "slots",
        "change",
        "1",
        "--new-password-file",
        &new,
        by_key[0],
        by_key[1],
    ];
    let old_slot = slot_one(&postern);
    assert!(postern.data_holds_bytes(&old_slot), "control: it is there");
    let changed = postern.run_fed(&change, &recovery.to_uppercase());
    assert!(
        !postern.data_holds_bytes(&old_slot),
        "the old slot still stands in the files"
    );
    assert!(
        changed.status.success(),
        "{}",
        String::from_utf8_lossy(&changed.stderr)
    );

    std::fs::write(postern.field_password(), &old).expect("found again");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(postern.field_password(), closed).expect("set");
    refused(&postern.run(&["slots", "list"]), 78, "no key slot opens");
    std::fs::copy(&new, postern.field_password()).expect("put there");
    assert_eq!(
        slots(&postern),
        [(1, "password".to_owned()), (2, "recovery".to_owned())]
    );
    assert!(held.is_good(&postern), "the server went on all the while");
    let postern = postern.killed_and_restarted();
    assert!(
        Held::of(&held.refresh(&postern)).is_good(&postern),
        "and starts with the new one"
    );
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
}

#[test]
fn slots_come_and_go_but_the_last_one_stays() {
    let (postern, _) = signed_in();
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, [42_u8; 64]).expect("written");
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, owner_only).expect("set");
    let key = key.display().to_string();
    refused(&postern.run(&["slots", "add", "key-file"]), 64, "--new-key-file");
    let _ = postern.says(&["slots", "add", "key-file", "--new-key-file", &key]);
    let output = postern.run_fed(
        &["slots", "add", "password", "--new-password-file", "-"],
        "too short",
    );
    refused(&output, 65, "at least 15 characters");
    assert_eq!(
        slots(&postern),
        [(1, "password".to_owned()), (2, "key-file".to_owned())]
    );
    let _ = postern.says(&["slots", "remove", "1"]);
    refused(&postern.run(&["slots", "list"]), 78, "no key slot opens");
    refused(
        &postern.run(&["slots", "remove", "2", "--key-file", &key]),
        65,
        "last one",
    );
    refused(
        &postern.run(&["slots", "remove", "9", "--key-file", &key]),
        65,
        "no slot 9",
    );
    assert!(
        postern
            .run(&["slots", "list", "--key-file", &key])
            .status
            .success()
    );
}

#[test]
fn the_first_start_offers_a_recovery_key_to_a_person_and_it_opens_the_database() {
    // The person presses Enter. script(1) makes the terminal; when it is killed, the terminal hangs up and the server ends.
    let at_a_terminal = "echo > typed; exec script -qec \"'$0' serve\" /dev/null < typed";
    let postern = Postern::start_from(env!("CARGO_BIN_EXE_postern"), &[], at_a_terminal);
    assert!(postern.said.contains("Make one now? [Y/n]"), "{}", postern.said);
    let (_, after) = postern.said.split_once("shown this once").expect("shown");
    let recovery = after.lines().nth(1).expect("in a line of its own").trim();
    let opened = postern.run_fed(&["slots", "list", "--recovery-key-file", "-"], recovery);
    assert!(
        opened.status.success(),
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    assert!(!postern.data_holds(recovery));
}
