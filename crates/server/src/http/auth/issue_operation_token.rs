//! `POST /api/v1/auth/issuetoken/{operation}`: a token for one download or one web socket.

use authcore::Operation;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::TokenAnswer;
use crate::app::App;
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::TokenOwner;
use crate::http::extract::json::{NoMembers, OptionalJson};
use crate::http::extract::path::Segment;

/// Make an operation token, good for 60 seconds and one use.
#[utoipa::path(
    post, path = "/api/v1/auth/issuetoken/{operation}", tag = "auth", security(("bearerAuth" = [])),
    params(("operation" = String, Path, description = "`export`, `bugreport`, `websocket` or `backup`")),
    responses(
        (status = 200, description = "The token", body = TokenAnswer<'static>),
        (status = 400, description = "There is no such operation", body = ErrorBody),
        (status = 401, description = "`Authorization failed`", body = ErrorBody),
    ),
)]
pub(crate) async fn issue_operation_token(
    State(app): State<App>,
    owner: TokenOwner,
    Segment(operation): Segment,
    OptionalJson(NoMembers {}): OptionalJson<NoMembers>,
) -> Result<Response, HttpError> {
    let operation =
        Operation::from_name(&operation).ok_or_else(|| HttpError::malformed("Invalid operation"))?;
    let token = app
        .authority
        .operation_tokens()
        .issue(&owner.principal, operation)
        .map_err(|error| Credential::Bearer.of_issuing(error))?;
    Ok(Json(TokenAnswer {
        token: token.expose_str(),
    })
    .into_response())
}
