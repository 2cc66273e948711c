//! The configuration of a proxy for one application: what `postern gate recipe` prints, what the tests run, and what the pages
//! under `docs/gate/` show.

use std::net::SocketAddr;

use serde::Serialize;

use super::application::{Application, IdentityHeader};
use super::forward_auth::handed_on_headers;
use super::request::scheme_name;
use crate::http::config::Scheme;
use crate::http::host::Host;

const NGINX: &str = include_str!("recipes/nginx.conf");
const CADDY: &str = include_str!("recipes/caddy.caddyfile");
const TRAEFIK: &str = include_str!("recipes/traefik.yaml");
const HAPROXY: &str = include_str!("recipes/haproxy.cfg");
const HAPROXY_LUA: &str = include_str!("recipes/haproxy.lua");

/// Where the Lua part of HAProxy's recipe goes.
const LUA_PLACE: &str = "/etc/haproxy/postern.lua";

/// A proxy that there is a recipe for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Proxy {
    Nginx,
    Caddy,
    Traefik,
    Haproxy,
}

/// What a recipe is made for.
pub(crate) struct Kitchen<'a> {
    pub(crate) application: &'a Application,
    /// Where the proxy finds this server.
    pub(crate) gate: SocketAddr,
    /// How browsers reach the sign-in host, and so the application.
    pub(crate) scheme: Scheme,
    /// Where the proxy listens; `None`: at the port of the application's host, on every address.
    pub(crate) listen: Option<SocketAddr>,
}

/// One file of a recipe.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RecipeFile {
    /// Where it goes.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The files of a recipe.
pub(crate) fn recipe(proxy: Proxy, kitchen: &Kitchen<'_>) -> Vec<RecipeFile> {
    let name = &kitchen.application.name;
    match proxy {
        Proxy::Nginx => vec![kitchen.file(format!("/etc/nginx/conf.d/{name}.conf"), NGINX, &kitchen.nginx())],
        Proxy::Caddy => vec![kitchen.file("/etc/caddy/Caddyfile".to_owned(), CADDY, &kitchen.caddy())],
        Proxy::Traefik => vec![kitchen.file(
            format!("/etc/traefik/dynamic/{name}.yaml"),
            TRAEFIK,
            &kitchen.traefik(),
        )],
        Proxy::Haproxy => vec![
            kitchen.file("/etc/haproxy/haproxy.cfg".to_owned(), HAPROXY, &kitchen.haproxy()),
            kitchen.file(LUA_PLACE.to_owned(), HAPROXY_LUA, &[]),
        ],
    }
}

