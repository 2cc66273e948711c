//! Key slots: several ways in, each proven before another goes; and keys that turn while people are signed in.
#![expect(clippy::disallowed_methods, reason = "a thief reads with SQL")]

use e2e_support::Postern;
use serde_json::Value;

use crate::owner::{Held, PASSWORD, login, signed_in};

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

#[track_caller]
fn refused(output: &std::process::Output, code: i32, word: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(word), "{said}");
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

/// What a rotation must leave nowhere: the wrapped data keys, and values sealed with them that the server does not write
/// anew by itself.
fn stored(postern: &Postern) -> Vec<Vec<u8>> {
    let database = rusqlite::Connection::open_with_flags(
        postern.data_dir().join("postern.sqlite"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    );
    let database = database.expect("it opens");
    let sql = "SELECT wrapped_key FROM fieldcrypt_keys WHERE purpose = 'data' AND state = 'active'
               UNION ALL SELECT value FROM settings UNION ALL SELECT private_key FROM signing_keys
               UNION ALL SELECT record FROM passwords";
    let mut statement = database.prepare(sql).expect("prepares");
    let rows = statement.query_map([], |row| row.get(0)).expect("reads");
    rows.collect::<Result<_, _>>().expect("blobs")
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
    let typo = recovery.replacen(['q', 'p'], "z", 1);
    refused(
        &postern.run_fed(&["slots", "list", by_key[0], by_key[1]], &typo),
        78,
        "recovery key",
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
fn a_new_signing_key_leaves_everybody_signed_in_and_both_keys_published() {
    let (postern, held) = signed_in();
    let keys = |postern: &Postern| {
        let jwks = postern.send("GET", "/.well-known/jwks.json", &[], &Value::Null);
        jwks.body
            .get("keys")
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    };
    assert_eq!(keys(&postern), 1);
    let _ = postern.says(&["keys", "rotate", "signing"]);
    // A sign-in takes in what the command did before it goes on.
    let new = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    assert_eq!(keys(&postern), 2);
    assert!(new.is_good(&postern) && held.is_good(&postern));
    let kid = |held: &Held| held.access_token.split('.').next().map(str::to_owned);
    assert!(kid(&new) != kid(&held), "the new key signs");
}

#[test]
fn the_data_key_turns_beside_the_server_and_the_old_one_is_destroyed() {
    let (postern, held) = signed_in();
    let set = postern.run_fed(
        &["settings", "set", "secret.up", "--value-file", "-"],
        "a sealed value",
    );
    assert!(set.status.success());
    let mut held = held;
    for turn in 1..=2 {
        let old = stored(&postern);
        assert!(
            old.iter().all(|bytes| postern.data_holds_bytes(bytes)),
            "control: they are there"
        );
        let _ = postern.says(&["keys", "rotate", "data"]);
        let left = old.iter().filter(|bytes| postern.data_holds_bytes(bytes)).count();
        assert_eq!(left, 0, "of {} old keys and values", old.len());
        // Beside the server that runs.
        let said = postern.says(&["keys", "verify"]);
        assert!(said.contains("sealed fields open"), "{said}");
        let keys = postern.says_json(&["keys", "status"]);
        let data: Vec<_> = keys
            .get("DataKeys")
            .and_then(Value::as_array)
            .expect("a list")
            .iter()
            .filter(|key| key.get("Purpose").and_then(Value::as_str) == Some("data"))
            .filter_map(|key| key.get("State").and_then(Value::as_str))
            .collect();
        assert_eq!(
            data.iter().filter(|state| **state == "active").count(),
            1,
            "{data:?}"
        );
        assert_eq!(
            data.iter().filter(|state| **state == "destroyed").count(),
            turn,
            "{data:?}"
        );
        held = Held::of(&held.refresh(&postern));
        assert!(held.is_good(&postern), "signed in all the while");
    }
    assert_eq!(
        postern.says(&["settings", "get", "secret.up", "--reveal"]),
        "a sealed value\n"
    );
    let postern = postern.killed_and_restarted();
    assert!(Held::of(&held.refresh(&postern)).is_good(&postern));
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
}
