//! Guessing the access password: ten tries for one address, fifty for the whole world, then a trickle; and its owner is never shut
//! out (threat model, A8).

use std::sync::atomic::{AtomicUsize, Ordering};

use e2e_support::Postern;
use e2e_support::wire::{Reply, exchange_bytes};
use serde_json::{Value, json};

use crate::a_second_factor_is_asked_for::Factor;
use crate::owner::{PASSWORD, set_password};

const WRONG: &str = "not the password, but as long";

/// Trusts a proxy on loopback, so that one test can come from many places.
fn start() -> Postern {
    let postern = Postern::start_with(
        env!("CARGO_BIN_EXE_postern"),
        &[("POSTERN_TRUSTED_PROXIES", "127.0.0.1")],
    );
    set_password(&postern, PASSWORD);
    postern
}

/// The settings that a restart needs too.
fn killed_and_restarted(postern: Postern) -> Postern {
    postern.restarted_with(&[("POSTERN_TRUSTED_PROXIES", "127.0.0.1")])
}

/// One try, as a browser with that cookie makes it.
fn tries(at: &str, path: &str, from: &str, cookie: Option<&str>, password: &str) -> Reply {
    let body = json!({ "Password": password }).to_string();
    let cookie = cookie
        .map(|cookie| format!("Cookie: {cookie}\r\n"))
        .unwrap_or_default();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: application/json\r\nSec-Fetch-Site: same-origin\r\n\
         X-Forwarded-For: {from}\r\n{cookie}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange_bytes(at, request.as_bytes())
}

const LOGIN: &str = "/api/v1/auth/login";

fn signs_in(at: &str, from: &str, cookie: Option<&str>, password: &str) -> Reply {
    tries(at, LOGIN, from, cookie, password)
}

fn device_cookie(reply: &Reply) -> Option<String> {
    reply
        .cookies()
        .into_iter()
        .find(|pair| pair.contains("postern-device"))
}

/// `postern throttle …`, as JSON.
fn throttle(postern: &Postern, what: &str) -> Value {
    postern.says_json(&["throttle", what])
}

fn refusals_on_record(postern: &Postern, bearer: &str) -> usize {
    let path = "/api/v1/audit?kind=PasswordRefused&limit=100";
    let answer = postern.send("GET", path, &[("authorization", bearer)], &Value::Null);
    answer
        .body
        .get("Events")
        .and_then(Value::as_array)
        .expect("events")
        .len()
}

/// ASVS 6.3.1; Vaultwarden CVE-2026-27801, AIL CVE-2026-56450, Runtipi CVE-2026-32729: a path beside the sign-in that was not limited.
#[test]
fn one_address_has_ten_tries_on_all_paths_together() {
    let postern = start();
    let at = postern.address();
    let owner = signs_in(at, "198.51.100.1", None, PASSWORD);
    assert_eq!(owner.status, 200, "{owner:?}");
    let mut checked = 0;
    for round in 0..12 {
        for (path, from) in [
            (LOGIN, "192.0.2.7"),
            // The same address in other clothes: Authelia CVE-2025-24806.
            ("/api/v1/auth/issuesignintoken", "::ffff:192.0.2.7"),
        ] {
            let reply = tries(at, path, from, None, WRONG);
            match reply.status {
                401 => checked += 1,
                429 => {
                    let wait: u64 = reply
                        .header("retry-after")
                        .and_then(|text| text.parse().ok())
                        .expect("seconds");
                    assert!((1..=90).contains(&wait), "{reply:?}");
                }
                _ => panic!("{round} {path}: {reply:?}"),
            }
        }
    }
    assert_eq!(checked, 10);
    // The right password is not tried either; another address's is.
    assert_eq!(signs_in(at, "192.0.2.7", None, PASSWORD).status, 429);
    assert_eq!(signs_in(at, "192.0.2.8", None, PASSWORD).status, 200, "control");
    let network = (0..12).map(|host| signs_in(at, &format!("2001:db8:1:2::{host:x}"), None, WRONG).status);
    assert_eq!(
        network.filter(|status| *status == 401).count(),
        10,
        "a /64 is one subscriber"
    );
    assert!(postern.logged().contains("the access password was refused"));
}

