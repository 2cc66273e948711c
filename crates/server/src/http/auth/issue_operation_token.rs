//! `POST /api/v1/auth/issuetoken/{operation}`: a token for one download or one web socket.

use authcore::Operation;
use authcore::audit::event::PasswordUse;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::TokenAnswer;
use crate::app::App;
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::TokenOwner;
use crate::http::extract::json::OptionalJson;
use crate::http::extract::one_time_code::{Confirming, OneTimeCodeBody};
use crate::http::extract::path::Segment;

/// Make an operation token, good for 60 seconds and one use.
#[utoipa::path(
    post, path = "/api/v1/auth/issuetoken/{operation}", tag = "auth", security(("bearerAuth" = [])),
    request_body = Option<OneTimeCodeBody>,
    params(("operation" = String, Path, description = "`export`, `bugreport`, `websocket` or `backup`")),
    responses(
        (status = 200, description = "The token", body = TokenAnswer<'static>),
        (status = 400, description = "There is no such operation", body = ErrorBody),
        (status = 401, description = "`Authorization failed`; for `backup` and `export` a one-time code, with `Needs`", body = ErrorBody),
    ),
)]
pub(crate) async fn issue_operation_token(
    State(app): State<App>,
    owner: TokenOwner,
    confirming: Confirming,
    Segment(operation): Segment,
    OptionalJson(body): OptionalJson<OneTimeCodeBody>,
) -> Result<Response, HttpError> {
    let operation =
        Operation::from_name(&operation).ok_or_else(|| HttpError::malformed("Invalid operation"))?;
    let confirmed = if operation.is_to_be_confirmed() {
        let act = PasswordUse::TakeBackup;
        Some(confirming.confirm(&app, body.one_time_code, act).await?)
    } else {
        None
    };
    let token = app
        .authority
        .operation_tokens()
        .issue(&owner.principal, operation, confirmed.as_ref())
        .map_err(|error| Credential::Bearer.of_issuing(error))?;
    Ok(Json(TokenAnswer {
        token: token.expose_str(),
    })
    .into_response())
}
