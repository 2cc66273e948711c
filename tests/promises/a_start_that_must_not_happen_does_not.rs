//! Wrong and missing field passwords, a second server, files open to others: no start, and nothing changed or made.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use e2e_support::Postern;

fn start() -> Postern {
    Postern::start(env!("CARGO_BIN_EXE_postern"))
}

fn stopped() -> Postern {
    let mut postern = start();
    assert_eq!(postern.stop(), Some(0));
    std::fs::remove_file(postern.data_dir().join("first-signin-link")).expect("the owner takes it away");
    postern
}

/// Every file of a folder with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| (path.clone(), std::fs::read(path).expect("readable")))
        .collect()
}

/// `serve` and `signin-link` end with that code and leave the data directory as it is, file by file, byte by byte.
#[track_caller]
fn refused(postern: &Postern, code: i32, word: &str) {
    let before = contents(&postern.data_dir());
    for arguments in [["serve"], ["signin-link"]] {
        let output = postern.run(&arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(
            text.contains(word) && text.contains("hint: "),
            "{arguments:?}: {text}"
        );
    }
    assert_eq!(contents(&postern.data_dir()), before);
}

fn set(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

#[test]
fn a_wrong_field_password_changes_no_byte_and_makes_no_file() {
    let postern = stopped();
    std::fs::write(postern.field_password(), "not the field password").expect("written");
    refused(&postern, 78, "no key slot opens");
}

#[test]
fn a_missing_or_empty_field_password_is_never_made_anew() {
    let postern = stopped();
    std::fs::write(postern.field_password(), "\n").expect("written");
    refused(&postern, 78, "is empty");
    std::fs::remove_file(postern.field_password()).expect("removed");
    refused(&postern, 78, "is not there");
    assert!(!postern.field_password().exists());
}

#[test]
fn two_field_passwords_at_once_are_refused() {
    let postern = stopped();
    let twice = ["serve", "--field-password-file", "elsewhere"];
    let output = postern.run_with(&twice, &[("POSTERN_FIELD_PASSWORD_FILE", "here")]);
    assert_eq!(
        output.status.code(),
        Some(78),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let postern = start();
    let output = postern.run(&["serve"]);
    assert_eq!(output.status.code(), Some(75));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&postern.data_dir().display().to_string()), "{said}");
    assert!(
        postern.data_dir().join("first-signin-link").exists(),
        "and takes nothing away"
    );
}

#[test]
fn an_address_that_is_not_loopback_is_refused_without_tls() {
    let postern = stopped();
    assert_eq!(
        postern.run(&["serve", "--listen", "0.0.0.0:0"]).status.code(),
        Some(78)
    );
}

#[test]
fn whatever_is_open_to_others_is_refused() {
    let postern = stopped();
    let data = postern.data_dir();
    for (path, closed) in [
        (data.clone(), 0o700),
        (data.join("postern.sqlite"), 0o600),
        (postern.field_password(), 0o600),
    ] {
        set(&path, closed | 0o044);
        refused(&postern, 77, &path.display().to_string());
        set(&path, closed);
    }
    assert!(
        postern.run(&["signin-link"]).status.success(),
        "control: closed again, it works"
    );
}

#[test]
fn every_file_of_an_install_is_its_owners_alone() {
    let postern = start();
    let mut files = vec![postern.field_password()];
    files.extend(contents(&postern.data_dir()).into_keys());
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", file.display());
    }
}

#[test]
fn where_no_person_reads_the_first_link_goes_to_a_file_and_the_next_start_takes_it_away() {
    let postern = start();
    assert!(
        !postern.said.contains("pst_si_") && !postern.logged().contains("pst_si_"),
        "{}",
        postern.said
    );
    assert!(postern.first_token().starts_with("pst_si_"));
    let postern = postern.killed_and_restarted();
    assert!(!postern.data_dir().join("first-signin-link").exists());
    assert!(
        !postern.said.contains("link"),
        "the second start says nothing secret: {}",
        postern.said
    );
}

#[test]
fn a_link_made_beside_the_running_server_signs_in() {
    let postern = start();
    let made = postern.run(&["signin-link"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = Postern::token_in(&String::from_utf8_lossy(&made.stdout));
    let body = serde_json::json!({ "SigninToken": token });
    assert_eq!(
        postern.send("POST", "/api/v1/auth/signin", &[], &body).status,
        200
    );
}
