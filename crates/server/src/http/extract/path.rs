//! The variable part of a path.

use axum::RequestPartsExt;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::error::HttpError;

/// The one variable segment of the route's path, percent-decoded.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        match parts.extract::<axum::extract::Path<String>>().await {
            Ok(axum::extract::Path(segment)) => Ok(Self(segment)),
            Err(_) => Err(HttpError::malformed(
                "the path is not UTF-8 after percent-decoding",
            )),
        }
    }
}
