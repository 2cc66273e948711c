//! An evil application replays everything it received: at the sign-in host, at another application, after the sign-out.

use e2e_support::wire::{Upstream, exchange, parse};
use serde_json::{Value, json};

use crate::certificates::Client;
use crate::owner::PASSWORD;

use super::house::{Browser, Front, House, ONE, TWO};

#[test]
fn whatever_it_replays_opens_nothing() {
    for kind in Front::ALL {
        let house = House::start();
        let doors = house.doors(kind);
        let held = house.login();
        let mut browser = Browser::default();
        let _asked = browser.signs_in(&house, &doors.one.address, ONE, "/", &held);
        // The browser's other cookies of this host, and ones of the sign-in host as if they had strayed here.
        let gate = browser.cookies(ONE);
        let everything = format!("own=1; {gate}; {}", held.cookie);
        let sent = [("Host", ONE), ("Cookie", everything.as_str())];
        assert_eq!(exchange(&doors.one.address, "GET", "/", &sent).status, 200);
        let received = house.upstream.take();
        let received = received.first().expect("one");
        assert_eq!(received.one("cookie"), "own=1", "{kind:?}");

        let assertion = received.one("postern-assertion").to_owned();
        let session = received.one("postern-session").to_owned();
        let mut spoils: Vec<(String, String)> = received
            .headers
            .iter()
            // What an honest refusal could be about: an evil one leaves it out.
            .filter(|(name, _)| !matches!(name.as_str(), "host" | "connection" | "via"))
            .cloned()
            .collect();
        spoils.push(("authorization".to_owned(), format!("Bearer {assertion}")));
        let replay = |target: &str, at: &str, host: &str| {
            let mut headers = vec![("Host", host)];
            headers.extend(spoils.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            exchange(at, "GET", target, &headers).status
        };
        let postern = house.postern.address();
        assert_eq!(replay("/api/v1/sessions", postern, postern), 401);
        assert_ne!(replay("/", &doors.two.address, TWO), 200);
        assert_ne!(replay("/", &doors.one.address, ONE), 200, "not even here");
        for value in [&assertion, &session] {
            for name in ["postern-gate", "__Host-postern-gate", "__Host-postern-refresh"] {
                let cookie = format!("{name}={value}");
                assert_ne!(
                    house.asks(ONE, "/", &[("Cookie", &cookie)]).status,
                    200,
                    "{cookie}"
                );
                assert_ne!(
                    house.asks(TWO, "/", &[("Cookie", &cookie)]).status,
                    200,
                    "{cookie}"
                );
            }
        }
        // The cookie itself, if the application got it all the same (an own proxy without the recipe): good here alone.
        let stolen = [("Cookie", gate.as_str())];
        assert_eq!(house.asks(ONE, "/", &stolen).status, 200, "control");
        assert_ne!(house.asks(TWO, "/", &stolen).status, 200);
        let as_refresh = house.postern.send(
            "POST",
            "/api/v1/auth/refresh",
            &[("cookie", &gate.replace("postern-gate", "__Host-postern-refresh"))],
            &Value::Null,
        );
        assert_eq!(as_refresh.status, 401);
        house.sign_out(&held);
        assert_ne!(house.asks(ONE, "/", &stolen).status, 200, "after the sign-out");
        assert!(house.upstream.take().is_empty());
    }
}

/// tinyauth CVE-2026-32245, Vaultwarden CVE-2026-47158: a code that is good in another browser.
#[test]
fn a_code_works_once_and_only_in_the_browser_that_was_challenged() {
    let house = House::start();
    let held = house.login();
    let code = |browser: &mut Browser| {
        let challenge = house.asks(ONE, "/", &[("Accept", "text/html")]);
        browser.keep(ONE, &challenge);
        let location = challenge.header("location").expect("a location");
        let (_, state) = location.split_once("&state=").expect("a state");
        let body = json!({ "To": format!("http://{ONE}/"), "State": state });
        let bearer = held.bearer();
        let answer = house.postern.send(
            "POST",
            "/api/v1/gate/handoff",
            &[("authorization", &bearer)],
            &body,
        );
        let way = answer.text("Location");
        way.strip_prefix(&format!("http://{ONE}"))
            .expect("its own host")
            .to_owned()
    };
    let postern = house.postern.address();
    let (mut victim, mut thief) = (Browser::default(), Browser::default());
    let _own = code(&mut thief);
    let stolen = code(&mut victim);
    assert_eq!(thief.opens(postern, ONE, &stolen).status, 400, "another browser");
    assert_eq!(
        victim.opens(postern, ONE, &stolen).status,
        400,
        "spent by the theft"
    );
    let fresh = code(&mut victim);
    let cookies = victim.cookies(ONE);
    let fields = [("Host", ONE), ("Cookie", cookies.as_str())];
    assert_eq!(
        exchange(postern, "HEAD", &fresh, &fields).status,
        405,
        "a HEAD spends nothing"
    );
    assert_eq!(victim.opens(postern, TWO, &fresh).status, 400, "another host");
    let fresh = code(&mut victim);
    assert_eq!(victim.opens(postern, ONE, &fresh).status, 302, "control");
    assert_eq!(victim.opens(postern, ONE, &fresh).status, 400, "a second time");
}

/// Authelia CVE-2021-29456, oauth2-proxy CVE-2020-4037 and CVE-2020-5233, Hydra CVE-2020-15234: the redirect corpus.
#[test]
fn a_browser_is_sent_to_configured_applications_only() {
    let house = House::start();
    let held = house.login();
    let bearer = held.bearer();
    let state = "A".repeat(43);
    let hand_off = |to: &str| {
        let body = json!({ "To": to, "State": state });
        house.postern.send(
            "POST",
            "/api/v1/gate/handoff",
            &[("authorization", &bearer)],
            &body,
        )
    };
    assert_eq!(
        hand_off("http://one.test/x?y=http://evil.example/").status,
        200,
        "control"
    );
    for to in [
        "",
        "/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        " http://one.test/",
        "http://one.test/ ",
        "https:evil.example",
        "https:///evil.example",
        "http:/one.test/",
        "http:one.test/",
        "http://one.test",
        "http://evil.example/",
        "http://one.test.evil.example/",
        "http://evil.example/one.test/",
        "http://evil.example?http://one.test/",
        "http://evil.example#http://one.test/",
        "http://evil.example\\@one.test/",
        "http://one.test@evil.example/",
        "http://evil.example@one.test/",
        "http://one.test:81/",
        "http://one.test:80:80/",
        "http://one.test:@evil.example/",
        "http://one.test%2f@evil.example/",
        "http://one.test\u{3002}evil.example/",
        "http://\u{ff4f}ne.test/",
        "http://one.test\\/",
        "http://one.test/\\evil.example",
        "http://one.test//evil.example",
        "http://one.test/../x",
        "http://one.test/%2e%2e/x",
        "http://one.test/\r\nSet-Cookie: a=b",
        "http://one.test/%0d%0aSet-Cookie:%20a=b",
        "http://one.test/#x",
        "HTTP://one.test/",
        "javascript:alert(1)//http://one.test/",
        "data:text/html,x",
        "ftp://one.test/",
        "ws://one.test/",
        "http://127.0.0.1/",
        "http://[::1]/",
    ] {
        let answer = hand_off(to);
        assert_eq!(answer.status, 400, "{to:?} {}", answer.body);
    }
    let encoded = "/gate/handoff?to=http%3A%2F%2Fevil.example%2F&state=";
    let page = exchange(
        house.postern.address(),
        "GET",
        &format!("{encoded}{state}"),
        &[("Host", house.postern.address())],
    );
    assert_eq!(page.status, 400);
}

/// Whoever is on the way has a code that goes in clear text, and with a state of their own from the application's TLS it would let
/// them in there.
#[test]
fn under_tls_no_code_goes_to_an_application_in_clear_text() {
    let own = [("POSTERN_TLS_SELF_SIGNED", "true")];
    let upstream = Upstream::start();
    let house = House::start_before_with(&upstream.address, "", &own);
    let exported = house.postern.run_with(&["tls", "export-ca"], &own);
    let client = Client::trusting(&String::from_utf8(exported.stdout).expect("text"));
    let here = house.postern.address();
    let asks = |method: &str, host: &str, target: &str, fields: &[(&str, &str)], body: &str| {
        let length = body.len().to_string();
        let own = [
            ("Host", host),
            ("Connection", "close"),
            ("Content-Type", "application/json"),
            ("Content-Length", length.as_str()),
        ];
        let fields: String = own
            .iter()
            .chain(fields)
            .map(|(name, value)| [name, ": ", value, "\r\n"].concat())
            .collect();
        let request = format!("{method} {target} HTTP/1.1\r\n{fields}\r\n{body}");
        let name = host.split(':').next().unwrap_or_default();
        parse(
            client
                .send(here, name, &request)
                .expect("trusted")
                .text
                .as_bytes(),
        )
    };
    let text = |body: &str, name: &str| {
        let body: Value = serde_json::from_str(body).expect("JSON");
        body[name].as_str().expect(name).to_owned()
    };
    let password = json!({ "Password": PASSWORD }).to_string();
    let signed_in = asks("POST", here, "/api/v1/auth/login", &[], &password);
    let bearer = format!("Bearer {}", text(&signed_in.body, "AccessToken"));

    let challenge = asks("GET", ONE, "/", &[("Accept", "text/html")], "");
    let location = challenge.header("location").expect("a location");
    let (_, state) = location.split_once("&state=").expect("a state");
    let hand_off = |to: &str| {
        let body = json!({ "To": to, "State": state }).to_string();
        let credential = [("Authorization", bearer.as_str())];
        asks("POST", here, "/api/v1/gate/handoff", &credential, &body)
    };
    let good = hand_off("https://one.test/");
    assert_eq!(good.status, 200, "control");
    assert_eq!(hand_off("http://one.test/").status, 400);
    // Who is known is sent on without a question.
    let known = good.cookies().concat();
    let opens = |to: &str| {
        let target = format!("/gate/handoff?to={to}&state={state}");
        asks("GET", here, &target, &[("Cookie", &known)], "").status
    };
    assert_eq!(opens("https%3A%2F%2Fone.test%2F"), 302, "control");
    assert_eq!(opens("http%3A%2F%2Fone.test%2F"), 400);

    let accept = text(&good.body, "Location");
    let accept = accept.strip_prefix("https://one.test").expect("its own host");
    let comes_with = |cookie: &str| asks("GET", ONE, accept, &[("Cookie", cookie)], "").status;
    let of_tls = challenge.cookies().concat();
    let plain = of_tls.strip_prefix("__Host-").expect("a cookie of TLS");
    assert_eq!(comes_with(plain), 400, "a state of plain HTTP");
    assert_eq!(comes_with(&of_tls), 302, "control: that spent nothing");
}
