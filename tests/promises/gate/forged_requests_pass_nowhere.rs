//! Forged requests, straight at the gate, through each proxy and through Postern itself: nobody passes who is not signed in, and who is signed in passes
//! as nobody else. The past vulnerabilities of others are named where they stand.

use e2e_support::proxies::Kind;
use e2e_support::wire::{exchange, exchange_bytes};

use super::house::{Browser, Front, House, ONE, TWO};

/// Targets that two readers could read differently, or that look like an open path to one of them.
const TARGETS: [&str; 44] = [
    // Authelia CVE-2021-32637: a malformed address was a 200.
    "/%zz",
    "/%",
    "/%2",
    "//",
    "//public",
    "///public",
    "/%00",
    "/public%00",
    "/%ff%fe",
    "/a%c0%af",
    // oauth2-proxy GHSA-pxq7-h93f-9jrg: fragments in paths.
    "/admin%23/public",
    "/admin#/public",
    "/public/..%2fadmin",
    "/public/..;/admin",
    "/public;x=y/../admin",
    "/admin;x=/public",
    "/public/%2e%2e/admin",
    "/public/../admin",
    "/public/./../admin",
    "/public/..",
    "/public/.",
    "/public/%2e%2e%2fadmin",
    "/public%2f..%2fadmin",
    "/public\\..\\admin",
    "/public/..%5cadmin",
    "/public/..%255cadmin",
    "/public%252f..%252fadmin",
    "/%252e%252e/admin",
    "/%2e%2e/public",
    // oauth2-proxy CVE-2025-54576: rules that matched the query.
    "/admin?x=/public",
    "/?/public",
    "/admin?../public",
    "/admin?x=%2fpublic",
    // Traefik CVE-2026-40912: path and raw path apart.
    "/%70ublic",
    "/%50ublic",
    "/p%75blic/x",
    // ingress-nginx #8644, Malcolm #1081: case.
    "/Public",
    "/PUBLIC/x",
    "/publicx",
    "/public.",
    "/xpublic",
    "/.postern-verify",
    "/.postern",
    "/.postern/../admin",
];

