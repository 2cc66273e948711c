//! A backup can be opened without Postern, is a state that existed, is at its name only when it is whole, and what is no good
//! is refused with the reason and leaves nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use e2e_support::killed::is_thorough;
use e2e_support::{Postern, send};
use serde_json::{Value, json};

use crate::owner::{Held, PASSWORD, login, set_password, signed_in, start};

/// A shell beside the install: `$0` is the first argument.
#[track_caller]
fn shell(folder: &Path, script: &str, arguments: &[&str]) -> String {
    let output = Command::new("/bin/sh")
        .args(["-euc", script])
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .expect("a shell");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

/// A new key pair: the file with the identity, and the public key.
pub(crate) fn key_pair(folder: &Path) -> (String, String) {
    let public = shell(
        folder,
        "umask 077; age-keygen -o identity 2>/dev/null; age-keygen -y identity",
        &[],
    );
    (at(folder, "identity"), public.trim().to_owned())
}

pub(crate) fn at(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "it was taken");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("lists");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn age_and_tar_and_sqlite_open_it_without_us() {
    let postern = start();
    set_password(&postern, PASSWORD);
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let (_, public) = key_pair(folder);
    for name in ["a.age", "b.age"] {
        let _ = postern.says(&["backup", "create", &at(folder, name), "--recipient", &public]);
    }
    let listed = shell(folder, "age -d -i identity a.age | tar -tf -", &[]);
    assert_eq!(listed, "postern.sqlite\nmanifest.json\n");
    let said = shell(
        folder,
        "age -d -i identity a.age | tar -xf -
         sqlite3 postern.sqlite 'PRAGMA integrity_check; SELECT count(*) FROM audit_events'
         sha256sum postern.sqlite | cut -d' ' -f1",
        &[],
    );
    let manifest = std::fs::read(folder.join("manifest.json")).expect("it is there");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let events = &manifest["Rows"]["audit_events"];
    assert_eq!(
        said,
        format!("ok\n{events}\n{}\n", manifest["Sha256"].as_str().expect("a hash"))
    );
    let leaks = postern.run(&["leak-test", &at(folder, "postern.sqlite")]);
    let told = String::from_utf8_lossy(&leaks.stdout);
    assert!(
        leaks.status.success() && told.contains("no secret was found"),
        "{told}"
    );
    // Under the field password, too, which is the default; age asks for it at a terminal.
    let _ = postern.says(&["backup", "create", &at(folder, "c.age")]);
    let _ = postern.says(&["backup", "verify", &at(folder, "c.age")]);
    let listed = postern.says_json(&["backup", "list", &at(folder, "")]);
    let opens: Vec<&str> = listed["Backups"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|backup| backup["OpensWith"].as_str().expect("text"))
        .collect();
    assert_eq!(opens, ["one identity", "one identity", "passphrase"]);
}

#[test]
fn backups_under_write_load_each_verify_and_each_is_a_state_that_existed() {
    let (postern, held) = signed_in();
    let folder = tempfile::tempdir().expect("folder");
    let (identity, public) = key_pair(folder.path());
    let stop = AtomicBool::new(false);
    let rounds = if is_thorough() { 60 } else { 5 };
    thread::scope(|scope| {
        for writer in 0..4 {
            let (base, bearer, stop) = (&postern.base, held.bearer(), &stop);
            scope.spawn(move || {
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    // Two rows and two events in one transaction's worth of request: a torn copy would have one of them.
                    let body = json!({ "instance_name": format!("{writer}-{written}"), "max_sessions": 10 + written % 50 });
                    let headers = [("authorization", bearer.as_str())];
                    let answer = send(base, "PATCH", "/api/v1/settings", &headers, &body).expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    written += 1;
                }
                assert!(written > 0, "control: it wrote");
            });
        }
        let mut before = 0;
        for round in 0..rounds {
            let path = at(folder.path(), &format!("{round}.age"));
            let made = postern.says_json(&["backup", "create", &path, "--recipient", &public]);
            // The seal is over the whole set of rows and is written in each transaction: a copy for which it holds is a state
            // that was committed, and its counter says which.
            let verified = postern.says_json(&["backup", "verify", &path, "--identity", &identity]);
            assert_eq!(verified["Sha256"], made["Sha256"]);
            let counter = verified["Counter"].as_u64().expect("a number");
            assert!(
                counter > before,
                "{counter} after {before}: nothing was written in between"
            );
            before = counter;
            std::fs::remove_file(path).expect("removed");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(held.is_good(&postern));
}

#[test]
fn what_is_no_good_is_refused_with_the_reason_and_leaves_nothing() {
    let postern = start();
    let folder = tempfile::tempdir().expect("folder");
    let folder = folder.path();
    let (identity, public) = key_pair(folder);
    let good = at(folder, "good.age");
    let _ = postern.says(&["backup", "create", &good, "--recipient", &public]);
    let bytes = std::fs::read(&good).expect("reads");
    // What somebody with the key puts together.
    shell(
        folder,
        "mkdir trick
         age -d -i identity good.age > whole.tar
         tar -xf whole.tar -C trick
         tar -cf above.tar --absolute-names -C trick ../trick/postern.sqlite manifest.json
         ln -s /etc/passwd trick/link
         tar -cf link.tar -C trick postern.sqlite link
         tar -cf order.tar -C trick manifest.json postern.sqlite
         cp whole.tar more.tar; printf x >> more.tar
         for name in above link order more; do age -r \"$0\" -o $name.age $name.tar; done
         rm -r trick *.tar",
        &[&public],
    );
    std::fs::write(folder.join("cut.age"), &bytes[..bytes.len() / 2]).expect("written");
    std::fs::write(folder.join("twice.age"), [&bytes[..], &bytes].concat()).expect("written");
    std::fs::write(folder.join("text.age"), "a letter").expect("written");
    let before = files_in(folder).len();
    for (name, word) in [
        ("above", "something else"),
        ("link", "something else"),
        ("order", "something else"),
        ("more", "after its end"),
        ("cut", "altered or cut off"),
        ("twice", "altered or cut off"),
        ("text", "no backup"),
    ] {
        let file = at(folder, &format!("{name}.age"));
        let with = ["--identity", &identity];
        let said = complaint(&postern.run(&["backup", "verify", &file, with[0], with[1]]));
        assert!(said.contains(word) && said.contains("hint:"), "{name}: {said}");
        let elsewhere = at(folder, "none");
        let said = complaint(&postern.run(&[
            "backup",
            "restore",
            &file,
            with[0],
            with[1],
            "--data-dir",
            &elsewhere,
            "--dry-run",
        ]));
        assert!(said.contains(word), "{name}: {said}");
        assert_eq!(files_in(folder).len(), before, "{name} left something");
    }
    let said = complaint(&postern.run(&["backup", "verify", &good]));
    assert!(said.contains("sealed to public keys"), "{said}");
    let said = complaint(&postern.run(&[
        "backup",
        "create",
        &at(folder, "identity"),
        "--recipient",
        &public,
    ]));
    assert!(said.contains("is there and is no backup"), "{said}");
    let _ = postern.says(&["backup", "verify", &good, "--identity", &identity]);
}

/// A folder on a file system of its own with little room, in a namespace of its own.
const SMALL_FOLDER: &str = "mkdir small; mount -t tmpfs -o size=64k tmpfs small
    if \"$0\" backup create small/b.age --recipient \"$1\" --data-dir \"$2\" --field-password-file \"$3\"; then exit 9; fi
    ls -A small | wc -l";

#[test]
fn on_a_full_disk_nothing_is_at_the_final_name_and_the_server_goes_on() {
    let (postern, held) = signed_in();
    let folder = tempfile::tempdir().expect("folder");
    let (_, public) = key_pair(folder.path());
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "/bin/sh",
            "-euc",
            SMALL_FOLDER,
        ])
        .args([env!("CARGO_BIN_EXE_postern"), &public])
        .args([postern.data_dir(), postern.field_password()])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", folder.path())
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("No space left on device") || said.contains("os error 28"),
        "{said}"
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "0",
        "something is left"
    );
    assert!(held.is_good(&postern));
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
}

