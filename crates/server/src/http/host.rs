//! The host a request names: parsed once, compared in one spelling, and refused when this server does not know it.
//!
//! The list is the defence against DNS rebinding: a page whose name was pointed at this address sends its own name
//! in `Host`, and gets `421` on every route (`5-threat-model.md`, A7).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use crate::http::config::HttpConfig;
use crate::http::error::HttpError;

/// Longest host name, in bytes (RFC 1035, section 2.3.4: 255 octets on the wire, 253 as text).
const NAME_MAX: usize = 253;

/// Longest label of a host name, in bytes (RFC 1035, section 2.3.4).
const LABEL_MAX: usize = 63;

/// A host and perhaps a port, as `Host`, `:authority` and `Origin` carry them; one value has one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Lower case, without a trailing dot; an IPv6 address in its RFC 5952 form with its brackets.
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Reads `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`; nothing that two readers could read differently.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']')?;
            let port = if rest.is_empty() {
                None
            } else {
                Some(rest.strip_prefix(':')?)
            };
            (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), port)
        } else {
            match text.split_once(':') {
                None => (canonical_name(text)?, None),
                Some((name, port)) => (canonical_name(name)?, Some(port)),
            }
        };
        let port = match port {
            None => None,
            Some(digits) => Some(parse_port(digits)?),
        };
        Some(Self { name, port })
    }

    /// The name in its one spelling, without the port.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The same host, its port left out where it is this one, which the scheme names anyway.
    #[must_use]
    pub(crate) fn without_port(self, own: u16) -> Self {
        Self {
            port: self.port.filter(|port| *port != own),
            ..self
        }
    }

    /// The port, if the text named one.
    #[must_use]
    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// One trailing dot is the same name (RFC 1034, section 3.1); underscores are no host name but are in use.
fn canonical_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let sound = !name.is_empty()
        && name.len() <= NAME_MAX
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= LABEL_MAX
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
    if !sound {
        return None;
    }
    let name = name.to_ascii_lowercase();
    // `127.1`, `0x7f.1` and `2130706433` are addresses to some resolvers and names to others: refuse them.
    let last = name.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if numeric && name.parse::<Ipv4Addr>().is_err() {
        return None;
    }
    Some(name)
}

fn parse_port(digits: &str) -> Option<u16> {
    let sound = !digits.is_empty()
        && digits.len() <= 5
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if sound { digits.parse().ok() } else { None }
}

/// A configured name that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} is not a host name")]
pub(crate) struct NotAHostName {
    name: String,
}

/// The names under which this server answers; ports do not matter.
#[derive(Clone, Debug)]
pub(crate) struct HostNames(BTreeSet<String>);

