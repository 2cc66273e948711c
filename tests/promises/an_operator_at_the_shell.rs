//! What the command line does to a server that runs: each command counts at once, and no secret passes through arguments.

use std::process::Output;

use e2e_support::{Answer, Postern};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery staple";

fn start() -> Postern {
    Postern::start(env!("CARGO_BIN_EXE_postern"))
}

fn set_password(postern: &Postern, password: &str, more: &[&str]) -> Output {
    let arguments: Vec<&str> = ["password", "set", "--password-file", "-"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    postern.run_fed(&arguments, password)
}

fn login(postern: &Postern, password: &str) -> Answer {
    postern.send(
        "POST",
        "/api/v1/auth/login",
        &[],
        &json!({ "Password": password }),
    )
}

fn get(postern: &Postern, bearer: &str, path: &str) -> u16 {
    let bearer = format!("Bearer {bearer}");
    postern
        .send("GET", path, &[("authorization", &bearer)], &Value::Null)
        .status
}

/// Asks until the answer is `status`: what another process did counts within a second.
#[track_caller]
fn becomes(postern: &Postern, bearer: &str, status: u16) {
    // Each asking waits for its answer; so many take several seconds.
    let came = (0..5000).any(|_| get(postern, bearer, "/api/v1/sessions") == status);
    assert!(came, "it never became {status}");
}

#[track_caller]
fn refused(output: &Output, code: i32, word: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(word), "{said}");
}

#[test]
fn a_password_set_at_the_shell_counts_at_once_and_ends_every_session_unless_told_not_to() {
    let postern = start();
    assert!(set_password(&postern, PASSWORD, &[]).status.success());
    let first = login(&postern, PASSWORD);
    assert_eq!(first.status, 200);
    assert!(
        set_password(&postern, "another horse altogether", &["--keep-sessions"])
            .status
            .success()
    );
    assert_eq!(login(&postern, PASSWORD).status, 401, "the old one is dead");
    assert_eq!(login(&postern, "another horse altogether").status, 200);
    assert_eq!(get(&postern, &first.text("AccessToken"), "/api/v1/sessions"), 200);
    assert!(set_password(&postern, PASSWORD, &[]).status.success());
    becomes(&postern, &first.text("AccessToken"), 401);
}

#[test]
fn at_a_terminal_the_new_password_is_asked_for_twice() {
    let postern = start();
    let typed = |first: &str, second: &str| {
        postern.at_a_terminal(&["password", "set"], &format!("{first}\n{second}\n"))
    };
    let said = typed(PASSWORD, "correct horse battery stable");
    assert!(said.contains("not the same both times"), "{said}");
    let said = typed(PASSWORD, PASSWORD);
    assert!(said.contains("the access password is changed"), "{said}");
    assert_eq!(login(&postern, PASSWORD).status, 200);
}

#[test]
fn without_its_file_a_person_at_a_terminal_is_asked_for_the_field_password() {
    let postern = start();
    let password = std::fs::read_to_string(postern.field_password()).expect("made");
    std::fs::remove_file(postern.field_password()).expect("removed");
    let said = postern.at_a_terminal(&["keys", "status"], &password);
    assert!(
        said.contains("Field password: ") && said.contains("AES-256-GCM"),
        "{said}"
    );
    assert!(!postern.field_password().exists(), "and it is not written down");
}

#[test]
fn a_password_that_is_refused_changes_nothing() {
    let postern = start();
    assert!(set_password(&postern, PASSWORD, &[]).status.success());
    refused(
        &set_password(&postern, "short", &[]),
        65,
        "at least 15 characters",
    );
    refused(&set_password(&postern, &"x y".repeat(400), &[]), 65, "1024 bytes");
    refused(&set_password(&postern, "", &[]), 78, "standard input is empty");
    assert_eq!(login(&postern, PASSWORD).status, 200);
}