#[test]
fn the_owner_takes_a_backup_away_with_a_token_that_is_good_once() {
    let (postern, held) = signed_in();
    let bearer = held.bearer();
    let token = postern.send(
        "POST",
        "/api/v1/auth/issuetoken/backup",
        &[("authorization", &bearer)],
        &Value::Null,
    );
    let token = format!("Bearer {}", token.text("Token"));
    let folder = tempfile::tempdir().expect("folder");
    let path = at(folder.path(), "b.age");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let download = || {
        let url = format!("{}/api/v1/backup", postern.base);
        agent
            .post(url)
            .header("authorization", &token)
            .send_empty()
            .expect("an answer")
    };
    let mut answer = download();
    assert_eq!(answer.status(), 200);
    let name = answer.headers()["content-disposition"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(
        name.starts_with("attachment; filename=\"postern-") && name.ends_with("Z.age\""),
        "{name}"
    );
    let body = answer.body_mut().read_to_vec().expect("a body");
    std::fs::write(&path, &body).expect("written");
    let _ = postern.says(&["backup", "verify", &path]);
    assert_eq!(download().status(), 401, "a second use");
    for other in [bearer.as_str(), "Bearer junk"] {
        let refused = postern.send(
            "POST",
            "/api/v1/backup",
            &[("authorization", other)],
            &Value::Null,
        );
        assert_eq!(refused.status, 401);
    }
    let left = files_in(&postern.data_dir());
    assert!(
        left.iter()
            .all(|path| !path.display().to_string().contains("unfinished")),
        "{left:?}"
    );
    let audit = postern.send(
        "GET",
        "/api/v1/audit",
        &[("authorization", &bearer)],
        &Value::Null,
    );
    assert!(audit.body.to_string().contains("BackupTaken"));
}

#[test]
fn the_schedule_makes_one_keeps_what_it_should_and_a_failure_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let dir = at(folder.path(), "backups");
    let environment = [
        ("POSTERN_BACKUP_DIR", dir.as_str()),
        ("POSTERN_BACKUP_KEEP_DAILY", "1"),
    ];
    let postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &environment);
    let held = |postern: &Postern| {
        set_password(postern, PASSWORD);
        Held::of(&login(&postern.base, PASSWORD).expect("an answer"))
    };
    let is_backup = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "age");
    let made = |count: usize| {
        loop {
            let backups: Vec<_> = files_in(Path::new(&dir)).into_iter().filter(is_backup).collect();
            if backups.len() == count && files_in(Path::new(&dir)).len() == count {
                return backups;
            }
            thread::yield_now();
        }
    };
    while !Path::new(&dir).exists() {
        thread::yield_now();
    }
    let first = made(1).remove(0);
    let first_name = first.display().to_string();
    let _ = postern.says(&["backup", "verify", &first_name]);
    let doctor = postern.run_with(&["doctor", "--json"], &environment);
    let findings: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let about = |findings: &Value, at: usize| findings["Findings"][at]["About"].as_str().map(str::to_owned);
    assert_ne!(about(&findings, 0).as_deref(), Some("backups"), "{findings}");

    // Time goes by: the newest is older than it may be, and one that is not kept any more lies beside it.
    let old = Path::new(&dir).join("postern-20250101T000000Z.age");
    let older = Path::new(&dir).join("postern-20240101T000000Z.age");
    let strange = Path::new(&dir).join("mine.age");
    std::fs::rename(&first, &old).expect("renamed");
    std::fs::copy(&old, &older).expect("copied");
    let doctor = postern.run_with(&["doctor", "--json"], &environment);
    let findings: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    assert_eq!(about(&findings, 0).as_deref(), Some("backups"), "{findings}");
    let keep = [
        environment[0],
        ("POSTERN_BACKUP_KEEP_DAILY", "2"),
        ("POSTERN_BACKUP_KEEP_WEEKLY", "0"),
        ("POSTERN_BACKUP_KEEP_MONTHLY", "0"),
    ];
    let postern = postern.restarted_with(&keep);
    while older.exists() {
        thread::yield_now();
    }
    assert!(
        old.exists() && made(2).len() == 2,
        "the newest of each of two days stays"
    );
    std::fs::write(&strange, "not ours").expect("written");

    // The folder is gone, as a disk that is not mounted is.
    let away = at(folder.path(), "no disk/backups");
    let postern = postern.restarted_with(&[("POSTERN_BACKUP_DIR", &away)]);
    let held = held(&postern);
    let bearer = held.bearer();
    let failed = || {
        let answer = postern.send(
            "GET",
            "/api/v1/audit",
            &[("authorization", &bearer)],
            &Value::Null,
        );
        answer.body.to_string().contains("BackupFailed")
    };
    while !failed() {
        thread::yield_now();
    }
    let doctor = postern.run_with(&["doctor", "--json"], &[("POSTERN_BACKUP_DIR", &away)]);
    let findings: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    assert_eq!(about(&findings, 0).as_deref(), Some("backups"), "{findings}");
    assert!(held.is_good(&postern) && strange.exists());
}