#[test]
fn ten_thousand_addresses_have_fifty_tries_and_the_owner_comes_in_meanwhile() {
    let postern = start();
    let at = postern.address().to_owned();
    let first = signs_in(&at, "198.51.100.1", None, PASSWORD);
    let device = device_cookie(&first).expect("a browser that signed in is known");
    let owners = AtomicUsize::new(0);
    let checked: usize = std::thread::scope(|scope| {
        let guessing: Vec<_> = (0..200)
            .map(|thread| {
                let at = &at;
                scope.spawn(move || {
                    let from = |n: usize| format!("10.{}.{}.{}", thread, n / 256, n % 256);
                    let tries = (0..50).map(|n| signs_in(at, &from(n), None, WRONG).status);
                    tries
                        .filter(|status| match status {
                            401 => true,
                            429 => false,
                            other => panic!("{other}"),
                        })
                        .count()
                })
            })
            .collect();
        scope.spawn(|| {
            for _ in 0..10 {
                // From an address that guesses too.
                let reply = signs_in(&at, "10.0.0.0", Some(&device), PASSWORD);
                owners.fetch_add(usize::from(reply.status == 200), Ordering::Relaxed);
                assert_eq!(device_cookie(&reply), None, "it is known already");
            }
        });
        guessing
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum()
    });
    assert_eq!(owners.into_inner(), 10);
    // The owner's ten right passwords each began a new row.
    assert!((50..=600).contains(&checked), "{checked}");

    // Now without the owner: the row is full, and stays full. Each refusal takes half a second of the thirty that the first wait has.
    let full = (0..60).find(|n| signs_in(&at, &format!("172.16.0.{n}"), None, WRONG).status == 429);
    assert!(full.is_some());
    let stranger = signs_in(&at, "198.51.100.2", None, PASSWORD);
    assert_eq!(stranger.status, 429, "a stranger with the right password");
    let status = throttle(&postern, "status");
    assert!(
        status["WrongInARow"].as_u64().is_some_and(|n| n >= 50),
        "{status}"
    );
    assert!(status["StrangersUntil"].is_string(), "{status}");

    let postern = killed_and_restarted(postern);
    let at = postern.address().to_owned();
    assert_eq!(
        signs_in(&at, "198.51.100.2", None, PASSWORD).status,
        429,
        "after a kill too"
    );
    let forged = format!("{}A", device.get(..device.len() - 1).expect("long"));
    assert_eq!(
        signs_in(&at, "198.51.100.2", Some(&forged), PASSWORD).status,
        429,
        "a forged device"
    );

    // The command line is never shut out.
    let token = Postern::token_in(&postern.says(&["signin-link"]));
    let entered = postern.send(
        "POST",
        "/api/v1/auth/signin",
        &[],
        &json!({ "SigninToken": token }),
    );
    assert_eq!(entered.status, 200, "{}", entered.body);

    throttle(&postern, "clear");
    // The running server forgets too, within a second; a refusal takes half of one.
    let again = (0..4).find(|_| signs_in(&at, "198.51.100.2", None, PASSWORD).status == 200);
    assert!(again.is_some());
    assert_eq!(throttle(&postern, "status")["WrongInARow"], 0);
}

/// What is counted is written down with the refusal: nothing of it is lost with the process.
#[test]
fn a_crash_after_every_guess_gives_no_guess_back() {
    let mut postern = start();
    let mut checked = 0;
    for _ in 0..12 {
        checked += usize::from(signs_in(postern.address(), "192.0.2.7", None, WRONG).status == 401);
        postern = killed_and_restarted(postern);
    }
    assert_eq!(checked, 10);
    let owner = signs_in(postern.address(), "192.0.2.8", None, PASSWORD);
    let token: Value = serde_json::from_str(&owner.body).expect("JSON");
    let bearer = format!("Bearer {}", token["AccessToken"].as_str().expect("a token"));
    assert_eq!(refusals_on_record(&postern, &bearer), 10);
}