type Fills = [(&'static str, String)];

/// A header, and what the application gets of it.
enum HandedOn {
    OfTheAnswer(String),
    Never(&'static str),
}

impl Kitchen<'_> {
    fn file(&self, name: String, template: &str, fills: &Fills) -> RecipeFile {
        let upstream = self
            .application
            .upstream
            .as_deref()
            .unwrap_or("http://127.0.0.1:3000");
        let common = [
            ("application", self.application.name.clone()),
            ("gate", self.gate.to_string()),
            ("upstream", upstream.to_owned()),
            ("names", self.names(|host| host.name().to_owned(), " ")),
            ("hosts", self.hosts()),
        ];
        let mut text = template.to_owned();
        for (key, value) in fills.iter().chain(&common) {
            text = text.replace(&format!("{{{{{key}}}}}"), value);
        }
        RecipeFile { name, text }
    }

    /// All headers that a recipe writes over, the identity first.
    fn handed_on(&self) -> Vec<HandedOn> {
        let identity = IdentityHeader::ALL.into_iter().map(|header| {
            if self.application.gets(header.name()) {
                HandedOn::OfTheAnswer(header.name().to_owned())
            } else {
                HandedOn::Never(header.name())
            }
        });
        let more = handed_on_headers(self.application)
            .into_iter()
            .map(HandedOn::OfTheAnswer);
        identity.chain(more).collect()
    }

    fn lines(&self, of_the_answer: impl Fn(&str) -> String, never: impl Fn(&str) -> String) -> String {
        let lines = self.handed_on().into_iter().map(|handed_on| match handed_on {
            HandedOn::OfTheAnswer(name) => of_the_answer(&name),
            HandedOn::Never(name) => never(name),
        });
        lines.collect()
    }

    fn names(&self, show: impl Fn(&Host) -> String, between: &str) -> String {
        let names: Vec<_> = self.application.hosts.iter().map(show).collect();
        names.join(between)
    }

    /// A pattern that the `Host` of this application matches and no other's, as [`Host`] reads it: perhaps with the dot of a full name, and
    /// with its port, where it is not the scheme's own.
    fn hosts(&self) -> String {
        let own = self.own_port();
        let pattern = |host: &Host| {
            let name = host
                .name()
                .replace('.', "\\.")
                .replace('[', "\\[")
                .replace(']', "\\]");
            let port = host
                .port()
                .map_or_else(|| format!("(:{own})?"), |port| format!(":{port}"));
            format!("{name}\\.?{port}")
        };
        format!("^({})$", self.names(pattern, "|"))
    }

    const fn own_port(&self) -> u16 {
        match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// `ADDR:PORT`, or the port alone.
    fn listen(&self) -> String {
        let port = self.application.hosts.first().and_then(Host::port);
        let port = port.unwrap_or(self.own_port());
        self.listen
            .map_or_else(|| port.to_string(), |listen| listen.to_string())
    }

    fn nginx(&self) -> [(&'static str, String); 5] {
        let variable = |name: &str| format!("$postern_{}", name.to_ascii_lowercase().replace('-', "_"));
        let source = |name: &str| format!("$upstream_http_{}", name.to_ascii_lowercase().replace('-', "_"));
        let set = self.lines(
            |name| format!("        auth_request_set {} {};\n", variable(name), source(name)),
            |_| String::new(),
        );
        let hand_on = self.lines(
            |name| format!("        proxy_set_header {name} {};\n", variable(name)),
            |name| format!("        proxy_set_header {name} \"\";\n"),
        );
        let (listen, certificate) = match self.scheme {
            Scheme::Http => (self.listen(), String::new()),
            Scheme::Https => {
                let first = self.application.hosts.first().map_or("", |host| host.name());
                let folder = format!("/etc/letsencrypt/live/{first}");
                let lines = format!(
                    "    ssl_certificate {folder}/fullchain.pem;\n    ssl_certificate_key {folder}/privkey.pem;\n"
                );
                (format!("{} ssl", self.listen()), lines)
            }
        };
        [
            // Names of variables and upstreams are nginx-wide, and have no hyphens.
            ("variable", self.application.name.replace('-', "_")),
            ("listen", listen),
            ("certificate", certificate),
            ("set", set),
            ("hand_on", hand_on),
        ]
    }

    fn caddy(&self) -> [(&'static str, String); 3] {
        let indent = "\t\t\t\t\t";
        let always = |name: &str| IdentityHeader::from_name(name).is_some();
        let hand_on = self.lines(
            |name| {
                let set = format!("{indent}request_header {name} {{rp.header.{name}}}\n");
                if always(name) {
                    return set;
                }
                // A header that the answer does not have is set to nothing or to the placeholder itself, by version.
                let none = format!("@no_{}", name.to_ascii_lowercase().replace('-', "_"));
                format!(
                    "{set}{indent}{none} not header_regexp {name} ^[^{{]\n{indent}request_header {none} -{name}\n"
                )
            },
            |name| format!("{indent}request_header -{name}\n"),
        );
        let site = |host: &Host| match (self.listen, host.port()) {
            (Some(listen), _) => format!("{}://{}:{}", scheme_name(self.scheme), host.name(), listen.port()),
            (None, _) => format!("{}://{host}", scheme_name(self.scheme)),
        };
        let bind = self
            .listen
            .map_or_else(String::new, |listen| format!("\tbind {}\n", listen.ip()));
        [
            ("sites", self.names(site, ", ")),
            ("bind", bind),
            ("hand_on", hand_on),
        ]
    }

    fn traefik(&self) -> [(&'static str, String); 4] {
        let hand_on = self.lines(|name| format!("          - {name}\n"), |_| String::new());
        let clean = self.lines(|_| String::new(), |name| format!("          {name}: \"\"\n"));
        let tls = match self.scheme {
            Scheme::Http => "",
            Scheme::Https => "\n      tls: {}",
        };
        [
            (
                "rule",
                self.names(|host| format!("Host(`{}`)", host.name()), " || "),
            ),
            ("tls", tls.to_owned()),
            ("clean", clean),
            ("hand_on", hand_on),
        ]
    }

    fn haproxy(&self) -> [(&'static str, String); 5] {
        let names = self.lines(|name| format!(",{name}"), |name| format!(",!{name}"));
        let listen = match self.listen {
            Some(listen) => listen.to_string(),
            None => format!(":{}", self.listen()),
        };
        let (tls, scheme) = match self.scheme {
            Scheme::Http => ("", "http"),
            Scheme::Https => (" ssl crt /etc/haproxy/certs/", "https"),
        };
        let upstream = self
            .application
            .upstream
            .as_deref()
            .unwrap_or("http://127.0.0.1:3000");
        let upstream = match upstream.split_once("://") {
            Some(("https", address)) => format!(
                "{} ssl verify required ca-file @system-ca",
                with_port(address, 443)
            ),
            Some((_, address)) => with_port(address, 80),
            None => upstream.to_owned(),
        };
        [
            ("lua", LUA_PLACE.to_owned()),
            ("listen", format!("{listen}{tls}")),
            ("scheme", scheme.to_owned()),
            ("handed_on", format!("{scheme} {}", names.trim_start_matches(','))),
            ("upstream", upstream),
        ]
    }
}

fn with_port(address: &str, port: u16) -> String {
    match Host::parse(address).and_then(|host| host.port()) {
        Some(_) => address.to_owned(),
        None => format!("{address}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::application::AddedHeader;
    use crate::gate::application::tests::application;

    fn example() -> Application {
        Application {
            name: "photos".to_owned(),
            hosts: vec![Host::parse("photos.example.org").expect("a host")],
            upstream: Some("http://127.0.0.1:2342".to_owned()),
            ..application(&[], &[])
        }
    }

    fn made(proxy: Proxy, application: &Application, scheme: Scheme) -> String {
        let kitchen = Kitchen {
            application,
            gate: "127.0.0.1:8420".parse().expect("an address"),
            scheme,
            listen: None,
        };
        let texts = recipe(proxy, &kitchen).into_iter().map(|file| file.text);
        texts.collect::<Vec<_>>().join("\n")
    }

    const ALL: [(Proxy, &str); 4] = [
        (Proxy::Nginx, include_str!("../../../../docs/gate/nginx.md")),
        (Proxy::Caddy, include_str!("../../../../docs/gate/caddy.md")),
        (Proxy::Traefik, include_str!("../../../../docs/gate/traefik.md")),
        (Proxy::Haproxy, include_str!("../../../../docs/gate/haproxy.md")),
    ];

    #[test]
    fn the_pages_show_what_the_command_prints() {
        for (proxy, page) in ALL {
            let kitchen = Kitchen {
                application: &example(),
                gate: "127.0.0.1:8420".parse().expect("an address"),
                scheme: Scheme::Https,
                listen: None,
            };
            for file in recipe(proxy, &kitchen) {
                assert!(
                    page.contains(&file.text),
                    "{proxy:?}: {}\n{}",
                    file.name,
                    file.text
                );
                assert!(page.contains(&file.name), "{proxy:?}: {}", file.name);
            }
        }
    }

    #[test]
    fn a_recipe_takes_the_hosts_of_its_application_and_no_others() {
        let hosts =
            ["photos.example.org", "home.lan:8443", "[::1]:81"].map(|host| Host::parse(host).expect(host));
        let application = Application {
            hosts: hosts.to_vec(),
            ..example()
        };
        let pattern = r"^(photos\.example\.org\.?(:443)?|home\.lan\.?:8443|\[::1\]\.?:81)$";
        for proxy in [Proxy::Nginx, Proxy::Caddy, Proxy::Haproxy] {
            let text = made(proxy, &application, Scheme::Https);
            assert!(text.contains(pattern), "{proxy:?}: {text}");
        }
    }

    #[test]
    fn every_place_is_filled_and_every_header_of_the_gate_is_written_over() {
        let narrow = Application {
            identity: vec![IdentityHeader::RemoteUser],
            headers: vec![AddedHeader::parse("X-Upstream-Token", "{secret.photos}").expect("sound")],
            ..example()
        };
        for application in [example(), narrow] {
            for (proxy, _) in ALL {
                for scheme in [Scheme::Http, Scheme::Https] {
                    let text = made(proxy, &application, scheme);
                    assert!(!text.contains("{{"), "{proxy:?}: {text}");
                    for header in [
                        "Remote-User",
                        "Postern-Session",
                        "Postern-Assertion",
                        "Cookie",
                        "Authorization",
                    ] {
                        assert!(text.contains(header), "{proxy:?} without {header}: {text}");
                    }
                    assert_eq!(
                        text.to_ascii_lowercase().contains("x-upstream-token"),
                        !application.headers.is_empty(),
                        "{proxy:?}"
                    );
                }
            }
        }
    }
}
