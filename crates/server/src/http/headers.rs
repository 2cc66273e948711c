//! The headers of every response that a browser could see: what it may do with it (nearly nothing), and that nobody keeps it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::http::config::{HttpConfig, Scheme};

/// Nothing is loaded, framed or run; a form may post to this origin only.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The page's own scripts, styles, pictures and calls, and nothing else; no script or style inside the document.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Left on a response by the page's handler: this one is a document that runs the page's own files.
#[derive(Clone, Copy)]
pub(crate) struct PageContent;

/// Left on an answer that a proxy takes for a yes and shows to nobody: what a browser may do with it is no question. That nobody keeps it
/// is one: a yes out of a cache would be everybody's.
#[derive(Clone, Copy)]
pub(crate) struct ForAProxy;

/// On every response, whatever the handler said (OWASP ASVS 5.0: 3.4.3 to 3.4.8, 3.5.8).
const FIXED: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");

/// One year (OWASP ASVS 5.0, 3.4.1). Not for sub-domains: siblings on a home domain may have no TLS.
const HSTS: &str = "max-age=31536000";

/// Layer: puts the headers on every response that comes out of the router, errors and panics included.
pub(crate) async fn on_every_response(
    State(config): State<Arc<HttpConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if response.extensions().get::<ForAProxy>().is_some() {
        response.headers_mut().insert(CACHE_CONTROL, NOT_KEPT);
        return response;
    }
    put(response.headers_mut(), config.scheme);
    if response.extensions().get::<PageContent>().is_some() {
        let policy = HeaderValue::from_static(PAGE_POLICY);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Puts them on an answer of this server's own that no layer sees.
pub(crate) fn put(headers: &mut HeaderMap, scheme: Scheme) {
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A handler may allow keeping (public keys do); who says nothing is not kept.
    headers.entry(CACHE_CONTROL).or_insert(NOT_KEPT);
    match scheme {
        Scheme::Http => {}
        Scheme::Https => {
            headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_can_allow_keeping_but_cannot_loosen_the_rest() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src *"));
        put(&mut headers, Scheme::Http);
        assert_eq!(headers[CACHE_CONTROL], "public, max-age=300");
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(headers.get_all(CONTENT_SECURITY_POLICY).iter().count(), 1);
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn strict_transport_security_comes_with_tls() {
        let mut headers = HeaderMap::new();
        put(&mut headers, Scheme::Https);
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], HSTS);
        assert_eq!(headers[CACHE_CONTROL], "no-store");
    }
}
