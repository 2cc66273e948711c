//! With what a visitor comes, and what of the request's headers is for the application: its own cookies and its own
//! `Authorization`, never the gate's.

use authcore::GateCookie;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::request::{GateRequest, Unreadable};
use crate::http::cookies::gate::{self, Form};

pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What every access key begins with.
const KEY_PREFIX: &str = "pst_ak_";

/// What a visitor shows.
pub(crate) enum Credential {
    /// A gate cookie.
    Cookie(GateCookie),
    /// The text of an access key; it alone counts, whatever cookie comes along.
    Key(Zeroizing<String>),
}

/// What the application gets of these headers; an absent one is to be taken away.
#[derive(Debug, Default)]
pub(crate) struct HandedOn(pub(crate) Vec<(HeaderName, HeaderValue)>);

/// Looks for a credential, and sorts the headers.
///
/// # Errors
/// When one of them is doubled: proxy and application may look at different ones.
pub(crate) fn sort(
    request: &GateRequest<'_>,
    headers: &HeaderMap,
) -> Result<(Option<Credential>, HandedOn), Unreadable> {
    let authorization = one(headers, &AUTHORIZATION)?;
    let api_key = one(headers, &X_API_KEY)?;
    let mut handed_on = HandedOn::default();
    let mut key = None;
    for (name, field, found) in [
        (
            AUTHORIZATION,
            authorization,
            authorization.and_then(key_of_authorization),
        ),
        (X_API_KEY, api_key, api_key.and_then(key_of_text)),
    ] {
        match (field, found) {
            (None, _) => {}
            (Some(field), None) => handed_on.0.push((name, field.clone())),
            (Some(_), Some(found)) => {
                if key.replace(found).is_some() {
                    return Err(Unreadable::Malformed("two access keys came at once"));
                }
            }
        }
    }
    let form = Form::of(request.scheme, &request.host);
    let cookie = gate::read(headers, &form.cookie_name())
        .map_err(|_| Unreadable::Malformed("the gate's cookie is there twice"))?;
    if let Some(own) = gate::without_ours(headers) {
        handed_on.0.push((COOKIE, own));
    }
    let credential = match key {
        Some(key) => Some(Credential::Key(key)),
        None => cookie.and_then(GateCookie::parse).map(Credential::Cookie),
    };
    Ok((credential, handed_on))
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Unreadable> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (field, None) => Ok(field),
        (_, Some(_)) => Err(Unreadable::Malformed("a header with a credential is there twice")),
    }
}

/// `Bearer pst_ak_…`, or `Basic` with an access key as its password. Anything else is the application's.
fn key_of_authorization(field: &HeaderValue) -> Option<Zeroizing<String>> {
    let text = lossy(field.as_bytes());
    let (scheme, value) = text.split_once([' ', '\t'])?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return value.starts_with(KEY_PREFIX).then(|| value.to_owned().into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64.decode(value.as_bytes()).ok()?);
    // The first colon: a name has none, a password may (RFC 7617, section 2).
    let decoded = lossy(&decoded);
    let (_, password) = decoded.split_once(':')?;
    password
        .starts_with(KEY_PREFIX)
        .then(|| password.to_owned().into())
}

fn key_of_text(field: &HeaderValue) -> Option<Zeroizing<String>> {
    let text = lossy(field.as_bytes());
    let text = text.trim();
    text.starts_with(KEY_PREFIX).then(|| text.to_owned().into())
}

