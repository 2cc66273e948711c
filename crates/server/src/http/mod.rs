//! The HTTP room: requests in, one call of a service each, answers out. No rule of who gets in lives here.

pub(crate) mod config;
pub(crate) mod host;
pub(crate) mod router;

mod access_keys;
pub(crate) mod access_log;
mod applications;
mod audit;
pub(crate) mod auth;
mod backup;
pub(crate) mod cookies;
mod doctor;
pub(crate) mod error;
pub(crate) mod error_body;
pub(crate) mod events;
pub(crate) mod extract;
pub(crate) mod headers;
mod health;
mod jwks;
mod keys;
pub(crate) mod layers;
pub(crate) mod limits;
pub(crate) mod metrics;
mod openapi;
mod page;
mod password;
pub(crate) mod plain_on_tls;
mod second_factor;
mod sessions;
mod settings;