impl HostNames {
    /// What a browser on the same machine calls it.
    pub(crate) const LOOPBACK: [&'static str; 3] = ["localhost", "127.0.0.1", "[::1]"];

    /// These names, each a host name, an IPv4 address, or an IPv6 address with or without brackets.
    ///
    /// # Errors
    /// When one of them is not a host name, or has a port.
    pub(crate) fn new<I, S>(names: I) -> Result<Self, NotAHostName>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        names
            .into_iter()
            .map(|name| {
                let name = name.as_ref();
                let bracketed = name.parse::<Ipv6Addr>().map(|address| format!("[{address}]"));
                Host::parse(bracketed.as_deref().unwrap_or(name))
                    .filter(|host| host.port.is_none())
                    .map(|host| host.name)
                    .ok_or_else(|| NotAHostName {
                        name: name.to_owned(),
                    })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The names, an IPv6 address without its brackets, as certificates have them.
    pub(crate) fn bare(&self) -> Vec<String> {
        let bare = |name: &String| name.trim_start_matches('[').trim_end_matches(']').to_owned();
        self.0.iter().map(bare).collect()
    }

    /// The names of these hosts.
    pub(crate) fn of<'a>(hosts: impl Iterator<Item = &'a Host>) -> Self {
        Self(hosts.map(|host| host.name.clone()).collect())
    }

    /// Whether this server answers under that name.
    pub(crate) fn contains(&self, host: &Host) -> bool {
        self.0.contains(&host.name)
    }
}

/// The host of this request: one, well-formed, known, and the same wherever the request names it.
#[derive(Clone, Debug)]
pub(crate) struct RequestHost(pub(crate) Host);

impl<S: Send + Sync> FromRequestParts<S> for RequestHost {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        // Only without the layer below is there none.
        parts.extensions.get().cloned().ok_or(HttpError::Internal)
    }
}

/// Finds the one host that a request names.
///
/// HTTP/2 names it in `:authority` (the request URI here) and may repeat it in `Host`; HTTP/1.1 must name it in `Host`
/// and may repeat it in an absolute-form target (RFC 9112, section 3.2). Where both are, they must agree: a proxy in
/// front may have looked at the other one.
pub(crate) fn the_one_host(request: &Request) -> Result<Host, HttpError> {
    let malformed = || HttpError::malformed("the request does not name exactly one host");
    let mut fields = request.headers().get_all(HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => None,
        (Some(field), None) => Some(field.to_str().ok().and_then(Host::parse).ok_or_else(malformed)?),
        (Some(_), Some(_)) => return Err(malformed()),
    };
    let target = match request.uri().authority() {
        None => None,
        Some(authority) => Some(Host::parse(authority.as_str()).ok_or_else(malformed)?),
    };
    let http2 = request.version() == axum::http::Version::HTTP_2;
    match (target, field) {
        (None, Some(host)) => Ok(host),
        (Some(target), None) if http2 => Ok(target),
        (Some(target), Some(field)) if target == field => Ok(field),
        (None | Some(_), None) | (Some(_), Some(_)) => Err(malformed()),
    }
}

/// Layer: lets only requests through that name exactly one host, a known one; leaves [`RequestHost`] behind.
pub(crate) async fn require_known_host(
    State(config): State<Arc<HttpConfig>>,
    mut request: Request,
    next: Next,
) -> Result<Response, HttpError> {
    let host = the_one_host(&request)?;
    if !config.hosts.contains(&host) {
        return Err(HttpError::UnknownHost);
    }
    request.extensions_mut().insert(RequestHost(host));
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Version;
    use proptest::prelude::*;

    #[test]
    fn one_host_has_one_spelling() {
        for (text, name, port) in [
            ("localhost", "localhost", None),
            ("LOCALHOST.:8420", "localhost", Some(8420)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]:8420", "[::1]", Some(8420)),
            ("[0:0:0:0:0:0:0:1]", "[::1]", None),
            ("nas_1.Example.COM", "nas_1.example.com", None),
        ] {
            let host = Host::parse(text).expect(text);
            assert_eq!((host.name(), host.port()), (name, port), "{text}");
        }
    }

    #[test]
    fn an_ambiguous_host_is_no_host() {
        for text in [
            "",
            ".",
            ":80",
            "a:",
            "a:0",
            "a:080",
            "a:65536",
            "a:80:80",
            "a..b",
            "a.b..",
            "a b",
            "a@b",
            "a/b",
            "a\\b",
            "a,b",
            "a%00",
            "ä.example",
            "[::1",
            "::1",
            "[::1]x",
            "[::1%lo]",
            "[]",
            "127.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "2130706433",
            "1.2.3.256",
            "1.2.3.04",
            "a:+80",
            "a: 80",
            "a\t",
        ] {
            assert_eq!(Host::parse(text), None, "{text:?}");
        }
        assert_eq!(Host::parse(&"a".repeat(64)), None);
        assert_eq!(Host::parse(&["a"; 128].join(".")), None);
    }

    #[test]
    fn a_configured_name_may_be_a_bare_ipv6_address_but_has_no_port() {
        let names = HostNames::new(["::1", "NAS.local."]).expect("names");
        assert!(names.contains(&Host::parse("[::1]:99").unwrap()));
        assert!(names.contains(&Host::parse("nas.LOCAL").unwrap()));
        assert!(HostNames::new(["nas:80"]).is_err());
        assert!(HostNames::new(["*"]).is_err());
        assert!(HostNames::new(HostNames::LOOPBACK).is_ok());
    }

    fn request(version: Version, target: &str, hosts: &[&str]) -> Request {
        let mut builder = Request::builder().version(version).uri(target);
        for host in hosts {
            builder = builder.header(HOST, *host);
        }
        builder.body(Body::empty()).expect("request")
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        let one = [Version::HTTP_10, Version::HTTP_11];
        for version in one {
            assert!(the_one_host(&request(version, "/", &["a"])).is_ok());
            assert!(the_one_host(&request(version, "/", &[])).is_err());
            assert!(the_one_host(&request(version, "/", &["a", "a"])).is_err());
            assert!(the_one_host(&request(version, "http://a:1/", &["A:1"])).is_ok());
            assert!(the_one_host(&request(version, "http://a/", &["b"])).is_err());
            assert!(the_one_host(&request(version, "http://a/", &[])).is_err());
            assert!(the_one_host(&request(version, "http://u@a/", &["a"])).is_err());
            assert!(the_one_host(&request(version, "http://a:1/", &["a:2"])).is_err());
        }
        assert!(the_one_host(&request(Version::HTTP_2, "http://a/", &[])).is_ok());
        assert!(the_one_host(&request(Version::HTTP_2, "http://a/", &["b"])).is_err());
        assert!(the_one_host(&request(Version::HTTP_2, "/", &[])).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_host_that_reads_back_as_itself_or_none(text in "\\PC{0,40}") {
            if let Some(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Some(host));
            }
        }

        #[test]
        fn a_host_like_text_never_panics_and_keeps_its_port(text in "[a-z0-9.:\\[\\]@%-]{0,30}") {
            if let Some(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Some(host.clone()));
                if let Some(port) = host.port() {
                    let suffix = format!(":{port}");
                    prop_assert!(text.ends_with(&suffix));
                }
            }
        }

        #[test]
        fn case_never_matters(text in "[a-zA-Z0-9.-]{1,20}(:[1-9][0-9]{0,3})?") {
            prop_assert_eq!(Host::parse(&text), Host::parse(&text.to_ascii_uppercase()));
        }
    }
}
