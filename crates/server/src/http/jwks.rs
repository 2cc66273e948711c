//! `GET /.well-known/jwks.json`: the public keys with which others can check our tokens' signatures.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};

use crate::app::App;

/// Five minutes: a third of the 16 minutes for which a retired key still verifies, so that nobody misses a new key.
const KEEP: &str = "public, max-age=300";

/// The public signing keys (RFC 7517), the retiring ones too.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "public", security(()),
    responses((status = 200, description = "A JWK set", body = Object)),
)]
pub(crate) async fn jwks(State(app): State<App>) -> Response {
    ([(CACHE_CONTROL, KEEP)], Json(app.authority.signing_keys().jwks())).into_response()
}
