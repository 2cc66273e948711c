//! The gate: Postern in front of other services, asked by the proxy they already have.
//!
//! ```text
//! proxy ──GET /gate/verify──▶ forward_auth ──▶ request.rs   forwarded headers, from listed proxies only, read once
//!                                          ──▶ credential.rs  gate cookie or access key, and what the application gets
//!                                          ──▶ decision.rs    pure: Allow, Challenge, Forbid
//! browser ──302──▶ /gate/handoff (sign-in host) ──code──▶ /.postern/accept (the application's host) ──▶ its own cookie
//! ```

pub(crate) mod accept;
pub(crate) mod application;
pub(crate) mod check;
pub(crate) mod credential;
pub(crate) mod decision;
pub(crate) mod door;
pub(crate) mod explain;
pub(crate) mod forgeries;
pub(crate) mod forward_auth;
pub(crate) mod handoff;
pub(crate) mod path;
pub(crate) mod proxy;
pub(crate) mod recipe;
pub(crate) mod request;
pub(crate) mod trusted_proxy;

use application::Applications;
use trusted_proxy::TrustedProxies;

/// Everything below this folder is this server's, on every host of an application.
const OUR_FOLDER: &str = "/.postern/";

/// Where an application's host takes a browser in.
pub(crate) const ACCEPT_PATH: &str = "/.postern/accept";

/// Where a browser is sent to sign in.
pub(crate) const HANDOFF_PATH: &str = "/gate/handoff";

/// What the gate knows of the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    pub(crate) applications: Applications,
    pub(crate) trusted: TrustedProxies,
    /// How browsers reach the sign-in host: scheme, host, port, no slash after it.
    pub(crate) sign_in: String,
}
