//! `GET /api/v1/doctor`: what is wrong with this install, as far as a running server can tell.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::doctor::Finding;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::Owner;

/// Everything that was looked at.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Findings {
    /// In the order of looking.
    findings: Vec<Finding>,
}

/// List what was looked at and what was found. It names files of the server, so it is for the owner alone.
#[utoipa::path(
    get, path = "/api/v1/doctor", tag = "health", security(("bearerAuth" = [])),
    responses(
        (status = 200, description = "The findings", body = Findings),
        (status = 403, description = "Not for access keys", body = ErrorBody),
    ),
)]
pub(crate) async fn findings(State(app): State<App>, _owner: Owner) -> Result<Json<Findings>, HttpError> {
    // Looks at files: on a thread where waiting is no harm.
    let examine = move || (app.doctor)(&app.authority);
    let findings = tokio::task::spawn_blocking(examine)
        .await
        .map_err(|_| HttpError::Internal)?;
    Ok(Json(Findings { findings }))
}
