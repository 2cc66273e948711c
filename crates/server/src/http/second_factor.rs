//! `/api/v1/second-factor`: setting the second factor up, and switching it off.

use authcore::audit::event::PasswordUse;
use authcore::{AccessPassword, OneTimeCode, WallTime};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::Owner;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{self, OptionalJson, required};
use crate::http::extract::known_device::DeviceCookie;
use crate::http::extract::one_time_code::{Confirming, OneTimeCodeBody};
use crate::http::host::RequestHost;
use crate::http::page::instance_name;

/// Whether it is on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SecondFactorAnswer {
    /// Whether one-time codes are asked for.
    on: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Recovery codes that were not used.
    recovery_codes_left: usize,
}

/// The password of who sets it up.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BeginBody {
    /// At most 1,024 bytes.
    #[schema(required, value_type = String)]
    current_password: Option<String>,
}

/// What an authenticator app is given. Nothing is switched on by it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EnrolmentAnswer<'a> {
    /// `otpauth://totp/…`
    uri: &'a str,
    /// The secret alone, for who types it: 32 characters of base32.
    secret: &'a str,
    /// The address as a QR code: an SVG document.
    svg: &'a str,
}

/// The recovery codes, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RecoveryCodesAnswer<'a> {
    /// Ten, each good once in the place of a code of the app.
    #[schema(value_type = Vec<String>)]
    recovery_codes: Vec<&'a str>,
}

/// Tell whether the second factor is on.
#[utoipa::path(
    get, path = "/api/v1/second-factor", tag = "second factor", security(("bearerAuth" = [])),
    responses(
        (status = 200, description = "Whether it is on", body = SecondFactorAnswer),
        (status = 403, description = "Not for access keys", body = ErrorBody),
    ),
)]
pub(crate) async fn status(State(app): State<App>, _owner: Owner) -> Json<SecondFactorAnswer> {
    let status = app.authority.second_factors().status();
    Json(SecondFactorAnswer {
        on: status.since.is_some(),
        since: status.since.map(WallTime::to_rfc3339),
        recovery_codes_left: status.recovery_codes_left,
    })
}

/// Begin to set the second factor up, with the password. Nothing is switched on yet; what is begun is good for ten minutes, in
/// this session.
#[utoipa::path(
    post, path = "/api/v1/second-factor", tag = "second factor", security(("bearerAuth" = [])),
    request_body = BeginBody,
    responses(
        (status = 200, description = "For the authenticator app", body = EnrolmentAnswer<'static>),
        (status = 401, description = "`Incorrect password` or `Authorization failed`", body = ErrorBody),
        (status = 403, description = "Not for access keys", body = ErrorBody),
        (status = 409, description = "It is on", body = ErrorBody),
        (status = 429, description = "Too many attempts; see Retry-After", body = ErrorBody),
    ),
)]
pub(crate) async fn begin(
    State(app): State<App>,
    Owner { session }: Owner,
    RequestHost(host): RequestHost,
    RequestClient(client): RequestClient,
    device: DeviceCookie,
    json::Json(body): json::Json<BeginBody>,
) -> Result<Response, HttpError> {
    let password = AccessPassword::parse(required(body.current_password, "CurrentPassword")?)?;
    let factors = app.authority.second_factors();
    if factors.status().since.is_some() {
        return Err(authcore::SetUpError::AlreadyOn.into());
    }
    let passwords = app.authority.passwords();
    let permit = passwords.reserve(&client, device.text())?;
    let proof = passwords
        .verify(permit, password, None, PasswordUse::ChangeSecondFactor, &client)
        .await
        .map_err(|error| Credential::Password.of_verifying(error))?;
    let enrolment = factors.begin(&proof, session)?;
    let uri = enrolment.expose_uri(&instance_name(&app)?, host.name());
    let svg = qr_code(&uri)?;
    Ok(Json(EnrolmentAnswer {
        uri: &uri,
        secret: &enrolment.expose_secret(),
        svg: &svg,
    })
    .into_response())
}

/// Switch the second factor on, with the code that the app shows. The recovery codes are in this answer only.
#[utoipa::path(
    post, path = "/api/v1/second-factor/confirm", tag = "second factor", security(("bearerAuth" = [])),
    request_body = OneTimeCodeBody,
    responses(
        (status = 200, description = "It is on", body = RecoveryCodesAnswer<'static>),
        (status = 400, description = "The code is wrong", body = ErrorBody),
        (status = 403, description = "Not for access keys", body = ErrorBody),
        (status = 409, description = "It is on already, or nothing was begun", body = ErrorBody),
    ),
)]
pub(crate) async fn confirm(
    State(app): State<App>,
    Owner { session }: Owner,
    RequestClient(client): RequestClient,
    json::Json(body): json::Json<OneTimeCodeBody>,
) -> Result<Response, HttpError> {
    let code = Zeroizing::new(required(body.one_time_code, "OneTimeCode")?);
    let factors = app.authority.second_factors();
    let codes = factors
        .confirm(session, &OneTimeCode::read(&code), &client)
        .await?;
    let codes: Vec<_> = codes.iter().map(authcore::RecoveryCode::expose_text).collect();
    let recovery_codes = codes.iter().map(|code| code.as_str()).collect();
    Ok(Json(RecoveryCodesAnswer { recovery_codes }).into_response())
}

/// Switch the second factor off, with a code of the app or a recovery code.
#[utoipa::path(
    post, path = "/api/v1/second-factor/off", tag = "second factor", security(("bearerAuth" = [])),
    request_body = Option<OneTimeCodeBody>,
    responses(
        (status = 204, description = "It is off"),
        (status = 401, description = "The one-time code is missing or wrong, with `Needs`", body = ErrorBody),
        (status = 403, description = "Not for access keys", body = ErrorBody),
        (status = 404, description = "It is not on", body = ErrorBody),
        (status = 429, description = "Too many attempts; see Retry-After", body = ErrorBody),
    ),
)]
pub(crate) async fn off(
    State(app): State<App>,
    _owner: Owner,
    confirming: Confirming,
    OptionalJson(body): OptionalJson<OneTimeCodeBody>,
) -> Result<StatusCode, HttpError> {
    let act = PasswordUse::ChangeSecondFactor;
    let confirmed = confirming.confirm(&app, body.one_time_code, act).await?;
    let factors = app.authority.second_factors();
    if factors.switch_off(&confirmed, &confirming.client).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(HttpError::NotFound("second factor"))
    }
}

/// In black on white whatever the page's colours: not every app reads it the other way round. Without colours of its own style
/// sheet, which the page's policy would not allow.
fn qr_code(uri: &str) -> Result<Zeroizing<String>, HttpError> {
    let code = QrCode::with_error_correction_level(uri, EcLevel::M).map_err(|_| HttpError::Internal)?;
    Ok(Zeroizing::new(
        code.render::<svg::Color<'_>>()
            .dark_color(svg::Color("#000"))
            .light_color(svg::Color("#fff"))
            .build(),
    ))
}
