//! A wrong field password, a second server, a folder open to others.

use std::os::unix::fs::PermissionsExt as _;

use e2e_support::Postern;

fn start() -> Postern {
    Postern::start(env!("CARGO_BIN_EXE_postern"))
}

#[test]
fn a_wrong_field_password_changes_no_byte() {
    let mut postern = start();
    postern.stop();
    let database = postern.folder().join("postern-data/postern.sqlite");
    let before = std::fs::read(&database).expect("there");
    std::fs::write(
        postern.folder().join("postern-field-password"),
        "not the field password",
    )
    .expect("written");
    let refused = postern.run("serve");
    assert_eq!(
        refused.status.code(),
        Some(78),
        "{}",
        String::from_utf8_lossy(&refused.stderr)
    );
    std::fs::remove_file(postern.folder().join("postern-field-password")).expect("removed");
    assert_eq!(postern.run("serve").status.code(), Some(78), "a missing one");
    assert!(
        !postern.folder().join("postern-field-password").exists(),
        "no new key was made"
    );
    assert_eq!(std::fs::read(&database).expect("there"), before);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let postern = start();
    assert_eq!(postern.run("serve").status.code(), Some(75));
}

#[test]
fn a_link_made_beside_the_running_server_signs_in() {
    let postern = start();
    let made = postern.run("signin-link");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = Postern::token_in(&String::from_utf8_lossy(&made.stdout));
    let body = serde_json::json!({ "SigninToken": token });
    assert_eq!(
        postern.send("POST", "/api/v1/auth/signin", &[], &body).status,
        200
    );
}

#[test]
fn a_data_directory_open_to_others_is_refused() {
    let mut postern = start();
    postern.stop();
    let data = postern.folder().join("postern-data");
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).expect("set");
    assert_eq!(postern.run("serve").status.code(), Some(77));
}

#[test]
fn every_file_of_an_install_is_its_owners_alone() {
    let postern = start();
    let mut files = vec![postern.folder().join("postern-field-password")];
    let data = std::fs::read_dir(postern.folder().join("postern-data")).expect("made");
    files.extend(data.map(|file| file.expect("an entry").path()));
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", file.display());
    }
}
