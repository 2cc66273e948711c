//! A server with two applications, and a browser that keeps the cookies of each host apart.

use std::collections::BTreeMap;

use e2e_support::Postern;
use e2e_support::proxies::{Kind, Proxy};
use e2e_support::wire::{Reply, Upstream, exchange};
use serde_json::{Value, json};

use crate::owner::{Held, PASSWORD, login, set_password};

pub(crate) const ONE: &str = "one.test";
pub(crate) const TWO: &str = "app.two.example";

/// What stands before the applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// Postern itself, which passes on.
    BuiltIn,
    /// Another proxy, which asks it.
    Proxy(Kind),
}

impl Front {
    pub(crate) const ALL: [Self; 4] = {
        let [nginx, caddy, haproxy] = Kind::ALL;
        [
            Self::BuiltIn,
            Self::Proxy(nginx),
            Self::Proxy(caddy),
            Self::Proxy(haproxy),
        ]
    };
}

impl From<Kind> for Front {
    fn from(kind: Kind) -> Self {
        Self::Proxy(kind)
    }
}

/// Where a browser's requests to one of the hosts go.
pub(crate) struct Door {
    pub(crate) address: String,
    _proxy: Option<Proxy>,
}

pub(crate) struct Doors {
    pub(crate) one: Door,
    pub(crate) two: Door,
}

pub(crate) struct House {
    pub(crate) postern: Postern,
    pub(crate) upstream: Upstream,
    configuration: tempfile::NamedTempFile,
}

impl House {
    pub(crate) fn start() -> Self {
        Self::start_trusting("\"127.0.0.1\"")
    }

    pub(crate) fn start_trusting(trusted: &str) -> Self {
        let upstream = Upstream::start();
        let address = upstream.address.clone();
        Self::start_as(trusted, upstream, &address, "", &[])
    }

    /// With an application of the test's own as the first: `address`, or `https://address`.
    pub(crate) fn start_before(address: &str) -> Self {
        Self::start_before_with(address, "", &[])
    }

    /// The same, with a line more for the first application, and variables in the server's environment.
    pub(crate) fn start_before_with(address: &str, line: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_as("\"127.0.0.1\"", Upstream::start(), address, line, environment)
    }

    fn start_as(
        trusted: &str,
        upstream: Upstream,
        first: &str,
        line: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let first = if first.contains("://") {
            first.to_owned()
        } else {
            format!("http://{first}")
        };
        let configuration = tempfile::NamedTempFile::new().expect("a file");
        let text = format!(
            r#"
            trusted_proxies = [{trusted}]
            [application.one]
            hosts = ["{ONE}"]
            upstream = "{first}"
            {line}
            open = ["GET /public"]
            closed = ["/closed"]
            [application.two]
            hosts = ["{TWO}"]
            upstream = "http://{address}"
            identity = ["Remote-User"]
            headers = {{ X-Upstream-Token = "Token {{secret.two}}" }}
            "#,
            address = upstream.address
        );
        std::fs::write(configuration.path(), text).expect("written");
        let path = configuration.path().display().to_string();
        let configured = [("POSTERN_CONFIG", path.as_str())];
        let all: Vec<_> = configured.iter().chain(environment).copied().collect();
        let postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &all);
        set_password(&postern, PASSWORD);
        let set = postern.run_fed(
            &["settings", "set", "secret.two", "--value-file", "-"],
            "canary of the upstream",
        );
        assert!(set.status.success());
        Self {
            postern,
            upstream,
            configuration,
        }
    }

    pub(crate) fn doors(&self, front: impl Into<Front>) -> Doors {
        let front = front.into();
        let start = |application| match front {
            Front::BuiltIn => Door {
                address: self.postern.address().to_owned(),
                _proxy: None,
            },
            Front::Proxy(kind) => {
                let proxy = Proxy::start(kind, &self.postern, self.configuration.path(), application);
                Door {
                    address: proxy.address.clone(),
                    _proxy: Some(proxy),
                }
            }
        };
        Doors {
            one: start("one"),
            two: start("two"),
        }
    }

    /// A proxy before an application whose recipe somebody changed.
    pub(crate) fn altered_door(
        &self,
        kind: Kind,
        application: &str,
        alter: impl FnOnce(String) -> String,
    ) -> Proxy {
        Proxy::start_altered(kind, &self.postern, self.configuration.path(), application, alter)
    }

    /// What a command of this house says.
    pub(crate) fn runs(&self, arguments: &[&str]) -> std::process::Output {
        let configuration = self.configuration.path().display().to_string();
        let environment = [
            ("POSTERN_CONFIG", configuration.as_str()),
            ("POSTERN_LISTEN", self.postern.address()),
        ];
        self.postern.run_with(arguments, &environment)
    }

    pub(crate) fn killed_and_restarted(self) -> Self {
        let path = self.configuration.path().display().to_string();
        Self {
            postern: self.postern.restarted_with(&[("POSTERN_CONFIG", &path)]),
            ..self
        }
    }

    /// A server that sends every question of this host straight to the gate, as a proxy does that says `X-Forwarded-…`: what
    /// Traefik's documentation says it sends.
    pub(crate) fn asks(&self, host: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![
            ("Host", self.postern.address()),
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Uri", target),
            ("X-Forwarded-For", "192.0.2.7"),
            ("X-Forwarded-Port", "80"),
            ("X-Forwarded-Server", "traefik"),
        ];
        all.extend(headers);
        exchange(self.postern.address(), "GET", "/gate/verify", &all)
    }

    pub(crate) fn login(&self) -> Held {
        Held::of(&login(&self.postern.base, PASSWORD).expect("an answer"))
    }

    pub(crate) fn sign_out(&self, held: &Held) {
        let answer = self.postern.send(
            "POST",
            "/api/v1/auth/refresh/logout",
            &[("cookie", &held.cookie)],
            &Value::Null,
        );
        assert_eq!(answer.status, 200);
    }
}

