//! `/api/v1/access-keys`: long-lived secrets for scripts. The secret is in the answer to the creating `POST` only.

use std::time::Duration;

use authcore::audit::event::PasswordUse;
use authcore::{ACCESS_KEY_LIFE, Scope, Scopes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::{Owner, Reader};
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{Json, required};
use crate::http::extract::one_time_code::Confirming;
use crate::http::extract::path::Segment;
use crate::shapes::access_keys::{AccessKeyCreated, AccessKeyList};

/// What kind of key.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessKeyBody {
    /// 1 to 64 characters; no other key has it.
    #[schema(required, value_type = String)]
    name: Option<String>,
    /// `api`, `api:read`, `metrics`, `gate:HOST[/PATH][:METHOD,METHOD]`; absent: `api:read` alone.
    scopes: Option<Vec<String>>,
    /// Seconds until it ends, at most 366 days; absent: 90 days.
    expires_in: Option<u64>,
    /// While the second factor is on: six digits of the authenticator app, or a recovery code.
    one_time_code: Option<String>,
}

/// List the access keys, without their secrets.
#[utoipa::path(
    get, path = "/api/v1/access-keys", tag = "access keys",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "The access keys", body = AccessKeyList)),
)]
pub(crate) async fn list(State(app): State<App>, _reader: Reader) -> axum::Json<AccessKeyList> {
    axum::Json(AccessKeyList::of(app.authority.access_keys().list()))
}

/// Make an access key.
#[utoipa::path(
    post, path = "/api/v1/access-keys", tag = "access keys", security(("bearerAuth" = [])),
    request_body = AccessKeyBody,
    responses(
        (status = 201, description = "Made; the secret is shown this once", body = AccessKeyCreated<'static>),
        (status = 400, description = "Name, scopes or life are refused", body = ErrorBody),
        (status = 401, description = "A one-time code is missing or wrong, with `Needs`", body = ErrorBody),
        (status = 403, description = "An access key makes no access keys", body = ErrorBody),
        (status = 409, description = "The name is taken", body = ErrorBody),
    ),
)]
pub(crate) async fn create(
    State(app): State<App>,
    _owner: Owner,
    confirming: Confirming,
    Json(body): Json<AccessKeyBody>,
) -> Result<Response, HttpError> {
    let name = required(body.name, "Name")?;
    let scopes = match body.scopes {
        None => Scopes::new(vec![Scope::ApiRead]),
        Some(names) => names
            .iter()
            .map(|name| Scope::from_name(name))
            .collect::<Result<Vec<_>, _>>()
            .map(Scopes::new)
            .map_err(|error| HttpError::malformed(error.to_string()))?,
    };
    let scopes = scopes.ok_or_else(|| HttpError::malformed("an access key has at least one scope"))?;
    let life = body.expires_in.map_or(ACCESS_KEY_LIFE, Duration::from_secs);
    let act = PasswordUse::CreateAccessKey;
    let confirmed = confirming.confirm(&app, body.one_time_code, act).await?;
    let created = app
        .authority
        .access_keys()
        .create(&confirmed, &name, scopes, life, &confirming.client)
        .await?;
    let secret = created.secret.expose_text();
    let answer = AccessKeyCreated::new(created.view, &secret);
    Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
}

/// Revoke an access key: from the answer on it opens nothing.
#[utoipa::path(
    delete, path = "/api/v1/access-keys/{id}", tag = "access keys", security(("bearerAuth" = [])),
    params(("id" = String, Path, description = "The key's id or name")),
    responses(
        (status = 204, description = "Revoked"),
        (status = 403, description = "An access key revokes no access keys", body = ErrorBody),
        (status = 404, description = "There is no such access key", body = ErrorBody),
    ),
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    _owner: Owner,
    RequestClient(client): RequestClient,
    Segment(id): Segment,
) -> Result<StatusCode, HttpError> {
    if app.authority.access_keys().revoke(&id, &client).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(HttpError::NotFound("access key"))
    }
}
