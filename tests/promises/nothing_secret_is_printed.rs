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
    day.keep("password", PASSWORD);
    day.keep("wrong password", WRONG);
    let field = std::fs::read_to_string(postern.field_password()).expect("made");
    day.keep("field password", field.trim_end());
    let first = day.keep("first link", postern.first_token());
    let path = postern.data_dir().join("first-signin-link");
    std::fs::remove_file(path).expect("the owner takes it away");
    let by_link = postern.send(
        "POST",
        "/api/v1/auth/signin",
        &[],
        &json!({ "SigninToken": first }),
    );
    day.keep_session("link", &by_link);
    let signed_in = login(&postern.base, PASSWORD).expect("an answer");
    let held = day.keep_session("login", &signed_in);
    let renewed = held.refresh(postern);
    let held = day.keep_session("renewal", &renewed);
    let bearer = held.bearer();
    let ask = |method: &str, path: &str, body: &Value| {
        postern.send(method, path, &[("authorization", &bearer)], body)
    };

    let _ = postern.send("POST", "/api/v1/auth/login", &[], &json!({ "Password": WRONG }));
    let hook = day.keep("setting", "Bearer a-secret-of-a-hook-7f21");
    assert_eq!(
        ask("PUT", "/api/v1/settings/secret.hook", &json!({ "Value": hook })).status,
        200
    );
    let link = ask("POST", "/api/v1/auth/issuetoken/websocket", &Value::Null).text("Token");
    day.keep("operation token", link.rsplit('.').next().expect("three parts"));
    let issued = postern.send(
        "POST",
        "/api/v1/auth/issuesignintoken",
        &[],
        &json!({ "Password": PASSWORD }),
    );
    let issued = day.keep("issued link", issued.text("Token"));
    let key = ask(
        "POST",
        "/api/v1/access-keys",
        &json!({ "Name": "script", "Scopes": ["api"] }),
    );
    assert!(key.status < 300, "{}", key.body);
    let key = day.keep("access key", key.text("Secret"));
    let mut factor = Factor::on(postern, &bearer);
    day.keep("secret of the second factor", factor.secret.clone());
    for right in [factor.code(), factor.recovery_code()] {
        let body = json!({ "Password": PASSWORD, "OneTimeCode": right });
        let entered = postern.send("POST", "/api/v1/auth/login", &[], &body);
        day.keep(&format!("one-time code {}", right.len()), format!("{right:?}"));
        day.keep_session("second factor", &entered);
    }

    // Where they do not belong: addresses, other headers, other bodies, with either version of HTTP.
    let cookie = held.cookie.clone();
    for secret in [
        PASSWORD.replace(' ', "%20"),
        issued,
        key,
        held.nonce.clone(),
        held.access_token.clone(),
    ] {
        let target = format!("{MARKER}?token={secret}&access_token={secret}");
        let as_bearer = format!("Bearer {secret}");
        let fields = [
            ("Host", postern.address()),
            ("Authorization", &as_bearer),
            ("Cookie", &cookie),
            ("X-Forwarded-Uri", &target),
            ("Referer", &target),
        ];
        for path in ["/gate/verify", "/api/v1/sessions", &target] {
            let _answer = exchange(postern.address(), "GET", path, &fields);
        }
        let _ = postern.send(
            "POST",
            "/api/v1/auth/signin",
            &[],
            &json!({ "SigninToken": secret, "Password": [secret] }),
        );
        let _ = postern.send(
            "PATCH",
            "/api/v1/settings",
            &[("authorization", &bearer)],
            &json!({ "max_sessions": secret }),
        );
        let arguments = [
            "-sS",
            "--http2-prior-knowledge",
            "-m",
            "20",
            "-H",
            &as_bearer_field(&as_bearer),
            "-H",
        ];
        let sent = Command::new("curl")
            .args(arguments)
            .args([format!("Cookie: {cookie}"), format!("{}{target}", postern.base)])
            .args(["-d", &format!("{{\"Password\":\"{secret}\"}}")])
            .output();
        assert!(sent.expect("./test installs curl").status.success());
    }
    day.secrets
        .insert("password in an address".to_owned(), PASSWORD.replace(' ', "%20"));

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

fn as_bearer_field(bearer: &str) -> String {
    format!("Authorization: {bearer}")
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
