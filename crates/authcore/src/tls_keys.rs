//! What the server shows who it is with, where it makes that itself: a local authority and the certificate it issued.
//!
//! Kept here, made elsewhere: this crate seals and stores the bytes and knows no X.509. The certificates are sealed like
//! the keys, so that nobody who can only write the file puts another pair there.

use std::sync::Arc;

use fieldcrypt::Secret;

use crate::client::Client;
use crate::clock::Clock;
use crate::store::change::{Change, Request};
use crate::store::{Store, StoreError};

/// The service of TLS keys.
pub struct TlsKeys {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
}

/// Whose certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsKeyName {
    /// The local authority's, which browsers are told to trust.
    Authority,
    /// The server's, which connections are shown.
    Server,
}

impl TlsKeyName {
    /// As stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Server => "server",
        }
    }
}

/// A certificate and the key that goes with it.
pub struct TlsKey {
    /// X.509, DER. No secret.
    pub certificate: Vec<u8>,
    private_key: Secret,
}

impl TlsKey {
    /// A certificate with its private key (PKCS #8, DER).
    #[must_use]
    pub const fn new(certificate: Vec<u8>, private_key: Secret) -> Self {
        Self {
            certificate,
            private_key,
        }
    }

    /// The private key: PKCS #8, DER.
    #[must_use]
    pub fn expose_private_key(&self) -> &[u8] {
        self.private_key.expose_bytes()
    }
}

/// What is stored.
#[derive(Default)]
pub struct StoredTlsKeys {
    /// The local authority, once it was made.
    pub authority: Option<TlsKey>,
    /// The server's certificate, once it was issued.
    pub server: Option<TlsKey>,
}

/// The certificates of what is stored, for looking at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsCertificates {
    /// The local authority's: X.509, DER.
    pub authority: Option<Vec<u8>>,
    /// The server's.
    pub server: Option<Vec<u8>>,
}

impl From<StoredTlsKeys> for TlsCertificates {
    fn from(stored: StoredTlsKeys) -> Self {
        Self {
            authority: stored.authority.map(|key| key.certificate),
            server: stored.server.map(|key| key.certificate),
        }
    }
}

impl TlsKeys {
    /// What is stored, read from the file: it is asked for at a start and a few times a year.
    ///
    /// # Errors
    /// When it cannot be read, or was altered.
    pub fn load(&self) -> Result<StoredTlsKeys, StoreError> {
        self.store.tls_keys()
    }

    /// Puts these in the place of what is stored under their names, all of them or none.
    ///
    /// # Errors
    /// When they could not be committed.
    pub async fn put(&self, keys: Vec<(TlsKeyName, TlsKey)>, client: &Client) -> Result<(), StoreError> {
        let request = Request {
            change: Change::PutTlsKeys { keys },
            client: client.clone(),
            now: self.clock.now(),
        };
        self.store.write(request).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(TlsKey: std::fmt::Debug, Clone, serde::Serialize);
}
