//! `postern gate check`: nothing gets through the printed recipes, and every mistake in one is found.

use e2e_support::proxies::Kind;
use serde_json::Value;

use super::by_hand;
use super::gate_check::{application, checks, key};
use super::house::House;

#[test]
fn nothing_gets_through_the_printed_recipes_nor_through_the_built_in_proxy() {
    let house = House::start();
    let (_folder, key) = key(&house);
    let key = key.display().to_string();
    for kind in Kind::ALL {
        let doors = house.doors(kind);
        for url in ["http://one.test/admin", "http://one.test"] {
            checks(&house, url, &doors.one.address, &[]).is_tight();
        }
        checks(
            &house,
            "http://one.test/admin",
            &doors.one.address,
            &["--access-key-file", &key],
        )
        .is_tight();
        // No path of it is open.
        checks(&house, "http://app.two.example/", &doors.two.address, &[]).is_tight();
    }
    checks(&house, "http://one.test/admin", house.postern.address(), &[]).is_tight();
}

/// A part of a recipe, and what somebody made of it.
struct Mistake {
    kind: Kind,
    of: &'static str,
    made: &'static str,
    /// What is found, among others.
    found: &'static [&'static str],
}

#[test]
fn every_mistake_in_a_recipe_is_found() {
    let house = House::start();
    for Mistake {
        kind,
        of,
        made,
        found,
    } in [
        Mistake {
            kind: Kind::Nginx,
            of: "    location / {",
            made: "    location /public { proxy_pass UPSTREAM; }\n    location / {",
            found: &["GET /publicx", "POST /public.", "GET /%70ublic"],
        },
        Mistake {
            kind: Kind::Nginx,
            of: "    location / {",
            made: "    location ~ \\.(css|js)$ { proxy_pass UPSTREAM; }\n    location / {",
            found: &["GET /static/postern-check.css", "GET /assets/postern-check.js"],
        },
        Mistake {
            kind: Kind::Nginx,
            of: "X-Original-URL $scheme://$http_host$request_uri;",
            made: "X-Original-URL $said;",
            found: &[
                "GET /admin X-Original-URL",
                "GET /admin X-Original-URL X-Original-Method",
            ],
        },
        Mistake {
            kind: Kind::Haproxy,
            of: "unless postern_own",
            made: "unless postern_own or { path_beg /public }",
            found: &["GET /publicx", "GET /public/../admin", "GET /public/..%2fadmin"],
        },
        Mistake {
            kind: Kind::Haproxy,
            of: "unless postern_own",
            made: "unless postern_own or { method OPTIONS }",
            found: &["OPTIONS /admin"],
        },
        Mistake {
            kind: Kind::Haproxy,
            of: "unless postern_own",
            made: "unless postern_own or { req.hdr(user-agent) -m sub kube-probe }",
            found: &["GET /admin User-Agent"],
        },
        Mistake {
            kind: Kind::Caddy,
            of: "\t\t# The question",
            made: "\t\t@static path *.png /metrics\n\t\treverse_proxy @static UPSTREAM\n\t\t# The question",
            found: &["GET /postern-check.png", "GET /metrics"],
        },
        Mistake {
            kind: Kind::Caddy,
            of: "header_up X-Forwarded-Uri {uri}",
            made: "header_up X-Forwarded-Uri {http.request.header.X-Rewrite-URL}{uri}",
            found: &["GET /admin X-Rewrite-URL"],
        },
    ] {
        let upstream = format!("http://{}", house.upstream.address);
        let door = house.altered_door(kind, "one", |recipe| {
            assert!(recipe.contains(of), "{of}: {recipe}");
            let map = "map $http_x_original_url $said {\n    default $http_x_original_url;\n    \"\" $scheme://$http_host$request_uri;\n}\n";
            let made = made.replace("UPSTREAM", &upstream);
            let altered = recipe.replacen(of, &made, 1);
            if made.contains("$said") { format!("{map}{altered}") } else { altered }
        });
        let checked = checks(&house, "http://one.test/admin", &door.address, &[]);
        assert_eq!(checked.code, 1, "{kind:?}, {made}: {checked:#?}");
        let leaks = checked.leaks();
        for request in found {
            assert!(
                leaks.iter().any(|leak| leak == request),
                "{made}: {request} is not in {leaks:#?}"
            );
        }
        let few = leaks.len() as u64;
        assert_eq!(checked.sum("GotThrough"), few);
        assert!(
            checked.sum("Refused") > 100,
            "{made}: not everything got through: {leaks:#?}"
        );
    }
}

