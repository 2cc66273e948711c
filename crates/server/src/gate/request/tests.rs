//! What proxies say, honestly and not.

use super::*;
use axum::http::HeaderValue;
use proptest::prelude::*;

const PROXY: &str = "10.0.0.1";

const HONEST: [(&str, &str); 4] = [
    ("x-forwarded-method", "GET"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "app.example.org"),
    ("x-forwarded-uri", "/there?x=1"),
];

const NGINX: [(&str, &str); 2] = [
    ("x-original-method", "GET"),
    ("x-original-url", "https://app.example.org/there?x=1"),
];

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    map
}

/// Method, URL, form, asker.
fn read_from(peer: &str, fields: &[(&str, &str)]) -> Result<(String, String, Form, Asker), Unreadable> {
    let trusted = TrustedProxies::new(&[PROXY]).expect("networks");
    let headers = headers(fields);
    let request = GateRequest::read(peer.parse().expect("an address"), &trusted, &headers)?;
    Ok((
        request.method.to_owned(),
        request.url(),
        request.form,
        request.asker,
    ))
}

fn with(base: &[(&'static str, &'static str)], name: &str, value: &'static str) -> Vec<(String, String)> {
    let kept = base
        .iter()
        .filter(|(known, _)| *known != name)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    kept.chain([(name.to_owned(), value.to_owned())]).collect()
}

fn check(fields: &[(String, String)]) -> Result<(String, String, Form, Asker), Unreadable> {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    read_from(PROXY, &fields)
}

#[test]
fn both_forms_say_the_same() {
    let url = "https://app.example.org/there?x=1".to_owned();
    assert_eq!(
        read_from(PROXY, &HONEST),
        Ok(("GET".to_owned(), url.clone(), Form::Forwarded, Asker::Script))
    );
    assert_eq!(
        read_from(PROXY, &NGINX),
        Ok(("GET".to_owned(), url, Form::Original, Asker::Script))
    );
    let both: Vec<_> = HONEST.iter().chain(&NGINX).copied().collect();
    assert!(read_from(PROXY, &both).is_ok(), "both, and they agree");
}

/// authentik CVE-2023-36456.
#[test]
fn nobody_else_is_believed() {
    for peer in ["10.0.0.2", "127.0.0.1", "::1"] {
        assert_eq!(read_from(peer, &HONEST), Err(Unreadable::NotListed), "{peer}");
        assert_eq!(read_from(peer, &[]), Err(Unreadable::NotListed), "{peer}");
    }
}

/// Authelia CVE-2026-48794, tinyauth CVE-2026-77560: a host that is compared in another spelling.
#[test]
fn a_host_has_one_spelling() {
    for host in ["APP.example.ORG", "app.example.org.", "app.example.org:443"] {
        let (_, url, ..) = check(&with(&HONEST, "x-forwarded-host", host)).expect(host);
        assert_eq!(url, "https://app.example.org/there?x=1");
    }
    let (_, url, ..) = check(&with(&HONEST, "x-forwarded-host", "app.example.org:80")).expect("a host");
    assert_eq!(
        url, "https://app.example.org:80/there?x=1",
        "not https's own port"
    );
}

/// Each is a request that some proxy let through once; Authelia CVE-2021-32637 answered 200.
#[test]
fn what_is_doubled_missing_or_odd_is_refused() {
    let mut tried = 0;
    let mut refused = |fields: &[(String, String)]| {
        tried += 1;
        assert!(
            matches!(check(fields), Err(Unreadable::Malformed(_))),
            "{fields:?}"
        );
    };
    for (name, _) in HONEST {
        let without: Vec<_> = with(&HONEST, name, "x");
        refused(&without[..3]);
        let mut doubled = with(&HONEST, "x-none", "x");
        doubled.extend(
            with(&HONEST, "x-none", "x")
                .into_iter()
                .filter(|(known, _)| known == name),
        );
        refused(&doubled);
        for twin in [name.replacen('-', "_", 1), name.replace('-', "_")] {
            refused(&with(&HONEST, &twin, "x"));
        }
        refused(&with(&HONEST, name, ""));
        refused(&with(&HONEST, name, "\u{e4}"));
    }
    for (name, _) in NGINX {
        let without: Vec<_> = with(&NGINX, name, "x");
        refused(&without[..1]);
        let mut both = with(&HONEST, "x-none", "x");
        both.push((name.to_owned(), "x".to_owned()));
        refused(&both);
    }
    for host in [
        "a,b",
        "app.example.org, evil.example",
        "app.example.org:x",
        "user@app.example.org",
        "app.example.org/",
        "app.example.org#",
        "127.1",
        "*",
        "[::1",
        "app..example.org",
    ] {
        refused(&with(&HONEST, "x-forwarded-host", host));
    }
    for proto in ["HTTPS", "https, http", "ftp", "javascript", "https:"] {
        refused(&with(&HONEST, "x-forwarded-proto", proto));
    }
    for method in ["get", "GET ", "GET, POST", "G\u{e4}T", "A_B"] {
        refused(&with(&HONEST, "x-forwarded-method", method));
    }
    for uri in [
        "//.postern/accept",
        "/%zz",
        "/a/../b",
        "/a/..%2fb",
        "/a/..;/b",
        "http://evil.example/",
        "*",
        "/a%00",
        "there",
        "/a\\b",
        "/public/..%2fadmin",
        "/%2e%2e/x",
    ] {
        refused(&with(&HONEST, "x-forwarded-uri", uri));
    }
    for url in [
        "https://app.example.org",
        "app.example.org/",
        "//app.example.org/",
        "https:///x",
        "https://user@app.example.org/",
        "https://app.example.org/..//x",
        "https://app.example.org\\@evil.example/",
        "ftp://app.example.org/",
        "https://app.example.org/%zz",
    ] {
        refused(&with(&NGINX, "x-original-url", url));
    }
    assert!(tried > 50, "{tried}");
}

