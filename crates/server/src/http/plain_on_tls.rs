//! What plain HTTP on the TLS port gets, whatever it asks for: a sentence that says to use https. No redirect: a client
//! that follows one sends its password in the clear first, each time, and nobody notices.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};

use crate::http::config::{HttpConfig, Scheme};
use crate::http::error::HttpError;
use crate::http::{access_log, headers, limits};

/// Refuses everything, within the bounds of every request and with the headers of every answer.
pub(crate) fn router(config: &HttpConfig) -> Router {
    // A browser must ignore Strict-Transport-Security in the clear (RFC 6797, section 8.1), so there is none.
    let plain = Arc::new(HttpConfig {
        scheme: Scheme::Http,
        ..config.clone()
    });
    Router::new()
        .fallback(async || HttpError::PlainOnTls)
        .layer(from_fn_with_state(limits::TIMES, limits::bounded_body))
        .layer(from_fn_with_state(limits::HEAD, limits::bounded_head))
        .layer(from_fn(access_log::log_request))
        .layer(from_fn_with_state(plain, headers::on_every_response))
}
