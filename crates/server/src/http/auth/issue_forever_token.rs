//! `POST /api/v1/auth/issue-forever-token`: an access key under the reference model's name.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::TokenOwner;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{NoMembers, OptionalJson};

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
    responses(
        (status = 200, description = "The access key", body = ForeverTokenAnswer<'static>),
        (status = 401, description = "`Authorization failed`, switched off, or issued already", body = ErrorBody),
    ),
)]
pub(crate) async fn issue_forever_token(
    State(app): State<App>,
    _owner: TokenOwner,
    RequestClient(client): RequestClient,
    OptionalJson(NoMembers {}): OptionalJson<NoMembers>,
) -> Result<Response, HttpError> {
    let created = app.authority.access_keys().issue_forever(&client).await?;
    let secret = created.secret.expose_text();
    Ok(Json(ForeverTokenAnswer {
        access_token: &secret,
    })
    .into_response())
}
