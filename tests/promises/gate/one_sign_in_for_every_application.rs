//! One sign-in, two root domains, no shared cookie; one sign-out closes both.

use e2e_support::proxies::Kind;
use e2e_support::wire::{Reply, Upstream, exchange};
use serde_json::{Value, json};

use super::house::{Browser, Doors, Front, House, ONE, TWO};

#[test]
fn behind_nginx() {
    round_trip(Kind::Nginx);
}

#[test]
fn behind_caddy() {
    round_trip(Kind::Caddy);
}

#[test]
fn behind_haproxy() {
    round_trip(Kind::Haproxy);
}

fn round_trip(kind: Kind) {
    let house = House::start();
    let doors = house.doors(kind);
    let held = house.login();
    let mut browser = Browser::default();

    let asked = browser.signs_in(&house, &doors.one.address, ONE, "/there?x=%20y", &held);
    assert!(asked, "nobody was known yet");
    let inside = browser.opens(&doors.one.address, ONE, "/there?x=%20y");
    assert_eq!(
        (inside.status, inside.body.as_str()),
        (200, "the upstream"),
        "{inside:?}"
    );
    let received = house.upstream.take();
    assert_eq!(received.len(), 1, "{received:?}");
    let received = received.first().expect("one");
    assert!(
        received.line.starts_with("GET /there?x=%20y "),
        "{}",
        received.line
    );
    assert_eq!(received.one("remote-user"), "admin");
    assert_eq!(received.one("postern-session").len(), 32);
    assert_eq!(received.one("postern-assertion").split('.').count(), 3);
    // What the gate says to the proxy of keeping its answer is for the proxy.
    assert_eq!(inside.header("cache-control"), None);
    assert!(received.all("cache-control").is_empty(), "{received:?}");
    assert!(
        received.all("cookie").iter().all(|field| field.is_empty()),
        "{received:?}"
    );

    let asked = browser.signs_in(&house, &doors.two.address, TWO, "/", &held);
    assert!(!asked, "signed in already: no question");
    assert_eq!(browser.opens(&doors.two.address, TWO, "/").status, 200);
    let received = house.upstream.take();
    let received = received.first().expect("one");
    assert_eq!(received.one("remote-user"), "admin");
    assert_eq!(received.one("x-upstream-token"), "Token canary of the upstream");
    for name in ["postern-assertion", "postern-session"] {
        assert!(
            received.all(name).iter().all(|field| field.is_empty()),
            "{name} was not asked for"
        );
    }

    closed_and_open_paths(&house, &doors, &mut browser);
    paths_that_could_be_read_in_two_ways(&house, &doors, &mut browser);
    scripts_and_sockets_get_401(&doors);

    let house = house.killed_and_restarted();
    assert_eq!(
        browser.opens(&doors.one.address, ONE, "/").status,
        200,
        "after a restart"
    );
    house.sign_out(&held);
    for (door, host) in [(&doors.one, ONE), (&doors.two, TWO)] {
        let out = browser.opens(&door.address, host, "/");
        assert_eq!(out.status, 302, "{host} is still open after the sign-out");
    }
    let _ = house.upstream.take();
    assert!(house.upstream.take().is_empty());
}

fn closed_and_open_paths(house: &House, doors: &Doors, browser: &mut Browser) {
    let _ = house.upstream.take();
    let closed = browser.opens(&doors.one.address, ONE, "/closed/x");
    assert_eq!(closed.status, 401, "closed to the owner too");
    let forged = [
        ("Host", ONE),
        ("Remote-User", "root"),
        ("Postern-Session", "forged"),
        ("Postern-Assertion", "a.b.c"),
    ];
    let open = exchange(&doors.one.address, "GET", "/public/x", &forged);
    assert_eq!(open.status, 200, "{open:?}");
    let received = house.upstream.take();
    let received = received.first().expect("one");
    assert_eq!(received.one("remote-user"), "anonymous");
    assert_eq!(received.one("postern-session"), "none");
    assert_eq!(received.one("postern-assertion"), "none");
    let signed_in = browser.opens(&doors.one.address, ONE, "/public/x");
    assert_eq!(signed_in.status, 200);
    assert_eq!(
        house.upstream.take().first().expect("one").one("remote-user"),
        "admin"
    );
}