/// What a browser keeps, by host.
#[derive(Default)]
pub(crate) struct Browser(BTreeMap<String, Vec<String>>);

impl Browser {
    /// The cookies of a host, as one field.
    pub(crate) fn cookies(&self, host: &str) -> String {
        self.0.get(host).map(|pairs| pairs.join("; ")).unwrap_or_default()
    }

    pub(crate) fn keep(&mut self, host: &str, reply: &Reply) {
        for pair in reply.cookies() {
            let name = pair.split('=').next().unwrap_or_default().to_owned();
            let kept = self.0.entry(host.to_owned()).or_default();
            kept.retain(|known| !known.starts_with(&format!("{name}=")));
            kept.push(pair);
        }
    }

    /// Opens an address as a person does.
    pub(crate) fn opens(&mut self, at: &str, host: &str, target: &str) -> Reply {
        let cookies = self.cookies(host);
        let mut headers = vec![
            ("Host", host),
            ("Accept", "text/html,application/xhtml+xml"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
        ];
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        let reply = exchange(at, "GET", target, &headers);
        self.keep(host, &reply);
        reply
    }

    /// Opens an application's address, and goes where it is sent, until the application answers. Signs in on the way if it is
    /// asked; says whether it was.
    pub(crate) fn signs_in(
        &mut self,
        house: &House,
        at: &str,
        host: &str,
        target: &str,
        held: &Held,
    ) -> bool {
        let postern = house.postern.address();
        let challenge = self.opens(at, host, target);
        assert_eq!(challenge.status, 302, "{challenge:?}");
        let handoff = challenge.header("location").expect("a location").to_owned();
        let handoff = handoff
            .strip_prefix(&house.postern.base)
            .expect("the sign-in host");
        let page = self.opens(postern, postern, handoff);
        let asked = page.status == 200;
        let accept = if asked {
            self.hands_off(house, handoff, held)
        } else {
            assert_eq!(page.status, 302, "{page:?}");
            page.header("location").expect("a location").to_owned()
        };
        let accept = accept
            .strip_prefix(&format!("http://{host}"))
            .expect("its own host");
        let entered = self.opens(at, host, accept);
        assert_eq!(entered.status, 302, "{entered:?}");
        assert_eq!(
            entered.header("location"),
            Some(format!("http://{host}{target}").as_str())
        );
        asked
    }

    /// What the page's script does with its access token.
    fn hands_off(&mut self, house: &House, handoff: &str, held: &Held) -> String {
        let value = |name: &str| {
            let (_, query) = handoff.split_once('?').expect("a query");
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.into_iter().find(|(known, _)| *known == name);
            decoded(found.expect("a parameter").1)
        };
        let body = json!({ "To": value("to"), "State": value("state") });
        let bearer = held.bearer();
        let answer = house.postern.send(
            "POST",
            "/api/v1/gate/handoff",
            &[("authorization", &bearer)],
            &body,
        );
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = answer.cookie.clone().expect("a cookie of the sign-in host");
        self.0
            .entry(house.postern.address().to_owned())
            .or_default()
            .push(cookie);
        answer.text("Location")
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (hex, after) = after.split_at(2);
            let hex = std::str::from_utf8(hex).expect("hex");
            bytes.push(u8::from_str_radix(hex, 16).expect("hex"));
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).expect("text")
}
