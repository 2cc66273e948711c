//! `/api/v1/keys`: which keys there are and how old they are, and new ones.

use std::sync::Arc;

use authcore::ActConfirmed;
use authcore::audit::event::PasswordUse;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::{Reader, Writer};
use crate::http::extract::json::{self, required};
use crate::http::extract::one_time_code::Confirming;
use crate::shapes::keys::{KeyList, RotationReport};

/// The kind of key to make anew.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RotateBody {
    /// `signing`, `data`, or `all` for both; a new master key takes the secrets of the slots, at the command line.
    #[schema(required, value_type = String)]
    kind: Option<String>,
    /// While the second factor is on, and not of an access key: six digits of the authenticator app, or a recovery code.
    one_time_code: Option<String>,
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
        (status = 401, description = "A one-time code is missing or wrong, with `Needs`", body = ErrorBody),
    ),
)]
pub(crate) async fn rotate(
    State(app): State<App>,
    writer: Writer,
    confirming: Confirming,
    json::Json(body): json::Json<RotateBody>,
) -> Result<(StatusCode, Json<Rotated>), HttpError> {
    let (signing, data) = match required(body.kind, "Kind")?.as_str() {
        "signing" => (true, false),
        "data" => (false, true),
        "all" => (true, true),
        _ => return Err(HttpError::malformed("Kind is signing, data or all")),
    };
    let confirmed = match writer.session {
        Some(_) => {
            confirming
                .confirm(&app, body.one_time_code, PasswordUse::RotateKeys)
                .await?
        }
        None => ActConfirmed::by_access_key(),
    };
    let client = &confirming.client;
    let mut kid = None;
    if signing {
        let keys = app.authority.signing_keys();
        kid = Some(keys.rotate(&confirmed, client).await?.to_string());
    }
    if data {
        app.authority.rotations().rotate_data(&confirmed, client).await?;
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