/// They pass where nothing depends on the reading, as they came: the second application has no closed path, the first has one.
fn paths_that_could_be_read_in_two_ways(house: &House, doors: &Doors, browser: &mut Browser) {
    for target in [
        "/projects/group%2Fname",
        "/a//b",
        "/a;x=1/b",
        "/what%3f",
        "/100%2525",
    ] {
        let inside = browser.opens(&doors.two.address, TWO, target);
        let received = house.upstream.take();
        let lines: Vec<_> = received.iter().map(|received| received.line.as_str()).collect();
        assert_eq!(
            (inside.status, lines),
            (200, vec![format!("GET {target} HTTP/1.1").as_str()]),
            "{target}"
        );
        for reply in [
            browser.opens(&doors.one.address, ONE, target),
            exchange(&doors.two.address, "GET", target, &[("Host", TWO)]),
        ] {
            let received = house.upstream.take();
            assert!(
                received.is_empty() && reply.status >= 400,
                "{target} {reply:?} {received:?}"
            );
        }
    }
    for target in [
        "//.postern/accept?code=x",
        "/%2epostern/accept?code=x",
        "/.postern%2faccept?code=x",
        "/x/..%2f.postern/accept",
    ] {
        let reply = browser.opens(&doors.two.address, TWO, target);
        let received = house.upstream.take();
        assert!(
            received.is_empty() && reply.status >= 400,
            "{target} {reply:?} {received:?}"
        );
    }
}

