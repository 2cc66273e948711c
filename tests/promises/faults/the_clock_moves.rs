//! The wall clock is set, while nobody looks and while everybody does (F-11): nothing expired or spent comes back, the password
//! signs in, nothing panics. libfaketime plays the clock.

use std::path::{Path, PathBuf};

use e2e_support::{Held, Postern, send};
use serde_json::{Value, json};

use crate::owner::{PASSWORD, login, set_password};

/// The library, wherever the distribution puts it.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder").flatten();
    let folders = folders.map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    folders
        .chain([PathBuf::from("/usr/lib/faketime/libfaketime.so.1")])
        .find(|path| path.exists())
        .expect("libfaketime (Debian: libfaketime) is there")
}

/// The environment in which the wall clock is what that file says; the clock that measures durations stays.
fn environment(clock: &Path) -> Vec<(String, String)> {
    [
        ("LD_PRELOAD", library().display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        // The library reads a file that is none of the server's.
        ("POSTERN_SANDBOX", "off".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn borrowed(environment: &[(String, String)]) -> Vec<(&str, &str)> {
    environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

/// Sets the clock, as libfaketime(1) reads it.
fn set(clock: &Path, to: &str) {
    let new = clock.with_extension("new");
    std::fs::write(&new, to).expect("written");
    std::fs::rename(new, clock).expect("renamed");
}

fn signin_token(postern: &Postern) -> Value {
    let body = json!({ "Password": PASSWORD });
    let made = postern.send("POST", "/api/v1/auth/issuesignintoken", &[], &body);
    assert_eq!(made.status, 200, "{}", made.body);
    json!({ "SigninToken": made.text("Token"), "RememberMe": true })
}

fn spend(postern: &Postern, token: &Value) -> u16 {
    postern.send("POST", "/api/v1/auth/signin", &[], token).status
}

/// What must never be good again.
struct Gone {
    spent: Value,
    expired: Value,
    out: Held,
    over: Held,
}

impl Gone {
    #[track_caller]
    fn stays_gone(&self, postern: &Postern, when: &str) {
        assert_eq!(spend(postern, &self.spent), 401, "{when}: a spent link");
        assert_eq!(spend(postern, &self.expired), 401, "{when}: an expired link");
        for held in [&self.out, &self.over] {
            assert!(!held.is_good(postern), "{when}");
            assert_eq!(held.refresh(postern).status, 401, "{when}");
        }
    }
}

#[test]
fn a_clock_that_is_set_forth_and_back_revives_nothing_and_shuts_nobody_out() {
    let folder = tempfile::tempdir().expect("folder");
    let clock = folder.path().join("clock");
    set(&clock, "+0");
    let environment = environment(&clock);
    let environment = borrowed(&environment);
    let mut postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &environment);
    set_password(&postern, PASSWORD);
    let out = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    assert_eq!(out.try_sign_out(&postern.base).expect("an answer").status, 200);
    let over = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    let spent = signin_token(&postern);
    assert_eq!(spend(&postern, &spent), 200);
    let expired = signin_token(&postern);
    assert!(over.is_good(&postern), "control: the clock stands right");

    // Forty days on: the token, the session and the link are over.
    set(&clock, "+40d");
    assert!(!over.is_good(&postern), "an access token lives for minutes");
    let gone = Gone {
        spent,
        expired,
        out,
        over,
    };
    gone.stays_gone(&postern, "forty days on");

    // Set back while it runs, then over restarts; and to where clocks break.
    for to in [
        "+0",
        "-1h",
        "-10d",
        "@1970-01-01 00:00:01",
        "@2038-01-19 03:14:08",
        "@2262-04-11 23:47:17",
        "+0",
        "-10d",
    ] {
        for restarted in [false, true] {
            let when = format!("{to}, restarted: {restarted}");
            set(&clock, to);
            if restarted {
                postern = postern.restarted_with(&environment);
            }
            gone.stays_gone(&postern, &when);
            let signed_in = login(&postern.base, PASSWORD).expect("an answer");
            assert_eq!(signed_in.status, 200, "{when}: {}", signed_in.body);
            let held = Held::of(&signed_in);
            assert!(held.is_good(&postern), "{when}");
            let held = Held::of(&held.refresh(&postern));
            assert_eq!(
                held.try_sign_out(&postern.base).expect("an answer").status,
                200,
                "{when}"
            );
            assert!(!held.is_good(&postern), "{when}");
            let log = postern.logged();
            assert!(!log.contains("panicked"), "{when}: {log}");
        }
    }
    let verified = postern.says(&["audit", "verify"]);
    assert!(verified.contains("holds"), "{verified}");
}

#[test]
fn a_clock_that_is_behind_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let clock = folder.path().join("clock");
    set(&clock, "+10d");
    let environment = environment(&clock);
    let environment = borrowed(&environment);
    let mut postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &environment);
    assert_eq!(postern.stop(), Some(0));
    set(&clock, "+0");
    let postern = postern.restarted_with(&environment);
    let doctor = postern.run_with(&["doctor", "--json"], &environment);
    let said: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let findings = said["Findings"].as_array().expect("a list");
    let clock = findings
        .iter()
        .find(|finding| finding["About"] == "clock")
        .expect("one about it");
    assert_ne!(clock["Severity"], "good", "{clock}");
    // Nobody is shut out by it.
    let answer = send(&postern.base, "GET", "/ready", &[], &Value::Null).expect("an answer");
    assert_eq!(answer.status, 200);
}
