//! The refresh cookie of a request. Named by the handlers of the two refresh paths, and by no other.

use authcore::RefreshToken;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::app::App;
use crate::http::cookies;
use crate::http::error::HttpError;
use crate::http::host::RequestHost;

/// What came in the refresh cookie.
pub(crate) enum RefreshCookie {
    /// There is none.
    Absent,
    /// There is one, and no refresh token of ours looks like that.
    Unreadable,
    /// A refresh token, not yet checked.
    Token(RefreshToken),
}

impl FromRequestParts<App> for RefreshCookie {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        let RequestHost(host) = parts.extensions.get().ok_or(HttpError::Internal)?;
        Ok(match cookies::read_refresh(&parts.headers, host, &app.config)? {
            None => Self::Absent,
            Some(text) => RefreshToken::parse(text).map_or(Self::Unreadable, Self::Token),
        })
    }
}
