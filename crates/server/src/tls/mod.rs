//! TLS: whom the server shows itself as, and how connections are protected. Loopback or TLS only; never a fall back to
//! plain HTTP (`5-threat-model.md`, A6).
//!
//! ```text
//! files.rs (tls.cert, tls.key) ─────┐
//! self_signed.rs (tls.self_signed) ─┴▶ Identity ──▶ ServerConfig ──watch──▶ listener: each handshake takes the newest
//!                                          keeper.rs: looks for a newer one; a bad one changes nothing
//! ```

pub(crate) mod facts;
pub(crate) mod files;
pub(crate) mod keeper;
pub(crate) mod probe;
pub(crate) mod self_signed;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use facts::CertificateFacts;

/// How long before its end a certificate is worth a warning: three weeks, in which somebody looks at the server once.
pub(crate) const WARN_BEFORE: Duration = Duration::from_secs(21 * 86_400);

/// A certificate chain with its key, and what the certificate says.
#[derive(Debug)]
pub(crate) struct Identity {
    certified: Arc<CertifiedKey>,
    pub(crate) facts: CertificateFacts,
}

/// No such pair.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The certificate is of another key.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// The key is of a kind that is not known, or damaged.
    #[error("the private key is of no use here: {0}")]
    Key(rustls::Error),
    /// The certificate does not read.
    #[error("the certificate does not read: {0}")]
    Certificate(String),
}

impl Identity {
    /// The server's certificate first, then the one that issued it, and so on.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        let first = chain
            .first()
            .ok_or_else(|| IdentityError::Certificate("there is none".to_owned()))?;
        let facts = CertificateFacts::of(first).map_err(IdentityError::Certificate)?;
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(IdentityError::Key)?;
        let certified = CertifiedKey::new(chain, key);
        // A pair whose fit is not known would fail its first handshake, so it counts as none.
        certified.keys_match().map_err(|_| IdentityError::Mismatch)?;
        Ok(Self {
            certified: Arc::new(certified),
            facts,
        })
    }

    /// What a handshake goes by when this is shown: TLS 1.3, and 1.2 with ECDHE and AEAD ciphers only, which is all that the
    /// provider has (OWASP ASVS 5.0, 12.1.1 and 12.1.2); HTTP/2 before HTTP/1.1; no early data, which can be replayed.
    ///
    /// Sessions are resumed from memory, 256 of them, never from tickets under a key that opens them all. A newer identity
    /// has a memory of its own, so that nobody goes on with a certificate that was replaced.
    ///
    /// # Errors
    /// When the provider does not speak these versions; it does.
    pub(crate) fn server_config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let shown: Arc<dyn ResolvesServerCert> =
            Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        // The provider's order is the stronger first; a client's may not be.
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The cryptography of TLS.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
pub(crate) mod tests;
