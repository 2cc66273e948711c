//! The HTTP room: requests in, one call of a service each, answers out. No rule of who gets in lives here.

pub(crate) mod config;
pub(crate) mod host;
pub(crate) mod router;

mod access_log;
mod cookies;
mod error;
mod error_body;
mod extract;
mod headers;
mod layers;
mod limits;
mod session_routes;
