//! No request forgery: a state-changing request must come from this origin, or from something that is no page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::Next;
use axum::response::Response;

use crate::http::config::{HttpConfig, Scheme};
use crate::http::error::HttpError;
use crate::http::host::{Host, RequestHost};

/// Sent by browsers, never settable by a page (W3C Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Layer: refuses a state-changing request that another origin made a browser send. Asking the gate changes nothing, and the
/// method and origin are then those of a request to an application.
pub(crate) async fn require_same_origin(
    State(config): State<Arc<HttpConfig>>,
    request: Request,
    next: Next,
) -> Result<Response, HttpError> {
    if changes_state(request.method()) {
        // Without the layer before there is no host, and then nothing is the same origin.
        let host = request
            .extensions()
            .get::<RequestHost>()
            .ok_or(HttpError::CrossSite)?;
        if !is_same_origin(request.headers(), &host.0, config.scheme) {
            return Err(HttpError::CrossSite);
        }
    }
    Ok(next.run(request).await)
}

/// Every method but the safe ones of RFC 9110, section 9.2.1.
fn changes_state(method: &Method) -> bool {
    !matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

/// `Sec-Fetch-Site` decides where there is one, else `Origin`; a client that sends neither is no browser page.
pub(crate) fn is_same_origin(headers: &HeaderMap, host: &Host, scheme: Scheme) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    match (sites.next(), sites.next()) {
        (Some(site), None) => return matches!(site.as_bytes(), b"same-origin" | b"none"),
        (Some(_), Some(_)) => return false,
        (None, _) => {}
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => origin
            .to_str()
            .is_ok_and(|origin| origin_is(origin, host, scheme)),
        (Some(_), Some(_)) => false,
    }
}

/// Whether `origin` (RFC 6454, section 6.1; `null` is nobody's) is the origin of `host`.
fn origin_is(origin: &str, host: &Host, ours: Scheme) -> bool {
    let (rest, default_port) = if let Some(rest) = origin.strip_prefix("https://") {
        (rest, 443)
    } else if let (Some(rest), Scheme::Http) = (origin.strip_prefix("http://"), ours) {
        (rest, 80)
    } else {
        return false;
    };
    let port = |host: &Host| host.port().unwrap_or(default_port);
    Host::parse(rest).is_some_and(|origin| origin.name() == host.name() && port(&origin) == port(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(headers: &[(HeaderName, &'static str)], scheme: Scheme) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        is_same_origin(&map, &Host::parse("localhost:8420").expect("host"), scheme)
    }

    #[test]
    fn the_site_decides_where_the_browser_sends_it() {
        for (site, passes) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
            ("Same-Origin", false),
            ("same-origin, none", false),
            ("", false),
        ] {
            assert_eq!(check(&[(SEC_FETCH_SITE, site)], Scheme::Http), passes, "{site:?}");
        }
        assert!(!check(
            &[(SEC_FETCH_SITE, "same-origin"), (SEC_FETCH_SITE, "cross-site")],
            Scheme::Http
        ));
        assert!(!check(
            &[(SEC_FETCH_SITE, "cross-site"), (ORIGIN, "http://localhost:8420")],
            Scheme::Http
        ));
    }

    #[test]
    fn else_the_origin_must_be_the_host() {
        for (origin, passes) in [
            ("http://localhost:8420", true),
            ("http://LOCALHOST:8420", true),
            ("https://localhost:8420", true),
            ("http://localhost", false),
            ("http://localhost:8421", false),
            ("http://evil.example:8420", false),
            ("http://localhost.evil.example:8420", false),
            ("http://localhost:8420/", false),
            ("http://u@localhost:8420", false),
            ("null", false),
            ("", false),
            ("ftp://localhost:8420", false),
        ] {
            assert_eq!(check(&[(ORIGIN, origin)], Scheme::Http), passes, "{origin:?}");
        }
        assert!(!check(
            &[
                (ORIGIN, "http://localhost:8420"),
                (ORIGIN, "http://localhost:8420")
            ],
            Scheme::Http
        ));
        assert!(!check(&[(ORIGIN, "http://localhost:8420")], Scheme::Https));
    }

    #[test]
    fn a_script_that_sends_neither_passes() {
        assert!(check(&[], Scheme::Http));
        assert!(check(&[], Scheme::Https));
    }

    #[test]
    fn a_default_port_is_the_port() {
        let host = Host::parse("nas.example").expect("host");
        assert!(origin_is("https://nas.example", &host, Scheme::Https));
        assert!(origin_is("https://nas.example:443", &host, Scheme::Https));
        assert!(!origin_is("https://nas.example:444", &host, Scheme::Https));
    }
}
