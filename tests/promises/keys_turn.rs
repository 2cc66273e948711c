//! Keys that turn while people are signed in: of each kind, of all kinds, after a theft, at the shell and over the API.
#![expect(clippy::disallowed_methods, reason = "a thief reads with SQL")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use authcore::{AuthorityOptions, Client, KeyRotation};
use e2e_support::Postern;
use fieldcrypt::SlotSecret;
use serde_json::{Value, json};

use crate::owner::{Held, PASSWORD, login, refused, signed_in};

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

/// A file that only its owner reads, with a secret in it.
fn secret_in(folder: &Path, name: &str, secret: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, secret).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
    path.display().to_string()
}

fn add_recovery_key(postern: &Postern) -> String {
    let made = postern.says_json(&["slots", "add", "recovery"]);
    text(&made, "RecoveryKey")
}

fn text(value: &Value, member: &str) -> String {
    let text = value.get(member).and_then(Value::as_str);
    text.expect("a text member").to_owned()
}

/// How many keys of this purpose and state `keys status` lists.
fn keys(postern: &Postern, list: &str, purpose: &str, state: &str) -> usize {
    let keys = postern.says_json(&["keys", "status"]);
    let keys = keys.get(list).and_then(Value::as_array).expect("a list");
    keys.iter()
        .filter(|key| text(key, "Purpose") == purpose && text(key, "State") == state)
        .count()
}

