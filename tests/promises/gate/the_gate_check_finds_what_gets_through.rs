//! `postern gate check`: nothing gets through the printed recipes, every mistake in one is found, and what cannot be told is no
//! good news.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

use e2e_support::Postern;
use e2e_support::proxies::Kind;
use e2e_support::wire::{Upstream, free_port};
use serde_json::Value;

use super::house::{House, ONE};
use crate::certificates::Ca;

/// What the command came to.
#[derive(Debug)]
struct Checked {
    code: i32,
    report: Value,
    complaint: String,
}

fn checks(house: &House, url: &str, at: &str, more: &[&str]) -> Checked {
    let arguments = [&["gate", "check", url, "--connect", at, "--json"], more].concat();
    let output = house.runs(&arguments);
    Checked {
        code: output.status.code().expect("it ended"),
        report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Checked {
    fn list(&self, name: &str) -> &[Value] {
        self.report
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Over all groups.
    fn sum(&self, name: &str) -> u64 {
        let groups = self.list("Groups").iter();
        groups.filter_map(|group| group.get(name)?.as_u64()).sum()
    }

    #[track_caller]
    fn is_tight(&self) {
        assert_eq!(self.code, 0, "{self:#?}");
        assert!(self.sum("Tried") > 150, "{self:?}");
        // An open path, asked for in a way that a proxy may take.
        let open = self.sum("Open");
        assert!(open <= 1, "{self:?}");
        assert_eq!(self.sum("Refused") + open, self.sum("Tried"), "{self:?}");
        assert!(self.list("Leaks").is_empty());
        assert!(
            self.report
                .get("Sent")
                .and_then(Value::as_u64)
                .is_some_and(|sent| sent <= 205)
        );
    }

    /// The requests that got through, with their forged headers behind them.
    #[track_caller]
    fn leaks(&self) -> Vec<String> {
        assert_eq!(self.code, 1, "{self:#?}");
        let text = |leak: &Value, name: &str| leak.get(name).and_then(Value::as_str).expect(name).to_owned();
        let leaks = self.list("Leaks").iter().map(|leak| {
            for name in ["Group", "Answer", "Resembles", "Mend"] {
                assert!(!text(leak, name).is_empty(), "{leak}");
            }
            let headers = leak.get("Headers").and_then(Value::as_array).expect("headers");
            let headers = headers.iter().filter_map(Value::as_str);
            [text(leak, "Request")]
                .into_iter()
                .chain(headers.map(str::to_owned))
                .collect::<Vec<_>>()
                .join(" ")
        });
        leaks.collect()
    }
}

/// An application that makes its answer of the head of the request, or closes the connection without one.
fn application(answer: impl Fn(&str) -> Option<(&str, &str)> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && matches!(reader.read_line(&mut head), Ok(1..)) {}
            let Some((status, body)) = answer(&head) else {
                continue;
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

/// A key that is good for the first application, in a file.
fn key(house: &House) -> (tempfile::TempDir, PathBuf) {
    let made = house
        .postern
        .says_json(&["access-keys", "create", "check", "--scope", "gate:one.test"]);
    let secret = made.get("Secret").and_then(Value::as_str).expect("a secret");
    // The shell made it: the server knows it a moment later.
    while house.asks(ONE, "/", &[("X-Api-Key", secret)]).status != 200 {}
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, secret).expect("written");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, closed).expect("set");
    (folder, file)
}

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
        let door = house.altered_door(kind, |recipe| {
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
    let door = house.altered_door(Kind::Nginx, |recipe| {
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
        let altered = house.altered_door(kind, |recipe| {
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
        let door = house.altered_door(Kind::Nginx, |recipe| {
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
fn where_nothing_can_be_checked_it_says_why() {
    let house = House::start();
    let door = house.doors(Kind::Caddy).one;
    let nothing = format!("127.0.0.1:{}", free_port());
    let unguarded = Upstream::start().address;
    let closing = application(|_| None);
    let wrong = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(wrong.path(), "pst_ak_000000000000_AAAA").expect("written");
    let wrong = wrong.path().display().to_string();
    for (url, at, more, code, said) in [
        ("http://one.test/admin", &nothing, &[][..], 69, "nothing answers"),
        ("http://one.test/admin", &closing, &[], 69, "gave no answer"),
        (
            "http://one.test/admin",
            &unguarded,
            &[],
            1,
            "not guarded by Postern",
        ),
        (
            "http://one.test/public",
            &door.address,
            &[],
            65,
            "passes as anonymous",
        ),
        ("http://one.test/closed", &door.address, &[], 65, "closed"),
        ("http://evil.example/", &door.address, &[], 65, "no application"),
        ("one.test", &door.address, &[], 64, "not an address"),
        (
            "http://one.test/",
            &door.address,
            &["--access-key-file", &wrong],
            65,
            "does not open",
        ),
        ("http://one.test/", &door.address, &["--nonsense"], 64, ""),
    ] {
        let checked = checks(&house, url, at, more);
        assert_eq!(checked.code, code, "{url} {at}: {checked:#?}");
        assert!(checked.complaint.contains(said), "{url} {at}: {checked:#?}");
        assert!(!checked.complaint.contains("pst_ak_"));
        assert!(checked.report.is_null(), "{checked:#?}");
    }
    // Postern does not believe this proxy, or is gone: nobody is let in, and nothing is found out.
    let strict = House::start_trusting("\"192.0.2.1\"");
    let door = house.altered_door(Kind::Caddy, |recipe| {
        recipe.replace(house.postern.address(), strict.postern.address())
    });
    let refused = checks(&strict, "http://one.test/", &door.address, &[]);
    assert_eq!(refused.code, 78, "{refused:#?}");
    assert!(refused.complaint.contains("listed proxies only"), "{refused:#?}");
    let mut house = house;
    let door = house.doors(Kind::Nginx).one;
    house.postern.kill();
    let dead = checks(&house, "http://one.test/", &door.address, &[]);
    assert_eq!(dead.code, 69, "{dead:#?}");
}

#[test]
fn over_tls_only_a_trusted_certificate_is_spoken_to() {
    let configuration = tempfile::NamedTempFile::new().expect("a file");
    let upstream = Upstream::start();
    let text = format!(
        "tls.self_signed = true\n[application.one]\nhosts = [\"{ONE}\"]\nupstream = \"http://{}\"\n",
        upstream.address
    );
    std::fs::write(configuration.path(), text).expect("written");
    let configuration = configuration.path().display().to_string();
    let postern = Postern::start_with(
        env!("CARGO_BIN_EXE_postern"),
        &[("POSTERN_CONFIG", &configuration)],
    );
    let environment = [
        ("POSTERN_CONFIG", configuration.as_str()),
        ("POSTERN_LISTEN", postern.address()),
    ];
    let address = postern.address().to_owned();
    let port = address.rsplit(':').next().expect("a port");
    let url = format!("https://{ONE}:{port}/");
    let checked = |url: &str, more: &[&str]| {
        let arguments = [&["gate", "check", url, "--connect", &address][..], more].concat();
        let output = postern.run_with(&arguments, &environment);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let (code, said) = checked("https://one.test/", &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing got through"), "{said}");
    assert_eq!(checked(&url, &[]).0, Some(65), "another port is another host");
    let other = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(other.path(), Ca::new().pem).expect("written");
    let (code, said) = checked(
        "https://one.test/",
        &["--ca", &other.path().display().to_string()],
    );
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("--ca"), "{said}");
    assert!(upstream.take().is_empty());
}
