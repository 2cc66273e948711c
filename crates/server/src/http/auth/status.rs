//! `POST /api/v1/auth/status`: whether the caller's access token is good, without an error where it is not.

use authcore::{Operation, OperationToken};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::extract::bearer::MaybeOwner;
use crate::http::extract::json::{NoMembers, OptionalJson};

/// Lower case, as the reference model answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusAnswer<'a> {
    /// Whether the access token is good.
    authorized: bool,
    /// The same in words.
    message: &'static str,
    /// An operation token for the web socket; only with a good access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_token: Option<&'a str>,
}

/// Whether the access token is good. Never an error status for a bad one.
#[utoipa::path(
    post, path = "/api/v1/auth/status", tag = "auth", security((), ("bearerAuth" = [])),
    responses((status = 200, description = "Signed in or not", body = StatusAnswer<'static>)),
)]
pub(crate) async fn status(
    State(app): State<App>,
    MaybeOwner(owner): MaybeOwner,
    OptionalJson(NoMembers {}): OptionalJson<NoMembers>,
) -> Result<Response, HttpError> {
    let token = match &owner {
        None => None,
        Some(owner) => app
            .authority
            .operation_tokens()
            .issue(owner, Operation::WebSocket, None)
            .ok(),
    };
    let answer = match owner {
        None => StatusAnswer {
            authorized: false,
            message: "Not authorized",
            socket_token: None,
        },
        Some(_) => StatusAnswer {
            authorized: true,
            message: "Authorized",
            socket_token: token.as_ref().map(OperationToken::expose_str),
        },
    };
    Ok(Json(answer).into_response())
}
