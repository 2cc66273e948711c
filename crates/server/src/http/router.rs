//! All routes on one screen.

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::limits::TIMES;
use crate::http::{layers, session_routes};

/// The routes, the fall-backs, and the layers around them.
pub(crate) fn router(app: App) -> Router {
    let config = app.config.clone();
    let routes = Router::new()
        .route("/api/v1/auth/login", post(session_routes::login))
        .route("/api/v1/auth/signin", post(session_routes::signin))
        .route("/api/v1/auth/refresh", post(session_routes::refresh))
        .route("/api/v1/auth/refresh/logout", post(session_routes::logout))
        .route("/api/v1/auth/status", post(session_routes::status))
        .route(
            "/api/v1/password",
            axum::routing::put(session_routes::change_password),
        )
        .route("/.well-known/jwks.json", get(jwks))
        .route("/health", get(async || Json(json!({"Status": "ok"}))))
        .route("/ready", get(ready))
        .fallback(async || HttpError::NoSuchPath)
        .method_not_allowed_fallback(async || HttpError::MethodNotAllowed)
        .with_state(app);
    layers::around(routes, &config, TIMES)
}

/// Five minutes, well below the 16 minutes for which a retired key still verifies.
async fn jwks(State(app): State<App>) -> Response {
    (
        [(CACHE_CONTROL, "public, max-age=300")],
        Json(app.authority.signing_keys().jwks()),
    )
        .into_response()
}

async fn ready(State(app): State<App>) -> Result<Response, HttpError> {
    if app.authority.is_ready() {
        Ok(Json(json!({"Ready": true})).into_response())
    } else {
        Err(HttpError::Unavailable)
    }
}