#[test]
fn a_reset_password_is_shown_once_and_signs_in() {
    let postern = start();
    let new = postern.says_json(&["password", "reset"]);
    let new = new.get("Password").and_then(Value::as_str).expect("shown");
    assert_eq!(login(&postern, new).status, 200);
    assert!(!postern.data_holds(new) && !postern.logged().contains(new));
}

#[test]
fn a_script_gets_an_access_token_for_the_password_in_a_file() {
    let postern = start();
    assert!(set_password(&postern, PASSWORD, &[]).status.success());
    let base = postern.base.clone();
    let ask = |password: &str| postern.run_fed(&["token", "--password-file", "-", "--url", &base], password);
    let output = ask(PASSWORD);
    let token = String::from_utf8(output.stdout).expect("text");
    assert_eq!(get(&postern, token.trim_end(), "/api/v1/sessions"), 200);
    refused(&ask("not the password at all"), 77, "wrong");
    let nobody = ["token", "--password-file", "-", "--url", "http://127.0.0.1:9"];
    refused(&postern.run_fed(&nobody, PASSWORD), 69, "does not answer");
}

#[test]
fn sessions_are_listed_and_revoked_beside_the_server() {
    let postern = start();
    assert!(set_password(&postern, PASSWORD, &[]).status.success());
    let [first, second] = [login(&postern, PASSWORD), login(&postern, PASSWORD)];
    let list = postern.says_json(&["sessions", "list"]);
    let sessions = list.get("Sessions").and_then(Value::as_array).expect("a list");
    assert_eq!(sessions.len(), 2);
    let ids: Vec<&str> = sessions
        .iter()
        .map(|session| session.get("Id").and_then(Value::as_str).expect("an id"))
        .collect();
    let table = postern.says(&["sessions", "list"]);
    assert!(ids.iter().all(|id| table.contains(id)), "{table}");
    let _ = postern.says(&["sessions", "revoke", ids[0]]);
    refused(
        &postern.run(&["sessions", "revoke", ids[0]]),
        65,
        "no such session",
    );
    refused(
        &postern.run(&["sessions", "revoke", "nonsense"]),
        65,
        "no such session",
    );
    assert_eq!(
        postern.says_json(&["sessions", "revoke-all"]),
        json!({ "Ended": 1 })
    );
    for session in [first, second] {
        becomes(&postern, &session.text("AccessToken"), 401);
    }
}

#[test]
fn an_access_key_made_at_the_shell_opens_the_api_until_it_is_revoked() {
    let postern = start();
    let made = postern.says_json(&[
        "access-keys",
        "create",
        "backup job",
        "--scope",
        "api:read",
        "--expires",
        "2h",
    ]);
    let secret = made.get("Secret").and_then(Value::as_str).expect("shown once");
    becomes(&postern, secret, 200);
    refused(
        &postern.run(&["access-keys", "create", "backup job"]),
        65,
        "already",
    );
    refused(
        &postern.run(&["access-keys", "create", "x", "--expires", "400d"]),
        65,
        "366 days",
    );
    refused(
        &postern.run(&["access-keys", "create", "x", "--scope", "root"]),
        64,
        "api:read",
    );
    let list = postern.says(&["access-keys", "list"]);
    assert!(list.contains("backup job") && !list.contains("pst_ak_"), "{list}");
    let _ = postern.says(&["access-keys", "revoke", "backup job"]);
    becomes(&postern, secret, 401);
    refused(
        &postern.run(&["access-keys", "revoke", "backup job"]),
        65,
        "no such access key",
    );
}

