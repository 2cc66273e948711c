//! The server, killed at any system call by which it changes a file, from its start to its stop, while it does what it does
//! (F-01 and F-02). What was acknowledged holds, what was not is not half done.
//!
//! There are no failpoints in the program: a call that writes is where what is on disk changes, so every one of them is a finer
//! net, and nothing of it is in a release.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e_support::killed::some_of;
use e2e_support::{Faulty, Held, Install, Known, Postern, calls_in, send};
use serde_json::{Value, json};

use super::scene::{FIELD_PASSWORD, OTHER, holds_after, scene, signs_in};
use crate::a_second_factor_is_asked_for::Factor;
use crate::owner::{PASSWORD, login};

/// Kills of each work, unless every one is tried.
const KILLS: usize = 7;

/// The calls by which the server changes files. The pages of the log and of the database, and their way to the disk:
const OF_SQLITE: &str =
    "pwrite64,fdatasync,fsync,ftruncate,fallocate,unlink,unlinkat,rename,renameat2,link,linkat";
/// and of files besides. Threads wake each other up by write(2), too, so these are more.
const OF_ALL: &str =
    "pwrite64,fdatasync,fsync,ftruncate,fallocate,unlink,unlinkat,rename,renameat2,link,linkat,write";

/// What the owner does. Says what is known for certain from each answer that came, and leaves open what is not.
type Work = fn(&str, &mut Day);

/// An install, what is known of it, and what is not.
struct Day {
    known: Known,
    /// Whether the password was being changed, and no answer came.
    changing: bool,
    /// A session that was being ended.
    leaving: Option<Held>,
    /// Keys that open the API, and keys that must not any more.
    good_keys: Vec<String>,
    dead_keys: Vec<String>,
    /// Whether a second factor may be on, and whether it must be.
    factor: (bool, bool),
    /// Sign-in and operation tokens that were taken: path, body, bearer.
    spent: Vec<(&'static str, Value, Option<String>)>,
    backup: Option<Vec<u8>>,
}

impl Day {
    fn of(known: &Known) -> Self {
        Self {
            known: known.clone(),
            changing: false,
            leaving: None,
            good_keys: Vec::new(),
            dead_keys: Vec::new(),
            factor: (false, false),
            spent: Vec::new(),
            backup: None,
        }
    }

    fn held(&self) -> &Held {
        self.known.signed_in.first().expect("somebody is signed in")
    }

    /// Asks for something as the owner.
    fn asks(&self, base: &str, method: &str, path: &str, body: &Value) -> Option<e2e_support::Answer> {
        let bearer = self.held().bearer();
        send(base, method, path, &[("authorization", &bearer)], body)
    }

    fn others_were_ended(&mut self) {
        let others = self.known.signed_in.split_off(1);
        self.known.ended.extend(others);
    }

