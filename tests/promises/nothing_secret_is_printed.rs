//! Whoever reads all that a server and its commands print, at the most talkative level, the process list and the environment, learns
//! no secret (A5 of the threat model); and what a stranger sends is never more than its line of the log.

use std::collections::BTreeMap;
use std::process::{Command, Output};

use e2e_support::wire::{exchange, exchange_bytes};
use e2e_support::{Answer, Postern};
use serde_json::{Value, json};

use crate::a_second_factor_is_asked_for::Factor;
use crate::owner::{Held, PASSWORD, login, set_password};

/// In an address that is logged: what must be found.
const MARKER: &str = "/a-harmless-marker";

const WRONG: &str = "a-wrong-password-as-long-as-it-takes";

fn start(form: &str) -> Postern {
    let environment = [
        ("POSTERN_LOG", "trace"),
        ("POSTERN_LOG_FORMAT", form),
        ("POSTERN_TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &environment);
    set_password(&postern, PASSWORD);
    postern
}

/// Every secret of a busy day, by its name; and what the commands said meanwhile.
#[derive(Default)]
struct Day {
    secrets: BTreeMap<String, String>,
    said: String,
}

impl Day {
    fn keep(&mut self, name: &str, secret: impl Into<String>) -> String {
        let secret = secret.into();
        assert!(secret.len() >= 6, "{name}");
        self.secrets.insert(name.to_owned(), secret.clone());
        secret
    }

    fn secret(&self, name: &str) -> String {
        self.secrets.get(name).expect("kept before").clone()
    }

    fn keep_session(&mut self, name: &str, answer: &Answer) -> Held {
        let held = Held::of(answer);
        let (_, cookie) = held.cookie.split_once('=').expect("a value");
        // The first part is the session's number, which the owner reads in lists.
        for (part, secret) in cookie.split('.').skip(1).enumerate() {
            self.keep(&format!("{name}: cookie {part}"), secret);
        }
        self.keep(&format!("{name}: nonce"), &held.nonce);
        let signature = held.access_token.rsplit('.').next().expect("three parts");
        self.keep(&format!("{name}: access token"), signature);
        held
    }

    fn heard(&mut self, output: &Output) {
        for printed in [&output.stdout, &output.stderr] {
            self.said.push_str(&String::from_utf8_lossy(printed));
        }
    }

    /// What is in none of the texts.
    #[track_caller]
    fn is_nowhere_in(&self, what: &str, text: &str) {
        for (name, secret) in &self.secrets {
            assert!(!text.contains(secret.as_str()), "{what} holds the {name}");
        }
    }
}

/// A day of use: every kind of secret is made, used rightly and wrongly, and put where it does not belong.
fn a_day(postern: &Postern) -> Day {
    let mut day = Day::default();
    let held = day.of_signing_in(postern);
    day.of_the_owner(postern, &held.bearer());
    let in_an_address = PASSWORD.replace(' ', "%20");
    for secret in [
        day.keep("password in an address", in_an_address),
        day.secret("issued link"),
        day.secret("access key"),
        held.nonce.clone(),
        held.access_token.clone(),
    ] {
        is_misplaced(postern, &held, &secret);
    }
    for command in [
        &["keys", "status"][..],
        &["settings", "list"],
        &["sessions", "list"],
        &["access-keys", "list"],
        &["audit", "list"],
        &["config", "check"],
        &["doctor"],
        &["throttle", "status"],
    ] {
        day.heard(&postern.run_with(command, &[("POSTERN_LOG", "trace")]));
    }
    day
}

impl Day {
    fn of_signing_in(&mut self, postern: &Postern) -> Held {
        let post = |path: &str, body: &Value| postern.send("POST", path, &[], body);
        self.keep("password", PASSWORD);
        self.keep("wrong password", WRONG);
        let field = std::fs::read_to_string(postern.field_password()).expect("made");
        self.keep("field password", field.trim_end());
        let first = self.keep("first link", postern.first_token());
        let path = postern.data_dir().join("first-signin-link");
        std::fs::remove_file(path).expect("the owner takes it away");
        self.keep_session(
            "link",
            &post("/api/v1/auth/signin", &json!({ "SigninToken": first })),
        );
        let _ = post("/api/v1/auth/login", &json!({ "Password": WRONG }));
        let issued = post("/api/v1/auth/issuesignintoken", &json!({ "Password": PASSWORD }));
        self.keep("issued link", issued.text("Token"));
        let signed_in = login(&postern.base, PASSWORD).expect("an answer");
        let held = self.keep_session("login", &signed_in);
        self.keep_session("renewal", &held.refresh(postern))
    }

    fn of_the_owner(&mut self, postern: &Postern, bearer: &str) {
        let ask = |method: &str, path: &str, body: &Value| {
            let answer = postern.send(method, path, &[("authorization", bearer)], body);
            assert!(answer.status < 300, "{path}: {}", answer.body);
            answer
        };
        let hook = self.keep("setting", "Bearer a-secret-of-a-hook-7f21");
        ask("PUT", "/api/v1/settings/secret.hook", &json!({ "Value": hook }));
        let operation = ask("POST", "/api/v1/auth/issuetoken/websocket", &Value::Null).text("Token");
        self.keep(
            "operation token",
            operation.rsplit('.').next().expect("three parts"),
        );
        let key = json!({ "Name": "script", "Scopes": ["api"] });
        self.keep(
            "access key",
            ask("POST", "/api/v1/access-keys", &key).text("Secret"),
        );
        let mut factor = Factor::on(postern, bearer);
        self.keep("secret of the second factor", factor.secret.clone());
        // Six digits alone are also part of a time.
        let code = factor.code();
        self.keep("one-time code", format!("\"{code}\""));
        let recovery = factor.recovery_code();
        self.keep("recovery code", recovery.clone());
        for right in [code, recovery] {
            let body = json!({ "Password": PASSWORD, "OneTimeCode": right });
            let entered = postern.send("POST", "/api/v1/auth/login", &[], &body);
            self.keep_session(&format!("second factor, {} letters", right.len()), &entered);
        }
    }
}

/// A secret in addresses, other headers and other bodies, with either version of HTTP.
fn is_misplaced(postern: &Postern, held: &Held, secret: &str) {
    let target = format!("{MARKER}?token={secret}&access_token={secret}");
    let (bearer, as_bearer) = (held.bearer(), format!("Bearer {secret}"));
    let fields = [
        ("Host", postern.address()),
        ("Authorization", &as_bearer),
        ("Cookie", &held.cookie),
        ("X-Forwarded-Uri", &target),
        ("Referer", &target),
    ];
    for path in ["/gate/verify", "/api/v1/sessions", &target] {
        let _answer = exchange(postern.address(), "GET", path, &fields);
    }
    let body = json!({ "SigninToken": secret, "Password": [secret] });
    let _ = postern.send("POST", "/api/v1/auth/signin", &[], &body);
    let body = json!({ "max_sessions": secret });
    let _ = postern.send("PATCH", "/api/v1/settings", &[("authorization", &bearer)], &body);
    let sent = Command::new("curl")
        .args(["-sS", "--http2-prior-knowledge", "-m", "20"])
        .args(["-H", &format!("Authorization: {as_bearer}")])
        .args(["-H", &format!("Cookie: {}", held.cookie)])
        .args(["-d", &format!("{{\"Password\":\"{secret}\"}}")])
        .arg(format!("{}{target}", postern.base))
        .output();
    assert!(sent.expect("./test installs curl").status.success());
}

/// What the kernel shows of a process; empty where it shows nothing.
fn of_process(postern: &Postern, what: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{}/{what}", postern.pid())).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn nothing_is_printed(form: &str) {
    let postern = start(form);
    let day = a_day(&postern);
    let log = postern.logged();
    day.is_nowhere_in("the log", &log);
    day.is_nowhere_in("what commands said", &day.said);
    day.is_nowhere_in("the first output", &postern.said);
    for what in ["cmdline", "environ"] {
        day.is_nowhere_in(what, &of_process(&postern, what));
    }
    for (name, secret) in &day.secrets {
        assert!(!postern.data_holds(secret), "a file holds the {name}");
    }
    assert!(log.contains(MARKER), "control: what is no secret is logged");
    assert!(
        log.contains("TRACE") && log.lines().count() > 100,
        "control: it is talkative"
    );
    assert!(
        of_process(&postern, "cmdline").contains("serve"),
        "control: the command line is seen"
    );
    assert!(day.said.contains("script"), "control: what commands said is seen");
    let mut planted = Day::default();
    planted.keep("control", MARKER);
    let found = std::panic::catch_unwind(|| planted.is_nowhere_in("the log", &log));
    assert!(found.is_err(), "control: what is there is found");
}

#[test]
fn no_secret_is_in_any_output_as_json() {
    nothing_is_printed("json");
}

#[test]
fn no_secret_is_in_any_output_as_text() {
    nothing_is_printed("text");
}

/// What would end a line, begin another, or speak to a terminal.
const HOSTILE: [&str; 6] = [
    "\r\nforged",
    "\nforged",
    "\u{1b}[2Jforged",
    "\0forged",
    "\u{9b}2Jforged",
    "\u{2028}forged",
];

#[test]
fn what_a_stranger_sends_is_never_more_than_one_line() {
    for form in ["json", "text"] {
        let postern = start(form);
        let held = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
        for hostile in HOSTILE {
            let at = postern.address();
            for field in [
                "User-Agent",
                "X-Forwarded-For",
                "Referer",
                "X-Forwarded-Host",
                "Cookie",
                "Origin",
            ] {
                let request = format!(
                    "POST /api/v1/auth/login HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: application/json\r\n\
                     {field}: {hostile}\r\nContent-Length: 20\r\n\r\n{{\"Password\": \"wrong\"}}"
                );
                let _refused = exchange_bytes(at, request.as_bytes());
            }
            let target = format!("/{hostile}");
            let _refused = exchange(at, "GET", &target, &[("Host", at)]);
            for (path, body) in [
                (
                    "/api/v1/access-keys",
                    json!({ "Name": hostile, "Scopes": [hostile] }),
                ),
                (
                    "/api/v1/auth/login",
                    json!({ "Password": hostile, hostile: hostile }),
                ),
                ("/api/v1/auth/signin", json!({ "SigninToken": hostile })),
            ] {
                let _refused = postern.send("POST", path, &[("authorization", &held.bearer())], &body);
            }
        }
        let log = postern.logged();
        assert!(log.lines().count() > 50, "control: it is talkative");
        let raw = |line: &&str| line.chars().any(char::is_control);
        assert_eq!(
            log.lines().find(raw),
            None,
            "{form}: a control character as it came"
        );
        for line in log.lines() {
            match form {
                "json" => drop(serde_json::from_str::<serde_json::Map<String, Value>>(line).expect(line)),
                _ => assert!(
                    line.starts_with("20") && line.contains('Z'),
                    "no line of ours: {line}"
                ),
            }
        }
    }
}
