//! The refresh cookie, written and read; with [`gate`] the only place of `Set-Cookie`.
//!
//! On plain HTTP it has the reference model's form, `RefreshToken_<port>` limited to the refresh path; under TLS it is
//! `__Host-postern-refresh`, which no sibling host and no plain page can plant (6265bis, section 4.1.3). Both are read.

pub(crate) mod gate;

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use cookie::{Cookie, Expiration, SameSite};

use crate::http::config::{HttpConfig, RefreshCookieForm, Scheme};
use crate::http::error::HttpError;
use crate::http::host::Host;

/// The only path that the reference form is sent to.
const REFERENCE_PATH: &str = "/api/v1/auth/refresh";

/// The form under TLS.
const HOST_COOKIE: &str = "__Host-postern-refresh";

/// Name of the reference form: one server per port, and a host has one cookie jar for all ports (RFC 6265, section 8.5).
/// Without a port in the `Host` header the reference model writes 0.
fn reference_name(host: &Host) -> String {
    format!("RefreshToken_{}", host.port().unwrap_or(0))
}

/// Whether this server writes the reference form.
fn writes_reference(config: &HttpConfig) -> bool {
    match (config.scheme, config.refresh_cookie) {
        (Scheme::Http, _) | (Scheme::Https, RefreshCookieForm::Reference) => true,
        (Scheme::Https, RefreshCookieForm::ByScheme) => false,
    }
}

/// The value of the refresh cookie of this request, if it has one.
///
/// When both forms are sent, the one this server writes counts: after a move to TLS the old one may still lie there, and
/// a planted one must not win over a `__Host-` one.
///
/// # Errors
/// `400` when a name occurs twice, or when the header speaks the old cookie language (`$Version`, RFC 2965), in
/// which other readers would see other cookies.
pub(crate) fn read_refresh<'a>(
    headers: &'a HeaderMap,
    host: &Host,
    config: &HttpConfig,
) -> Result<Option<&'a str>, HttpError> {
    let reference = reference_name(host);
    let names = if writes_reference(config) {
        [&reference, HOST_COOKIE]
    } else {
        [HOST_COOKIE, &reference]
    };
    for name in names {
        if let Some(value) = find_one(headers, name)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The one cookie with exactly this name; HTTP/2 may spread cookies over several fields (RFC 9113, section 8.2.3).
fn find_one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, HttpError> {
    let mut found = None;
    let pairs = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|&b| b == b';'));
    for pair in pairs {
        // Only these two bytes are white space here: trimming more is how a planted name becomes a trusted one.
        let pair = trim(pair);
        if pair.starts_with(b"$") {
            return Err(HttpError::malformed(
                "the cookies are in a form that is not in use any more",
            ));
        }
        let mut halves = pair.splitn(2, |&b| b == b'=');
        if halves.next() != Some(name.as_bytes()) {
            continue;
        }
        let value = halves
            .next()
            .filter(|value| value.iter().copied().all(is_value_byte));
        let value = value.and_then(|value| std::str::from_utf8(value).ok());
        let Some(value) = value else {
            return Err(HttpError::malformed(
                "the refresh cookie has characters that it never had",
            ));
        };
        if found.replace(value).is_some() {
            return Err(HttpError::malformed("the refresh cookie is there twice"));
        }
    }
    Ok(found)
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The characters of a refresh token: hexadecimal or base64url text with dots between. No quotes, no escapes.
fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// The `Set-Cookie` that hands out a refresh token, which lasts `max_age` or as long as the browser runs.
///
/// # Errors
/// `500` when the token has characters that no cookie can carry; no token has.
pub(crate) fn write_refresh(
    token: &str,
    max_age: Option<Duration>,
    host: &Host,
    config: &HttpConfig,
) -> Result<HeaderValue, HttpError> {
    let mut cookie = refresh_cookie(token, host, config, writes_reference(config));
    if let Some(max_age) = max_age {
        cookie.set_max_age(time::Duration::try_from(max_age).unwrap_or(time::Duration::MAX));
    }
    encode(&cookie)
}

