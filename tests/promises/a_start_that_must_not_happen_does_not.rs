//! Wrong and missing field passwords, a second server, files open to others: no start, and nothing changed or made.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
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

/// Another user of the host: not even `nobody` needs a name for that.
const ANOTHER: u32 = 65_533;

/// What is done to an install, and undone.
struct Layout {
    what: &'static str,
    /// What the refusal names.
    names: PathBuf,
    done: Box<dyn Fn()>,
    undone: Box<dyn Fn()>,
}

fn mode(path: &Path, what: &'static str, bad: u32, good: u32) -> Layout {
    let (one, other) = (path.to_owned(), path.to_owned());
    Layout {
        what,
        names: path.to_owned(),
        done: Box::new(move || set(&one, bad)),
        undone: Box::new(move || set(&other, good)),
    }
}

fn owner(path: &Path, what: &'static str) -> Layout {
    let give = |path: PathBuf, to: u32| move || chown(&path, Some(to), None).expect("the tests run as root");
    let us = std::fs::metadata(path).expect("there").uid();
    Layout {
        what,
        names: path.to_owned(),
        done: Box::new(give(path.to_owned(), ANOTHER)),
        undone: Box::new(give(path.to_owned(), us)),
    }
}

/// What stood at `path` is moved elsewhere, and a link put in its place.
fn link(path: &Path, elsewhere: &Path, what: &'static str) -> Layout {
    let moved = |from: PathBuf, to: PathBuf| move || std::fs::rename(&from, &to).expect("moved");
    let (away, back) = (
        moved(path.to_owned(), elsewhere.to_owned()),
        moved(elsewhere.to_owned(), path.to_owned()),
    );
    let (at, to, again) = (path.to_owned(), elsewhere.to_owned(), path.to_owned());
    Layout {
        what,
        names: path.to_owned(),
        done: Box::new(move || {
            away();
            symlink(&to, &at).expect("linked");
        }),
        undone: Box::new(move || {
            std::fs::remove_file(&again).expect("removed");
            back();
        }),
    }
}

/// A15 of the threat model: where another user of the host could read, swap or keep what is ours, nothing starts.
#[test]
fn twelve_bad_layouts_are_refused_and_nothing_is_touched() {
    let postern = stopped();
    let data = postern.data_dir();
    let above = data.parent().expect("a folder").to_owned();
    let (database, log) = (data.join("postern.sqlite"), data.join("postern.sqlite-wal"));
    let secret = postern.field_password();
    let (one, other) = (above.join("another-name"), above.join("elsewhere"));
    let (hard, open) = (one.clone(), log.clone());
    let layouts = [
        mode(&data, "a directory that its group reads", 0o750, 0o700),
        mode(&data, "a directory that others enter", 0o701, 0o700),
        owner(&data, "another user's directory"),
        link(&data, &other, "a link to the directory"),
        mode(&above, "a directory that everybody may swap", 0o777, 0o700),
        mode(&database, "a database that its group reads", 0o640, 0o600),
        mode(&database, "a database that others write", 0o602, 0o600),
        owner(&database, "another user's database"),
        link(&database, &other, "a link to the database"),
        Layout {
            what: "a second name of the database",
            names: database.clone(),
            done: Box::new(move || std::fs::hard_link(&database, &one).expect("linked")),
            undone: Box::new(move || std::fs::remove_file(&hard).expect("removed")),
        },
        Layout {
            what: "a log that others read",
            names: log.clone(),
            done: Box::new(move || {
                std::fs::write(&open, "").expect("written");
                set(&open, 0o604);
            }),
            undone: Box::new(move || std::fs::remove_file(&log).expect("removed")),
        },
        mode(&secret, "a field password that others read", 0o604, 0o600),
        owner(&secret, "another user's field password"),
    ];
    assert!(layouts.len() >= 12);
    for layout in layouts {
        (layout.done)();
        eprintln!("{}", layout.what);
        refused(&postern, 77, &layout.names.display().to_string());
        (layout.undone)();
        assert!(
            postern.run(&["sessions", "list"]).status.success(),
            "control: without {} it works",
            layout.what
        );
    }
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
