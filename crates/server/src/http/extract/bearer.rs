//! Who asks, by the `Authorization` header, and whether they may: a handler that names one of these types in its
//! arguments cannot run for anybody else.
//!
//! Never from a query string: addresses are logged, kept in histories and sent on (RFC 9700, section 4.3).

use std::convert::Infallible;

use authcore::{Permission, Principal, SessionId};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::app::App;
use crate::http::error::{Credential, HttpError};

/// The owner, with an access token. An access key is good, but not for this: `403`.
pub(crate) struct Owner {
    pub(crate) session: SessionId,
}

/// The owner, where tokens are made: an access key is no credential there at all, `401`.
pub(crate) struct TokenOwner {
    pub(crate) principal: Principal,
}

/// Whoever may read over the API.
pub(crate) struct Reader {
    /// The session that asks, if it is one.
    pub(crate) session: Option<SessionId>,
}

/// Whoever may change over the API.
pub(crate) struct Writer {
    /// The session that asks, if it is one.
    pub(crate) session: Option<SessionId>,
}

/// Whoever may read the metrics.
pub(crate) struct MetricsReader;

/// The owner, if an access token says so; never an error.
pub(crate) struct MaybeOwner(pub(crate) Option<Principal>);

impl FromRequestParts<App> for Owner {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        match authenticate(&parts.headers, app)? {
            Principal::Owner { session, .. } => Ok(Self { session }),
            Principal::Script { .. } => Err(HttpError::NotAllowed),
        }
    }
}

impl FromRequestParts<App> for TokenOwner {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        let principal = authenticate(&parts.headers, app)?;
        match principal {
            Principal::Owner { .. } => Ok(Self { principal }),
            Principal::Script { .. } => Err(HttpError::Refused(Credential::Bearer)),
        }
    }
}

impl FromRequestParts<App> for Reader {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        Ok(Self {
            session: who_may(Permission::Read, parts, app)?,
        })
    }
}

impl FromRequestParts<App> for Writer {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        Ok(Self {
            session: who_may(Permission::Write, parts, app)?,
        })
    }
}

impl FromRequestParts<App> for MetricsReader {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, HttpError> {
        who_may(Permission::Metrics, parts, app).map(|_| Self)
    }
}

impl FromRequestParts<App> for MaybeOwner {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let owner = authenticate(&parts.headers, app).ok();
        Ok(Self(owner.filter(|principal| {
            matches!(principal, Principal::Owner { .. })
        })))
    }
}

fn who_may(what: Permission, parts: &Parts, app: &App) -> Result<Option<SessionId>, HttpError> {
    let principal = authenticate(&parts.headers, app)?;
    if !principal.may(what) {
        return Err(HttpError::NotAllowed);
    }
    match principal {
        Principal::Owner { session, .. } => Ok(Some(session)),
        Principal::Script { .. } => Ok(None),
    }
}

fn authenticate(headers: &HeaderMap, app: &App) -> Result<Principal, HttpError> {
    let refused = HttpError::Refused(Credential::Bearer);
    let token = bearer(headers).ok_or(refused)?;
    let authenticated = app.authority.authenticate(token);
    match &authenticated {
        Ok(_) => app.metrics.verified.add(),
        Err(_) => app.metrics.refused.add(),
    }
    authenticated.map_err(HttpError::from)
}

/// The token of the one `Authorization: Bearer …` header (RFC 6750, section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
    // The characters of `b64token`, without its padding: none of our tokens has any.
    let is_token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let sound = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.bytes().all(is_token);
    sound.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn exactly_one_well_formed_bearer_is_read() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer a.b-c_d"]).as_deref(), Some("a.b-c_d"));
        assert_eq!(read(&["bEARER x"]).as_deref(), Some("x"));
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer  x",
            "Bearer x y",
            "Bearer x,",
            "Bearer\tx",
            "Basic eA",
            "Bearerx",
            "Bearer \"x\"",
        ] {
            assert_eq!(read(&[bad]), None, "{bad:?}");
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["Bearer x", "Bearer x"]), None);
    }
}
