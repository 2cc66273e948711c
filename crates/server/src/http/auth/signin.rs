//! `POST /api/v1/auth/signin`: a sign-in token for a session, once.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::AccessTokenAnswer;
use crate::app::App;
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{Json, required};
use crate::http::extract::known_device::DeviceCookie;
use crate::http::host::RequestHost;

/// The token of a sign-in link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SigninBody {
    /// `pst_si_…`; a second use ends what the first one made.
    #[schema(required, value_type = String)]
    signin_token: Option<String>,
    /// As at login.
    remember_me: Option<bool>,
}

/// Sign in with a sign-in token.
#[utoipa::path(
    post, path = "/api/v1/auth/signin", tag = "auth", security(()), request_body = SigninBody,
    responses(
        (status = 200, description = "Signed in; sets the refresh cookie", body = AccessTokenAnswer<'static>),
        (status = 401, description = "`Failed to sign in`, `Signin token expired` or `Signin tokens are disabled`",
            body = ErrorBody),
    ),
)]
pub(crate) async fn signin(
    State(app): State<App>,
    RequestHost(host): RequestHost,
    RequestClient(client): RequestClient,
    device: DeviceCookie,
    Json(body): Json<SigninBody>,
) -> Result<Response, HttpError> {
    let token = required(body.signin_token, "SigninToken")?;
    let tokens = app
        .authority
        .sessions()
        .start_with_signin_token(&token, super::remember(body.remember_me), &client)
        .await
        .map_err(|error| Credential::Signin.of_signing_in(error))?;
    let mut response = super::signed_in(&app, &host, &tokens)?;
    device.put(&app, &mut response)?;
    Ok(response)
}
