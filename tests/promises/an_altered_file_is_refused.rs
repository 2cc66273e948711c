//! Somebody without the keys writes to the database file: the next start names the table and the row and changes nothing;
//! what the operator takes all the same ends every session.
#![expect(clippy::disallowed_methods, reason = "an attacker writes SQL")]

use e2e_support::killed::is_thorough;
use e2e_support::{Install, Postern};
use rusqlite::Connection;

use crate::owner::{Held, PASSWORD, login, signed_in};

fn attack(postern: &Postern, sql: &str) {
    let database = postern.data_dir().join("postern.sqlite");
    let connection = Connection::open(database).expect("nobody holds it");
    connection.execute_batch(sql).expect("no key is needed for that");
}

#[track_caller]
fn refused(postern: &Postern, words: &[&str]) {
    let database = postern.data_dir().join("postern.sqlite");
    let before = std::fs::read(&database).expect("there");
    for arguments in [&["serve"][..], &["sessions", "list"]] {
        let output = postern.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(65), "{arguments:?}: {said}");
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{arguments:?}: {said}"
        );
        assert!(said.contains("--accept-"), "{said}");
    }
    assert!(
        std::fs::read(&database).expect("there") == before,
        "not a byte was changed"
    );
}

#[test]
fn a_field_that_was_put_into_another_row_is_named_by_the_verification() {
    let (mut postern, _) = signed_in();
    assert_eq!(postern.stop(), Some(0));
    attack(
        &postern,
        "UPDATE audit_events SET record = (SELECT record FROM audit_events WHERE id = 1) WHERE id = 2",
    );
    let verify = postern.run(&["keys", "verify"]);
    let said = String::from_utf8_lossy(&verify.stderr);
    assert_eq!(verify.status.code(), Some(65), "{said}");
    for words in [
        "fields that do not open: 1, ",
        "audit_events.record of row 2",
        "was altered",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn deleted_edited_and_added_rows_are_named_and_no_start_happens() {
    for (sql, words) in [
        ("DELETE FROM sessions", ["table sessions", "is missing"]),
        (
            "UPDATE sessions SET revision = revision + 1",
            ["table sessions", "was altered"],
        ),
        (
            "INSERT INTO spent_tokens (jti, forget_at) VALUES (zeroblob(16), 9)",
            ["table spent_tokens", "was added"],
        ),
        (
            "DELETE FROM audit_events WHERE id = 2",
            ["table audit_events: row 2", "is missing"],
        ),
        (
            "UPDATE fieldcrypt_slots SET label = 'mine'",
            ["table fieldcrypt_slots: row 1", "was altered"],
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON sessions BEGIN SELECT 1; END",
            ["the schema was changed", ""],
        ),
        (
            // A step taken out of the history would open the seal for that step to be made again.
            "DELETE FROM refinery_schema_history WHERE version = 5",
            ["table refinery_schema_history", "is missing"],
        ),
        ("DROP TABLE fieldcrypt_seal", ["no integrity seal", ""]),
    ] {
        let (mut postern, _) = signed_in();
        assert_eq!(postern.stop(), Some(0));
        assert!(
            postern.run(&["sessions", "list"]).status.success(),
            "control: unaltered, it opens"
        );
        let verified = postern.run(&["keys", "verify"]);
        assert!(verified.status.success(), "control: every field opens");
        attack(&postern, sql);
        refused(&postern, &words);
        let database = postern.data_dir().join("postern.sqlite");
        let before = std::fs::read(&database).expect("there");
        let verify = postern.run(&["keys", "verify"]);
        let said = String::from_utf8_lossy(&verify.stderr);
        assert_eq!(verify.status.code(), Some(65), "{said}");
        assert!(
            std::fs::read(&database).expect("there") == before,
            "not a byte was changed"
        );
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        let doctor = postern.run(&["doctor"]);
        assert_eq!(doctor.status.code(), Some(1), "doctor sees it too");
    }
}

#[test]
fn a_row_put_back_from_an_older_copy_is_noticed_and_accepting_it_ends_every_session() {
    let (mut postern, held) = signed_in();
    assert_eq!(postern.stop(), Some(0));
    let database = postern.data_dir().join("postern.sqlite");
    let older = postern.data_dir().join("older");
    std::fs::copy(&database, &older).expect("copied");
    let keep = ["password", "set", "--keep-sessions", "--password-file", "-"];
    assert!(
        postern
            .run_fed(&keep, "another horse altogether")
            .status
            .success()
    );
    // The old password's row, sealed by the very same keys, put back where it was.
    let sql = format!(
        "ATTACH '{}' AS older; UPDATE passwords SET record = (SELECT record FROM older.passwords);",
        older.display()
    );
    attack(&postern, &sql);
    std::fs::remove_file(&older).expect("removed");
    refused(&postern, &["table passwords: row 1 was altered"]);

    let postern = postern.restarted_as(&["serve", "--accept-tampered"]);
    assert!(!held.is_good(&postern), "every session has ended");
    assert_eq!(held.refresh(&postern).status, 401);
    let postern = postern.killed_and_restarted();
    assert_eq!(
        login(&postern.base, PASSWORD).expect("an answer").status,
        200,
        "as it was put back"
    );
}

#[test]
fn with_a_witness_a_whole_database_put_back_is_refused_and_accepting_it_revives_no_session() {
    let folder = tempfile::tempdir().expect("a folder");
    let witness = folder.path().join("witness").display().to_string();
    let environment = [("POSTERN_WITNESS", witness.as_str())];
    for guarded in [true, false] {
        let environment = if guarded { &environment[..] } else { &[] };
        let mut postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), environment);
        let set = postern.run_fed_with(
            &["password", "set", "--password-file", "-"],
            PASSWORD,
            environment,
        );
        assert!(set.status.success());
        let held = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
        assert_eq!(postern.stop(), Some(0));
        let database = postern.data_dir().join("postern.sqlite");
        let older = std::fs::read(&database).expect("there");
        let revoked = postern.run_with(&["sessions", "revoke-all"], environment);
        assert!(revoked.status.success());
        std::fs::write(&database, &older).expect("put back");
        let output = postern.run_with(&["sessions", "list"], environment);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !guarded {
            assert!(
                output.status.success(),
                "control: without a witness nothing tells: {said}"
            );
            continue;
        }
        assert_eq!(output.status.code(), Some(65), "{said}");
        assert!(
            said.contains("older copy") && said.contains("--accept-rollback"),
            "{said}"
        );
        let postern = postern.restarted_as_with(&["serve", "--accept-rollback"], environment);
        assert!(
            !held.is_good(&postern) && held.refresh(&postern).status == 401,
            "revived by a rollback"
        );
        assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
        let again = postern.run_with(&["sessions", "list"], environment);
        assert!(
            again.status.success(),
            "and the witness goes with it from here on"
        );
    }
}

