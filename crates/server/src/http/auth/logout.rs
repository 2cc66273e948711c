//! `POST /api/v1/auth/refresh/logout`: ends the session of the cookie. Under the refresh path, so that the cookie is sent.

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::refresh::RefreshBody;
use crate::app::App;
use crate::http::cookies;
use crate::http::error::HttpError;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::OptionalJson;
use crate::http::extract::refresh_credential::RefreshCookie;
use crate::http::host::RequestHost;

/// Lower case, as the reference model answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogoutAnswer {
    /// Always true: what fails is an error.
    success: bool,
}

/// Sign out: end the session of the refresh cookie, whatever the nonce, and delete the cookie.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh/logout", tag = "auth", security((), ("refreshCookie" = [])),
    request_body = Option<RefreshBody>,
    responses((status = 200, description = "There is no such session (any more)", body = LogoutAnswer)),
)]
pub(crate) async fn logout(
    State(app): State<App>,
    RequestHost(host): RequestHost,
    RequestClient(client): RequestClient,
    cookie: RefreshCookie,
    OptionalJson(RefreshBody { nonce: _ }): OptionalJson<RefreshBody>,
) -> Result<Response, HttpError> {
    match cookie {
        RefreshCookie::Token(token) => app.authority.sessions().sign_out(&token, &client).await?,
        RefreshCookie::Unreadable | RefreshCookie::Absent => {}
    }
    // No `Clear-Site-Data` (OWASP ASVS 5.0, 14.3.1): `"cookies"` takes those of every sibling on a home domain and the known device's,
    // `"storage"` the look that was chosen. The page takes its nonce away itself, and no answer is kept.
    let mut response = Json(LogoutAnswer { success: true }).into_response();
    for deletion in cookies::delete_refresh(&host, &app.config)? {
        response.headers_mut().append(SET_COOKIE, deletion);
    }
    Ok(response)
}
