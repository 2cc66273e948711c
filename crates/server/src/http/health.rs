//! `GET /health` and `GET /ready`: for supervisors. No detail to strangers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error;

/// That the process answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether changes are committed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Readiness {
    /// Unlocked, writable, no failed write since the start.
    ready: bool,
}

/// Whether the process is alive.
#[utoipa::path(
    get, path = "/health", tag = "public", security(()),
    responses((status = 200, description = "Alive", body = Health)),
)]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the server can do its work.
#[utoipa::path(
    get, path = "/ready", tag = "public", security(()),
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready", body = Readiness),
    ),
)]
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let ready = app.authority.is_ready();
    (
        if ready { StatusCode::OK } else { error::NOT_READY },
        Json(Readiness { ready }),
    )
}
