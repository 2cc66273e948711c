//! What is recorded: a first start, a server that is used, and each command that changes a password or a key.

use std::path::PathBuf;

use e2e_support::killed::is_thorough;
use e2e_support::power_loss::Recorder;
use e2e_support::{Answer, Held, Install, Pieces, Postern};
use serde_json::{Value, json};

use super::checked::{Checker, Fact};
use super::told::{Answered, Before, Scene, Told};
use crate::owner::PASSWORD;

const NEW_PASSWORD: &str = "another horse altogether";
const THIRD_PASSWORD: &str = "a third one, of wood and brass";
/// Key files: that of the install, and the one that takes its place. They open without 600,000 rounds.
const KEYS: [[u8; 32]; 2] = [[7; 32], [9; 32]];
const SERVE: [&str; 3] = ["serve", "--key-file", "key"];

/// Nothing but the key files.
fn empty() -> Install {
    let install = Install::empty(env!("CARGO_BIN_EXE_postern"));
    install.put_secret("key", KEYS[0]);
    install.put_secret("new-key", KEYS[1]);
    install.put_secret("new-password", NEW_PASSWORD);
    install
}

fn data(install: &Install) -> PathBuf {
    let folder = install.folder().canonicalize().expect("there");
    folder.join("data/postern")
}

/// The owner at a recorded server: counts answers.
struct Owner {
    postern: Postern,
    told: Told,
}

impl Owner {
    fn of(install: Install, recorder: &Recorder) -> (Self, Answered) {
        let mut told = Told::default();
        let postern = install.serve_recorded(&SERVE, recorder);
        let listening = told.answered();
        (Self { postern, told }, listening)
    }

