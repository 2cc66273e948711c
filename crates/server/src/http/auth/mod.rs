//! `/api/v1/auth/*`: wire-compatible with the reference model. One file an endpoint.

pub(crate) mod issue_forever_token;
pub(crate) mod issue_operation_token;
pub(crate) mod issue_signin_token;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod refresh;
pub(crate) mod signin;
pub(crate) mod status;

use authcore::{Remember, TokenSet};
use axum::Json;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::cookies;
use crate::http::error::HttpError;
use crate::http::host::Host;

/// The two halves that a script gets; the third is the cookie.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessTokenAnswer<'a> {
    /// Good for 900 seconds, as `Authorization: Bearer`.
    access_token: &'a str,
    /// To be sent with the next refresh.
    refresh_nonce: &'a str,
}

/// A token for one purpose.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TokenAnswer<'a> {
    /// The token; it is shown this once.
    token: &'a str,
}

/// What a sign-in or a refresh answers: JSON and the refresh cookie.
fn signed_in(app: &App, host: &Host, tokens: &TokenSet) -> Result<Response, HttpError> {
    let refresh_token = tokens.refresh_token.expose_text();
    let cookie = cookies::write_refresh(&refresh_token, tokens.cookie_max_age, host, &app.config)?;
    let nonce = tokens.refresh_nonce.expose_text();
    let answer = AccessTokenAnswer {
        access_token: tokens.access_token.expose_str(),
        refresh_nonce: &nonce,
    };
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), Json(answer)).into_response())
}

/// `RememberMe`, absent or not.
fn remember(remember_me: Option<bool>) -> Remember {
    if remember_me == Some(true) {
        Remember::Remembered
    } else {
        Remember::ThisBrowserSession
    }
}