#[test]
fn settings_go_out_and_come_in_and_their_secrets_only_when_asked_for() {
    let postern = start();
    let secret = "a secret of the upstream";
    for (key, value) in [("instance_name", "NAS"), ("max_sessions", "12")] {
        let _ = postern.says(&["settings", "set", key, value]);
    }
    let set = postern.run_fed(
        &["settings", "set", "secret.upstream", "--value-file", "-"],
        secret,
    );
    assert!(set.status.success());
    let export = postern.says(&["settings", "export"]);
    let revealed = postern.says(&["settings", "export", "--reveal"]);
    assert!(
        !export.contains(secret) && export.contains("secret.upstream"),
        "named, and not shown"
    );
    assert!(revealed.contains(secret));

    let other = start();
    for text in [&export, &revealed] {
        let output = other.run_fed(&["settings", "import", "-"], text);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(other.says(&["settings", "get", "instance_name"]), "NAS\n");
    }
    assert_eq!(
        other.says(&["settings", "get", "secret.upstream", "--reveal"]),
        format!("{secret}\n")
    );
    assert_eq!(other.says(&["settings", "export", "--reveal"]), revealed);
    for (bad, word) in [
        ("{\"Settings\":{\"no_such\":1}}", "no setting no_such"),
        ("{\"Settings\":{\"max_sessions\":\"many\"}}", "max_sessions takes"),
        ("not JSON", "is no export"),
    ] {
        let said = complaint(&other.run_fed(&["settings", "import", "-"], bad));
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn whoever_changes_a_secret_is_told_what_the_backups_still_open_with() {
    let postern = start();
    let folder = tempfile::tempdir().expect("folder");
    let dir = at(folder.path(), "backups");
    std::fs::create_dir(&dir).expect("made");
    let environment = [("POSTERN_BACKUP_DIR", dir.as_str())];
    let (_, public) = key_pair(folder.path());
    let _ = postern.says(&["backup", "create", &format!("{dir}/a.age")]);
    let _ = postern.says(&[
        "backup",
        "create",
        &format!("{dir}/b.age"),
        "--recipient",
        &public,
    ]);
    for (arguments, word) in [
        (
            &["keys", "rotate", "data"][..],
            "hold what was sealed under the keys of before",
        ),
        (
            &["password", "reset"],
            "brings the access password of its time back",
        ),
        (
            &["slots", "add", "recovery"],
            "open with the secrets of their time",
        ),
    ] {
        let output = postern.run_with(arguments, &environment);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("2 backups in") && said.contains(word),
            "{said}"
        );
        let without = postern.run(arguments);
        assert!(!String::from_utf8_lossy(&without.stderr).contains("backups in"));
    }
}
