//! `/metrics` tells whoever may ask what happened, by this process and others, and tells nothing that is secret or personal.

use e2e_support::Postern;
use e2e_support::wire::{Reply, exchange};
use serde_json::{Value, json};

use crate::owner::{Held, PASSWORD, login, signed_in};

/// How often is asked until what is counted after the commit has been.
const PATIENCE: usize = 2_000;

fn ask(postern: &Postern, bearer: &str) -> Reply {
    let authorization = format!("Bearer {bearer}");
    get(postern, "/metrics", &[("authorization", &authorization)])
}

fn get(postern: &Postern, path: &str, fields: &[(&str, &str)]) -> Reply {
    let fields = [&[("host", postern.address())], fields].concat();
    exchange(postern.address(), "GET", path, &fields)
}

/// An access key for that scope, made by another process.
fn key(postern: &Postern, scope: &str) -> String {
    let name = scope.replace(':', "-");
    let made = postern.says_json(&["access-keys", "create", &name, "--scope", scope]);
    made.get("Secret")
        .and_then(Value::as_str)
        .expect("a secret")
        .to_owned()
}

/// The value of a metric with these labels as they stand.
fn value(page: &str, metric: &str) -> Option<f64> {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
}

#[track_caller]
fn comes_to(postern: &Postern, bearer: &str, metric: &str, expected: f64) {
    let mut found = None;
    for _ in 0..PATIENCE {
        found = value(&ask(postern, bearer).body, metric);
        if found == Some(expected) {
            return;
        }
    }
    assert_eq!(found, Some(expected), "{metric}");
}

#[test]
fn what_was_done_stands_on_the_page_and_who_did_it_does_not() {
    let (postern, held) = signed_in();
    let metrics = key(&postern, "metrics");
    assert_eq!(
        login(&postern.base, "wrong password").expect("an answer").status,
        401
    );
    assert_eq!(held.refresh(&postern).status, 200);
    let page = ask(&postern, &metrics);
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let page = page.body;
    for (metric, expected) in [
        (
            "postern_sign_ins_total{way=\"password\",result=\"signed_in\"}",
            1.0,
        ),
        ("postern_sign_ins_total{way=\"password\",result=\"refused\"}", 1.0),
        ("postern_refreshes_total{result=\"refreshed\"}", 1.0),
        ("postern_throttle_wrong_in_a_row", 1.0),
        ("postern_sessions", 1.0),
        ("postern_access_keys", 1.0),
        ("postern_password_checks_total", 2.0),
        ("postern_ready", 1.0),
        (
            "postern_http_requests_total{route=\"/api/v1/auth/login\",class=\"2xx\"}",
            1.0,
        ),
        (
            "postern_http_request_duration_seconds_count{route=\"/api/v1/auth/login\"}",
            2.0,
        ),
        ("postern_store_failures_total", 0.0),
    ] {
        assert_eq!(value(&page, metric), Some(expected), "{metric}: {page}");
    }
    assert!(value(&page, "postern_store_commits_total") > Some(2.0), "{page}");
    assert!(
        value(&page, "process_resident_memory_bytes") > Some(1e6),
        "{page}"
    );
    for (metric, expected) in [
        ("postern_audit_events_total{kind=\"PasswordRefused\"}", 1.0),
        // By the command line, another process.
        ("postern_audit_events_total{kind=\"AccessKeyCreated\"}", 1.0),
    ] {
        comes_to(&postern, &metrics, metric, expected);
    }
    // Nothing of whoever came, and no secret.
    let session = held
        .cookie
        .split('=')
        .nth(1)
        .and_then(|value| value.split('.').next());
    let session = session.expect("a session's identifier");
    for private in [
        "127.0.0.1",
        session,
        &metrics,
        PASSWORD,
        "wrong password",
        postern.address(),
    ] {
        assert!(!page.contains(private), "{private}: {page}");
    }
}

#[test]
fn a_path_that_strangers_make_up_makes_no_metric() {
    let (postern, held) = signed_in();
    let before = as_owner(&postern, &held);
    for path in [
        "/never/heard/of",
        "/api/v1/sessions/0123456789abcdef",
        "/assets/none.js",
        "/metrics/x",
    ] {
        let _ = get(&postern, path, &[]);
    }
    let after = as_owner(&postern, &held);
    let names = |page: &str| page.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(names(&before), names(&after), "{after}");
    let none = "postern_http_requests_total{route=\"\",class=\"4xx\"}";
    assert!(
        value(&after, none) > value(&before, none),
        "control: it is counted\n{after}"
    );
}

fn as_owner(postern: &Postern, held: &Held) -> String {
    get(postern, "/metrics", &[("authorization", &held.bearer())]).body
}

#[test]
fn the_page_is_for_the_owner_and_for_keys_of_its_scope() {
    let (postern, held) = signed_in();
    let owner = postern.send(
        "GET",
        "/metrics",
        &[("authorization", &held.bearer())],
        &json!(null),
    );
    assert_eq!(owner.status, 200);
    let metrics = key(&postern, "metrics");
    let others = ["api", "api:read", "gate:app.localhost"].map(|scope| key(&postern, scope));
    // The server takes in what others did before it checks a password.
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
    assert_eq!(ask(&postern, &metrics).status, 200);
    for other in &others {
        assert_eq!(ask(&postern, other).status, 403);
    }
    assert_eq!(get(&postern, "/metrics", &[]).status, 401);
    let elsewhere = format!("Bearer {metrics}");
    let sessions = postern.send(
        "GET",
        "/api/v1/sessions",
        &[("authorization", &elsewhere)],
        &json!(null),
    );
    assert_eq!(sessions.status, 403, "it reads nothing else");
}
