//! Who is at the other end, for session lists and the audit log; no decision rests on it.

use std::convert::Infallible;

use authcore::Client;
use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use crate::listener::PeerAddress;

/// The peer's address and what it calls itself. No forwarded header is looked at: anybody can write one.
pub(crate) struct RequestClient(pub(crate) Client);

impl<S: Send + Sync> FromRequestParts<S> for RequestClient {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<PeerAddress>().map(|peer| peer.0);
        let agent = parts
            .headers
            .get(USER_AGENT)
            .map_or_else(Default::default, |agent| {
                String::from_utf8_lossy(agent.as_bytes())
            });
        Ok(Self(Client::new(address, &agent)))
    }
}
