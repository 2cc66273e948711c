//! `POST /api/v1/auth/issuesignintoken`: the password for a sign-in token.

use authcore::audit::event::PasswordUse;
use authcore::{AccessPassword, SIGNIN_TOKEN_LIFE_MAX, SigninTokenAuthority};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::TokenAnswer;
use crate::app::App;
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{self, required};
use crate::http::extract::known_device::DeviceCookie;
use crate::http::extract::one_time_code;

/// The password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct IssueSigninTokenBody {
    /// At most 1,024 bytes.
    #[schema(required, value_type = String)]
    password: Option<String>,
    /// While the second factor is on: six digits of the authenticator app, or a recovery code.
    one_time_code: Option<String>,
}

/// Make a sign-in token, good for 300 seconds and one use.
#[utoipa::path(
    post, path = "/api/v1/auth/issuesignintoken", tag = "auth", security(()), request_body = IssueSigninTokenBody,
    responses(
        (status = 200, description = "The token", body = TokenAnswer<'static>),
        (status = 401, description = "`Incorrect password` or `Signin tokens are disabled`; a one-time code, with `Needs`", body = ErrorBody),
        (status = 429, description = "Too many attempts; see Retry-After", body = ErrorBody),
    ),
)]
pub(crate) async fn issue_signin_token(
    State(app): State<App>,
    RequestClient(client): RequestClient,
    device: DeviceCookie,
    json::Json(body): json::Json<IssueSigninTokenBody>,
) -> Result<Response, HttpError> {
    let attempt = AccessPassword::parse(required(body.password, "Password")?)?;
    let authority = &app.authority;
    let permit = authority.passwords().reserve(&client, device.text())?;
    let verified = authority
        .passwords()
        .verify(
            permit,
            attempt,
            one_time_code::read(body.one_time_code),
            PasswordUse::IssueSigninToken,
            &client,
        )
        .await
        .map_err(|error| Credential::Password.of_verifying(error))?;
    let token = authority
        .signin_tokens()
        .issue(
            SigninTokenAuthority::Password(verified),
            SIGNIN_TOKEN_LIFE_MAX,
            &client,
        )
        .await
        .map_err(|error| Credential::Password.of_issuing(error))?;
    let token = token.expose_text();
    Ok(Json(TokenAnswer { token: &token }).into_response())
}