/// The wrapped master key of every slot, and the wrapped keys of the keyring.
fn wraps(postern: &Postern) -> Vec<Vec<u8>> {
    let database = rusqlite::Connection::open_with_flags(
        postern.data_dir().join("postern.sqlite"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    );
    let database = database.expect("it opens");
    let sql = "SELECT wrapped_master FROM fieldcrypt_slots UNION ALL SELECT wrapped_key FROM fieldcrypt_keys";
    let mut statement = database.prepare(sql).expect("prepares");
    let rows = statement.query_map([], |row| row.get(0)).expect("reads");
    rows.collect::<Result<_, _>>().expect("blobs")
}

fn left(postern: &Postern, gone: &[Vec<u8>]) -> usize {
    gone.iter()
        .filter(|bytes| postern.data_holds_bytes(bytes))
        .count()
}

/// A rotation that a command began and did not live to go on with.
fn broken_off(postern: &Postern) {
    let password = std::fs::read_to_string(postern.field_password()).expect("made");
    let options = AuthorityOptions::new(postern.data_dir().join("postern.sqlite"));
    let rotation = KeyRotation::open(&options, &SlotSecret::password(password.trim_end()));
    let begun = rotation.expect("opens").begin_data(&Client::local());
    assert!(begun.expect("begun"));
}

#[test]
fn new_keys_of_every_kind_leave_everybody_signed_in_and_no_byte_of_the_old_ones() {
    let (postern, held) = signed_in();
    let old: Vec<_> = wraps(&postern).into_iter().chain(stored(&postern)).collect();
    assert_eq!(left(&postern, &old), old.len(), "control: they are there");
    let made = postern.says_json(&["keys", "rotate", "all"]);
    assert_eq!(made.get("Rotated"), Some(&json!(["signing", "master", "data"])));
    assert_eq!(
        left(&postern, &old),
        0,
        "of {} wrapped keys and sealed values",
        old.len()
    );
    for (list, purpose) in [("SigningKeys", "signing"), ("DataKeys", "data")] {
        assert_eq!(keys(&postern, list, purpose, "active"), 1, "{purpose}");
    }
    assert_eq!(keys(&postern, "DataKeys", "data", "retiring"), 0);
    let _ = postern.says(&["keys", "verify"]);
    assert!(held.is_good(&postern), "signed in all the while");
    let held = Held::of(&held.refresh(&postern));
    let postern = postern.killed_and_restarted();
    assert!(Held::of(&held.refresh(&postern)).is_good(&postern));
}

#[test]
fn a_new_master_key_takes_no_way_in_away_unasked() {
    let (postern, held) = signed_in();
    let folder = tempfile::tempdir().expect("a folder");
    let recovery = secret_in(folder.path(), "recovery", &add_recovery_key(&postern));
    let old = wraps(&postern);
    refused(
        &postern.run(&["keys", "rotate", "master"]),
        64,
        "slots whose secrets are not given",
    );
    refused(
        &postern.run(&["keys", "rotate", "all"]),
        64,
        "slots whose secrets are not given",
    );
    assert_eq!(wraps(&postern), old, "nothing was changed");
    let status = postern.says_json(&["keys", "rotate", "--status"]);
    assert_eq!(status, json!({}), "and nothing is left to do");

    let keep = ["keys", "rotate", "master", "--keep-recovery-key-file", &recovery];
    let _ = postern.says(&keep);
    assert_eq!(left(&postern, &old), 0);
    let _ = postern.says(&["slots", "list", "--recovery-key-file", &recovery]);
    assert!(held.is_good(&postern));

    let dropped = postern.says_json(&["keys", "rotate", "master", "--drop-other-slots"]);
    assert_eq!(dropped.get("SlotsRemoved"), Some(&json!([2])));
    let by_recovery = ["slots", "list", "--recovery-key-file", &recovery];
    refused(&postern.run(&by_recovery), 78, "no key slot opens");
    let held = Held::of(&held.refresh(&postern));
    assert!(held.is_good(&postern), "the server follows");
}

#[test]
fn after_a_theft_the_old_secrets_and_every_session_are_dead() {
    let (mut postern, held) = signed_in();
    let folder = tempfile::tempdir().expect("a folder");
    let recovery = secret_in(folder.path(), "recovery", &add_recovery_key(&postern));
    let link = postern.says_json(&["signin-link"]);
    let token = Postern::token_in(&text(&link, "Link"));
    let old: Vec<_> = wraps(&postern).into_iter().chain(stored(&postern)).collect();
    assert_eq!(left(&postern, &old), old.len(), "control: they are there");
    let stolen = std::fs::read_to_string(postern.field_password()).expect("made");

    let new = secret_in(folder.path(), "new", "a new and longer field password");
    let emergency = ["keys", "rotate", "--emergency", "--new-password-file", &new];
    let made = postern.says_json(&emergency);
    let new_recovery = secret_in(folder.path(), "new-recovery", &text(&made, "RecoveryKey"));
    assert_eq!(left(&postern, &old), 0);

    // The server cannot follow: its way in is gone. It ends by itself, lets nobody in meanwhile, and says why.
    assert_eq!(postern.ended(), Some(69), "{}", postern.logged());
    assert!(postern.logged().contains("slot"), "{}", postern.logged());
    refused(&postern.run(&["slots", "list"]), 78, "no key slot opens");
    let by_recovery = ["slots", "list", "--recovery-key-file", &recovery];
    refused(&postern.run(&by_recovery), 78, "no key slot opens");
    let _ = postern.says(&["slots", "list", "--recovery-key-file", &new_recovery]);

    let postern = postern.restarted_as(&["serve", "--field-password-file", &new]);
    assert!(!held.is_good(&postern));
    assert_eq!(held.refresh(&postern).status, 401);
    let signin = json!({ "SigninToken": token });
    assert_eq!(
        postern.send("POST", "/api/v1/auth/signin", &[], &signin).status,
        401
    );
    let held = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    assert!(
        held.is_good(&postern),
        "the access password is the owner's to change"
    );
    assert!(!postern.data_holds(stolen.trim_end()));
}

#[test]
fn a_rotation_that_was_broken_off_is_shown_and_can_be_called_off() {
    let (postern, held) = signed_in();
    refused(&postern.run(&["keys", "rotate", "--abort"]), 65, "no rotation");
    let before = keys(&postern, "DataKeys", "data", "active");
    broken_off(&postern);
    let at = postern.says_json(&["keys", "rotate", "--status"]);
    assert_eq!(at.pointer("/Rotation/Phase"), Some(&json!("sweeping")), "{at}");
    assert_eq!(at.pointer("/Rotation/RetiringKey"), Some(&json!(1)), "{at}");
    let shown = postern.says(&["keys", "status"]);
    assert!(shown.contains("rotation of the data key from 1 to"), "{shown}");

    let _ = postern.says(&["keys", "rotate", "--abort"]);
    let at = postern.says_json(&["keys", "rotate", "--status"]);
    assert_eq!(at.get("Rotation"), None, "{at}");
    assert_eq!(keys(&postern, "DataKeys", "data", "active"), before);
    assert_eq!(keys(&postern, "DataKeys", "data", "destroyed"), 1);
    let _ = postern.says(&["keys", "verify"]);
    assert!(Held::of(&held.refresh(&postern)).is_good(&postern));
}

/// Asks until no rotation is under way; each answer is an event of its own.
fn wait_until_turned(postern: &Postern, held: &Held) {
    let bearer = held.bearer();
    loop {
        let headers = [("authorization", bearer.as_str())];
        let at = postern.send("GET", "/api/v1/keys/rotation", &headers, &Value::Null);
        assert_eq!(at.status, 200, "{}", at.body);
        if at.body.get("Rotation").is_none() {
            return;
        }
    }
}

#[test]
fn over_the_api_new_keys_are_asked_for_and_their_progress_is_told() {
    let (postern, held) = signed_in();
    let old = stored(&postern);
    let bearer = held.bearer();
    let headers = [("authorization", bearer.as_str())];
    let rotate = |kind: &str| postern.send("POST", "/api/v1/keys/rotate", &headers, &json!({ "Kind": kind }));
    assert_eq!(rotate("master").status, 400, "it takes the secrets of the slots");
    let begun = rotate("all");
    assert_eq!(begun.status, 202, "{}", begun.body);
    wait_until_turned(&postern, &held);
    assert_eq!(left(&postern, &old), 0, "of {}", old.len());
    assert_eq!(keys(&postern, "SigningKeys", "signing", "active"), 1);
    assert_eq!(keys(&postern, "SigningKeys", "signing", "retiring"), 1);
    assert_eq!(keys(&postern, "DataKeys", "data", "destroyed"), 1);
    let told = postern.send("GET", "/api/v1/audit", &headers, &Value::Null);
    for event in ["SigningKeyCreated", "DataKeyRotationBegun", "DataKeyDestroyed"] {
        assert!(told.body.to_string().contains(event), "{event}");
    }
    assert!(held.is_good(&postern));
}

#[test]
fn the_server_goes_on_with_a_rotation_that_was_broken_off() {
    let (postern, held) = signed_in();
    let old = stored(&postern);
    broken_off(&postern);
    let postern = postern.killed_and_restarted();
    let held = Held::of(&held.refresh(&postern));
    wait_until_turned(&postern, &held);
    assert_eq!(keys(&postern, "DataKeys", "data", "destroyed"), 1);
    assert_eq!(left(&postern, &old), 0);
}

/// How much it matters is measured by `./bench rotation backup`.
#[test]
fn long_work_says_that_it_is_less_urgent_than_the_server() {
    let (postern, _) = signed_in();
    let folder = tempfile::tempdir().expect("a folder");
    let backup = folder.path().join("backup.age").display().to_string();
    // setpriority(2): this thread, and those that it starts.
    let gives_way = |arguments: &[&str]| {
        let said = e2e_support::killed::log_of(&postern.command(arguments), "setpriority");
        said.lines()
            .any(|call| call.contains("setpriority(PRIO_PROCESS, 0, 10)") && call.ends_with("= 0"))
    };
    assert!(
        !gives_way(&["keys", "status"]),
        "control: who only looks does not"
    );
    assert!(gives_way(&["keys", "rotate", "data"]));
    assert!(gives_way(&["backup", "create", &backup]));
}
