//! `/api/v1/password`: the owner changes the access password.

use authcore::audit::event::PasswordUse;
use authcore::{AccessPassword, ChangeAuthority};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::Owner;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{Json, required};
use crate::http::extract::known_device::DeviceCookie;
use crate::http::extract::one_time_code;

/// The old and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PasswordBody {
    /// May be absent only while the password is the random one of the first start, which nobody ever saw.
    current_password: Option<String>,
    /// At least 15 characters (or as configured), at most 1,024 bytes, not one that everybody chooses.
    #[schema(required, value_type = String)]
    new_password: Option<String>,
    /// While the second factor is on: six digits of the authenticator app, or a recovery code.
    one_time_code: Option<String>,
}

/// That the new password holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PasswordChanged {
    /// Always true: what fails is an error.
    success: bool,
}

/// What a new password has to be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PasswordRules {
    /// Whether it is still the random one of the first start, which nobody ever saw: then none has to be given to change it.
    initial: bool,
    /// Fewest characters.
    minimum_length: usize,
}

/// A password that might be chosen.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Candidate {
    /// At most 1,024 bytes.
    #[schema(required, value_type = String)]
    new_password: Option<String>,
}

/// Whether it may be chosen.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Judgement {
    /// Whether it may.
    accepted: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Tell what a new password has to be, and whether one was ever chosen.
#[utoipa::path(
    get, path = "/api/v1/password", tag = "password", security(("bearerAuth" = [])),
    responses(
        (status = 200, description = "The rules", body = PasswordRules),
        (status = 403, description = "Not for access keys", body = ErrorBody),
    ),
)]
pub(crate) async fn about(State(app): State<App>, _owner: Owner) -> axum::Json<PasswordRules> {
    let passwords = app.authority.passwords();
    axum::Json(PasswordRules {
        initial: passwords.is_initial(),
        minimum_length: passwords.minimum_length(),
    })
}

/// Judge a password before it is chosen. Changes nothing and keeps nothing.
#[utoipa::path(
    post, path = "/api/v1/password/judge", tag = "password", security(("bearerAuth" = [])), request_body = Candidate,
    responses(
        (status = 200, description = "The judgement", body = Judgement),
        (status = 403, description = "Not for access keys", body = ErrorBody),
    ),
)]
pub(crate) async fn judge(
    State(app): State<App>,
    _owner: Owner,
    Json(body): Json<Candidate>,
) -> Result<axum::Json<Judgement>, HttpError> {
    let candidate = AccessPassword::parse(required(body.new_password, "NewPassword")?)?;
    let violation = app.authority.passwords().judge(&candidate).err();
    Ok(axum::Json(Judgement {
        accepted: violation.is_none(),
        reason: violation.map(|violation| violation.to_string()),
    }))
}

/// Change the access password; every other session ends in the same transaction.
#[utoipa::path(
    put, path = "/api/v1/password", tag = "password", security(("bearerAuth" = [])), request_body = PasswordBody,
    responses(
        (status = 200, description = "Changed", body = PasswordChanged),
        (status = 400, description = "The new password is refused", body = ErrorBody),
        (status = 401, description = "`Incorrect password` or `Authorization failed`; a one-time code, with `Needs`", body = ErrorBody),
        (status = 403, description = "An access key changes no password", body = ErrorBody),
        (status = 429, description = "Too many attempts; see Retry-After", body = ErrorBody),
    ),
)]
pub(crate) async fn put(
    State(app): State<App>,
    Owner { session }: Owner,
    RequestClient(client): RequestClient,
    device: DeviceCookie,
    Json(body): Json<PasswordBody>,
) -> Result<axum::Json<PasswordChanged>, HttpError> {
    let new = AccessPassword::parse(required(body.new_password, "NewPassword")?)?;
    let passwords = app.authority.passwords();
    let by = match body.current_password {
        None => ChangeAuthority::First { session },
        Some(current) => {
            let current = AccessPassword::parse(current)?;
            let code = one_time_code::read(body.one_time_code);
            let permit = passwords.reserve(&client, device.text())?;
            let proof = passwords
                .verify(permit, current, code, PasswordUse::ChangePassword, &client)
                .await
                .map_err(|error| Credential::Password.of_verifying(error))?;
            ChangeAuthority::Verified { proof, session }
        }
    };
    passwords.change(by, new, &client).await?;
    Ok(axum::Json(PasswordChanged { success: true }))
}