    /// After the kill: what was left open is found out, and all of it holds.
    fn holds(mut self, install: Install, when: &str) {
        let opens = self.known.holds_on_disk(&install, &[FIELD_PASSWORD], when);
        assert_eq!(opens, FIELD_PASSWORD, "{when}");
        let postern = install.serve();
        if self.factor.0 {
            let needs = login(&postern.base, PASSWORD).expect("an answer");
            assert!(
                needs.status == 401 || !self.factor.1,
                "{when}: the second factor is off"
            );
            let _ = postern.run(&["second-factor", "off"]);
        }
        if self.changing {
            // I2: exactly one of the two.
            let works = [PASSWORD, OTHER].map(|password| signs_in(&postern, password));
            assert!(works[0] != works[1], "{when}: {works:?}");
            if works[1] {
                OTHER.clone_into(&mut self.known.password);
                self.others_were_ended();
            }
        }
        if let Some(leaving) = &self.leaving {
            let refreshed = leaving.carried_to(&postern).refresh(&postern);
            assert!(
                matches!(refreshed.status, 200 | 401),
                "{when}: {}",
                refreshed.status
            );
        }
        for (path, body, bearer) in &self.spent {
            let bearer = bearer.iter().map(|bearer| ("authorization", bearer.as_str()));
            let again = postern.send("POST", path, &bearer.collect::<Vec<_>>(), body);
            assert_eq!(again.status, 401, "{when}: {path} was taken twice");
        }
        self.known.holds_when_served(&postern, when);
        for (keys, status) in [(&self.good_keys, 200), (&self.dead_keys, 401)] {
            for key in keys {
                let bearer = format!("Bearer {key}");
                let answer = postern.send(
                    "GET",
                    "/api/v1/sessions",
                    &[("authorization", &bearer)],
                    &Value::Null,
                );
                assert_eq!(answer.status, status, "{when}: an access key");
            }
        }
        if let Some(backup) = &self.backup {
            let file = postern.data_dir().join("../taken-away.age");
            std::fs::write(&file, backup).expect("written");
            let _ = postern.says(&["backup", "verify", &file.display().to_string()]);
        }
        let install = postern.stopped();
        for name in names_in(&install) {
            let known = ["postern.sqlite", "first-signin-link", "lock"];
            let is_known = known.iter().any(|known| name.starts_with(known));
            assert!(is_known, "{when}: {name} lies about");
        }
        let chained = install.run(&["audit", "verify"]);
        assert!(
            chained.status.success(),
            "{when}: {}",
            String::from_utf8_lossy(&chained.stderr)
        );
    }
}

fn names_in(install: &Install) -> Vec<String> {
    let entries = std::fs::read_dir(install.folder().join("data/postern"));
    let names = entries.into_iter().flatten();
    names
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// Kills a server at some of its calls while it does that work, each on a copy of its own.
fn killed_during(work: Work, calls: &str) {
    let (install, known) = scene();
    let log = tempfile::NamedTempFile::new().expect("a file");
    let recorded = install.copy().serve_faulty(&Faulty::recorded(calls, log.path()));
    let mut postern = recorded.ok().expect("control: it starts");
    let mut day = Day::of(&known);
    work(&postern.base, &mut day);
    assert_eq!(postern.stop(), Some(0));
    assert!(
        !day.changing && day.leaving.is_none() && day.factor.0 == day.factor.1,
        "control: it is done"
    );
    day.holds(postern.killed(), "control");

    let calls = calls_in(log.path());
    assert!(calls.len() > 10, "control: it writes, {} times", calls.len());
    let chosen = some_of(calls, KILLS);
    let (tried, mut came_to_its_end) = (chosen.len(), 0);
    for call in chosen {
        let when = format!("killed at {} {}", call.name, call.nth);
        let mut day = Day::of(&known);
        let install = match install.copy().serve_faulty(&Faulty::killed_at(&call)) {
            Err(ended) => {
                assert_eq!(ended.code, None, "{when}: {}", ended.said);
                ended.install
            }
            Ok(mut postern) => {
                work(&postern.base, &mut day);
                came_to_its_end += usize::from(postern.stop().is_some());
                postern.killed()
            }
        };
        day.holds(install, &when);
    }
    println!("{} of {tried} killed", tried - came_to_its_end);
    assert!(
        came_to_its_end * 3 <= tried,
        "control: {came_to_its_end} of {tried} were not killed"
    );
}

#[test]
fn while_it_signs_somebody_in() {
    let work: Work = |base, day| {
        if let Some(answer) = login(base, PASSWORD) {
            day.known.signed_in.push(Held::of(&answer));
        }
    };
    killed_during(work, OF_SQLITE);
}

#[test]
fn while_it_refreshes() {
    let work: Work = |base, day| {
        for _ in 0..2 {
            for held in &mut day.known.signed_in {
                *held = held.carried_to_base(base);
                if let Some(answer) = held.try_refresh(base) {
                    *held = Held::of(&answer);
                }
            }
        }
    };
    killed_during(work, OF_SQLITE);
}

#[test]
fn while_it_signs_somebody_out() {
    let work: Work = |base, day| {
        let gone = day.known.signed_in.pop().expect("two are").carried_to_base(base);
        match gone.try_sign_out(base) {
            Some(answer) => {
                assert_eq!(answer.status, 200);
                day.known.ended.push(gone);
            }
            None => day.leaving = Some(gone),
        }
    };
    killed_during(work, OF_SQLITE);
}

#[test]
fn while_it_changes_the_password() {
    let work: Work = |base, day| {
        let body = json!({ "CurrentPassword": PASSWORD, "NewPassword": OTHER });
        match day.asks(base, "PUT", "/api/v1/password", &body) {
            Some(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.body);
                OTHER.clone_into(&mut day.known.password);
                day.others_were_ended();
            }
            None => day.changing = true,
        }
    };
    killed_during(work, OF_SQLITE);
}

#[test]
fn while_it_makes_and_revokes_access_keys() {
    let work: Work = |base, day| {
        let mut made = Vec::new();
        for name in ["kept", "revoked"] {
            let body = json!({ "Name": name });
            if let Some(answer) = day.asks(base, "POST", "/api/v1/access-keys", &body) {
                assert_eq!(answer.status, 201, "{}", answer.body);
                made.push(answer.text("Secret"));
            }
        }
        let [kept, revoked] = made.as_slice() else {
            day.good_keys = made;
            return;
        };
        day.good_keys.push(kept.clone());
        if let Some(answer) = day.asks(base, "DELETE", "/api/v1/access-keys/revoked", &Value::Null) {
            assert_eq!(answer.status, 204);
            day.dead_keys.push(revoked.clone());
        }
    };
    killed_during(work, OF_SQLITE);
}

#[test]
fn while_a_second_factor_is_switched_on() {
    let work: Work = |base, day| {
        let body = json!({ "CurrentPassword": PASSWORD });
        let Some(begun) = day.asks(base, "POST", "/api/v1/second-factor", &body) else {
            return;
        };
        assert_eq!(begun.status, 200, "{}", begun.body);
        let body = json!({ "OneTimeCode": Factor::first_code_of(&begun.text("Secret")) });
        let on = day.asks(base, "POST", "/api/v1/second-factor/confirm", &body);
        day.factor = (true, on.is_some_and(|answer| answer.status == 200));
    };
    killed_during(work, OF_SQLITE);
}

#[test]
fn while_a_sign_in_link_is_made_and_spent() {
    let work: Work = |base, day| {
        let body = json!({ "Password": PASSWORD });
        let Some(made) = send(base, "POST", "/api/v1/auth/issuesignintoken", &[], &body) else {
            return;
        };
        assert_eq!(made.status, 200, "{}", made.body);
        let body = json!({ "SigninToken": made.text("Token"), "RememberMe": true });
        if let Some(answer) = send(base, "POST", "/api/v1/auth/signin", &[], &body) {
            let held = Held::of(&answer);
            // A second use ends what the first made: that is tried in the end.
            day.known.ended.push(held);
            day.spent.push(("/api/v1/auth/signin", body, None));
        }
    };
    killed_during(work, OF_SQLITE);
}

#[test]
fn while_it_makes_a_backup() {
    let work: Work = |base, day| {
        let Some(token) = day.asks(base, "POST", "/api/v1/auth/issuetoken/backup", &Value::Null) else {
            return;
        };
        let bearer = format!("Bearer {}", token.text("Token"));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let request = agent
            .post(format!("{base}/api/v1/backup"))
            .header("authorization", &bearer);
        let Ok(mut answer) = request.send_empty() else {
            return;
        };
        assert_eq!(answer.status(), 200);
        day.backup = answer.body_mut().read_to_vec().ok();
        day.spent.push(("/api/v1/backup", Value::Null, Some(bearer)));
    };
    killed_during(work, OF_ALL);
}

/// Kills `serve` at some of its calls on that install, from its start to its stop; then the next one must start, and whatever
/// `holds` asks for must be.
fn killed_at_the_start(install: &Install, holds: impl Fn(&Postern, &str)) {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let recorded = install.copy().serve_faulty(&Faulty::recorded(OF_ALL, log.path()));
    let mut postern = recorded.ok().expect("control: it starts");
    assert_eq!(postern.stop(), Some(0));
    let chosen = some_of(calls_in(log.path()), 2 * KILLS);
    let mut killed = 0;
    for call in &chosen {
        let when = format!("killed at {} {}", call.name, call.nth);
        let install = match install.copy().serve_faulty(&Faulty::killed_at(call)) {
            Err(ended) => {
                assert_eq!(ended.code, None, "{when}: {}", ended.said);
                killed += 1;
                ended.install
            }
            Ok(mut postern) => {
                killed += usize::from(postern.stop().is_none());
                postern.killed()
            }
        };
        let postern = install.serve();
        let verified = postern.says(&["keys", "verify"]);
        assert!(
            verified.contains("the integrity seal holds"),
            "{when}: {verified}"
        );
        holds(&postern, &when);
    }
    println!("{killed} of {} killed", chosen.len());
    assert!(
        killed * 2 > chosen.len(),
        "control: {killed} of {} were killed",
        chosen.len()
    );
}

#[test]
fn while_it_starts_for_the_first_time() {
    let install = Install::empty(env!("CARGO_BIN_EXE_postern"));
    killed_at_the_start(&install, |postern, when| {
        let made = postern.run_fed(&["password", "set", "--password-file", "-"], PASSWORD);
        assert!(
            made.status.success(),
            "{when}: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        assert!(signs_in(postern, PASSWORD), "{when}");
    });
}

fn put(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
    let copied = Command::new("install").arg("-m600").arg(from).arg(to).status();
    assert!(copied.expect("install runs").success());
    let folder = to.parent().expect("a folder");
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("set");
}

#[test]
fn while_it_brings_an_older_database_up_to_date() {
    let install = Install::empty(env!("CARGO_BIN_EXE_postern"));
    let fixture: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/format-1");
    put(
        &fixture.join("postern.sqlite"),
        &install.folder().join("data/postern/postern.sqlite"),
    );
    put(&fixture.join("field-password"), &install.field_password());
    killed_at_the_start(&install, |postern, when| {
        assert!(signs_in(postern, PASSWORD), "{when}");
        let secret = postern.says(&["settings", "get", "secret.upstream", "--reveal"]);
        assert_eq!(secret, "a sealed value\n", "{when}");
    });
}

/// Commands that write and have no test of their own for it.
#[test]
fn commands_beside_no_server_that_make_backups_and_take_settings_in() {
    let (install, known) = scene();
    install.does(&["settings", "set", "instance_name", "before"]);
    let export = install.run(&["settings", "export"]).stdout;
    let export = String::from_utf8(export)
        .expect("text")
        .replace("before", "after");
    install.put_secret("settings.json", &export);
    for arguments in [
        &["settings", "import", "settings.json"][..],
        &["backup", "create", "b.age"],
    ] {
        let calls = e2e_support::killed::calls_of(&install.copy().command(arguments));
        assert!(
            calls.len() > 3,
            "control: {arguments:?} writes {} times",
            calls.len()
        );
        for call in some_of(calls, KILLS) {
            let when = format!("{arguments:?} killed at {} {}", call.name, call.nth);
            let copy = install.copy();
            let _ = e2e_support::killed::killed_at(&copy.command(arguments), &call);
            if copy.folder().join("b.age").exists() {
                copy.does(&["backup", "verify", "b.age"]);
            }
            let name = copy.run(&["settings", "get", "instance_name"]).stdout;
            let name = String::from_utf8(name).expect("text");
            assert!(matches!(name.trim(), "before" | "after"), "{when}: {name}");
            holds_after(&mut known.clone(), copy, &when);
        }
    }
}