#[test]
fn a_witness_for_a_database_that_is_there_already_is_made_on_the_operators_word() {
    let (mut postern, _) = signed_in();
    assert_eq!(postern.stop(), Some(0));
    let folder = tempfile::tempdir().expect("a folder");
    let witness = folder.path().join("witness");
    let environment = [("POSTERN_WITNESS", witness.to_str().expect("text"))];
    let output = postern.run_with(&["sessions", "list"], &environment);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.code(),
        Some(65),
        "a witness that is gone has not agreed: {said}"
    );
    assert!(!witness.exists());
    let postern = postern.restarted_as_with(&["serve", "--accept-rollback"], &environment);
    assert!(witness.exists());
    assert!(
        postern
            .run_with(&["sessions", "list"], &environment)
            .status
            .success()
    );
}

/// In pages of this many bytes the database is written.
const PAGE: usize = 4096;

#[test]
fn a_damaged_file_is_refused_with_a_reason_and_what_to_do() {
    let install = Install::empty(env!("CARGO_BIN_EXE_postern"));
    install.put_secret("key", [7; 32]);
    let with_key = |command: &'static [&'static str]| [command, &["--key-file", "key"]].concat();
    let install = install.serve_as(&with_key(&["serve"])).stopped();
    install.does(&with_key(&["sessions", "list"]));
    let path = install.folder().join("data/postern/postern.sqlite");
    let genuine = std::fs::read(&path).expect("there");
    let without_page = |at: usize| {
        let mut bytes = genuine.clone();
        bytes[at * PAGE..(at + 1) * PAGE].fill(0);
        bytes
    };
    let pages = genuine.len() / PAGE;
    let step = if is_thorough() { 1 } else { 4 };
    let lost = (0..pages)
        .step_by(step)
        .map(|at| (format!("page {at}"), without_page(at)));
    let cuts = (0..pages)
        .step_by(step)
        .map(|at| (format!("cut at {at}"), genuine[..at * PAGE].to_vec()));
    let text = ("text".to_owned(), b"no database".repeat(1000));
    for (what, damaged) in lost.chain(cuts).chain([text]) {
        std::fs::write(&path, &damaged).expect("written");
        for command in [&["serve"][..], &["sessions", "list"]] {
            let output = install.run(&[command, &["--key-file", "key"]].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(65), "{what}: {command:?}: {said}");
            assert!(said.contains("restore a backup"), "{what}: {command:?}: {said}");
            assert!(!said.contains("panicked"), "{what}: {said}");
        }
        assert_eq!(
            std::fs::read(&path).expect("there"),
            damaged,
            "{what}: it was changed"
        );
    }
}