/// The `Set-Cookie`s that delete the refresh cookie, in both forms where both can be.
///
/// # Errors
/// None in practice; see [`write_refresh`].
pub(crate) fn delete_refresh(host: &Host, config: &HttpConfig) -> Result<Vec<HeaderValue>, HttpError> {
    // A browser takes a `__Host-` cookie only from TLS, so on plain HTTP there is none to delete.
    let forms: &[bool] = match config.scheme {
        Scheme::Http => &[true],
        Scheme::Https => &[true, false],
    };
    forms
        .iter()
        .map(|&reference| {
            let mut cookie = refresh_cookie("", host, config, reference);
            cookie.set_max_age(time::Duration::ZERO);
            cookie.set_expires(Expiration::DateTime(time::OffsetDateTime::UNIX_EPOCH));
            encode(&cookie)
        })
        .collect()
}

fn refresh_cookie(value: &str, host: &Host, config: &HttpConfig, reference: bool) -> Cookie<'static> {
    let (name, path) = if reference {
        (reference_name(host), REFERENCE_PATH)
    } else {
        (HOST_COOKIE.to_owned(), "/")
    };
    // No `Domain`: a cookie with one goes to every sub-domain (RFC 6265, section 5.3, step 6).
    Cookie::build((name, value.to_owned()))
        .path(path)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(config.scheme == Scheme::Https)
        .build()
}