/// Headers that a client sends to be somebody else, or elsewhere.
const HEADERS: [&[(&str, &str)]; 58] = [
    // oauth2-proxy CVE-2026-40575: the client's X-Forwarded-Uri matched an open path.
    &[("X-Forwarded-Uri", "/public")],
    &[("X-Forwarded-Uri", "/public"), ("X-Forwarded-Uri", "/public")],
    &[("X-Forwarded-Method", "GET")],
    &[("X-Forwarded-Method", "OPTIONS")],
    &[("X-Forwarded-Host", "evil.example")],
    &[("X-Forwarded-Host", "one.test, evil.example")],
    &[("X-Forwarded-Host", "127.0.0.1")],
    &[("X-Forwarded-Proto", "https")],
    &[("X-Original-URL", "http://one.test/public")],
    &[("X-Original-URL", "/public")],
    &[
        ("X-Original-URL", "http://one.test/public"),
        ("X-Original-Method", "GET"),
    ],
    &[("X-Original-URI", "/public")],
    &[("X-Original-Method", "GET")],
    &[("X-Rewrite-URL", "/public")],
    &[("Forwarded", "for=127.0.0.1;host=one.test;proto=https")],
    // authentik CVE-2023-36456: the client's own address.
    &[("X-Forwarded-For", "127.0.0.1")],
    &[("X-Real-IP", "127.0.0.1")],
    &[("X-Forwarded-For", "127.0.0.1, 127.0.0.1")],
    &[("True-Client-IP", "127.0.0.1")],
    &[("CF-Connecting-IP", "127.0.0.1")],
    // Identity, plain and with underscores: oauth2-proxy CVE-2025-64484, Traefik CVE-2026-39858, Caddy CVE-2026-52845.
    &[("Remote-User", "admin")],
    &[("Remote_User", "admin")],
    &[("REMOTE_USER", "admin")],
    &[("X-Remote-User", "admin")],
    &[("X-Forwarded-User", "admin")],
    &[("X_Forwarded_User", "admin")],
    &[("Postern-Session", "0123456789abcdef0123456789abcdef")],
    &[("Postern_Session", "x")],
    &[("Postern-Assertion", "a.b.c")],
    &[("Postern_Assertion", "a.b.c")],
    &[("X_Forwarded_Uri", "/public")],
    &[("X-Forwarded_Uri", "/public")],
    &[("X_Original_URL", "http://one.test/public")],
    &[("X_Forwarded_Host", "evil.example")],
    &[("X_Api_Key", "x")],
    // Traefik CVE-2024-45410, Fabio CVE-2025-48865: headers taken away hop by hop.
    &[("Connection", "close, X-Forwarded-Host")],
    &[("Connection", "close, X-Forwarded-Uri, X-Forwarded-Method")],
    &[("Connection", "close, Remote-User")],
    &[("Connection", "close, X-Original-URL")],
    // Traefik GHSA-6384-m2mw-rf54.
    &[("X-Forwarded-Prefix", "/public")],
    // oauth2-proxy GHSA-5hvv-m4w4-gf6v: a health check's user agent.
    &[("User-Agent", "GoogleHC/1.0")],
    &[("User-Agent", "kube-probe/1.30")],
    &[("User-Agent", "ELB-HealthChecker/2.0")],
    // Authelia #8519, authentik CVE-2026-25748: malformed credentials.
    &[("Authorization", "Basic")],
    &[("Authorization", "Basic %%%")],
    &[("Authorization", "Bearer")],
    &[("Authorization", "Bearer pst_ak_")],
    &[("Authorization", "Basic YWRtaW46YWRtaW4=")],
    &[("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
    &[("X-Api-Key", "pst_ak_000000000000_AAAA")],
    &[("Cookie", "postern-gate=")],
    &[("Cookie", "postern-gate=x.y")],
    &[("Cookie", "postern-gate")],
    &[("Cookie", "postern-gate=\"\"; postern-gate=\"\"")],
    &[("Cookie", "$Version=1; postern-gate=x")],
    &[("Cookie", "=postern-gate=x")],
    &[("Upgrade", "websocket"), ("Connection", "upgrade, close")],
    &[("Content-Length", "0"), ("Expect", "100-continue")],
];

#[test]
fn through_each_proxy_nobody_passes_who_is_not_signed_in() {
    let house = House::start();
    for kind in Front::ALL {
        let doors = house.doors(kind);
        let at = doors.one.address.as_str();
        let control = exchange(at, "GET", "/public", &[("Host", ONE)]);
        assert_eq!(control.status, 200, "control: an open path, {kind:?}");
        let _ = house.upstream.take();
        let mut tried = 0;
        for target in TARGETS {
            for method in ["GET", "POST"] {
                let headers = [("Host", ONE), ("Content-Length", "0")];
                let reply = exchange(at, method, target, &headers);
                tried += 1;
                let passed = house.upstream.take();
                assert!(passed.is_empty(), "{kind:?} {method} {target}: {passed:?}");
                assert!(
                    !(200..300).contains(&reply.status),
                    "{kind:?} {method} {target}: {reply:?}"
                );
            }
        }
        for headers in HEADERS {
            let all: Vec<_> = [("Host", ONE)].iter().chain(headers).copied().collect();
            let reply = exchange(at, "GET", "/admin", &all);
            tried += 1;
            let passed = house.upstream.take();
            assert!(passed.is_empty(), "{kind:?} {headers:?}: {passed:?}");
            assert!(
                !(200..300).contains(&reply.status),
                "{kind:?} {headers:?}: {reply:?}"
            );
        }
        for host in [
            TWO,
            "evil.example",
            "one.test.evil.example",
            "127.0.0.1",
            "",
            "one.test, two",
            "one.test:81",
        ] {
            let reply = exchange(at, "GET", "/public", &[("Host", host)]);
            tried += 1;
            let passed = house.upstream.take();
            assert!(passed.is_empty(), "{kind:?} {host}: {passed:?}");
            assert!(
                !(200..300).contains(&reply.status) || kind == Front::from(Kind::Caddy),
                "{kind:?} {host}: {reply:?}"
            );
        }
        for raw in raw_requests() {
            // `OPTIONS *` Caddy answers itself.
            let _reply = exchange_bytes(at, &raw);
            tried += 1;
            let passed = house.upstream.take();
            let text = String::from_utf8_lossy(&raw)
                .chars()
                .take(200)
                .collect::<String>();
            assert!(passed.is_empty(), "{kind:?} {text}: {passed:?}");
        }
        assert!(tried >= 150, "{tried}");
    }
}

/// Requests that no client sends: framing, line ends, versions.
fn raw_requests() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "GET /admin HTTP/1.1\r\nHost: one.test\r\nHost: one.test\r\nConnection: close\r\n\r\n",
        "GET http://one.test/admin HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/admin HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n",
        "GET /admin HTTP/1.0\r\n\r\n",
        "GET /admin HTTP/1.1\r\nHost: one.test\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
        "POST /admin HTTP/1.1\r\nHost: one.test\r\nTransfer-Encoding: chunked, identity\r\nConnection: close\r\n\r\n0\r\n\r\n",
        "POST /admin HTTP/1.1\r\nHost: one.test\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
        "GET /admin HTTP/1.1\r\nHost: one.test\r\nX-Forwarded-Uri : /public\r\nConnection: close\r\n\r\n",
        "GET /admin HTTP/1.1\r\nHost: one.test\r\nX-A: b\r\n X-Forwarded-Uri: /public\r\nConnection: close\r\n\r\n",
        "GET /admin HTTP/1.1\nHost: one.test\nConnection: close\n\n",
        "OPTIONS * HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n",
        "CONNECT one.test:80 HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n",
        "TRACE /public HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n",
        "get /public HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    // 64 KiB of path; bytes that are no text.
    let long = format!(
        "GET /{} HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n",
        "a".repeat(65_536)
    );
    all.push(long.into_bytes());
    let mut odd = b"GET /\xff\xfe HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n".to_vec();
    all.push(odd.clone());
    odd = b"GET /admin HTTP/1.1\r\nHost: one.test\r\nX-Forwarded-Uri: /pub\0lic\r\nConnection: close\r\n\r\n"
        .to_vec();
    all.push(odd);
    all
}

#[test]
fn straight_at_the_gate_a_forgery_gets_400_or_401_and_an_open_path_nothing_more() {
    let house = House::start();
    let control = house.asks(ONE, "/public", &[]);
    assert_eq!(control.status, 200);
    for name in ["remote-user", "postern-session", "postern-assertion"] {
        assert!(
            control.header(name).is_some_and(|value| !value.is_empty()),
            "{name}"
        );
    }
    let mut tried = 0;
    for target in TARGETS {
        let reply = house.asks(ONE, target, &[]);
        tried += 1;
        assert!(matches!(reply.status, 400 | 401), "{target}: {reply:?}");
    }
    for headers in HEADERS {
        let reply = house.asks(ONE, "/admin", headers);
        tried += 1;
        assert!(matches!(reply.status, 400 | 401), "{headers:?}: {reply:?}");
    }
    for host in [
        "",
        "ONE.test.evil.example",
        "one.test:81",
        "evil.example",
        "one.test/",
        "a@one.test",
        "127.1",
    ] {
        let reply = house.asks(host, "/public", &[]);
        tried += 1;
        assert!(matches!(reply.status, 400 | 401), "{host}: {reply:?}");
    }
    assert!(tried > 100, "{tried}");
}

/// authentik CVE-2023-36456, tinyauth's and others: whoever is not listed is refused, whatever it says and shows.
#[test]
fn a_proxy_that_is_not_listed_is_never_believed() {
    let house = House::start_trusting("\"10.0.0.0/8\", \"192.0.2.1\"");
    let listed = House::start();
    for (target, cookie) in [("/public", None), ("/", None), ("/", Some("postern-gate=x.y"))] {
        let headers: Vec<_> = cookie.iter().map(|cookie| ("Cookie", *cookie)).collect();
        assert_eq!(house.asks(ONE, target, &headers).status, 401, "{target}");
    }
    assert_eq!(listed.asks(ONE, "/public", &[]).status, 200, "control");
    assert!(house.postern.logged().contains("trusted_proxies"));
}

/// oauth2-proxy GHSA-5hvv-m4w4-gf6v, as a property: headers that are no credential change no answer.
#[test]
fn two_hundred_more_headers_change_no_decision() {
    let house = House::start();
    let held = house.login();
    let doors = house.doors(Kind::Nginx);
    let mut browser = Browser::default();
    let _asked = browser.signs_in(&house, &doors.one.address, ONE, "/", &held);
    let gate = browser.cookies(ONE);
    let mut state = 1_u64;
    let mut random = move || {
        // Knuth's MMIX generator: what is tried is the same in every run.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let known = [
        "User-Agent",
        "Referer",
        "Origin",
        "DNT",
        "Via",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "Range",
        "From",
    ];
    for (target, cookie, expected) in [
        ("/", Some(&gate), 200),
        ("/", None, 401),
        ("/public", None, 200),
        ("/closed", Some(&gate), 401),
    ] {
        for _ in 0..50 {
            let name = match known.get(usize::try_from(random() % 20).expect("small")) {
                Some(name) => (*name).to_owned(),
                None => format!("X-{:x}", random()),
            };
            let value = format!("{:x}", random());
            let mut headers = vec![(name.as_str(), value.as_str())];
            headers.extend(cookie.map(|cookie| ("Cookie", cookie.as_str())));
            assert_eq!(
                house.asks(ONE, target, &headers).status,
                expected,
                "{target} {name}: {value}"
            );
        }
    }
}