/// The current password of a change is a password too, and a device that is known has twenty tries.
#[test]
fn a_stolen_session_and_a_stolen_device_cookie_have_their_limits() {
    let postern = start();
    let at = postern.address();
    let owner = signs_in(at, "198.51.100.1", None, PASSWORD);
    let device = device_cookie(&owner).expect("known");
    let token: Value = serde_json::from_str(&owner.body).expect("JSON");
    let bearer = format!("Bearer {}", token["AccessToken"].as_str().expect("a token"));
    let body = json!({ "CurrentPassword": WRONG, "NewPassword": "another password, long enough" });
    let change = || {
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", "192.0.2.9"),
        ];
        postern.send("PUT", "/api/v1/password", &headers, &body).status
    };
    assert_eq!((0..12).filter(|_| change() == 401).count(), 10);
    // The address has none left; the device has twenty, on all paths together.
    let tried = |path| tries(at, path, "192.0.2.9", Some(&device), WRONG).status == 401;
    assert_eq!(
        (0..5).filter(|_| tried("/api/v1/auth/issuesignintoken")).count(),
        5
    );
    assert_eq!((0..30).filter(|_| tried(LOGIN)).count(), 15);
    assert_eq!(signs_in(at, "192.0.2.9", Some(&device), PASSWORD).status, 429);
}

/// What `deploy/` gives to fail2ban finds every wrong password in a log of this server, in both of its forms, and nothing else.
#[test]
fn fail2ban_finds_who_guesses() {
    for form in ["json", "text"] {
        let environment = [
            ("POSTERN_TRUSTED_PROXIES", "127.0.0.1"),
            ("POSTERN_LOG_FORMAT", form),
            ("POSTERN_LOG", "debug"),
        ];
        let postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &environment);
        set_password(&postern, PASSWORD);
        let at = postern.address();
        let refused = (0..11)
            .map(|_| signs_in(at, "2001:db8::7", None, WRONG).status)
            .collect::<Vec<_>>();
        assert_eq!(refused.iter().filter(|status| **status == 401).count(), 10);
        assert_eq!(signs_in(at, "198.51.100.1", None, PASSWORD).status, 200);
        // A code that is wrong is a guess too.
        let signed_in = signs_in(at, "198.51.100.1", None, PASSWORD);
        let token: Value = serde_json::from_str(&signed_in.body).expect("JSON");
        let bearer = format!("Bearer {}", token["AccessToken"].as_str().expect("a token"));
        let _factor = Factor::on(&postern, &bearer);
        assert_eq!(signs_in(at, "2001:db8:1::7", None, PASSWORD).status, 401);
        let body = json!({ "Password": PASSWORD, "OneTimeCode": "12345" });
        let wrong = postern.send("POST", LOGIN, &[("x-forwarded-for", "2001:db8:1::7")], &body);
        assert_eq!(wrong.status, 401);
        // What a stranger can write into the log looks like a line of it, and is none.
        let fake = "/the%20access%20password%20was%20refused\",\"address\":\"203.0.113.9";
        let _answer = e2e_support::wire::exchange(at, "GET", fake, &[("Host", at), ("User-Agent", fake)]);
        let log = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(log.path(), postern.logged()).expect("written");
        let filter = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../deploy/fail2ban/filter.d/postern.conf"
        );
        let found = std::process::Command::new("fail2ban-regex")
            .args(["--out", "ip"])
            .arg(log.path())
            .arg(filter)
            .output()
            .expect("./test installs fail2ban");
        let found = String::from_utf8(found.stdout).expect("text");
        let addresses: Vec<&str> = found.lines().collect();
        let expected = [&["2001:db8::7"; 11][..], &["2001:db8:1::7"]].concat();
        assert_eq!(addresses, expected, "{form}: {}", postern.logged());
    }
}
