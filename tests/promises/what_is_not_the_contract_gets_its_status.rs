//! Bytes on a real socket that are not what the contract asks for: each gets its status, never a 2xx, and no panic.

use e2e_support::Postern;
use e2e_support::wire::exchange_bytes;
use serde_json::{Value, json};

use crate::owner::{Held, PASSWORD, signed_in};

/// Sends bytes as they are; gives the status of the answer, 0 when the connection is closed without one.
fn status_of(postern: &Postern, request: &[u8]) -> u16 {
    exchange_bytes(postern.address(), request).status
}

/// `POST` with a JSON body, these header lines besides.
fn post_to(host: &str, path: &str, lines: &[String], body: &str) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for line in lines {
        request.push_str(line);
        request.push_str("\r\n");
    }
    format!("{request}\r\n{body}").into_bytes()
}

fn json_line() -> String {
    "Content-Type: application/json".to_owned()
}

#[test]
fn malformed_requests_get_their_status_and_the_log_holds_no_panic_and_no_secret() {
    let (postern, held) = signed_in();
    let post = |path: &str, lines: &[String], body: &str| post_to(postern.address(), path, lines, body);
    let login = "/api/v1/auth/login";
    let good = format!("{{\"Password\": \"{PASSWORD}\"}}");
    let cookie = format!("Cookie: {}", held.cookie);
    let nonce = format!("{{\"Nonce\": \"{}\"}}", held.nonce);
    let (name, value) = held.cookie.split_once('=').expect("name and value");
    let bearer = format!("Authorization: {}", held.bearer());
    assert_eq!(
        status_of(&postern, &post(login, &[json_line()], &good)),
        200,
        "control"
    );
    let deep = "[".repeat(5000);
    let cases: Vec<(&str, u16, Vec<u8>)> = vec![
        ("no JSON", 400, post(login, &[json_line()], "{\"Password\"")),
        ("no object", 400, post(login, &[json_line()], "[]")),
        ("deep nesting", 400, post(login, &[json_line()], &deep)),
        ("a number for a text", 400, post(login, &[json_line()], "{\"Password\": 7}")),
        ("a text for a boolean", 400, post(login, &[json_line()], "{\"Password\": \"x\", \"RememberMe\": \"yes\"}")),
        ("a member twice", 400, post(login, &[json_line()], "{\"Password\": \"a\", \"password\": \"b\"}")),
        ("no password", 400, post(login, &[json_line()], "{}")),
        ("bytes that are no text", 400, {
            let mut bytes = post(login, &[json_line()], "{\"Password\": \"xx\"}");
            let end = bytes.len() - 4;
            bytes[end] = 0xff;
            bytes
        }),
        ("1,025 bytes of password", 400, post(login, &[json_line()], &json!({ "Password": "x".repeat(1025) }).to_string())),
        ("no content type", 415, post(login, &[], &good)),
        ("a form", 415, post(login, &["Content-Type: application/x-www-form-urlencoded".to_owned()], "Password=x")),
        ("text", 415, post(login, &["Content-Type: text/plain".to_owned()], &good)),
        ("more than 64 KiB", 413, post(login, &[json_line()], &json!({ "Password": "x".repeat(66_000) }).to_string())),
        ("another host", 421, b"GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_vec()),
        ("two hosts", 400, b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec()),
        ("no host", 400, b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec()),
        ("another origin", 403, post(login, &[json_line(), "Origin: http://evil.example".to_owned()], &good)),
        ("another site", 403, post(login, &[json_line(), "Sec-Fetch-Site: cross-site".to_owned()], &good)),
        ("no such path", 404, post("/api/v1/auth/nothing", &[json_line()], &good)),
        ("another method", 405, b"GET /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_vec()),
        ("two refresh cookies", 400, post("/api/v1/auth/refresh", &[json_line(), format!("{cookie}; {name}={value}")], &nonce)),
        ("two cookie headers", 400, post("/api/v1/auth/refresh", &[json_line(), cookie.clone(), cookie.clone()], &nonce)),
        ("no cookie", 401, post("/api/v1/auth/refresh", &[json_line()], &nonce)),
        ("two bearers", 401, post("/api/v1/auth/issuetoken/backup", &[bearer.clone(), bearer.clone()], "")),
        ("an operation there is not", 400, post("/api/v1/auth/issuetoken/everything", std::slice::from_ref(&bearer), "")),
        ("a bearer in the query", 401, post(&format!("/api/v1/auth/issuetoken/backup?access_token={}", held.access_token), &[], "")),
        ("not HTTP", 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        ("a length that lies", 400, b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n".to_vec()),
        ("two lengths", 400, b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec()),
    ];
    for (what, status, request) in cases {
        assert_eq!(status_of(&postern, &request), status, "{what}");
    }
    let log = postern.logged();
    assert!(!log.contains("panic"), "{log}");
    for secret in [PASSWORD, value, &held.nonce, &held.access_token] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
    assert!(held.is_good(&postern), "the session outlived it all");
}

/// Every kind of token in every place where one is taken; only its own place takes it.
#[test]
fn each_kind_of_token_is_good_in_its_own_place_only() {
    let (postern, held) = signed_in();
    let link = postern.says(&["signin-link"]);
    let key = postern.says_json(&["access-keys", "create", "k", "--scope", "api"]);
    let operation = postern.send(
        "POST",
        "/api/v1/auth/issuetoken/websocket",
        &[("authorization", &held.bearer())],
        &Value::Null,
    );
    let tokens = [
        ("access token", held.access_token.clone()),
        (
            "access key",
            key.get("Secret")
                .and_then(Value::as_str)
                .expect("shown")
                .to_owned(),
        ),
        ("operation token", operation.text("Token")),
        ("signin token", Postern::token_in(&link)),
        (
            "refresh token",
            held.cookie.split_once('=').expect("a value").1.to_owned(),
        ),
        ("refresh nonce", held.nonce.clone()),
    ];
    let name = held.cookie.split_once('=').expect("a name").0;
    for (kind, token) in &tokens {
        let bearer = format!("Bearer {token}");
        let list = postern.send(
            "GET",
            "/api/v1/sessions",
            &[("authorization", &bearer)],
            &Value::Null,
        );
        let as_bearer = matches!(*kind, "access token" | "access key");
        assert_eq!(list.status, if as_bearer { 200 } else { 401 }, "{kind} as bearer");
        let scheme = format!("Basic {token}");
        let basic = postern.send(
            "GET",
            "/api/v1/sessions",
            &[("authorization", &scheme)],
            &Value::Null,
        );
        assert_eq!(basic.status, 401, "{kind} as basic");
        let login = postern.send("POST", "/api/v1/auth/login", &[], &json!({ "Password": token }));
        assert_eq!(login.status, 401, "{kind} as password");
        if *kind != "refresh token" {
            let cookie = format!("{name}={token}");
            let body = json!({ "Nonce": held.nonce });
            let refresh = postern.send("POST", "/api/v1/auth/refresh", &[("cookie", &cookie)], &body);
            assert_eq!(refresh.status, 401, "{kind} as refresh cookie");
        }
        if *kind != "signin token" {
            let signin = postern.send(
                "POST",
                "/api/v1/auth/signin",
                &[],
                &json!({ "SigninToken": token }),
            );
            assert_eq!(signin.status, 401, "{kind} as signin token");
        }
    }
    let (_, link) = &tokens[3];
    let signin = postern.send(
        "POST",
        "/api/v1/auth/signin",
        &[],
        &json!({ "SigninToken": link }),
    );
    assert!(
        Held::of(&signin).is_good(&postern),
        "control: in its own place it is good"
    );
    assert!(
        held.refresh(&postern).status == 200,
        "control: so is the refresh token"
    );
}
