//! `POST /api/v1/auth/login`: the password for a session.

use authcore::AccessPassword;
use authcore::audit::event::PasswordUse;
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
use crate::http::extract::one_time_code;
use crate::http::host::RequestHost;

/// The password, and whether the session outlives the browser.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct LoginBody {
    /// At most 1,024 bytes.
    #[schema(required, value_type = String)]
    password: Option<String>,
    /// Absent or false: two hours after the last refresh, and the cookie ends with the browser. True: 30 days after the
    /// last refresh, 90 at most.
    remember_me: Option<bool>,
    /// While the second factor is on: six digits of the authenticator app, or a recovery code.
    one_time_code: Option<String>,
}

/// Sign in with the password.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", security(()), request_body = LoginBody,
    responses(
        (status = 200, description = "Signed in; sets the refresh cookie", body = AccessTokenAnswer<'static>),
        (status = 401, description = "`Failed to log in`; `A one-time code is needed` or a wrong one, with `Needs`", body = ErrorBody),
        (status = 429, description = "Too many attempts; see Retry-After", body = ErrorBody),
    ),
)]
pub(crate) async fn login(
    State(app): State<App>,
    RequestHost(host): RequestHost,
    RequestClient(client): RequestClient,
    device: DeviceCookie,
    Json(body): Json<LoginBody>,
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
            PasswordUse::SignIn,
            &client,
        )
        .await
        .map_err(|error| Credential::Login.of_verifying(error))?;
    let tokens = authority
        .sessions()
        .start(verified, super::remember(body.remember_me), &client)
        .await
        .map_err(|error| Credential::Login.of_signing_in(error))?;
    let mut response = super::signed_in(&app, &host, &tokens)?;
    device.put(&app, &mut response)?;
    Ok(response)
}
