//! With the second factor on, the password alone opens nothing, a code opens once, and what is dangerous asks again. Off, nothing on
//! the wire is another.

use std::process::Command;

use authcore::Clock;
use data_encoding::BASE32_NOPAD;
use e2e_support::{Answer, Postern};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::a_backup_proves_itself::{at, key_pair};
use crate::owner::{Held, PASSWORD, login, refused, set_password, signed_in, start};

const WRONG: &str = "not the password, but as long";

/// What the owner has besides the password.
pub(crate) struct Factor {
    pub(crate) secret: String,
    recovery: Vec<String>,
    asked: u64,
}

impl Factor {
    /// Sets it up, as the page does.
    pub(crate) fn on(postern: &Postern, bearer: &str) -> Self {
        let begun = ask(
            postern,
            bearer,
            "/api/v1/second-factor",
            &json!({ "CurrentPassword": PASSWORD }),
        );
        assert_eq!(begun.status, 200, "{}", begun.body);
        let mut factor = Self {
            secret: begun.text("Secret"),
            recovery: Vec::new(),
            asked: 0,
        };
        let uri = begun.text("Uri");
        assert!(
            uri.starts_with("otpauth://totp/Postern:127.0.0.1?secret="),
            "{uri}"
        );
        assert!(begun.text("Svg").contains("<svg"));
        let code = json!({ "OneTimeCode": factor.code() });
        let on = ask(postern, bearer, "/api/v1/second-factor/confirm", &code);
        assert_eq!(on.status, 200, "{}", on.body);
        let codes = on
            .body
            .get("RecoveryCodes")
            .and_then(Value::as_array)
            .expect("codes")
            .iter();
        factor.recovery = codes
            .map(|code| code.as_str().expect("text").to_owned())
            .collect();
        assert_eq!(factor.recovery.len(), 10);
        factor
    }

    /// A code that was not given out before: of this step at first, then of the next, which is taken too. Two are to be had.
    pub(crate) fn code(&mut self) -> String {
        let now = Clock::system().now().wall.unix_seconds();
        let step = u64::try_from(now).expect("after 1970") / 30 + self.asked;
        self.asked += 1;
        assert!(self.asked <= 2, "the third would be of a step too far ahead");
        Self::code_at(&self.secret, step)
    }

    /// The code of now.
    pub(crate) fn first_code_of(secret: &str) -> String {
        let now = Clock::system().now().wall.unix_seconds();
        Self::code_at(secret, u64::try_from(now).expect("after 1970") / 30)
    }

