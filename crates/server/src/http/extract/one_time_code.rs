//! A one-time code in a body, and who gives one before a dangerous act.

use authcore::audit::event::PasswordUse;
use authcore::{ActConfirmed, Client, OneTimeCode};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use utoipa::ToSchema;

use super::client_address::RequestClient;
use super::known_device::DeviceCookie;
use crate::app::App;
use crate::http::error::HttpError;

/// A one-time code and nothing else.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct OneTimeCodeBody {
    /// Six digits of the authenticator app, or a recovery code; only while the second factor is on.
    pub(crate) one_time_code: Option<String>,
}

/// The member `OneTimeCode`, absent or not.
pub(crate) fn read(member: Option<String>) -> Option<OneTimeCode> {
    member.map(|text| OneTimeCode::read(&Zeroizing::new(text)))
}

/// Who asks for something dangerous.
pub(crate) struct Confirming {
    pub(crate) client: Client,
    device: DeviceCookie,
}

impl Confirming {
    /// Confirms the act with the code, where the second factor is on.
    ///
    /// # Errors
    /// `401` when the code is missing or wrong, `429` after too many wrong ones.
    pub(crate) async fn confirm(
        &self,
        app: &App,
        code: Option<String>,
        act: PasswordUse,
    ) -> Result<ActConfirmed, HttpError> {
        let passwords = app.authority.passwords();
        let confirmed = passwords.confirm(read(code), act, &self.client, self.device.text());
        Ok(confirmed.await?)
    }
}

impl FromRequestParts<App> for Confirming {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        let Ok(RequestClient(client)) = RequestClient::from_request_parts(parts, app).await;
        let device = DeviceCookie::from_request_parts(parts, app).await?;
        Ok(Self { client, device })
    }
}
