//! The request that a proxy asks about, read once from its forwarded headers. There are no raw headers after this.
//!
//! | form | headers, each exactly once | proxies |
//! |---|---|---|
//! | forwarded | `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` | Caddy, Traefik, HAProxy |
//! | original | `X-Original-Method`, `X-Original-URL` | nginx |
//!
//! Only a listed proxy is believed. A header that is doubled, that comes in both forms and differs, or that has a twin with
//! underscores is a forgery that the proxy let through, and refused.

use std::net::IpAddr;

use axum::http::header::{ACCEPT, CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE};
use axum::http::{HeaderMap, HeaderName};

use super::path::Target;
use super::trusted_proxy::TrustedProxies;
use crate::http::config::Scheme;
use crate::http::host::Host;

const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Headers that decide something here or at an application, in the spelling with hyphens. One with underscores in its name is
/// the same to CGI and WSGI (oauth2-proxy CVE-2025-64484, Traefik CVE-2026-39858, Caddy CVE-2026-52845).
const MEANT: [&str; 17] = [
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-uri",
    "x-forwarded-for",
    "x-forwarded-user",
    "x-original-method",
    "x-original-url",
    "x-original-uri",
    "x-real-ip",
    "remote-user",
    "postern-session",
    "postern-assertion",
    "postern-location",
    "x-api-key",
    "sec-fetch-mode",
    "x-requested-with",
];

/// Which proxy speaks: decides how a browser is sent to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Hands any answer but a 2xx on to the browser.
    Forwarded,
    /// nginx's `auth_request`: knows only yes and no, and makes the redirect itself.
    Original,
}

/// Who waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A person who opened an address: can be sent elsewhere.
    Page,
    /// A script of a page, or a program: a redirect would come to it as a success.
    Script,
    /// The opening of a web socket.
    Socket,
}

/// One request to an application.
#[derive(Clone, Debug)]
pub(crate) struct GateRequest<'a> {
    pub(crate) form: Form,
    pub(crate) method: &'a str,
    pub(crate) scheme: Scheme,
    /// With a port only where it is not the scheme's own.
    pub(crate) host: Host,
    pub(crate) target: Target<'a>,
    pub(crate) asker: Asker,
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Whoever asks is no listed proxy: nothing it says is believed.
    NotListed,
    /// In words; nothing of what was sent is repeated.
    Malformed(&'static str),
}

impl<'a> GateRequest<'a> {
    /// Reads what a proxy at `peer` forwards.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub(crate) fn read(
        peer: IpAddr,
        trusted: &TrustedProxies,
        headers: &'a HeaderMap,
    ) -> Result<Self, Unreadable> {
        if !trusted.contains(peer) {
            return Err(Unreadable::NotListed);
        }
        refuse_tricks(headers)?;
        let forwarded = Forwarded {
            method: one(headers, &FORWARDED_METHOD)?,
            proto: one(headers, &FORWARDED_PROTO)?,
            host: one(headers, &FORWARDED_HOST)?,
            uri: one(headers, &FORWARDED_URI)?,
        };
        let (method, url) = (one(headers, &ORIGINAL_METHOD)?, one(headers, &ORIGINAL_URL)?);
        let (form, method, scheme, host, target) = match (method, url) {
            (None, None) => {
                let (method, scheme, host, target) = forwarded.read()?;
                (Form::Forwarded, method, scheme, host, target)
            }
            (Some(method), Some(url)) => {
                let (scheme, host, target) = split_url(url).ok_or(Unreadable::Malformed(
                    "X-Original-URL is not an address that has one reading",
                ))?;
                forwarded.agrees_with(method, scheme, &host, target)?;
                (Form::Original, method, scheme, host, target)
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err(Unreadable::Malformed(
                    "X-Original-Method and X-Original-URL come together",
                ));
            }
        };
        Self::of(form, method, scheme, host, target, headers)
    }

    /// Reads a request that this server passes on itself. `scheme` is what the listener speaks; a listed proxy in front of it
    /// may say what the browser spoke. What anybody else says of it is not looked at.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub(crate) fn direct(
        peer: IpAddr,
        trusted: &TrustedProxies,
        (spoken, host): (Scheme, Host),
        (method, target): (&'a str, &'a str),
        headers: &'a HeaderMap,
    ) -> Result<Self, Unreadable> {
        refuse_tricks(headers)?;
        let said = if trusted.contains(peer) {
            one(headers, &FORWARDED_PROTO)?
        } else {
            None
        };
        let scheme = match said {
            None => spoken,
            Some(said) => scheme(said).ok_or(Unreadable::Malformed("X-Forwarded-Proto is http or https"))?,
        };
        let own = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let host = host.without_port(own);
        Self::of(Form::Forwarded, method, scheme, host, target, headers)
    }

    fn of(
        form: Form,
        method: &'a str,
        scheme: Scheme,
        host: Host,
        target: &'a str,
        headers: &HeaderMap,
    ) -> Result<Self, Unreadable> {
        if method.is_empty()
            || method.len() > 32
            || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
        {
            return Err(Unreadable::Malformed("the forwarded method is none"));
        }
        let target = Target::parse(target).ok_or(Unreadable::Malformed(
            "the path has dot segments, backslashes or other things that no client sends",
        ))?;
        Ok(Self {
            form,
            method,
            scheme,
            host,
            target,
            asker: asker(method, headers),
        })
    }

    /// The whole address.
    pub(crate) fn url(&self) -> String {
        url(self.scheme, &self.host, self.target.text)
    }
}

/// An address of its parts.
pub(crate) fn url(scheme: Scheme, host: &Host, target: &str) -> String {
    format!("{}://{host}{target}", scheme_name(scheme))
}