    fn code_at(secret: &str, step: u64) -> String {
        let key = BASE32_NOPAD.decode(secret.as_bytes()).expect("base32");
        let mut mac = Hmac::<Sha1>::new_from_slice(&key).expect("any length");
        mac.update(&step.to_be_bytes());
        let sum = mac.finalize().into_bytes();
        let offset = usize::from(sum.last().expect("20 bytes") & 15);
        let four = sum.get(offset..offset + 4).expect("within");
        let number = u32::from_be_bytes(four.try_into().expect("four")) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    pub(crate) fn recovery_code(&mut self) -> String {
        self.recovery.pop().expect("one is left")
    }
}

fn ask(postern: &Postern, bearer: &str, path: &str, body: &Value) -> Answer {
    postern.send("POST", path, &[("authorization", bearer)], body)
}

fn signs_in(postern: &Postern, password: &str, code: Option<&str>) -> Answer {
    let body = json!({ "Password": password, "OneTimeCode": code });
    postern.send("POST", "/api/v1/auth/login", &[], &body)
}

#[track_caller]
fn asks_for_a_code(answer: &Answer, text: &str) {
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert_eq!(answer.text("Error"), text);
    assert_eq!(answer.text("Needs"), "OneTimeCode");
    assert_eq!(answer.body.get("Code"), Some(&json!(401)));
}

const NEEDED: &str = "A one-time code is needed";
const REFUSED: &str = "The one-time code is wrong, or was used before";

#[test]
fn the_password_alone_signs_in_no_more_and_a_code_does_once() {
    let (postern, held) = signed_in();
    let bearer = held.bearer();
    let wrong = json!({ "CurrentPassword": WRONG });
    let begun = ask(&postern, &bearer, "/api/v1/second-factor", &wrong);
    assert_eq!(
        (begun.status, begun.text("Error").as_str()),
        (401, "Incorrect password")
    );
    let unasked = json!({ "OneTimeCode": "123456" });
    let confirmed = ask(&postern, &bearer, "/api/v1/second-factor/confirm", &unasked);
    assert_eq!(confirmed.status, 409, "nothing was begun: {}", confirmed.body);

    let mut factor = Factor::on(&postern, &bearer);
    asks_for_a_code(&signs_in(&postern, PASSWORD, None), NEEDED);
    asks_for_a_code(&signs_in(&postern, PASSWORD, Some("12345")), REFUSED);
    let other = signs_in(&postern, WRONG, None);
    assert_eq!(other.body, json!({ "Error": "Failed to log in", "Code": 401 }));
    let code = factor.code();
    let entered = signs_in(&postern, PASSWORD, Some(&code));
    assert_eq!(entered.status, 200, "{}", entered.body);
    asks_for_a_code(&signs_in(&postern, PASSWORD, Some(&code)), REFUSED);

    // Who is in stays in, the operator's link needs none, and one made with the password does.
    assert!(held.is_good(&postern));
    assert_eq!(Held::of(&entered).refresh(&postern).status, 200);
    let link = Postern::token_in(&postern.says(&["signin-link"]));
    let linked = json!({ "SigninToken": link });
    assert_eq!(
        postern.send("POST", "/api/v1/auth/signin", &[], &linked).status,
        200
    );
    let issue = |code: Option<&str>| {
        let body = json!({ "Password": PASSWORD, "OneTimeCode": code });
        postern.send("POST", "/api/v1/auth/issuesignintoken", &[], &body)
    };
    asks_for_a_code(&issue(None), NEEDED);
    let recovery = factor.recovery_code();
    assert_eq!(issue(Some(&recovery)).status, 200);
    asks_for_a_code(&issue(Some(&recovery)), REFUSED);

    for secret in [&factor.secret, &recovery, &recovery.replace('-', "")] {
        assert!(!postern.data_holds(secret));
        assert!(!postern.logged().contains(secret.as_str()));
    }
    let postern = postern.killed_and_restarted();
    for used in [&code, &recovery] {
        asks_for_a_code(&signs_in(&postern, PASSWORD, Some(used)), REFUSED);
    }
    let entered = signs_in(&postern, PASSWORD, Some(&factor.recovery_code()));
    let audit = postern.send(
        "GET",
        "/api/v1/audit?kind=SecondFactorOn,OneTimeCodeRefused,RecoveryCodeUsed",
        &[("authorization", &Held::of(&entered).bearer())],
        &Value::Null,
    );
    let events = audit.body["Events"].as_array().expect("events");
    let count = |kind: &str| events.iter().filter(|event| event["Event"] == kind).count();
    assert_eq!(
        (
            count("SecondFactorOn"),
            count("OneTimeCodeRefused"),
            count("RecoveryCodeUsed")
        ),
        (1, 5, 2),
        "{}",
        audit.body
    );
}

/// Clients of the reference model know nothing of codes.
#[test]
fn while_it_is_off_every_answer_is_what_it_was() {
    let postern = start();
    set_password(&postern, PASSWORD);
    let refused = signs_in(&postern, WRONG, Some("123456"));
    assert_eq!(refused.body, json!({ "Error": "Failed to log in", "Code": 401 }));
    let entered = signs_in(&postern, PASSWORD, Some("a code that nobody asked for"));
    let members = entered.body.as_object().expect("an object");
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    assert_eq!(
        (entered.status, names),
        (200, vec!["AccessToken", "RefreshNonce"])
    );
    let bearer = Held::of(&entered).bearer();
    for path in ["issuetoken/backup", "issuetoken/websocket"] {
        let issued = ask(&postern, &bearer, &format!("/api/v1/auth/{path}"), &Value::Null);
        assert_eq!(issued.status, 200, "{}", issued.body);
    }
    let off = ask(&postern, &bearer, "/api/v1/second-factor/off", &Value::Null);
    assert_eq!(off.status, 404, "{}", off.body);
}

#[test]
fn what_is_dangerous_asks_for_a_fresh_code() {
    let (postern, held) = signed_in();
    let bearer = held.bearer();
    let script = postern.says_json(&["access-keys", "create", "script", "--scope", "api"]);
    let script = format!("Bearer {}", script["Secret"].as_str().expect("a key"));
    let switch = json!({ "Value": true });
    let setting = "/api/v1/settings/allow_forever_token";
    let switched = postern.send("PUT", setting, &[("authorization", &bearer)], &switch);
    assert_eq!(switched.status, 200);
    let mut factor = Factor::on(&postern, &bearer);
    let again = ask(
        &postern,
        &bearer,
        "/api/v1/second-factor",
        &json!({ "CurrentPassword": PASSWORD }),
    );
    assert_eq!(again.status, 409, "{}", again.body);
    let acts = [
        ("POST", "/api/v1/keys/rotate", json!({ "Kind": "signing" })),
        ("POST", "/api/v1/auth/issuetoken/backup", json!({})),
        ("POST", "/api/v1/auth/issuetoken/export", json!({})),
        ("POST", "/api/v1/access-keys", json!({ "Name": "new" })),
        ("POST", "/api/v1/auth/issue-forever-token", json!({})),
        (
            "PUT",
            "/api/v1/password",
            json!({ "CurrentPassword": PASSWORD, "NewPassword": "another horse altogether" }),
        ),
        ("POST", "/api/v1/second-factor/off", json!({})),
    ];
    for (method, path, body) in acts {
        let with = |code: Option<&str>| {
            let mut body = body.clone();
            body["OneTimeCode"] = json!(code);
            postern.send(method, path, &[("authorization", &bearer)], &body)
        };
        asks_for_a_code(&with(None), NEEDED);
        let code = factor.recovery_code();
        let done = with(Some(&code));
        assert!(done.status < 300, "{path}: {} {}", done.status, done.body);
        if path.ends_with("/off") {
            assert_eq!(with(None).status, 404, "it is off");
        } else if method == "POST" {
            asks_for_a_code(&with(Some(&code)), REFUSED);
        }
    }
    let socket = ask(
        &postern,
        &bearer,
        "/api/v1/auth/issuetoken/websocket",
        &Value::Null,
    );
    assert_eq!(socket.status, 200, "{}", socket.body);
    // A script has no telephone; its key was made by somebody who has.
    let rotated = ask(
        &postern,
        &script,
        "/api/v1/keys/rotate",
        &json!({ "Kind": "signing" }),
    );
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    for (path, body) in [("", json!({ "CurrentPassword": PASSWORD })), ("/off", json!({}))] {
        let path = format!("/api/v1/second-factor{path}");
        assert_eq!(ask(&postern, &script, &path, &body).status, 403);
    }
}

#[test]
fn the_operator_sees_it_and_takes_it_away() {
    let (postern, held) = signed_in();
    assert!(postern.says(&["second-factor", "status"]).contains("is off"));
    refused(&postern.run(&["second-factor", "off"]), 65, "is not on");
    let mut factor = Factor::on(&postern, &held.bearer());
    let status = postern.says_json(&["second-factor", "status"]);
    assert_eq!(
        (&status["On"], &status["RecoveryCodesLeft"]),
        (&json!(true), &json!(10))
    );
    let token = ["token", "--url", &postern.base, "--password-file", "-"];
    let without = postern.run_fed(&token, PASSWORD);
    refused(&without, 77, "one-time code is needed");
    let file = tempfile::NamedTempFile::new().expect("made, open to nobody else");
    std::fs::write(&file, factor.code()).expect("written");
    let code = file.path().to_str().expect("a name");
    let with = postern.run_fed(&[&token[..], &["--one-time-code-file", code]].concat(), PASSWORD);
    assert!(with.status.success(), "{}", String::from_utf8_lossy(&with.stderr));
    assert_eq!(
        postern.says_json(&["second-factor", "off"]),
        json!({ "On": false })
    );
    let entered = login(&postern.base, PASSWORD).expect("an answer");
    assert_eq!(
        entered.status, 200,
        "the running server asks no more: {}",
        entered.body
    );
}

/// The operator's word for an older copy brings no code back either: which were used since, nobody knows.
#[test]
fn an_older_copy_that_is_accepted_brings_no_used_code_back() {
    let (mut postern, held) = signed_in();
    let mut factor = Factor::on(&postern, &held.bearer());
    assert_eq!(postern.stop(), Some(0));
    let database = postern.data_dir().join("postern.sqlite");
    let older = std::fs::read(&database).expect("there");
    let mut postern = postern.killed_and_restarted();
    let used = factor.recovery_code();
    assert_eq!(signs_in(&postern, PASSWORD, Some(&used)).status, 200);
    assert_eq!(postern.stop(), Some(0));
    std::fs::write(&database, older).expect("put back");
    let folder = tempfile::tempdir().expect("folder");
    let witness = folder.path().join("witness").display().to_string();
    let environment = [("POSTERN_WITNESS", witness.as_str())];
    let postern = postern.restarted_as_with(&["serve", "--accept-rollback"], &environment);
    assert!(postern.logged().contains("recovery code"), "the operator is told");
    for code in [used, factor.recovery_code()] {
        asks_for_a_code(&signs_in(&postern, PASSWORD, Some(&code)), REFUSED);
    }
}

#[test]
fn a_restore_brings_no_used_code_back() {
    let (mut postern, held) = signed_in();
    let folder = tempfile::tempdir().expect("folder");
    let (identity, public) = key_pair(folder.path());
    let mut factor = Factor::on(&postern, &held.bearer());
    let backup = at(folder.path(), "b.age");
    let _ = postern.says(&["backup", "create", &backup, "--recipient", &public]);
    let used = [factor.code(), factor.recovery_code()];
    for code in &used {
        assert_eq!(signs_in(&postern, PASSWORD, Some(code)).status, 200);
        asks_for_a_code(&signs_in(&postern, PASSWORD, Some(code)), REFUSED);
    }
    assert_eq!(postern.stop(), Some(0));

    // Control: the same database put back without a restore takes the recovery code again.
    let database = postern.data_dir().join("postern.sqlite");
    let current = std::fs::read(&database).expect("reads");
    let plain = Command::new("/bin/sh")
        .args([
            "-euc",
            "age -d -i \"$0\" \"$1\" | tar -xOf - postern.sqlite",
            &identity,
            &backup,
        ])
        .output()
        .expect("a shell");
    std::fs::write(&database, plain.stdout).expect("put back");
    let mut postern = postern.killed_and_restarted();
    let revived = signs_in(&postern, PASSWORD, used.last().map(String::as_str));
    assert_eq!(revived.status, 200, "control: the attack works: {}", revived.body);
    assert_eq!(postern.stop(), Some(0));
    std::fs::write(&database, current).expect("put back");

    let done = postern.says_json(&["backup", "restore", &backup, "--identity", &identity]);
    assert_eq!(done["RecoveryCodesDropped"], 1, "{done}");
    let postern = postern.killed_and_restarted();
    asks_for_a_code(&signs_in(&postern, PASSWORD, None), NEEDED);
    for code in &used {
        asks_for_a_code(&signs_in(&postern, PASSWORD, Some(code)), REFUSED);
    }
    let unused = factor.recovery_code();
    assert_eq!(signs_in(&postern, PASSWORD, Some(&unused)).status, 200);
}
