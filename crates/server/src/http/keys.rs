//! `/api/v1/keys`: which keys there are and how old they are, and new ones.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::{Reader, Writer};
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{self, required};
use crate::shapes::keys::{KeyList, RotationReport};

/// The kind of key to make anew.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RotateBody {
    /// `signing`, `data`, or `all` for both; a new master key takes the secrets of the slots, at the command line.
    #[schema(required, value_type = String)]
    kind: Option<String>,
}

/// What was made, and what goes on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Rotated {
    /// The `kid` of the new signing key.
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(flatten)]
    report: RotationReport,
}

/// List the signing keys and the data keys.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "The keys", body = KeyList)),
)]
pub(crate) async fn list(State(app): State<App>, _reader: Reader) -> Json<KeyList> {
    Json(KeyList::of(&app.authority))
}

/// Make new keys. A new signing key signs at once; a new data key seals at once, and what is under the old one is sealed
/// anew in the background: see `GET /api/v1/keys/rotation`. Nobody is signed out.
#[utoipa::path(
    post, path = "/api/v1/keys/rotate", tag = "keys",
    security(("bearerAuth" = []), ("accessKey" = ["api"])), request_body = RotateBody,
    responses(
        (status = 200, description = "The signing key is new", body = Rotated),
        (status = 202, description = "The rotation of the data key has begun, or goes on", body = Rotated),
        (status = 400, description = "There is no such kind", body = ErrorBody),
    ),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    _writer: Writer,
    RequestClient(client): RequestClient,
    json::Json(body): json::Json<RotateBody>,
) -> Result<(StatusCode, Json<Rotated>), HttpError> {
    let (signing, data) = match required(body.kind, "Kind")?.as_str() {
        "signing" => (true, false),
        "data" => (false, true),
        "all" => (true, true),
        _ => return Err(HttpError::malformed("Kind is signing, data or all")),
    };
    let mut kid = None;
    if signing {
        kid = Some(app.authority.signing_keys().rotate(&client).await?.to_string());
    }
    if data {
        app.authority.rotations().rotate_data(&client).await?;
    }
    let status = if data {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let report = report(&app).await?;
    Ok((status, Json(Rotated { kid, report })))
}

/// How far a rotation of the data key is, whoever began it. Without `Rotation`, none is under way.
#[utoipa::path(
    get, path = "/api/v1/keys/rotation", tag = "keys",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "Where it stands", body = RotationReport)),
)]
pub(crate) async fn rotation(
    State(app): State<App>,
    _reader: Reader,
) -> Result<Json<RotationReport>, HttpError> {
    Ok(Json(report(&app).await?))
}

/// Reads from disk: on a thread where waiting is no harm.
async fn report(app: &App) -> Result<RotationReport, HttpError> {
    let authority = Arc::clone(&app.authority);
    let status = tokio::task::spawn_blocking(move || authority.rotations().status()).await;
    let status = status.map_err(|_| HttpError::Internal)??;
    Ok(RotationReport::of(status.as_ref(), &[]))
}