    fn asks(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (Answer, Answered) {
        let answer = self.postern.send(method, path, headers, body);
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
        (answer, self.told.answered())
    }

    fn signs_in(&mut self, password: &str) -> (Held, Answered) {
        let body = json!({ "Password": password, "RememberMe": true });
        let (answer, at) = self.asks("POST", "/api/v1/auth/login", &[], &body);
        (Held::of(&answer), at)
    }

    fn refreshes(&mut self, held: &Held) -> (Held, Answered) {
        let (cookie, body) = ([("cookie", held.cookie.as_str())], json!({ "Nonce": held.nonce }));
        let (answer, at) = self.asks("POST", "/api/v1/auth/refresh", &cookie, &body);
        (Held::of(&answer), at)
    }

    fn signs_out(&mut self, held: &Held) -> Answered {
        let cookie = [("cookie", held.cookie.as_str())];
        self.asks("POST", "/api/v1/auth/refresh/logout", &cookie, &Value::Null)
            .1
    }

    fn changes_password(&mut self, held: &Held, from: &str, to: &str) -> Answered {
        let body = json!({ "CurrentPassword": from, "NewPassword": to });
        self.asks(
            "PUT",
            "/api/v1/password",
            &[("authorization", &held.bearer())],
            &body,
        )
        .1
    }

    /// Stops as it is asked to, which is the last answer.
    fn ends(mut self, name: &str, before: Before, recorder: Recorder, passwords: &[&'static str]) -> Scene {
        assert_eq!(self.postern.stop(), Some(0));
        self.told.answered();
        let checker = Checker::new(passwords, &KEYS);
        Scene::new(name, before, recorder.recording(), self.told, checker)
    }
}

/// Nothing, then a server, and the owner comes with the first link.
pub(super) fn first_start() -> Scene {
    let install = empty();
    let (before, recorder) = (Before::of(&data(&install)), Recorder::of(&data(&install)));
    let (mut owner, listening) = Owner::of(install, &recorder);
    owner.told.until(listening, Fact::NotYet);
    let link = owner.postern.first_token();
    let body = json!({ "SigninToken": link, "RememberMe": true });
    let (answer, linked) = owner.asks("POST", "/api/v1/auth/signin", &[], &body);
    let held = Held::of(&answer);
    let (next, refreshed) = owner.refreshes(&held);
    owner.told.between(linked, refreshed, Fact::SignedIn(held));
    owner.told.since(linked, Fact::Spent(link));
    let out = owner.signs_out(&next);
    owner
        .told
        .between(refreshed, out.before(), Fact::SignedIn(next.clone()));
    owner.told.since(out, Fact::Over(next));
    owner.ends("first start", before, recorder, &[])
}

/// An install with a password, and a browser that is signed in.
fn in_use() -> (Install, Held, String) {
    let postern = empty().serve_as(&SERVE);
    let set = ["password", "set", "--key-file", "key", "--password-file", "-"];
    assert!(postern.run_fed(&set, PASSWORD).status.success());
    let held = Held::of(&crate::owner::login(&postern.base, PASSWORD).expect("an answer"));
    let key = [
        "access-keys",
        "create",
        "script",
        "--scope",
        "api",
        "--key-file",
        "key",
    ];
    let made = postern.says_json(&key);
    let key = made
        .get("Secret")
        .and_then(Value::as_str)
        .expect("a key")
        .to_owned();
    (postern.stopped(), held, key)
}

/// Sessions begin, go on and end; the password changes twice; an access key is made and revoked.
pub(super) fn served() -> Scene {
    let (install, _, _) = in_use();
    let (before, recorder) = (Before::of(&data(&install)), Recorder::of(&data(&install)));
    let (mut owner, _) = Owner::of(install, &recorder);
    let (mut held, mut since) = owner.signs_in(PASSWORD);
    let (mut from, mut set) = (PASSWORD, None);
    for (round, to) in [NEW_PASSWORD, THIRD_PASSWORD].into_iter().enumerate() {
        for _ in 0..2 {
            let (next, at) = owner.refreshes(&held);
            owner.told.between(since, at, Fact::SignedIn(held));
            (held, since) = (next, at);
        }
        let (other, began) = owner.signs_in(from);
        let out = owner.signs_out(&other);
        owner
            .told
            .between(began, out.before(), Fact::SignedIn(other.clone()));
        owner.told.since(out, Fact::Over(other));

        let name = format!("k{round}");
        let bearer = [("authorization", &*held.bearer())].map(|(name, value)| (name, value.to_owned()));
        let bearer = bearer.each_ref().map(|(name, value)| (*name, value.as_str()));
        let (made, at) = owner.asks("POST", "/api/v1/access-keys", &bearer, &json!({ "Name": name }));
        let key = made.text("Secret");
        let path = format!("/api/v1/access-keys/{name}");
        let (_, revoked) = owner.asks("DELETE", &path, &bearer, &Value::Null);
        owner
            .told
            .between(at, revoked.before(), Fact::AccessKey(key.clone(), true));
        owner.told.since(revoked, Fact::AccessKey(key, false));

        let (other, began) = owner.signs_in(from);
        let changed = owner.changes_password(&held, from, to);
        owner
            .told
            .between(began, changed.before(), Fact::SignedIn(other.clone()));
        owner.told.since(changed, Fact::Over(other));
        passwords(&mut owner.told, set, changed, from, to);
        (from, set) = (to, Some(changed));
    }
    owner.told.since(since, Fact::SignedIn(held));
    if let Some(set) = set {
        owner.told.since(set, Fact::Password(vec![from]));
    }
    owner.ends(
        "served",
        before,
        recorder,
        &[PASSWORD, NEW_PASSWORD, THIRD_PASSWORD],
    )
}

/// From the last change to this one: the one before it, and while it is under way either.
fn passwords(
    told: &mut Told,
    set: Option<Answered>,
    changed: Answered,
    from: &'static str,
    to: &'static str,
) {
    let (before, either) = (Fact::Password(vec![from]), Fact::Password(vec![from, to]));
    match set {
        Some(set) => told.between(set, changed.before(), before),
        None => told.until(changed.before(), before),
    }
    told.between(changed.before(), changed, either);
}

/// What a command does to the install it finds.
struct Effect {
    command: &'static [&'static str],
    /// Passwords of which one works until it has ended; the last from then on.
    passwords: &'static [&'static str],
    /// The same of the key files.
    key_files: &'static [usize],
    ends_sessions: bool,
    revokes: bool,
    purges: bool,
}

