//! A restore is wholly made or not at all, and brings back nothing that was ended since the backup (I7, A4 of the threat model).

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use e2e_support::killed::is_thorough;
use e2e_support::{Postern, send};
use serde_json::{Value, json};

use crate::a_backup_proves_itself::{at, key_pair};
use crate::owner::{Held, PASSWORD, login, set_password, signed_in};

const NEW_PASSWORD: &str = "another horse altogether";

fn access_key(postern: &Postern, name: &str) -> String {
    let created = postern.says_json(&["access-keys", "create", name, "--scope", "api"]);
    let secret = created.get("Secret").and_then(Value::as_str);
    format!("Bearer {}", secret.expect("a key"))
}

fn opens(postern: &Postern, bearer: &str) -> bool {
    let answer = postern.send(
        "GET",
        "/api/v1/settings",
        &[("authorization", bearer)],
        &Value::Null,
    );
    assert!(matches!(answer.status, 200 | 401), "{}", answer.status);
    answer.status == 200
}

fn database(postern: &Postern) -> PathBuf {
    postern.data_dir().join("postern.sqlite")
}

#[test]
fn a_restored_backup_accepts_nothing_that_was_ended_since() {
    let (mut postern, ended) = signed_in();
    let folder = tempfile::tempdir().expect("folder");
    let (identity, public) = key_pair(folder.path());
    let goes_on = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    let (gone, kept) = (access_key(&postern, "gone"), access_key(&postern, "kept"));
    let link = Postern::token_in(&postern.says(&["signin-link", "--ttl", "5m"]));
    let bearer = goes_on.bearer();
    let operation = postern.send(
        "POST",
        "/api/v1/auth/issuetoken/backup",
        &[("authorization", &bearer)],
        &Value::Null,
    );
    let operation = format!("Bearer {}", operation.text("Token"));
    let backup = at(folder.path(), "b.age");
    let _ = postern.says(&["backup", "create", &backup, "--recipient", &public]);

    // Since then: signed out, revoked, changed.
    let out = send(
        &postern.base,
        "POST",
        "/api/v1/auth/refresh/logout",
        &[("cookie", &ended.cookie)],
        &Value::Null,
    );
    assert_eq!(out.expect("an answer").status, 200);
    let _ = postern.says(&["access-keys", "revoke", "gone"]);
    set_password(&postern, NEW_PASSWORD);
    // A sign-in takes in what the commands did before it goes on.
    let signed_in = login(&postern.base, NEW_PASSWORD).expect("an answer");
    assert_eq!(signed_in.status, 200);
    assert!(!ended.is_good(&postern) && !opens(&postern, &gone) && opens(&postern, &kept));
    assert_eq!(postern.stop(), Some(0));

    // Control: the same database put back without a restore, by age and tar, revives all of it.
    let current = std::fs::read(database(&postern)).expect("reads");
    let plain = Command::new("/bin/sh")
        .args([
            "-euc",
            "age -d -i \"$0\" \"$1\" | tar -xOf - postern.sqlite",
            &identity,
            &backup,
        ])
        .output()
        .expect("a shell");
    std::fs::write(database(&postern), plain.stdout).expect("put back");
    let mut postern = postern.killed_and_restarted();
    assert!(
        ended.is_good(&postern) && opens(&postern, &gone),
        "control: the attack works"
    );
    assert_eq!(postern.stop(), Some(0));
    std::fs::write(database(&postern), current).expect("put back");

    let done = postern.says_json(&["backup", "restore", &backup, "--identity", &identity]);
    assert_eq!(done["AccessKeysRevoked"], json!(["gone"]), "{done}");
    assert_eq!(done["AccessKeysKept"], json!(["kept"]), "{done}");
    assert!(Path::new(done["Aside"].as_str().expect("a path")).exists());
    assert!(
        done["NewCounter"].as_u64() > done["CurrentCounter"].as_u64(),
        "{done}"
    );
    let postern = postern.killed_and_restarted();
    for held in [&ended, &goes_on] {
        assert!(!held.is_good(&postern) && held.refresh(&postern).status == 401);
    }
    assert!(!opens(&postern, &gone) && opens(&postern, &kept));
    let spent = postern.send(
        "POST",
        "/api/v1/auth/signin",
        &[],
        &json!({ "SigninToken": link }),
    );
    assert_eq!(spent.status, 401);
    let spent = postern.send(
        "POST",
        "/api/v1/backup",
        &[("authorization", &operation)],
        &Value::Null,
    );
    assert_eq!(spent.status, 401);
    for (password, status) in [(NEW_PASSWORD, 401), (PASSWORD, 200)] {
        assert_eq!(login(&postern.base, password).expect("an answer").status, status);
    }
    let _ = postern.says(&["keys", "verify"]);
    let held = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    let bearer = held.bearer();
    let audit = postern.send(
        "GET",
        "/api/v1/audit",
        &[("authorization", &bearer)],
        &Value::Null,
    );
    assert!(audit.body.to_string().contains("DatabaseRestored"));
}

