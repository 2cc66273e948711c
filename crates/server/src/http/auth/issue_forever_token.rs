//! `POST /api/v1/auth/issue-forever-token`: an access key under the reference model's name.

use authcore::audit::event::PasswordUse;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::TokenOwner;
use crate::http::extract::json::OptionalJson;
use crate::http::extract::one_time_code::{Confirming, OneTimeCodeBody};

/// An access key where the reference model has a token of ten years.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ForeverTokenAnswer<'a> {
    /// `pst_ak_…`: listed, revocable, good for one year; it is shown this once.
    access_token: &'a str,
}

/// Make a long-lived access key: once per server start, while the setting `allow_forever_token` is on.
#[utoipa::path(
    post, path = "/api/v1/auth/issue-forever-token", tag = "auth", security(("bearerAuth" = [])),
    request_body = Option<OneTimeCodeBody>,
    responses(
        (status = 200, description = "The access key", body = ForeverTokenAnswer<'static>),
        (status = 401, description = "`Authorization failed`, switched off, or issued already; a one-time code, with `Needs`", body = ErrorBody),
    ),
)]
pub(crate) async fn issue_forever_token(
    State(app): State<App>,
    _owner: TokenOwner,
    confirming: Confirming,
    OptionalJson(body): OptionalJson<OneTimeCodeBody>,
) -> Result<Response, HttpError> {
    let act = PasswordUse::CreateAccessKey;
    let confirmed = confirming.confirm(&app, body.one_time_code, act).await?;
    let keys = app.authority.access_keys();
    let created = keys.issue_forever(&confirmed, &confirming.client).await?;
    let secret = created.secret.expose_text();
    Ok(Json(ForeverTokenAnswer {
        access_token: &secret,
    })
    .into_response())
}