/// Another place for the same application, which asks nobody: what answers for hosts that nobody has.
#[test]
fn the_application_at_another_host_is_found_with_a_key_and_else_not_vouched_for() {
    let house = House::start();
    let (_folder, key) = key(&house);
    let key = key.display().to_string();
    let upstream = house.upstream.address.clone();
    let door = house.altered_door(Kind::Nginx, "one", |recipe| {
        let listen = recipe
            .lines()
            .find(|line| line.contains("listen "))
            .expect("a line");
        let listen = listen.replace(';', " default_server;");
        format!("server {{\n{listen}\n    location / {{ proxy_pass http://{upstream}; }}\n}}\n{recipe}")
    });
    let without = checks(&house, "http://one.test/admin", &door.address, &[]);
    assert_eq!(without.code, 0, "{without:#?}");
    let text = without
        .list("NotChecked")
        .first()
        .and_then(Value::as_str)
        .unwrap_or_default();
    assert!(text.contains("hosts that nobody has (200)"), "{text}");
    let with = checks(
        &house,
        "http://one.test/admin",
        &door.address,
        &["--access-key-file", &key],
    );
    assert!(
        with.leaks()
            .contains(&"GET /public Host: evil.example".to_owned()),
        "{with:#?}"
    );
}

/// Only an application that shows what it gets can tell.
#[test]
fn a_clients_word_on_who_asks_that_reaches_the_application_is_found() {
    let house = House::start_before(&application(|head| Some(("200 OK", head))));
    let (_folder, key) = key(&house);
    let key = key.display().to_string();
    for (kind, line) in [
        (Kind::Caddy, "request_header Remote-User {rp.header.Remote-User}"),
        (Kind::Nginx, "proxy_set_header Remote-User $postern_remote_user;"),
    ] {
        let tight = house.doors(kind).one;
        let altered = house.altered_door(kind, "one", |recipe| {
            assert!(recipe.contains(line), "{recipe}");
            recipe.replace(line, "")
        });
        for more in [&[][..], &["--access-key-file", &key]] {
            let checked = checks(&house, "http://one.test/admin", &tight.address, more);
            checked.is_tight();
            assert!(checked.list("NotChecked").is_empty(), "{checked:#?}");
            let leaks = checks(&house, "http://one.test/admin", &altered.address, more).leaks();
            let path = if more.is_empty() { "/public" } else { "/admin" };
            assert_eq!(leaks, [format!("GET {path} Remote-User")], "{kind:?}");
        }
    }
}

/// nginx goes by the host of the request line, and would tell Postern of the other.
#[test]
fn what_is_open_at_another_application_is_tried_at_this_one() {
    let house = House::start();
    let door = house.altered_door(Kind::Nginx, "two", |recipe| {
        assert_eq!(recipe.matches("return 421;").count(), 1, "{recipe}");
        let listen = recipe
            .lines()
            .find(|line| line.contains("listen "))
            .expect("a line");
        let listen = listen.replace(';', " default_server;");
        let other = format!("server {{\n{listen}\n    return 421;\n}}\n");
        other + &recipe.replace("return 421;", "set $anything 1;")
    });
    let leaks = checks(&house, "http://app.two.example/", &door.address, &[]).leaks();
    assert_eq!(leaks, ["GET http://app.two.example/public Host: one.test"]);
}

/// It should never have been asked; what it says may look like what Postern or a proxy says.
#[test]
fn an_applications_own_error_is_a_finding() {
    for body in [
        "not found",
        r#"{"Error":"Authorization failed","Code":404}"#,
        "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<hr><center>nginx</center>\r\n</body></html>\r\n",
        "",
    ] {
        let house = House::start_before(&application(move |_| Some(("404 Not Found", body))));
        let address = house.upstream.address.clone();
        let door = house.altered_door(Kind::Nginx, "one", |recipe| {
            let to = recipe
                .lines()
                .find(|line| line.starts_with("        proxy_pass http://127"));
            let to = to.expect("the application").to_owned();
            assert!(!to.contains(&address), "its own");
            recipe.replacen(
                "    location / {",
                &format!("    location = /metrics {{\n{to}\n    }}\n    location / {{"),
                1,
            )
        });
        let leaks = checks(&house, "http://one.test/admin", &door.address, &[]).leaks();
        assert_eq!(leaks, ["GET /metrics"], "{body}");
    }
}

#[test]
fn another_protocol_on_an_open_path_is_a_finding() {
    let (address, _told) = by_hand::application(|head, mut reader| {
        let answer = if head.to_ascii_lowercase().contains("upgrade: h2c") {
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        } else {
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        };
        by_hand::answers(&mut reader, answer);
    });
    let house = House::start_before(&address);
    let tight = house.doors(Kind::Nginx).one;
    checks(&house, "http://one.test/admin", &tight.address, &[]).is_tight();
    let door = house.altered_door(Kind::Nginx, "one", |recipe| {
        let line = "proxy_set_header Upgrade $http_upgrade;";
        recipe.replacen(line, "proxy_set_header Upgrade \"\";", 1)
    });
    let leaks = checks(&house, "http://one.test/admin", &door.address, &[]).leaks();
    assert_eq!(leaks, ["GET /public Connection Upgrade"]);
}
