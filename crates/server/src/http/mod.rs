//! The HTTP room: requests in, one call of a service each, answers out. No rule of who gets in lives here.

pub(crate) mod config;
pub(crate) mod host;
pub(crate) mod router;

mod access_keys;
mod access_log;
mod audit;
mod auth;
mod backup;
mod cookies;
mod doctor;
mod error;
mod error_body;
mod extract;
mod headers;
mod health;
mod jwks;
mod keys;
mod layers;
mod limits;
mod openapi;
mod page;
mod password;
pub(crate) mod plain_on_tls;
mod sessions;
mod settings;