const NOTHING: Effect = Effect {
    command: &[],
    passwords: &[PASSWORD],
    key_files: &[0],
    ends_sessions: false,
    revokes: false,
    purges: false,
};

const COMMANDS: [Effect; 8] = [
    Effect {
        command: &["password", "set", "--password-file", "new-password"],
        passwords: &[PASSWORD, NEW_PASSWORD],
        ends_sessions: true,
        ..NOTHING
    },
    Effect {
        command: &["sessions", "revoke-all"],
        ends_sessions: true,
        ..NOTHING
    },
    Effect {
        command: &["access-keys", "revoke", "script"],
        revokes: true,
        ..NOTHING
    },
    Effect {
        command: &["slots", "change", "1", "--new-key-file", "new-key"],
        key_files: &[0, 1],
        ..NOTHING
    },
    Effect {
        command: &["keys", "rotate", "signing"],
        ..NOTHING
    },
    Effect {
        command: &["keys", "rotate", "data"],
        purges: true,
        ..NOTHING
    },
    Effect {
        command: &["keys", "rotate", "all", "--drop-other-slots"],
        purges: true,
        ..NOTHING
    },
    Effect {
        command: &["keys", "rotate", "--emergency", "--new-key-file", "new-key"],
        key_files: &[0, 1],
        ends_sessions: true,
        purges: true,
        ..NOTHING
    },
];

/// Every command by itself, each on a copy of one install; one of them in its turn unless it is to be thorough.
pub(super) fn commands() -> impl Iterator<Item = Scene> {
    let (install, held, key) = in_use();
    let turn = usize::try_from(std::process::id()).expect("64 bits") % 2;
    let step = if is_thorough() { 1 } else { 2 };
    let chosen = COMMANDS.iter().skip(turn % step).step_by(step);
    chosen.map(move |effect| recorded(&install.copy(), effect, &held, &key))
}

fn recorded(install: &Install, effect: &Effect, held: &Held, key: &str) -> Scene {
    let (before, recorder) = (Before::of(&data(install)), Recorder::of(&data(install)));
    let pieces = install.database().pieces();
    let arguments = [effect.command, &["--key-file", "key"]].concat();
    let output = recorder
        .over(&install.command(&arguments))
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    let mut told = Told::default();
    let done = told.answered();

    let last = |all: &[&'static str]| all.last().map(|one| vec![*one]).expect("one");
    told.until(done, Fact::Password(effect.passwords.to_vec()));
    told.since(done, Fact::Password(last(effect.passwords)));
    told.until(done, Fact::KeyFile(effect.key_files.to_vec()));
    told.since(
        done,
        Fact::KeyFile(effect.key_files.last().copied().into_iter().collect()),
    );
    if effect.ends_sessions {
        told.since(done, Fact::Over(held.clone()));
    } else {
        told.always(Fact::SignedIn(held.clone()));
    }
    if effect.revokes {
        told.since(done, Fact::AccessKey(key.to_owned(), false));
    }
    if effect.purges {
        let kept = install.database().pieces();
        let gone: Pieces = pieces.difference(&kept).copied().collect();
        assert!(!gone.is_empty(), "control: something was replaced");
        told.since(done, Fact::Gone(gone));
    }
    let checker = Checker::new(&[PASSWORD, NEW_PASSWORD], &KEYS);
    Scene::new(&arguments.join(" "), before, recorder.recording(), told, checker)
}