#[test]
fn a_sensitive_setting_is_no_argument_and_is_shown_only_on_demand() {
    let postern = start();
    let secret = "Bearer canary-9f27";
    refused(
        &postern.run(&["settings", "set", "secret.upstream", secret]),
        64,
        "arguments can be seen",
    );
    let set = postern.run_fed(
        &["settings", "set", "secret.upstream", "--value-file", "-"],
        secret,
    );
    assert!(set.status.success());
    for quiet in [&["settings", "list"][..], &["settings", "get", "secret.upstream"]] {
        assert!(
            !postern.says(quiet).contains(secret) && !postern.says_json(quiet).to_string().contains(secret)
        );
    }
    assert_eq!(
        postern.says(&["settings", "get", "secret.upstream", "--reveal"]),
        format!("{secret}\n")
    );
    assert!(!postern.data_holds("canary-9f27"));
    let _ = postern.says(&["settings", "set", "max_sessions", "7"]);
    assert_eq!(postern.says(&["settings", "get", "max_sessions"]), "7\n");
    refused(
        &postern.run(&["settings", "set", "max_sessions", "many"]),
        65,
        "from 1 to 1000000",
    );
    refused(
        &postern.run(&["settings", "set", "max_session", "7"]),
        65,
        "no setting max_session",
    );
    let _ = postern.says(&["settings", "unset", "max_sessions"]);
    assert_eq!(postern.says(&["settings", "get", "max_sessions"]), "1000\n");
}

/// A token that stands in for the password ends with it; the operator's link stands in for the shell.
#[test]
fn a_signin_token_ends_with_the_password_it_was_made_with() {
    let postern = start();
    assert!(set_password(&postern, PASSWORD, &[]).status.success());
    let used = |token: &str| {
        let body = json!({ "SigninToken": token });
        postern.send("POST", "/api/v1/auth/signin", &[], &body).status
    };
    let issued = || {
        let body = json!({ "Password": PASSWORD });
        postern
            .send("POST", "/api/v1/auth/issuesignintoken", &[], &body)
            .text("Token")
    };
    assert_eq!(used(&issued()), 200, "control: it is good while the password is");
    for more in [&["--keep-sessions"][..], &[]] {
        let issued = issued();
        let link = postern.says(&["signin-link"]);
        assert!(set_password(&postern, PASSWORD, more).status.success());
        assert_eq!(used(&issued), 401, "{more:?}");
        assert_eq!(used(&Postern::token_in(&link)), 200, "{more:?}");
    }
}

#[test]
fn a_sign_in_link_is_for_the_url_that_browsers_use_and_for_five_minutes_at_most() {
    let postern = start();
    let link = postern.says(&["signin-link", "--url", "https://door.example.org"]);
    assert!(
        link.starts_with("https://door.example.org/signin#token=pst_si_"),
        "{link}"
    );
    let body = json!({ "SigninToken": Postern::token_in(&link) });
    assert_eq!(
        postern.send("POST", "/api/v1/auth/signin", &[], &body).status,
        200
    );
    refused(&postern.run(&["signin-link", "--ttl", "6m"]), 64, "five minutes");
    let _ = postern.says(&["settings", "set", "signin_tokens", "false"]);
    refused(
        &postern.run(&["signin-link"]),
        69,
        "postern settings set signin_tokens true",
    );
}

#[test]
fn the_keys_are_shown_with_their_use_and_never_themselves() {
    let postern = start();
    let keys = postern.says_json(&["keys", "status"]);
    let count = |member: &str| keys.get(member).and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!((count("SigningKeys"), count("DataKeys")), (1, 3));
    let table = postern.says(&["keys", "status"]);
    assert!(
        table.contains("AES-256-GCM") && table.contains("active"),
        "{table}"
    );
}

#[test]
fn the_field_password_in_the_environment_opens_the_database_and_is_gone_from_the_environment() {
    let postern = start();
    let password = std::fs::read_to_string(postern.field_password()).expect("made");
    let password = password.trim_end();
    let elsewhere = postern.field_password().with_extension("moved");
    std::fs::rename(postern.field_password(), &elsewhere).expect("moved");
    refused(&postern.run(&["keys", "status"]), 78, "is not there");
    let output = postern.run_with(&["keys", "status"], &[("POSTERN_FIELD_PASSWORD", password)]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("warning: ") && !said.contains(password), "{said}");

    let postern = postern.restarted_with(&[("POSTERN_FIELD_PASSWORD", password)]);
    // Nobody but root may look there at all (`a_broken_in_server_reaches_nothing`).
    let environment = match std::fs::read(format!("/proc/{}/environ", postern.pid())) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
        read => read.expect("there"),
    };
    let environment = String::from_utf8_lossy(&environment);
    assert!(
        !environment.contains(password),
        "control below: {}",
        environment.len()
    );
    assert!(
        environment.contains("XDG_DATA_HOME"),
        "control: it is that process's environment"
    );
}

