//! Access keys at the gate: within their scope, taken away before the application; its own credentials pass.

use data_encoding::BASE64;
use e2e_support::wire::exchange;

use super::house::{Front, House, ONE, TWO};

fn key(house: &House, name: &str, scope: &str) -> String {
    let made = house
        .postern
        .says_json(&["access-keys", "create", name, "--scope", scope]);
    made.get("Secret")
        .and_then(|secret| secret.as_str())
        .expect("a secret")
        .to_owned()
}

fn basic(password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("any:{password}").as_bytes()))
}

#[test]
fn behind_each_proxy_and_postern_itself() {
    let house = House::start();
    let api = key(&house, "api", "api");
    let gate = key(&house, "gate", "gate:one.test/api:GET,POST");
    let (bearer, with_name) = (format!("Bearer {gate}"), basic(&gate));
    // The shell made both keys, the one after the other: when the server knows the second, it knows the first.
    while house.asks(ONE, "/api/x", &[("Authorization", &bearer)]).status != 200 {}
    for kind in Front::ALL {
        let doors = house.doors(kind);
        let _ = house.upstream.take();
        let sends = |target: &str, headers: &[(&str, &str)]| {
            let all: Vec<_> = [("Host", ONE)].iter().chain(headers).copied().collect();
            exchange(&doors.one.address, "GET", target, &all).status
        };
        for headers in [
            &[("Authorization", bearer.as_str())][..],
            &[("Authorization", with_name.as_str())],
            &[("X-Api-Key", gate.as_str())],
        ] {
            assert_eq!(sends("/api/x", headers), 200, "{kind:?} {headers:?}");
            let received = house.upstream.take();
            let received = received.first().expect("one");
            assert!(
                !format!("{received:?}").contains("pst_ak_") && !format!("{received:?}").contains(&with_name),
                "{kind:?} {received:?}"
            );
            assert_eq!(received.one("remote-user"), "admin");
            assert!(
                received.one("postern-session").starts_with("key-"),
                "{received:?}"
            );
        }
        let own = [
            ("X-Api-Key", gate.as_str()),
            ("Authorization", "Bearer the-applications-own"),
        ];
        assert_eq!(sends("/api/x", &own), 200);
        let received = house.upstream.take();
        assert_eq!(
            received.first().expect("one").one("authorization"),
            "Bearer the-applications-own"
        );
        let own = [
            ("Authorization", bearer.as_str()),
            ("X-Api-Key", "the-applications-own"),
        ];
        assert_eq!(sends("/api/x", &own), 200);
        let received = house.upstream.take();
        assert_eq!(
            received.first().expect("one").one("x-api-key"),
            "the-applications-own"
        );

        assert_eq!(
            sends("/other", &[("Authorization", &bearer)]),
            401,
            "another path"
        );
        assert_eq!(
            sends("/apix", &[("Authorization", &bearer)]),
            401,
            "a longer name"
        );
        assert_eq!(
            sends("/api/x", &[("Authorization", &format!("Bearer {api}"))]),
            401,
            "another scope"
        );
        assert_eq!(
            sends(
                "/api/x",
                &[("Authorization", &bearer.replace("pst_ak_", "pst_ak_0"))]
            ),
            401
        );
        let elsewhere = [("Host", TWO), ("Authorization", bearer.as_str())];
        assert_eq!(
            exchange(&doors.two.address, "GET", "/api/x", &elsewhere).status,
            401,
            "another host"
        );
        let put = [
            ("Host", ONE),
            ("Authorization", bearer.as_str()),
            ("Content-Length", "0"),
        ];
        assert_eq!(
            exchange(&doors.one.address, "PUT", "/api/x", &put).status,
            401,
            "another method"
        );
        assert_eq!(exchange(&doors.one.address, "POST", "/api/x", &put).status, 200);
        assert_eq!(house.upstream.take().len(), 1, "only that one came through");
    }
    let revoked = house.postern.run(&["access-keys", "revoke", "gate"]);
    assert!(revoked.status.success());
    // What the shell changes counts within a second; this waits for the change, not for a time.
    while house.asks(ONE, "/api/x", &[("Authorization", &bearer)]).status == 200 {}
    assert_eq!(
        house.asks(ONE, "/api/x", &[("Authorization", &bearer)]).status,
        401
    );
}
