//! Forged requests, straight at the gate, through each proxy and through Postern itself: nobody passes who is not signed in, and who
//! is signed in passes as nobody else. The past vulnerabilities of others are named where they stand.

use e2e_support::proxies::Kind;
use e2e_support::wire::exchange_bytes;

use super::by_hand::{answers, application};
use super::house::{Browser, Front, House, ONE, TWO};

#[path = "../../../crates/server/src/gate/forgeries/mod.rs"]
mod forgeries;

use forgeries::{BROWSER, Forgery, Kind as Trick, Names, Sent, forgeries, request};

/// The names of the house: on the first host `GET /public` is open, everything else is for who is signed in.
const AT_ONE: Names<'_> = Names {
    scheme: "http",
    host: ONE,
    open: "/public",
    kept: "/admin",
    other: Some((TWO, "/")),
};

/// On the second host nothing is open.
const AT_TWO: Names<'_> = Names {
    host: TWO,
    other: Some((ONE, "/public")),
    ..AT_ONE
};

#[test]
fn through_each_proxy_nobody_passes_who_is_not_signed_in() {
    let house = House::start();
    for kind in Front::ALL {
        let doors = house.doors(kind);
        let control = exchange_bytes(&doors.one.address, &request("GET", "/public", ONE, &[]));
        assert_eq!(control.status, 200, "control: an open path, {kind:?}");
        let _ = house.upstream.take();
        nobody_passes(&house, &doors.one.address, &AT_ONE, &format!("{kind:?}"));
        // Postern itself has both hosts at one address: what is open at the first is open there.
        let other = AT_TWO.other.filter(|_| kind != Front::BuiltIn);
        let at_two = Names { other, ..AT_TWO };
        nobody_passes(&house, &doors.two.address, &at_two, &format!("{kind:?}"));
    }
}

/// Sends every forgery to the application of these names through the front at that address.
fn nobody_passes(house: &House, at: &str, names: &Names<'_>, front: &str) {
    let control = exchange_bytes(at, &request("GET", names.kept, names.host, &[]));
    assert_eq!(
        control.status, 302,
        "control: a browser's request, {BROWSER:?}, {front}"
    );
    let all = forgeries(names);
    assert!((150..200).contains(&all.len()), "{}", all.len());
    for Forgery { kind, after, sent } in &all {
        let reply = exchange_bytes(at, &sent.bytes());
        let passed = house.upstream.take();
        let shown: String = format!("{front}, {after}: {sent:?}").chars().take(300).collect();
        assert!(passed.is_empty(), "{shown}: {passed:?}");
        // `OPTIONS *` and hosts that it does not know Caddy answers itself.
        let own = matches!(kind, Trick::Host | Trick::Framing);
        assert!(own || !(200..300).contains(&reply.status), "{shown}: {reply:?}");
    }
}

/// h2c smuggling (CWE-444). The corpus has it too; here is an application that takes it.
#[test]
fn on_an_open_path_no_other_protocol_is_tunnelled_past_the_rules() {
    let (address, told) = application(|head, mut reader| {
        let head = head.to_ascii_lowercase();
        let protocol = head.lines().find_map(|line| line.strip_prefix("upgrade: "));
        let answer = match protocol {
            None => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned(),
            // The key is RFC 6455's own (section 1.3).
            Some(protocol) => format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
            ),
        };
        answers(&mut reader, &answer);
    });
    let house = House::start_before(&address);
    let asks = |at: &str, protocols: &[&str]| {
        let socket = [
            ("Connection", "Upgrade, close"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let protocols = protocols.iter().map(|protocol| ("Upgrade", *protocol));
        let forged: Vec<_> = socket.into_iter().chain(protocols).collect();
        let reply = exchange_bytes(at, &request("GET", "/public", ONE, &forged));
        (reply.status, told.try_iter().collect::<Vec<_>>())
    };
    assert_eq!(
        asks(&address, &["h2c"]).0,
        101,
        "control: the application takes it"
    );
    let untold = house.altered_door(Kind::Nginx, "one", |recipe| {
        let line = "proxy_set_header Upgrade $http_upgrade;";
        recipe.replacen(line, "proxy_set_header Upgrade \"\";", 1)
    });
    let (status, heard) = asks(&untold.address, &["h2c"]);
    assert_eq!((status, heard.len()), (101, 1), "control: Postern is not told");
    for front in Front::ALL {
        let door = house.doors(front).one;
        for protocol in ["websocket", "WebSocket"] {
            let (status, heard) = asks(&door.address, &[protocol]);
            assert_eq!((status, heard.len()), (101, 1), "control: {front:?} {protocol}");
        }
        for protocol in ["h2c", "H2C", "websocket, h2c", "h2c, websocket", "TLS/1.0"] {
            let (status, heard) = asks(&door.address, &[protocol]);
            assert!(
                matches!(status, 400 | 500) && heard.is_empty(),
                "{front:?} {protocol}: {status} {heard:?}"
            );
        }
        // Of two some take the first, and it is all that anybody hears of.
        for doubled in [["websocket", "h2c"], ["h2c", "websocket"]] {
            let (_, heard) = asks(&door.address, &doubled);
            assert!(
                !heard.concat().to_ascii_lowercase().contains("h2c"),
                "{front:?} {doubled:?}: {heard:?}"
            );
        }
    }
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
    for forgery in forgeries(&AT_ONE) {
        let Sent::Request {
            method: "GET",
            target,
            host,
            forged,
        } = &forgery.sent
        else {
            continue;
        };
        let forged: Vec<_> = forged
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let reply = house.asks(host, target, &forged);
        tried += 1;
        assert!(matches!(reply.status, 400 | 401), "{forgery:?}: {reply:?}");
    }
    for host in ["one.test/", "a@one.test", "127.1"] {
        let reply = house.asks(host, "/public", &[]);
        assert!(matches!(reply.status, 400 | 401), "{host}: {reply:?}");
    }
    assert!(tried > 100, "{tried}");
}

/// A site that keeps what it gets, whatever is said of it: the yes to the owner would be everybody's.
#[test]
fn a_yes_is_kept_in_no_cache_of_a_site() {
    let house = House::start();
    let held = house.login();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, off, expected) in [("kept", "", 200), ("not-kept", "proxy_cache off;", 302)] {
        let cache = folder.path().join(name).display().to_string();
        let door = house.altered_door(Kind::Nginx, "one", |recipe| {
            assert_eq!(recipe.matches("proxy_cache off;").count(), 1, "{recipe}");
            let keeps = "proxy_cache kept;\n    proxy_cache_valid 200 1m;\n    proxy_ignore_headers Cache-Control;\n    server_name ";
            let site = recipe
                .replace("proxy_cache off;", off)
                .replacen("server_name ", keeps, 1);
            format!("proxy_cache_path {cache} keys_zone=kept:1m;\n{site}")
        });
        let mut browser = Browser::default();
        let _asked = browser.signs_in(&house, &door.address, ONE, "/", &held);
        assert_eq!(browser.opens(&door.address, ONE, "/").status, 200, "control");
        let stranger = Browser::default().opens(&door.address, ONE, "/");
        assert_eq!(stranger.status, expected, "{name}: {stranger:?}");
    }
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
