//! The address that is checked, in the configuration; and what of it is for anybody.

use super::Asked;
use crate::gate::Gate;
use crate::gate::application::{Application, PathRule};
use crate::gate::decision::{self, GateDecision, Passing};
use crate::gate::explain::in_words;
use crate::gate::forgeries::Names;
use crate::gate::path::Target;
use crate::gate::request::{Asker, Form, GateRequest, scheme_name, split_url};
use crate::http::config::Scheme;
use crate::http::host::Host;

/// Where no path is open: one that is as good as any.
const NO_OPEN_PATH: &str = "/public";

/// Why an address is none to check.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("{0} is not an address such as https://app.example.org/")]
    NotAnAddress(String),
    #[error("no application has the host {0}")]
    NoApplication(String),
    #[error("{url} is not for who is signed in: a browser gets {told}")]
    NotKept { url: String, told: String },
}

/// An address of an application.
pub(super) struct Place<'a> {
    gate: &'a Gate,
    sign_in: Scheme,
    pub(super) application: &'a Application,
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    /// A path that is for who is signed in.
    pub(super) kept: &'a str,
    host_text: String,
    other: Option<(String, &'a str)>,
}

impl<'a> Place<'a> {
    pub(super) fn find(gate: &'a Gate, sign_in: Scheme, url: &'a str) -> Result<Self, PlaceError> {
        let none = || PlaceError::NotAnAddress(url.to_owned());
        let (scheme, host, target) = match split_url(url) {
            Some(found) => found,
            // `https://app.example.org`
            None => match split_url(&format!("{url}/")).ok_or_else(none)? {
                (scheme, host, "/") => (scheme, host, "/"),
                _ => return Err(none()),
            },
        };
        let target = Target::parse(target).ok_or_else(none)?;
        let application = gate.applications.of(&host);
        let application = application.ok_or_else(|| PlaceError::NoApplication(host.to_string()))?;
        let others = gate
            .applications
            .0
            .iter()
            .filter(|other| other.name != application.name);
        // One that anybody may open somewhere tells more.
        let other = others.max_by_key(|other| open_path(other).is_some());
        let other = other.and_then(|other| Some((other.hosts.first()?.to_string(), open_path(other))));
        let place = Self {
            gate,
            sign_in,
            application,
            scheme,
            kept: target.raw,
            host_text: host.to_string(),
            other: other.map(|(host, open)| (host, open.unwrap_or(NO_OPEN_PATH))),
            host,
        };
        match place.decide("GET", place.host.clone(), target) {
            GateDecision::Challenge(Asker::Page) => Ok(place),
            decision => Err(PlaceError::NotKept {
                url: url.to_owned(),
                told: in_words(decision),
            }),
        }
    }

    pub(super) fn url(&self, target: &str) -> String {
        crate::gate::request::url(self.scheme, &self.host, target)
    }

    /// A path that anybody may open, if there is one.
    pub(super) fn open(&self) -> Option<&'a str> {
        open_path(self.application)
    }

    pub(super) fn names(&self) -> Names<'_> {
        Names {
            scheme: scheme_name(self.scheme),
            host: &self.host_text,
            open: self.open().unwrap_or(NO_OPEN_PATH),
            kept: self.kept,
            other: self.other.as_ref().map(|(host, open)| (host.as_str(), *open)),
        }
    }

    /// Whether the configuration lets anybody do that. Some proxies clean a path before they ask, and what they make of it may be open.
    pub(super) fn is_for_anybody(&self, asked: &Asked) -> bool {
        let is_open = |target: &str| {
            // The host of a whole address goes before the header's (RFC 9112, section 3.2.2).
            let is_whole = !target.starts_with('/');
            let before = format!("{}://{}", scheme_name(self.scheme), asked.host);
            let url = if is_whole {
                target.to_owned()
            } else {
                before + target
            };
            let (_, host, target) = split_url(&url)?;
            let decision = self.decide(&asked.method, host, Target::parse(target)?);
            Some(decision == GateDecision::Allow(Passing::Anonymous))
        };
        let found = [is_open(&asked.target), is_open(&cleaned(&asked.target))];
        found.contains(&Some(true))
    }

    fn decide(&self, method: &str, host: Host, target: Target<'_>) -> GateDecision {
        let application = self.gate.applications.of(&host);
        let request = GateRequest {
            form: Form::Forwarded,
            method,
            scheme: self.scheme,
            host,
            target,
            asker: Asker::Page,
        };
        decision::decide(&request, self.sign_in, application, None)
    }
}

/// A path that anybody may open, perhaps for some methods only.
fn open_path(application: &Application) -> Option<&str> {
    let paths = application.open.iter().map(PathRule::path);
    paths.map(|path| if path.is_empty() { "/" } else { path }).next()
}

/// Without empty segments and dot segments (RFC 3986, section 5.2.4). Nothing else is read in another way: what stays ambiguous is
/// not open.
fn cleaned(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = path.replace("%2e", ".").replace("%2E", ".");
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::application::Applications;
    use crate::gate::application::tests::application;
    use crate::gate::trusted_proxy::TrustedProxies;

    fn gate(open: &[&str]) -> Gate {
        Gate {
            applications: Applications(vec![application(open, &["/closed"])]),
            trusted: TrustedProxies::default(),
            sign_in: "https://door.example.org".to_owned(),
        }
    }

    #[test]
    fn only_an_address_that_is_for_who_is_signed_in_is_checked() {
        let gate = gate(&["GET /open"]);
        let find = |url| Place::find(&gate, Scheme::Https, url).map(|place| place.kept);
        assert_eq!(find("https://app.example.org").expect("kept"), "/");
        assert_eq!(find("https://app.example.org/x?y").expect("kept"), "/x");
        for url in [
            "app.example.org",
            "ftp://app.example.org/",
            "https://app.example.org/a/../b",
            "https://a/b",
        ] {
            assert!(find(url).is_err(), "{url}");
        }
        for url in [
            "https://app.example.org/open",
            "https://app.example.org/closed",
            "http://app.example.org/",
        ] {
            assert!(matches!(find(url), Err(PlaceError::NotKept { .. })), "{url}");
        }
    }

    #[test]
    fn what_is_for_anybody_is_what_the_rules_say_of_every_reading_of_it() {
        let gate = gate(&["GET /open"]);
        let place = Place::find(&gate, Scheme::Https, "https://app.example.org/").expect("kept");
        for (method, target, host, open) in [
            ("GET", "/open/x", "app.example.org", true),
            ("GET", "/open/x", "APP.example.org.", true),
            ("POST", "/open/x", "app.example.org", false),
            ("GET", "/open", "other.example.org", false),
            ("GET", "/open", "", false),
            ("GET", "/openx", "app.example.org", false),
            ("GET", "//open", "app.example.org", true),
            ("GET", "/open/.", "app.example.org", true),
            ("GET", "/open/%2e%2E/", "app.example.org", false),
            ("GET", "/open/../x", "app.example.org", false),
            ("GET", "/open/..%2fx", "app.example.org", false),
            ("GET", "/open\\..\\x", "app.example.org", false),
            ("GET", "/open%00", "app.example.org", false),
            ("OPTIONS", "*", "app.example.org", false),
            ("GET", "https://app.example.org/", "app.example.org", false),
            ("GET", "https://app.example.org/open", "other.example.org", true),
            ("GET", "https://other.example.org/open", "app.example.org", false),
        ] {
            let asked = Asked {
                method: method.to_owned(),
                target: target.to_owned(),
                host: host.to_owned(),
            };
            assert_eq!(place.is_for_anybody(&asked), open, "{method} {target} {host}");
        }
    }
}
