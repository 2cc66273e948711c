//! `POST /api/v1/auth/refresh`: cookie and nonce for the next pair and a new access token.

use authcore::RefreshCredential;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::AccessTokenAnswer;
use crate::app::App;
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::OptionalJson;
use crate::http::extract::refresh_credential::RefreshCookie;
use crate::http::host::RequestHost;

/// The half of a refresh token that is not in the cookie.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RefreshBody {
    /// `RefreshNonce` of the last sign-in or refresh.
    pub(super) nonce: Option<String>,
}

/// Refresh: a new access token, cookie and nonce.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "auth", security(("refreshCookie" = [])),
    request_body = Option<RefreshBody>,
    responses(
        (status = 200, description = "Refreshed; sets the next refresh cookie", body = AccessTokenAnswer<'static>),
        (status = 401, description = "`Failed to refresh token` or `Authorization failed due to missing cookie.`",
            body = ErrorBody),
    ),
)]
pub(crate) async fn refresh(
    State(app): State<App>,
    RequestHost(host): RequestHost,
    RequestClient(client): RequestClient,
    cookie: RefreshCookie,
    OptionalJson(body): OptionalJson<RefreshBody>,
) -> Result<Response, HttpError> {
    let token = match cookie {
        RefreshCookie::Token(token) => token,
        RefreshCookie::Unreadable => return Err(HttpError::Refused(Credential::Refresh)),
        RefreshCookie::Absent => return Err(HttpError::Refused(Credential::MissingCookie)),
    };
    let credential = RefreshCredential::new(token, body.nonce.as_deref());
    let tokens = app.authority.sessions().refresh(credential, &client).await?;
    super::signed_in(&app, &host, &tokens)
}
