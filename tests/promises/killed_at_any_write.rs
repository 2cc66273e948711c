//! Every command that changes slots or keys, killed at any system call by which it changes a file: the database opens as it
//! was left, the same command run again ends well, and I1 to I5 of the threat model hold.

use e2e_support::invariants::{ends_well, nothing_is_left_of, said};
use e2e_support::killed::{Call, calls_of, killed_at, some_of};
use e2e_support::{Held, Install, Known, Pieces};

use crate::owner::{PASSWORD, login, signed_in};

/// Kills of each command, unless every one is tried.
const KILLS: usize = 6;

/// Where the field password is, and where the one is that takes its place.
const OLD: &str = "config/postern/field-password";
const NEW: &str = "new-field-password";
/// The recovery key of slot 2.
const RECOVERY: &str = "recovery-key";

const SETTING: &str = "a value that is sealed and stands nowhere in plain";

/// An install with a session that goes on and one that was ended, a sealed setting, a second slot, and no server on it.
fn scene() -> (Install, Known) {
    let (postern, held) = signed_in();
    let ended = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    let out = ended.try_sign_out(&postern.base).expect("an answer");
    assert_eq!(out.status, 200);
    let set = ["settings", "set", "secret.up", "--value-file", "-"];
    assert!(postern.run_fed(&set, SETTING).status.success());
    let made = postern.says_json(&["slots", "add", "recovery"]);
    let recovery = made.get("RecoveryKey").and_then(|key| key.as_str());
    let recovery = recovery.expect("shown once").to_owned();
    let install = postern.stopped();
    install.put_secret(NEW, "another and longer field password");
    install.put_secret(RECOVERY, &recovery);
    let secrets = [NEW, OLD].map(|file| {
        let secret = std::fs::read_to_string(install.folder().join(file)).expect("there");
        secret.trim_end().to_owned()
    });
    let secrets = [SETTING.to_owned(), PASSWORD.to_owned(), recovery]
        .into_iter()
        .chain(secrets)
        .collect();
    let known = Known {
        password: PASSWORD.to_owned(),
        signed_in: vec![held],
        ended: vec![ended],
        secrets,
    };
    (install, known)
}

/// What is done, and what it leads to.
struct Fault<'a> {
    command: &'a [&'a str],
    /// The field passwords of which one opens it afterwards, the last of them in the end.
    field_passwords: &'a [&'a str],
    /// What the command complains when there is nothing left to do for it.
    done_already: Option<&'a str>,
    /// Whether what it replaces is taken out of the files.
    purges: bool,
    recovery_key_opens: bool,
    ends_sessions: bool,
}

impl Default for Fault<'_> {
    fn default() -> Self {
        Self {
            command: &[],
            field_passwords: &[OLD],
            done_already: None,
            purges: true,
            recovery_key_opens: true,
            ends_sessions: false,
        }
    }
}

impl Fault<'_> {
    fn arguments<'f>(&'f self, field_password: &'f str) -> Vec<&'f str> {
        let secret = ["--field-password-file", field_password];
        self.command.iter().copied().chain(secret).collect()
    }

    /// Kills the command at some of its writes, each on a copy of its own.
    fn tried_on(&self, (install, known): (Install, Known)) {
        let calls = calls_of(&install.copy().command(&self.arguments(OLD)));
        assert!(calls.len() > 10, "control: it writes, {} times", calls.len());
        let chosen = some_of(calls, KILLS);
        let (tried, before) = (chosen.len(), install.database().pieces());
        let mut came_to_its_end = 0;
        for call in chosen {
            let copy = install.copy();
            if !killed_at(&copy.command(&self.arguments(OLD)), &call) {
                // Batches follow the clock, so the last calls may be one more or less.
                came_to_its_end += 1;
            }
            self.after(copy, &known, &before, &call);
        }
        assert!(
            came_to_its_end * 4 <= tried,
            "control: {came_to_its_end} of {tried} were not killed"
        );
    }

    fn after(&self, install: Install, known: &Known, before: &Pieces, call: &Call) {
        let when = format!("{:?} killed at {} {}", self.command, call.name, call.nth);
        let database = install.database();
        // What it had put there when it was killed may be replaced, too.
        let before: Pieces = before.union(&database.pieces()).copied().collect();
        let opens = known.holds_on_disk(&install, self.field_passwords, &when);

        let again = install.run(&self.arguments(opens));
        let complaint = said(&again);
        let done_already = self.done_already.is_some_and(|word| complaint.contains(word));
        assert!(
            again.status.success() || done_already,
            "{when}, again: {complaint}"
        );

        let when = format!("{when}, and run again");
        let opens = known.holds_on_disk(&install, self.field_passwords, &when);
        assert_eq!(Some(&opens), self.field_passwords.last(), "{when}");
        if self.purges {
            nothing_is_left_of(&before, &database, &when);
        }
        let by_key = install.command(&["slots", "list", "--recovery-key-file", RECOVERY]);
        if self.recovery_key_opens {
            ends_well(by_key, &when);
        } else {
            let refused = install.run(&["slots", "list", "--recovery-key-file", RECOVERY]);
            assert_eq!(refused.status.code(), Some(78), "{when}");
        }
        if opens != OLD {
            std::fs::copy(install.folder().join(opens), install.field_password()).expect("put there");
        }
        let reveal = install.run(&["settings", "get", "secret.up", "--reveal"]);
        assert_eq!(
            String::from_utf8_lossy(&reveal.stdout).trim_end(),
            SETTING,
            "{when}"
        );
        let mut known = known.clone();
        if self.ends_sessions {
            known.everybody_was_signed_out();
        }
        let postern = install.serve();
        known.holds_when_served(&postern, &when);
    }
}

