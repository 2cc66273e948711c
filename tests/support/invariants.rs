//! What holds after any fault (the invariants of the threat model, I1 to I5): the one checker of every fault test.

use std::process::{Command, Output};

use serde_json::json;

use crate::{DatabaseFile, Held, Install, Pieces, Postern, send};

/// What is known of an install, to be held against it after a fault.
#[derive(Clone)]
pub struct Known {
    /// The access password.
    pub password: String,
    /// Browsers that are signed in.
    pub signed_in: Vec<Held>,
    /// Browsers whose session was ended, and the end acknowledged.
    pub ended: Vec<Held>,
    /// Secrets that stand in no file.
    pub secrets: Vec<String>,
}

impl Known {
    /// Without a server: the database opens with one of the field passwords in these files and with no other of them, and
    /// every field of it; no secret stands in any file in plain (I1, I2, I5). Says which file it was.
    #[must_use]
    #[track_caller]
    pub fn holds_on_disk<'f>(&self, install: &Install, field_passwords: &[&'f str], when: &str) -> &'f str {
        let mut opened = Vec::new();
        for &file in field_passwords {
            let output = install.run(&["keys", "verify", "--json", "--field-password-file", file]);
            match output.status.code() {
                Some(0) => opened.push(file),
                Some(78) => assert_said(&output, "no key slot opens", when),
                _ => panic!("{when}: {}", said(&output)),
            }
        }
        self.no_secret_stands(&install.database(), when);
        let [file] = opened.as_slice() else {
            panic!("{when}: it opens with {opened:?}")
        };
        file
    }

    /// With a server: the password works, whoever was signed in goes on, whoever was signed out stays out (I2 to I4).
    #[track_caller]
    pub fn holds_when_served(&mut self, postern: &Postern, when: &str) {
        for held in &mut self.signed_in {
            let answer = held.carried_to(postern).refresh(postern);
            assert_eq!(answer.status, 200, "{when}: stranded: {}", answer.body);
            *held = Held::of(&answer);
            assert!(held.is_good(postern), "{when}");
        }
        for held in &self.ended {
            assert!(!held.is_good(postern), "{when}: an ended session is alive");
            let refused = held.carried_to(postern).refresh(postern);
            assert_eq!(refused.status, 401, "{when}: an ended session is alive");
            assert!(
                refused.text("Error").contains("refresh"),
                "{when}: control: {}",
                refused.body
            );
        }
        let body = json!({ "Password": self.password });
        let answer = send(&postern.base, "POST", "/api/v1/auth/login", &[], &body);
        assert_eq!(answer.map(|answer| answer.status), Some(200), "{when}");
        self.no_secret_stands(&postern.database(), when);
    }

    /// What was known as signed in is not any more: an emergency ended it.
    pub fn everybody_was_signed_out(&mut self) {
        self.ended.append(&mut self.signed_in);
    }

    #[track_caller]
    fn no_secret_stands(&self, database: &DatabaseFile, when: &str) {
        for secret in &self.secrets {
            assert!(
                !database.holds(secret.as_bytes()),
                "{when}: a secret stands in a file"
            );
        }
    }
}

/// One key seals and none waits to go; nothing of what stood in the files before, and does not any more by right, is left
/// in their bytes (I5).
#[track_caller]
pub fn nothing_is_left_of(before: &Pieces, database: &DatabaseFile, when: &str) {
    assert_eq!(database.rotation(), None, "{when}");
    assert_eq!(
        (database.data_keys("active"), database.data_keys("retiring")),
        (1, 0),
        "{when}"
    );
    let kept = database.pieces();
    let gone: Pieces = before.difference(&kept).copied().collect();
    assert!(!gone.is_empty(), "{when}: control: nothing was replaced");
    assert_eq!(
        database.standing(&gone),
        0,
        "{when}: of {} old pieces",
        gone.len()
    );
    assert!(
        database.standing(&kept) > 0,
        "{when}: control: the new ones are found"
    );
}

/// Runs the command, which must succeed.
#[track_caller]
pub fn ends_well(mut command: Command, when: &str) {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{when}: {}", said(&output));
}

#[track_caller]
fn assert_said(output: &Output, word: &str, when: &str) {
    assert!(said(output).contains(word), "{when}: {}", said(output));
}

/// What a command complained.
#[must_use]
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
