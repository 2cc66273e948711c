//! The gate's cookies: one on each application's host, and one for a browser that is on its way to sign in.
//!
//! Under TLS they are `__Host-postern-gate` and `__Host-postern-state`, on plain HTTP, which is loopback, the same without
//! the prefix, which browsers take from TLS only; with the port behind the name where the host names one, since a host has
//! one cookie jar for all its ports (RFC 6265, section 8.5).
//!
//! `SameSite=Lax`, since a browser comes to both from another site: from the sign-in host, and by any link to the
//! application. A page of another site can send neither along with anything but such a visit.

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use cookie::{Cookie, SameSite};

use super::{encode, is_value_byte, trim};
use crate::http::config::Scheme;
use crate::http::error::HttpError;
use crate::http::host::Host;

/// How long a challenge may wait for its answer: time to type a password, and to look for it.
const STATE_LIFE: Duration = Duration::from_secs(600);

/// How long a browser is known: as long as browsers keep any cookie (6265bis, section 5.5).
const DEVICE_LIFE: Duration = Duration::from_secs(400 * 24 * 3600);

/// What the names of this server's cookies begin with, in lower case; none of them reaches an application.
const OURS: [&[u8]; 5] = [
    b"__host-postern-",
    b"postern-gate",
    b"postern-state",
    b"postern-device",
    b"refreshtoken_",
];

/// Under which names the cookies of one host go.
pub(crate) struct Form {
    secure: bool,
    port: Option<u16>,
}

impl Form {
    /// The form on that host, whose port is `None` where it is the scheme's own.
    pub(crate) fn of(scheme: Scheme, host: &Host) -> Self {
        Self {
            secure: scheme == Scheme::Https,
            port: host.port(),
        }
    }

    fn name(&self, base: &str) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        match self.port {
            Some(port) => format!("{prefix}{base}-{port}"),
            None => format!("{prefix}{base}"),
        }
    }

    /// What lets a browser pass.
    pub(crate) fn cookie_name(&self) -> String {
        self.name("postern-gate")
    }

    /// What a browser that was challenged is known by.
    pub(crate) fn state_name(&self) -> String {
        self.name("postern-state")
    }

    /// The `Set-Cookie` of a gate cookie.
    ///
    /// # Errors
    /// None in practice: the value has cookie-safe characters only.
    pub(crate) fn write_cookie(
        &self,
        value: &str,
        max_age: Option<Duration>,
    ) -> Result<HeaderValue, HttpError> {
        self.write(self.cookie_name(), value, max_age)
    }

    /// The `Set-Cookie` of a browser's state.
    ///
    /// # Errors
    /// As [`Form::write_cookie`].
    pub(crate) fn write_state(&self, value: &str) -> Result<HeaderValue, HttpError> {
        self.write(self.state_name(), value, Some(STATE_LIFE))
    }

    /// What a browser that signed in here is known by.
    pub(crate) fn device_name(&self) -> String {
        self.name("postern-device")
    }

    /// The `Set-Cookie` of a known device, which only this host's own page sends along.
    ///
    /// # Errors
    /// As [`Form::write_cookie`].
    pub(crate) fn write_device(&self, value: &str) -> Result<HeaderValue, HttpError> {
        self.write_as(self.device_name(), value, Some(DEVICE_LIFE), SameSite::Strict)
    }

    fn write(&self, name: String, value: &str, max_age: Option<Duration>) -> Result<HeaderValue, HttpError> {
        self.write_as(name, value, max_age, SameSite::Lax)
    }

    fn write_as(
        &self,
        name: String,
        value: &str,
        max_age: Option<Duration>,
        same_site: SameSite,
    ) -> Result<HeaderValue, HttpError> {
        let mut cookie = Cookie::build((name, value.to_owned()))
            .path("/")
            .http_only(true)
            .same_site(same_site)
            .secure(self.secure)
            .build();
        if let Some(max_age) = max_age {
            cookie.set_max_age(time::Duration::try_from(max_age).unwrap_or(time::Duration::MAX));
        }
        encode(&cookie)
    }
}

/// A cookie came twice: which one counts would be a guess.
#[derive(Debug)]
pub(crate) struct Twice;

/// The value of the cookie of exactly that name; `None` also for one that no cookie of ours looks like.
///
/// # Errors
/// When it is there twice.
pub(crate) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Twice> {
    let mut values = pairs(headers).filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    let value = values.next();
    if values.next().is_some() {
        return Err(Twice);
    }
    let value = value.filter(|value| value.iter().copied().all(is_value_byte));
    Ok(value.and_then(|value| std::str::from_utf8(value).ok()))
}

/// The cookies of the application itself, as one field; `None` when there are none.
pub(crate) fn without_ours(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut field = Vec::new();
    for pair in pairs(headers).filter(|pair| !pair.is_empty() && !is_ours(pair)) {
        if !field.is_empty() {
            field.extend_from_slice(b"; ");
        }
        field.extend_from_slice(pair);
    }
    HeaderValue::from_bytes(&field)
        .ok()
        .filter(|value| !value.is_empty())
}

/// Whether a pair of `Cookie`, or a field of `Set-Cookie`, is of a cookie of this server.
pub(crate) fn is_ours(pair: &[u8]) -> bool {
    // A pair without a name before its `=` is read as the name by some (PortSwigger, "cookie chaos").
    let pair = pair.strip_prefix(b"=").unwrap_or(pair);
    OURS.iter().any(|ours| {
        pair.len() >= ours.len() && pair.iter().zip(*ours).all(|(a, b)| a.eq_ignore_ascii_case(b))
    })
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let fields = headers.get_all(COOKIE).into_iter();
    fields
        .flat_map(|field| field.as_bytes().split(|&b| b == b';'))
        .map(trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(scheme: Scheme, host: &str) -> Form {
        Form::of(scheme, &Host::parse(host).expect("a host"))
    }

    #[test]
    fn a_cookie_is_for_one_host_and_out_of_scripts_reach() {
        let tls = form(Scheme::Https, "app.example.org");
        let written = tls.write_cookie("a.b", None).expect("written");
        assert_eq!(
            written,
            "__Host-postern-gate=a.b; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
        assert!(written.is_sensitive());
        let plain = form(Scheme::Http, "app.localhost:8080");
        assert_eq!(
            plain.write_state("s").expect("written"),
            "postern-state-8080=s; HttpOnly; SameSite=Lax; Path=/; Max-Age=600"
        );
    }

    #[test]
    fn only_what_is_ours_is_taken_out() {
        let field = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.append(COOKIE, HeaderValue::from_str(text).expect("a field"));
            without_ours(&headers).map(|value| value.to_str().expect("text").to_owned())
        };
        assert_eq!(field("a=1;b=2 ; c"), Some("a=1; b=2; c".to_owned()));
        assert_eq!(
            field("posternish=1; xpostern-gate=1"),
            Some("posternish=1; xpostern-gate=1".to_owned())
        );
        for ours in [
            "__Host-postern-gate=1",
            "__host-Postern-Refresh=1",
            "postern-gate-8080=1",
            "POSTERN-STATE=1",
            "RefreshToken_8420=1",
            "=__Host-postern-gate=1",
            " ; ;",
        ] {
            assert_eq!(field(ours), None, "{ours}");
            assert_eq!(field(&format!("a=1; {ours}; b=2")), Some("a=1; b=2".to_owned()));
        }
    }
}