#[test]
fn on_another_machine_the_file_and_the_passphrase_are_enough() {
    let (postern, held) = signed_in();
    let _ = access_key(&postern, "script");
    let folder = tempfile::tempdir().expect("folder");
    let backup = at(folder.path(), "backup.age");
    let password = postern.field_password().display().to_string();
    // As the README has it.
    let _ = postern.says(&["backup", "create", &backup]);
    let _ = postern.says(&["backup", "verify", &backup]);
    let (data, config) = (at(folder.path(), "data"), at(folder.path(), "config"));
    let there = [
        ("XDG_DATA_HOME", data.as_str()),
        ("XDG_CONFIG_HOME", config.as_str()),
    ];
    let output = postern.run_with(
        &["backup", "restore", &backup, "--passphrase-file", &password],
        &there,
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.contains("cannot be known here. These go on: script"),
        "{said}"
    );
    assert!(said.contains("the next start needs the field password"), "{said}");

    let start = [
        there[0],
        there[1],
        ("POSTERN_FIELD_PASSWORD_FILE", password.as_str()),
    ];
    let other = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &start);
    assert_eq!(login(&other.base, PASSWORD).expect("an answer").status, 200);
    assert!(!held.is_good(&other), "a session of the first machine");
    assert!(held.is_good(&postern), "which goes on there");
}