/// Bytes as text, whatever they are: a key with a byte that is no text opens nothing, and is still nothing that an application
/// gets to see.
fn lossy(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::trusted_proxy::TrustedProxies;

    const COOKIE_TEXT: &str = "01010101010101010101010101010101.AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

    /// What was found, and what is handed on.
    fn sorted(fields: &[(&str, &str)]) -> Result<(String, Vec<String>), Unreadable> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-original-method", "GET"),
            ("x-original-url", "https://app.example.org/"),
        ]
        .iter()
        .chain(fields)
        {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let trusted = TrustedProxies::new(&["10.0.0.1"]).expect("networks");
        let request =
            GateRequest::read("10.0.0.1".parse().expect("an address"), &trusted, &headers).expect("honest");
        let (credential, handed_on) = sort(&request, &headers)?;
        let found = match credential {
            None => "nothing".to_owned(),
            Some(Credential::Cookie(_)) => "cookie".to_owned(),
            Some(Credential::Key(text)) => text.to_string(),
        };
        let handed_on = handed_on
            .0
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        Ok((found, handed_on.collect()))
    }

    #[test]
    fn the_gates_own_is_taken_away_and_the_applications_own_passes() {
        let ours = format!("__Host-postern-gate={COOKIE_TEXT}");
        let mixed =
            format!("a=1; {ours};b=\"2\"; __Host-postern-refresh=x; RefreshToken_8420=y; postern-gate=z");
        let basic = |pair: &str| format!("Basic {}", BASE64.encode(pair.as_bytes()));
        let (with_key, without) = (basic("any:pst_ak_x:y"), basic("user:password"));
        for (fields, found, handed_on) in [
            (vec![], "nothing", vec![]),
            (vec![("cookie", ours.as_str())], "cookie", vec![]),
            (
                vec![("cookie", mixed.as_str())],
                "cookie",
                vec!["cookie: a=1; b=\"2\""],
            ),
            (vec![("cookie", "a=1")], "nothing", vec!["cookie: a=1"]),
            (vec![("authorization", "Bearer pst_ak_x")], "pst_ak_x", vec![]),
            (vec![("authorization", "bEARER pst_ak_x")], "pst_ak_x", vec![]),
            (vec![("authorization", with_key.as_str())], "pst_ak_x:y", vec![]),
            (vec![("x-api-key", "pst_ak_x")], "pst_ak_x", vec![]),
            (
                vec![("authorization", without.as_str()), ("x-api-key", "pst_ak_x")],
                "pst_ak_x",
                vec!["authorization: Basic dXNlcjpwYXNzd29yZA=="],
            ),
            (
                vec![("authorization", "Bearer ey.J.x"), ("cookie", ours.as_str())],
                "cookie",
                vec!["authorization: Bearer ey.J.x"],
            ),
            (
                vec![("x-api-key", "theirs"), ("cookie", ours.as_str())],
                "cookie",
                vec!["x-api-key: theirs"],
            ),
            (
                vec![("authorization", "Bearer pst_ak_x"), ("cookie", ours.as_str())],
                "pst_ak_x",
                vec![],
            ),
        ] {
            let expected: Vec<_> = handed_on.into_iter().map(str::to_owned).collect();
            assert_eq!(sorted(&fields), Ok((found.to_owned(), expected)), "{fields:?}");
        }
    }

    /// Found by `fuzz/`: such a field was taken for the application's own, key and all.
    #[test]
    fn a_damaged_key_is_nothing_that_an_application_gets() {
        let basic = format!("Basic {}", BASE64.encode(b"any:pst_ak_x\xff"));
        for (name, value) in [
            ("authorization", "Bearer pst_ak_x\u{e4}"),
            ("authorization", "Bearer\tpst_ak_x"),
            ("authorization", basic.as_str()),
            ("x-api-key", "pst_ak_x\u{e4}"),
        ] {
            let (found, handed_on) = sorted(&[(name, value)]).expect("one");
            assert!(
                found.starts_with("pst_ak_x") && handed_on.is_empty(),
                "{name}: {value}"
            );
        }
        let theirs = sorted(&[("x-api-key", "their\u{e4}")]);
        assert!(theirs.is_ok_and(|(found, _)| found == "nothing"), "control");
    }

    /// Authelia #8519: a malformed `Authorization` is no reason for another answer.
    #[test]
    fn what_is_no_credential_of_ours_is_none() {
        for authorization in [
            "",
            "Basic",
            "Basic ",
            "Basic %%%",
            "Basic cHN0X2FrXw",
            "Bearer",
            "Negotiate x",
            "pst_ak_x",
            "Digest a=b",
        ] {
            let (found, handed_on) = sorted(&[("authorization", authorization)]).expect("one");
            assert_eq!(
                (found.as_str(), handed_on.len()),
                ("nothing", 1),
                "{authorization:?}"
            );
        }
        // authentik CVE-2026-25748: a malformed cookie let through.
        for cookie in [
            "__Host-postern-gate=",
            "__Host-postern-gate=a.b",
            "__Host-postern-gate",
            "postern-gate=01010101010101010101010101010101.AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI",
            "=__Host-postern-gate=a",
            "__Host-postern-gate=\"a\"",
        ] {
            assert_eq!(
                sorted(&[("cookie", cookie)]).expect("one").0,
                "nothing",
                "{cookie}"
            );
        }
    }

    #[test]
    fn two_credentials_of_a_kind_are_refused() {
        let ours = format!("__Host-postern-gate={COOKIE_TEXT}");
        let twice = format!("{ours}; {ours}");
        for fields in [
            vec![("authorization", "Bearer a"), ("authorization", "Bearer b")],
            vec![("x-api-key", "a"), ("x-api-key", "b")],
            vec![("authorization", "Bearer pst_ak_x"), ("x-api-key", "pst_ak_y")],
            vec![("cookie", twice.as_str())],
            vec![("cookie", ours.as_str()), ("cookie", ours.as_str())],
        ] {
            assert!(sorted(&fields).is_err(), "{fields:?}");
        }
    }
}