#[test]
fn the_database_opens_with_what_a_command_prints_and_with_a_key_file() {
    let postern = start();
    let command = format!("cat '{}'", postern.field_password().display());
    let output = postern.run_with(
        &["--field-password-file", "/nonexistent", "keys", "status"],
        &[("POSTERN_FIELD_PASSWORD_COMMAND", &command)],
    );
    refused(&output, 78, "given twice");
    let elsewhere = postern.field_password().with_extension("moved");
    std::fs::rename(postern.field_password(), &elsewhere).expect("moved");
    let command = format!("cat '{}'", elsewhere.display());
    let given = [("POSTERN_FIELD_PASSWORD_COMMAND", command.as_str())];
    assert!(postern.run_with(&["keys", "status"], &given).status.success());

    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, [42_u8; 64]).expect("written");
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, owner_only).expect("set");
    let data = folder.path().join("data").display().to_string();
    let (key, data) = (key.display().to_string(), data.as_str());
    let made = Postern::start_with(
        env!("CARGO_BIN_EXE_postern"),
        &[("POSTERN_KEY_FILE", &key), ("POSTERN_DATA_DIR", data)],
    );
    assert!(!made.field_password().exists(), "nobody needs one");
    let status = ["keys", "status", "--data-dir", data, "--key-file", &key];
    assert!(made.run(&status).status.success());
    refused(
        &made.run(&["keys", "status", "--data-dir", data]),
        78,
        "is not there",
    );
}

#[test]
fn doctor_names_what_is_wrong_and_how_to_mend_it() {
    let mut postern = start();
    assert_eq!(postern.stop(), Some(0));
    let sound = postern.run(&["doctor"]);
    let said = String::from_utf8_lossy(&sound.stdout).into_owned();
    assert_eq!(sound.status.code(), Some(0), "{said}");
    assert!(!said.contains("wrong"), "{said}");

    std::fs::write(postern.field_password(), "not the field password").expect("written");
    let ill = postern.run(&["doctor", "--json"]);
    assert_eq!(ill.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&ill.stdout).expect("JSON");
    let findings = said.get("Findings").and_then(Value::as_array).expect("findings");
    let wrong: Vec<_> = findings
        .iter()
        .filter(|finding| finding.get("Severity") == Some(&json!("wrong")))
        .collect();
    assert_eq!(wrong.len(), 1, "{said}");
    assert!(wrong[0].to_string().contains("--field-password-file"), "{said}");
}

#[test]
fn a_configuration_file_is_found_checked_and_used() {
    let postern = start();
    let file = postern.field_password().with_file_name("postern.toml");
    std::fs::write(&file, "minimum_password_length = 8\nhosts = [\"nas.lan\"]\n").expect("written");
    let checked = postern.says(&["config", "check"]);
    let line = checked
        .lines()
        .find(|line| line.starts_with("minimum_password_length"));
    assert!(
        line.is_some_and(|line| line.contains('8') && line.ends_with("postern.toml")),
        "{checked}"
    );
    assert!(
        set_password(&postern, "vfk3 8sn", &[]).status.success(),
        "eight are enough now"
    );
    std::fs::write(&file, "minimum_pasword_length = 8\n").expect("written");
    for arguments in [&["config", "check"][..], &["serve"], &["keys", "status"]] {
        refused(
            &postern.run(arguments),
            78,
            "did you mean minimum_password_length?",
        );
    }
}
