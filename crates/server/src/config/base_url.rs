//! How browsers reach this server.

use crate::http::config::Scheme;
use crate::http::host::{Host, HostNames};

/// `https://host[:port]`, or plain HTTP on loopback; nothing after that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
}

impl BaseUrl {
    /// Reads it; one trailing slash says nothing.
    ///
    /// # Errors
    /// In words, when it is none: plain HTTP to another machine would carry passwords in the clear.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Scheme::Https, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Scheme::Http, rest)
        } else {
            return Err("it begins with https:// (or http:// on this machine)");
        };
        let host = Host::parse(rest.strip_suffix('/').unwrap_or(rest))
            .ok_or("after the scheme comes a host name, perhaps a port, and no path")?;
        let loopback = HostNames::LOOPBACK.contains(&host.name());
        if scheme == Scheme::Http && !loopback {
            return Err("plain http:// is for this machine only: passwords would travel in the clear");
        }
        Ok(Self { scheme, host })
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_url_has_one_spelling() {
        for (text, shown) in [
            ("https://Door.Example.org/", "https://door.example.org"),
            ("https://door.example.org:8443", "https://door.example.org:8443"),
            ("http://127.0.0.1:8420", "http://127.0.0.1:8420"),
            ("http://[::1]:8420", "http://[::1]:8420"),
            ("http://localhost", "http://localhost"),
        ] {
            assert_eq!(BaseUrl::parse(text).expect(text).to_string(), shown);
        }
    }

    #[test]
    fn paths_users_other_schemes_and_plain_http_elsewhere_are_refused() {
        for text in [
            "door.example.org",
            "ftp://door.example.org",
            "https://",
            "https://me@door.example.org",
            "https://door.example.org/app",
            "https://door.example.org?x",
            "http://door.example.org",
            "http://192.168.1.2:8420",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }
}