#[test]
fn nothing_is_touched_by_a_dry_run_beside_a_server_or_beside_another_process() {
    let (mut postern, _) = signed_in();
    let folder = tempfile::tempdir().expect("folder");
    let (identity, public) = key_pair(folder.path());
    let backup = at(folder.path(), "b.age");
    let _ = postern.says(&["backup", "create", &backup, "--recipient", &public]);
    let restore = ["backup", "restore", &backup, "--identity", &identity];
    let refused = postern.run(&restore);
    assert_eq!(refused.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another server runs"));
    assert_eq!(postern.stop(), Some(0));

    let state = |postern: &Postern| {
        let entries = std::fs::read_dir(postern.data_dir()).expect("lists");
        let mut files: Vec<_> = entries
            .map(|entry| {
                let path = entry.expect("an entry").path();
                let bytes = std::fs::read(&path).expect("reads");
                (path, bytes)
            })
            .collect();
        files.sort();
        files
    };
    let before = state(&postern);
    let dry: Vec<&str> = restore.iter().copied().chain(["--dry-run"]).collect();
    assert!(postern.says(&dry).contains("nothing was changed"));
    assert!(state(&postern) == before);

    let mut other = Command::new("sqlite3")
        .arg(database(&postern))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sqlite3 starts");
    let mut stdin = other.stdin.take().expect("piped");
    writeln!(stdin, "BEGIN; SELECT count(*) FROM settings;").expect("it reads");
    let mut line = String::new();
    BufReader::new(other.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("it answers");
    let refused = postern.run(&restore);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("another process has the database open"),
        "{}",
        String::from_utf8_lossy(&refused.stderr)
    );
    drop(stdin);
    other.wait().expect("it ends");
    let asides = state(&postern)
        .into_iter()
        .filter(|(path, _)| path.display().to_string().contains("before-restore"));
    assert_eq!(asides.count(), 0);
    let postern = postern.killed_and_restarted();
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
}

#[test]
fn a_database_that_is_damaged_is_put_aside_as_it_is_and_the_witness_goes_along() {
    let folder = tempfile::tempdir().expect("folder");
    let (identity, public) = key_pair(folder.path());
    let (backup, witness) = (at(folder.path(), "b.age"), at(folder.path(), "witness"));
    let environment = [("POSTERN_WITNESS", witness.as_str())];
    let mut postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &environment);
    set_password(&postern, PASSWORD);
    let made = postern.run_with(
        &["backup", "create", &backup, "--recipient", &public],
        &environment,
    );
    assert!(made.status.success());
    set_password(&postern, NEW_PASSWORD);
    assert_eq!(postern.stop(), Some(0));
    let seen = std::fs::read_to_string(&witness).expect("a witness");
    let junk = vec![0x5a; 40_000];
    std::fs::write(database(&postern), &junk).expect("damaged");
    let log = postern.data_dir().join("postern.sqlite-wal");
    std::fs::write(&log, "a log of nothing").expect("damaged");
    std::fs::set_permissions(&log, std::fs::Permissions::from_mode(0o600)).expect("set");

    let output = postern.run_with(
        &["backup", "restore", &backup, "--identity", &identity, "--json"],
        &environment,
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let done: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let aside = done["Aside"].as_str().expect("a path");
    assert_eq!(std::fs::read(aside).expect("kept"), junk);
    assert_eq!(
        std::fs::read(format!("{aside}-wal")).expect("kept"),
        b"a log of nothing"
    );
    let now = std::fs::read_to_string(&witness).expect("a witness");
    let counter = |text: &str| {
        text.lines()
            .nth(2)
            .and_then(|line| line["counter ".len()..].parse::<u64>().ok())
    };
    assert!(counter(&now) > counter(&seen), "{seen}{now}");
    // The server takes it: the witness agrees. Without the restore's counter it would not.
    let postern = postern.restarted_with(&environment);
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
}

/// The system calls that change files.
const CALLS: [&str; 8] = [
    "pwrite64",
    "write",
    "ftruncate",
    "fsync",
    "fdatasync",
    "link",
    "rename",
    "unlink",
];

#[test]
fn killed_at_any_call_it_is_wholly_made_or_not_at_all() {
    let (mut postern, _) = signed_in();
    let folder = tempfile::tempdir().expect("folder");
    let (identity, public) = key_pair(folder.path());
    let backup = at(folder.path(), "b.age");
    let name = |postern: &Postern, name: &str| {
        let _ = postern.says(&["settings", "set", "instance_name", name]);
    };
    name(&postern, "then");
    let _ = postern.says(&["backup", "create", &backup, "--recipient", &public]);
    name(&postern, "since");
    assert_eq!(postern.stop(), Some(0));

    let (mut old, mut new) = (0, 0);
    for call in CALLS {
        let mut at_call = 1;
        loop {
            let data = folder.path().join("data");
            let copied = Command::new("cp")
                .arg("-a")
                .arg(postern.data_dir())
                .arg(&data)
                .status();
            assert!(copied.expect("cp runs").success());
            let inject = format!("inject={call}:signal=KILL:when={at_call}");
            let restore = Command::new("strace")
                .args([
                    "-f",
                    "-o",
                    "/dev/null",
                    "-e",
                    &inject,
                    env!("CARGO_BIN_EXE_postern"),
                ])
                .args([
                    "backup",
                    "restore",
                    &backup,
                    "--identity",
                    &identity,
                    "--data-dir",
                ])
                .arg(&data)
                .arg("--field-password-file")
                .arg(postern.field_password())
                .env_clear()
                .env("PATH", "/usr/bin:/bin")
                .env("HOME", folder.path())
                .output()
                .expect("strace runs");
            let killed = !restore.status.success();
            let data_dir = data.display().to_string();
            let said = postern.says(&["settings", "get", "instance_name", "--data-dir", &data_dir]);
            match said.trim() {
                "since" => old += 1,
                "then" => {
                    new += 1;
                    let sessions = postern.says_json(&["sessions", "list", "--data-dir", &data_dir]);
                    assert_eq!(sessions["Sessions"], json!([]), "{call} {at_call}");
                }
                other => panic!("{call} {at_call}: {other}"),
            }
            assert!(
                killed || said.trim() == "then",
                "{call} {at_call}: it said it was made"
            );
            std::fs::remove_dir_all(&data).expect("removed");
            if !killed {
                break;
            }
            // Every place, or some of them, ever farther apart.
            at_call += if is_thorough() { 1 } else { (at_call / 2).max(1) };
        }
    }
    assert!(old > 5 && new > 5, "control: {old} as before, {new} restored");
}
