//! What the HTTP room needs to know of the configuration.

use crate::http::host::HostNames;

/// How browsers reach this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Plain HTTP, on loopback only.
    Http,
    /// TLS, here or at a trusted proxy in front.
    Https,
}

/// Which form the refresh cookie has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshCookieForm {
    /// `__Host-postern-refresh` under TLS, the reference model's form on plain HTTP.
    ByScheme,
    /// `RefreshToken_<port>` with its path everywhere, as the reference model's command-line clients expect.
    Reference,
}

/// The configuration of the HTTP room.
#[derive(Clone, Debug)]
pub(crate) struct HttpConfig {
    /// The names under which this server answers; any other gets `421`.
    pub(crate) hosts: HostNames,
    /// How browsers reach this server.
    pub(crate) scheme: Scheme,
    /// Which form the refresh cookie has.
    pub(crate) refresh_cookie: RefreshCookieForm,
}