#[test]
fn a_slot_that_is_added() {
    let fault = Fault {
        command: &["slots", "add", "recovery"],
        purges: false,
        ..Fault::default()
    };
    fault.tried_on(scene());
}

#[test]
fn a_slot_that_is_changed() {
    let fault = Fault {
        command: &["slots", "change", "1", "--new-password-file", NEW],
        field_passwords: &[OLD, NEW],
        ..Fault::default()
    };
    fault.tried_on(scene());
}

#[test]
fn a_slot_that_is_removed() {
    let fault = Fault {
        command: &["slots", "remove", "2"],
        done_already: Some("there is no slot 2"),
        recovery_key_opens: false,
        ..Fault::default()
    };
    fault.tried_on(scene());
}

#[test]
fn a_new_signing_key() {
    let fault = Fault {
        command: &["keys", "rotate", "signing"],
        purges: false,
        ..Fault::default()
    };
    fault.tried_on(scene());
}

#[test]
fn a_new_data_key() {
    let fault = Fault {
        command: &["keys", "rotate", "data"],
        ..Fault::default()
    };
    fault.tried_on(scene());
}

#[test]
fn a_new_master_key() {
    let fault = Fault {
        command: &["keys", "rotate", "master", "--keep-recovery-key-file", RECOVERY],
        ..Fault::default()
    };
    fault.tried_on(scene());
}

#[test]
fn new_keys_of_all_kinds() {
    let fault = Fault {
        command: &["keys", "rotate", "all", "--keep-recovery-key-file", RECOVERY],
        ..Fault::default()
    };
    fault.tried_on(scene());
}

#[test]
fn an_emergency() {
    let fault = Fault {
        command: &["keys", "rotate", "--emergency", "--new-password-file", NEW],
        field_passwords: &[OLD, NEW],
        recovery_key_opens: false,
        ends_sessions: true,
        ..Fault::default()
    };
    fault.tried_on(scene());
}

#[test]
fn a_rotation_that_is_called_off() {
    let (install, known) = scene();
    let rotate = ["keys", "rotate", "data"];
    let calls = calls_of(&install.copy().command(&rotate));
    // Killed where every field is sealed anew and the old key is still there: as much to take back as there can be.
    let under_way = calls.iter().find_map(|call| {
        let copy = install.copy();
        let killed = call.name == "fdatasync" && killed_at(&copy.command(&rotate), call);
        let at = copy.database().rotation();
        (killed && at.is_some_and(|(phase, _, _)| phase == "proving")).then_some(copy)
    });
    let fault = Fault {
        command: &["keys", "rotate", "--abort"],
        done_already: Some("no rotation of the data key is under way"),
        ..Fault::default()
    };
    fault.tried_on((under_way.expect("such a moment"), known));
}

#[test]
fn new_keys_of_all_kinds_killed_in_the_last_purge_are_not_made_twice() {
    let (install, _) = scene();
    let rotate = ["keys", "rotate", "all", "--drop-other-slots"];
    let calls = calls_of(&install.copy().command(&rotate));
    let in_purge = calls.iter().rev().find_map(|call| {
        let copy = install.copy();
        let killed = call.name == "fdatasync" && killed_at(&copy.command(&rotate), call);
        let at = copy.database().rotation();
        (killed && at.is_some_and(|(phase, _, _)| phase == "purging")).then_some(copy)
    });
    let install = in_purge.expect("such a moment");
    install.does(&rotate);
    let database = install.database();
    assert_eq!(
        (database.data_keys("active"), database.data_keys("destroyed")),
        (1, 1)
    );
    assert_eq!(database.rotation(), None);
}
