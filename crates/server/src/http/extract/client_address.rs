//! Who is at the other end, for session lists and the audit log; no decision rests on it.

use std::convert::Infallible;

use authcore::Client;
use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use crate::app::App;
use crate::listener::PeerAddress;

/// The peer's address and what it calls itself. `X-Forwarded-For` counts from listed proxies only: anybody can write one.
pub(crate) struct RequestClient(pub(crate) Client);

impl FromRequestParts<App> for RequestClient {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<PeerAddress>().map(|peer| peer.0);
        let address = peer.map(|peer| app.gate.trusted.client(peer, &parts.headers).0);
        let agent = parts
            .headers
            .get(USER_AGENT)
            .map_or_else(Default::default, |agent| {
                String::from_utf8_lossy(agent.as_bytes())
            });
        Ok(Self(Client::new(address, &agent)))
    }
}
