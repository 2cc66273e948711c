//! Databases that earlier versions made: each folder of `tests/fixtures` holds one, with its field password, its recovery key
//! and what is in it. The program of today opens it, and loses nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use e2e_support::Postern;
use serde_json::{Value, json};

use crate::owner::{PASSWORD, login};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let entries = std::fs::read_dir(folder).expect("the fixtures");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn put(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("copied");
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600)).expect("set");
}

#[test]
fn a_database_of_every_version_opens_and_keeps_what_is_in_it() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty(), "control: there is one at least");
    for fixture in fixtures {
        let name = fixture.display();
        let mut postern = Postern::start(env!("CARGO_BIN_EXE_postern"));
        postern.kill();
        for log in ["postern.sqlite-wal", "postern.sqlite-shm"] {
            // Not there after a checkpoint.
            let _ = std::fs::remove_file(postern.data_dir().join(log));
        }
        put(
            &fixture.join("postern.sqlite"),
            &postern.data_dir().join("postern.sqlite"),
        );
        put(&fixture.join("field-password"), &postern.field_password());
        let at = postern.says_json(&["keys", "rotate", "--status"]);
        assert_eq!(
            at.pointer("/Rotation/Phase"),
            Some(&json!("sweeping")),
            "{name}: {at}"
        );

        // The start brings it up to date and goes on with the rotation.
        let postern = postern.killed_and_restarted();
        let _ = postern.says(&["keys", "rotate", "data"]);
        let verified = postern.says(&["keys", "verify"]);
        assert!(
            verified.contains("the integrity seal holds"),
            "{name}: {verified}"
        );
        let chained = postern.says(&["audit", "verify"]);
        assert!(chained.contains("events holds"), "{name}: {chained}");
        assert_eq!(
            login(&postern.base, PASSWORD).expect("an answer").status,
            200,
            "{name}"
        );
        let secret = postern.says(&["settings", "get", "secret.upstream", "--reveal"]);
        assert_eq!(secret, "a sealed value\n", "{name}");
        let keys = postern.says_json(&["access-keys", "list"]);
        let keys = keys.get("AccessKeys").and_then(Value::as_array).expect("a list");
        assert_eq!(keys.len(), 1, "{name}");
        let recovery = std::fs::read_to_string(fixture.join("recovery-key")).expect("text");
        let by_recovery = ["slots", "list", "--recovery-key-file", "-"];
        assert!(
            postern.run_fed(&by_recovery, &recovery).status.success(),
            "{name}"
        );
    }
}