fn scripts_and_sockets_get_401(doors: &Doors) {
    let one = |headers: &[(&str, &str)]| -> Reply {
        let all: Vec<_> = [("Host", ONE)].iter().chain(headers).copied().collect();
        exchange(&doors.one.address, "GET", "/", &all)
    };
    for headers in [
        &[][..],
        &[("Accept", "application/json")],
        &[("Sec-Fetch-Mode", "cors"), ("Accept", "text/html")],
        &[("Accept", "text/html"), ("X-Requested-With", "XMLHttpRequest")],
        &[
            ("Accept", "text/html"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade, close"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ],
    ] {
        let reply = one(headers);
        assert_eq!(reply.status, 401, "{headers:?} {reply:?}");
        assert!(reply.cookies().is_empty() && reply.header("location").is_none());
    }
    let post = exchange(
        &doors.one.address,
        "POST",
        "/",
        &[("Host", ONE), ("Accept", "text/html"), ("Content-Length", "0")],
    );
    assert_eq!(post.status, 401, "{post:?}");
}

#[test]
fn what_an_application_is_given_comes_with_visitors_and_with_no_stranger() {
    let upstream = Upstream::start();
    let given = r#"headers = { Authorization = "Bearer {secret.two}", X-Upstream-User = "owner" }"#;
    let house = House::start_before_with(&upstream.address, given, &[]);
    let held = house.login();
    for front in Front::ALL {
        let door = house.doors(front).one;
        let mut browser = Browser::default();
        let _asked = browser.signs_in(&house, &door.address, ONE, "/", &held);
        assert_eq!(browser.opens(&door.address, ONE, "/public").status, 200);
        let received = upstream.take();
        let received = received.first().expect("one");
        assert_eq!(received.one("authorization"), "Bearer canary of the upstream");
        assert_eq!(received.one("x-upstream-user"), "owner");

        let own = [
            ("Host", ONE),
            ("Authorization", "Bearer forged"),
            ("X-Upstream-User", "owner"),
        ];
        for fields in [&own[..1], &own] {
            let reply = exchange(&door.address, "GET", "/public", fields);
            assert_eq!(reply.status, 200, "{front:?} {reply:?}");
            let received = upstream.take();
            let received = received.first().expect("one");
            assert_eq!(received.one("remote-user"), "anonymous");
            for name in ["authorization", "x-upstream-user"] {
                assert!(
                    received.all(name).iter().all(|field| field.is_empty()),
                    "{front:?} {fields:?}: {received:?}"
                );
            }
        }
        // The same to CGI; nginx takes it away by itself.
        let twin = [("Host", ONE), ("X_Upstream_User", "owner")];
        let reply = exchange(&door.address, "GET", "/public", &twin);
        let received = upstream.take();
        assert!(
            !format!("{received:?}").contains("owner"),
            "{front:?} {reply:?} {received:?}"
        );
    }
}

/// Traefik by its documentation; and what `302` and `401` carry.
#[test]
fn behind_a_proxy_that_hands_the_answer_on() {
    let house = House::start();
    let page = [("Accept", "text/html")];
    let challenge = house.asks(ONE, "/there", &page);
    assert_eq!(challenge.status, 302);
    let location = challenge.header("location").expect("a location");
    let expected = format!(
        "{}/gate/handoff?to=http%3A%2F%2F{ONE}%2Fthere&state=",
        house.postern.base
    );
    assert!(location.starts_with(&expected), "{location}");
    assert_eq!(challenge.cookies().len(), 1);
    // A second tab keeps the state, or only one of the two would arrive.
    let cookie = challenge.cookies().concat();
    let again = house.asks(ONE, "/other", &[page[0], ("Cookie", &cookie)]);
    assert_eq!(again.cookies(), [cookie]);
    let script = house.asks(ONE, "/there", &[]);
    assert_eq!(script.status, 401);
    assert!(script.body.len() < 4096 && script.header("content-length").is_some());
    assert!(
        script
            .header("www-authenticate")
            .is_some_and(|offer| offer.starts_with("Basic"))
    );
    let in_a_browser = house.asks(ONE, "/", &[("Sec-Fetch-Mode", "cors")]);
    assert_eq!(
        in_a_browser.header("www-authenticate"),
        Some("Bearer"),
        "no dialog"
    );
    for method in ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let headers = [
            ("Host", house.postern.address()),
            ("Origin", "http://elsewhere.example"),
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", ONE),
            ("X-Forwarded-Uri", "/"),
            ("Content-Length", "0"),
        ];
        let answer = exchange(house.postern.address(), method, "/gate/verify", &headers);
        assert_eq!(answer.status, 401, "{method}");
    }
}

#[test]
fn on_an_applications_host_nothing_of_the_sign_in_host_answers() {
    let house = House::start();
    for target in [
        "/",
        "/signin",
        "/health",
        "/api/v1/sessions",
        "/gate/verify",
        "/gate/handoff",
    ] {
        // All of it is the application's, where nobody is signed in yet.
        let reply = exchange(house.postern.address(), "GET", target, &[("Host", ONE)]);
        assert_eq!(reply.status, 401, "{target}");
        assert!(reply.body.contains("sign in first"), "{target}: {}", reply.body);
    }
    let reply = exchange(house.postern.address(), "GET", "/.postern/", &[("Host", ONE)]);
    assert_eq!(reply.status, 404);
    let reply = exchange(
        house.postern.address(),
        "GET",
        "/.postern/accept",
        &[("Host", house.postern.address())],
    );
    assert_eq!(reply.status, 404, "and the other way round");
    let login = house.postern.send(
        "POST",
        "/api/v1/auth/login",
        &[("host", ONE)],
        &serde_json::json!({ "Password": crate::owner::PASSWORD }),
    );
    assert_eq!(
        (login.status, login.text("Error")),
        (401, "sign in first".to_owned())
    );
    assert!(login.cookie.is_none());
    assert!(house.upstream.take().is_empty());
    let bare = house.postern.send("GET", "/health", &[], &Value::Null);
    assert_eq!(bare.status, 200, "control");
}

#[test]
fn the_owner_is_told_of_the_applications_and_nobody_of_their_secrets() {
    let house = House::start();
    let held = house.login();
    let bearer = held.bearer();
    let list = |fields: &[(&str, &str)]| {
        house
            .postern
            .send("GET", "/api/v1/applications", fields, &Value::Null)
    };
    let answer = list(&[("authorization", &bearer)]);
    assert_eq!(answer.status, 200);
    let upstream = format!("http://{}", house.upstream.address);
    assert_eq!(
        answer.body,
        json!({"Applications": [
            {
                "Name": "one", "Addresses": [format!("http://{ONE}/")], "Upstream": upstream,
                "Open": ["GET /public"], "Closed": ["/closed"],
                "Identity": ["Remote-User", "Postern-Session", "Postern-Assertion"], "Headers": []
            },
            {
                "Name": "two", "Addresses": [format!("http://{TWO}/")], "Upstream": upstream,
                "Open": [], "Closed": [], "Identity": ["Remote-User"], "Headers": ["x-upstream-token"]
            },
        ]})
    );
    assert_eq!(list(&[]).status, 401);
}