pub(crate) const fn scheme_name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    }
}

/// The `X-Forwarded-*` of one request; absent ones too.
struct Forwarded<'a> {
    method: Option<&'a str>,
    proto: Option<&'a str>,
    host: Option<&'a str>,
    uri: Option<&'a str>,
}

impl<'a> Forwarded<'a> {
    fn read(&self) -> Result<(&'a str, Scheme, Host, &'a str), Unreadable> {
        // All four, or it is not this proxy's doing: `Connection: X-Forwarded-Host` takes headers away on their way through
        // (Traefik CVE-2024-45410, Fabio CVE-2025-48865).
        let (Some(method), Some(proto), Some(host), Some(uri)) =
            (self.method, self.proto, self.host, self.uri)
        else {
            return Err(Unreadable::Malformed(
                "the proxy names no method, scheme, host and path; see postern gate recipe",
            ));
        };
        let scheme = scheme(proto).ok_or(Unreadable::Malformed("X-Forwarded-Proto is http or https"))?;
        let host =
            read_host(host, scheme).ok_or(Unreadable::Malformed("X-Forwarded-Host is not one host"))?;
        Ok((method, scheme, host, uri))
    }

    /// oauth2-proxy CVE-2026-40575: what a client wrote must not be read in the place of what the proxy wrote.
    fn agrees_with(&self, method: &str, by_url: Scheme, host: &Host, target: &str) -> Result<(), Unreadable> {
        let same = self.method.is_none_or(|given| given == method)
            && self.uri.is_none_or(|given| given == target)
            && self.proto.is_none_or(|given| scheme(given) == Some(by_url))
            && self
                .host
                .is_none_or(|given| read_host(given, by_url).as_ref() == Some(host));
        if same {
            Ok(())
        } else {
            Err(Unreadable::Malformed(
                "the X-Forwarded and the X-Original headers say different things",
            ))
        }
    }
}

fn scheme(text: &str) -> Option<Scheme> {
    // Web sockets: some proxies say what the browser's address bar would (RFC 6455, section 3).
    match text {
        "http" | "ws" => Some(Scheme::Http),
        "https" | "wss" => Some(Scheme::Https),
        _ => None,
    }
}

fn read_host(text: &str, scheme: Scheme) -> Option<Host> {
    let own = match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    Host::parse(text).map(|host| host.without_port(own))
}

/// Splits `https://host/path?query`.
pub(crate) fn split_url(url: &str) -> Option<(Scheme, Host, &str)> {
    let (name, rest) = url.split_once("://")?;
    let scheme = match name {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let (host, target) = rest.split_at_checked(rest.find('/')?)?;
    Some((scheme, read_host(host, scheme)?, target))
}

/// The one field of that name, if there is any.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Unreadable> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(field), None) => field
            .to_str()
            .map(Some)
            .map_err(|_| Unreadable::Malformed("a forwarded header is not plain text")),
        (Some(_), Some(_)) => Err(Unreadable::Malformed("a forwarded header is there twice")),
    }
}

/// Whether a header of that name tells who asks or where from: a client's own copy reaches no application that this server passes
/// requests on to.
pub(crate) fn is_told_by_proxies(name: &str) -> bool {
    name == "forwarded"
        || name.starts_with("x-forwarded-")
        || name.starts_with("x-original-")
        || matches!(name, "x-real-ip" | "postern-location")
        || super::application::IdentityHeader::from_name(name).is_some()
}

fn refuse_tricks(headers: &HeaderMap) -> Result<(), Unreadable> {
    for name in headers.keys().map(HeaderName::as_str) {
        if name.contains('_') && MEANT.contains(&name.replace('_', "-").as_str()) {
            return Err(Unreadable::Malformed(
                "a header comes with underscores in its name, which some applications read as another",
            ));
        }
    }
    for field in headers.get_all(CONNECTION) {
        let named = field.to_str().unwrap_or_default().split(',').map(str::trim);
        if named
            .into_iter()
            .any(|name| MEANT.contains(&name.to_ascii_lowercase().as_str()))
        {
            return Err(Unreadable::Malformed(
                "the Connection header takes forwarded headers away",
            ));
        }
    }
    // In another protocol nobody is asked any more: HTTP/2, for one, carries requests ("h2c smuggling"; RFC 7540, section 3.2).
    let mut protocols = headers.get_all(UPGRADE).iter();
    let to_a_socket = protocols.all(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !to_a_socket || headers.contains_key(HTTP2_SETTINGS) {
        return Err(Unreadable::Malformed(
            "the request is to become another protocol, and only a web socket may",
        ));
    }
    Ok(())
}

/// Only a person who opened an address can be sent to sign in. Browsers say so; where they do not, the wish for HTML does.
fn asker(method: &str, headers: &HeaderMap) -> Asker {
    // Proxies take `Upgrade` away, which is for one hop; the key of a web socket's opening comes through (RFC 6455, section 4.1).
    if headers.contains_key(UPGRADE) || headers.contains_key(SEC_WEBSOCKET_KEY) {
        return Asker::Socket;
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let mode = text(&SEC_FETCH_MODE);
    if mode == Some("websocket") {
        return Asker::Socket;
    }
    let opens = match mode {
        // The page that signs people in is never shown in a frame.
        Some(mode) => mode == "navigate" && text(&SEC_FETCH_DEST).is_none_or(|dest| dest == "document"),
        None => text(&ACCEPT).is_some_and(|accept| accept.contains("text/html")),
    };
    if method == "GET" && opens && !headers.contains_key(X_REQUESTED_WITH) {
        Asker::Page
    } else {
        Asker::Script
    }
}

#[cfg(test)]
mod tests;