fn encode(cookie: &Cookie<'_>) -> Result<HeaderValue, HttpError> {
    let mut value = HeaderValue::try_from(cookie.to_string()).map_err(|_| HttpError::Internal)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::host::HostNames;
    use proptest::prelude::*;

    fn config(scheme: Scheme, refresh_cookie: RefreshCookieForm) -> HttpConfig {
        HttpConfig {
            hosts: HostNames::new(HostNames::LOOPBACK).expect("names"),
            scheme,
            refresh_cookie,
        }
    }

    fn plain() -> HttpConfig {
        config(Scheme::Http, RefreshCookieForm::ByScheme)
    }

    fn host() -> Host {
        Host::parse("127.0.0.1:8420").expect("host")
    }

    fn read(fields: &[&[u8]], config: &HttpConfig) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_bytes(field).expect("field"));
        }
        read_refresh(&headers, &host(), config)
            .map(|value| value.map(str::to_owned))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn the_cookie_of_this_port_is_found_among_others() {
        let found = |field: &str| read(&[field.as_bytes()], &plain()).expect("sound");
        assert_eq!(found("RefreshToken_8420=a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(
            found("x=1; RefreshToken_8420=a.b.c;y=\"2\"").as_deref(),
            Some("a.b.c")
        );
        assert_eq!(found("__Host-postern-refresh=a.b.c").as_deref(), Some("a.b.c"));
        for other in [
            "",
            ";;",
            "=",
            "RefreshToken_8421=a",
            "refreshtoken_8420=a",
            "RefreshToken_8420x=a",
            "RefreshToken_842=0=a",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn a_doubled_cookie_is_refused_also_over_two_fields() {
        assert!(read(&[b"RefreshToken_8420=a; RefreshToken_8420=a"], &plain()).is_err());
        assert!(read(&[b"RefreshToken_8420=a", b"RefreshToken_8420=b"], &plain()).is_err());
        assert!(read(&[b"__Host-postern-refresh=a;__Host-postern-refresh=b"], &plain()).is_err());
    }

    #[test]
    fn the_form_this_server_writes_wins() {
        let both: &[u8] = b"RefreshToken_8420=old; __Host-postern-refresh=new";
        let tls = config(Scheme::Https, RefreshCookieForm::ByScheme);
        assert_eq!(read(&[both], &tls).unwrap().as_deref(), Some("new"));
        assert_eq!(read(&[both], &plain()).unwrap().as_deref(), Some("old"));
    }

    #[test]
    fn planted_and_legacy_spellings_are_never_the_cookie() {
        let none_or_refused: [&[u8]; 9] = [
            b"$Version=1; RefreshToken_8420=a",
            b"RefreshToken_8420=\"a.b.c\"",
            b"RefreshToken_8420",
            b"=RefreshToken_8420=a",
            b"\xe2\x80\x80RefreshToken_8420=a",
            b"\xc2\xa0RefreshToken_8420=a",
            b"\"RefreshToken_8420\"=a",
            b"RefreshToken_8420 =a",
            b"RefreshToken_8420=a,b",
        ];
        for field in none_or_refused {
            assert!(
                !matches!(read(&[field], &plain()), Ok(Some(_))),
                "{}",
                String::from_utf8_lossy(field)
            );
        }
    }

    #[test]
    fn the_plain_form_is_the_reference_models() {
        let text = |value: HeaderValue| value.to_str().expect("text").to_owned();
        let session = write_refresh("a.b.c", None, &host(), &plain()).expect("cookie");
        assert!(session.is_sensitive());
        assert_eq!(
            text(session),
            "RefreshToken_8420=a.b.c; HttpOnly; SameSite=Strict; Path=/api/v1/auth/refresh"
        );
        let remembered =
            write_refresh("a.b.c", Some(Duration::from_secs(60)), &host(), &plain()).expect("cookie");
        assert!(text(remembered).ends_with("; Max-Age=60"));
    }

    #[test]
    fn under_tls_it_is_a_host_cookie_or_the_reference_form_made_secure() {
        let tls = config(Scheme::Https, RefreshCookieForm::ByScheme);
        let cookie = write_refresh("a", None, &host(), &tls).expect("cookie");
        assert_eq!(
            cookie.to_str().unwrap(),
            "__Host-postern-refresh=a; HttpOnly; SameSite=Strict; Secure; Path=/"
        );
        let reference = config(Scheme::Https, RefreshCookieForm::Reference);
        let cookie = write_refresh("a", None, &host(), &reference).expect("cookie");
        let expected = "RefreshToken_8420=a; HttpOnly; SameSite=Strict; Secure; Path=/api/v1/auth/refresh";
        assert_eq!(cookie.to_str().unwrap(), expected);
    }

    #[test]
    fn deleting_names_the_same_path_and_an_age_of_nothing() {
        let deletions = delete_refresh(&host(), &plain()).expect("cookies");
        let [deletion] = deletions.as_slice() else {
            panic!("one form on plain HTTP")
        };
        let text = deletion.to_str().unwrap();
        assert!(text.starts_with("RefreshToken_8420=; "), "{text}");
        assert!(
            text.contains("Path=/api/v1/auth/refresh") && text.contains("Max-Age=0"),
            "{text}"
        );
        assert!(text.contains("Expires=Thu, 01 Jan 1970 00:00:00 GMT"), "{text}");
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_panic_and_what_it_takes_is_clean(
            field in proptest::collection::vec(prop_oneof![Just(b';'), Just(b'='), Just(b' '), 0x20u8..=0x7e, 0x80u8..], 0..80),
            at in 0usize..80,
        ) {
            let mut planted = field.clone();
            planted.splice(at.min(field.len())..at.min(field.len()), *b"RefreshToken_8420=");
            for field in [field, planted] {
                if let Ok(Some(value)) = read(&[&field], &plain()) {
                    prop_assert!(value.bytes().all(is_value_byte));
                    prop_assert_eq!(String::from_utf8_lossy(&field).matches("RefreshToken_8420=").count() >= 1, true);
                }
            }
        }

        #[test]
        fn two_of_them_are_always_refused(a in "[a-z0-9.]{0,10}", b in "[a-z0-9.]{0,10}", between in "(; ?[xyz]=[a-z]{0,4}){0,4}") {
            let field = format!("RefreshToken_8420={a}{between}; RefreshToken_8420={b}");
            prop_assert!(read(&[field.as_bytes()], &plain()).is_err());
        }

        #[test]
        fn what_is_written_reads_back(token in "[a-zA-Z0-9_.-]{1,120}") {
            let written = write_refresh(&token, None, &host(), &plain()).expect("cookie");
            let pair = written.to_str().unwrap().split(';').next().unwrap().to_owned();
            prop_assert_eq!(read(&[pair.as_bytes()], &plain()), Ok(Some(token)));
        }
    }
}