/// oauth2-proxy CVE-2026-40575 and CVE-2025-64484, Traefik CVE-2026-39858 and CVE-2024-45410, Caddy CVE-2026-52845, Fabio
/// CVE-2025-48865.
#[test]
fn headers_that_differ_have_a_twin_or_are_to_be_taken_away_are_refused() {
    let refused = |fields: &[(String, String)]| {
        assert!(
            matches!(check(fields), Err(Unreadable::Malformed(_))),
            "{fields:?}"
        );
    };
    for (name, other) in [
        ("x-forwarded-uri", "/public"),
        ("x-forwarded-host", "other.example.org"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-method", "HEAD"),
    ] {
        refused(&with(&NGINX, name, other));
    }
    for name in [
        "remote_user",
        "Postern_Session",
        "postern-assertion",
        "x_api_key",
        "x_real_ip",
    ] {
        let twin = with(&HONEST, name, "x");
        if name.contains('_') {
            refused(&twin);
        } else {
            assert!(check(&twin).is_ok(), "control: {name}");
        }
    }
    for connection in ["X-Forwarded-Host", "close, x-forwarded-uri", "Remote-User"] {
        refused(&with(&HONEST, "connection", connection));
    }
    assert!(check(&with(&HONEST, "connection", "close")).is_ok(), "control");
}

/// h2c smuggling (CWE-444): behind the change nobody is asked.
#[test]
fn a_request_becomes_a_web_socket_or_nothing_else() {
    for protocol in ["websocket", "WebSocket"] {
        let (.., asker) = check(&with(&HONEST, "upgrade", protocol)).expect(protocol);
        assert_eq!(asker, Asker::Socket, "control");
    }
    for protocol in [
        "h2c",
        "",
        "websocket, h2c",
        "h2c, websocket",
        "websocket/1",
        "TLS/1.0",
        "\u{e4}",
    ] {
        let mut doubled = with(&HONEST, "x-none", "x");
        doubled.extend(["websocket", protocol].map(|field| ("upgrade".to_owned(), field.to_owned())));
        for fields in [with(&HONEST, "upgrade", protocol), doubled] {
            assert!(
                matches!(check(&fields), Err(Unreadable::Malformed(_))),
                "{fields:?}"
            );
        }
    }
    assert!(check(&with(&NGINX, "http2-settings", "AAMAAABkAAQAAP__")).is_err());
}

#[test]
fn who_opened_an_address_is_told_from_scripts_and_sockets() {
    let page = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    for (method, fields, expected) in [
        ("GET", &page[..], Asker::Page),
        ("POST", &page[..], Asker::Script),
        ("HEAD", &page[..], Asker::Script),
        ("GET", &[("accept", "text/html,*/*;q=0.8")], Asker::Page),
        ("GET", &[("accept", "application/json")], Asker::Script),
        ("GET", &[("accept", "*/*")], Asker::Script),
        ("GET", &[], Asker::Script),
        (
            "GET",
            &[("sec-fetch-mode", "cors"), ("accept", "text/html")],
            Asker::Script,
        ),
        (
            "GET",
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            Asker::Script,
        ),
        (
            "GET",
            &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")],
            Asker::Script,
        ),
        (
            "GET",
            &[("sec-fetch-mode", "websocket"), ("accept", "text/html")],
            Asker::Socket,
        ),
        (
            "GET",
            &[("upgrade", "websocket"), ("accept", "text/html")],
            Asker::Socket,
        ),
        (
            "GET",
            &[("sec-websocket-key", "x"), ("accept", "text/html")],
            Asker::Socket,
        ),
    ] {
        assert_eq!(asker(method, &headers(fields)), expected, "{method} {fields:?}");
    }
}

proptest! {
    /// oauth2-proxy GHSA-5hvv-m4w4-gf6v: no header but those that are meant changes what is read.
    #[test]
    fn random_headers_change_nothing(
        names in proptest::collection::vec("[a-z][a-z0-9-]{0,20}", 0..20),
        value in "[ -~]{0,40}",
    ) {
        let honest = read_from(PROXY, &HONEST);
        let meant = ["upgrade", "http2-settings", "accept", "connection", "sec-websocket-key"];
        let more: Vec<_> = names
            .iter()
            .filter(|name| !MEANT.contains(&name.as_str()) && !meant.contains(&name.as_str()))
            .filter(|name| !name.starts_with("sec-fetch"))
            .map(|name| (name.as_str(), value.trim()))
            .collect();
        let all: Vec<_> = HONEST.iter().copied().chain(more).collect();
        prop_assert_eq!(read_from(PROXY, &all), honest);
    }

    #[test]
    fn no_value_makes_the_reader_panic(value in "[\\x20-\\x7e\\x80-\\u{ff}]{0,60}", at in 0_usize..4) {
        let mut fields = HONEST.map(|(name, value)| (name.to_owned(), value.to_owned()));
        fields[at].1 = value;
        let _either = check(&fields);
    }
}
