//! Secrets are types: no `Debug`, `Display`, `Clone`, `Default` or `PartialEq`, wiped on drop.

use zeroize::Zeroizing;

use crate::cipher::{self, Algorithm};
use crate::error::{OpenError, SealError};
use crate::random::{self, RandomError};

/// Opened plaintext. Wiped on drop.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The first `len` bytes; the others are wiped with them, on drop.
    pub(crate) fn truncated(mut self, len: usize) -> Self {
        self.0.truncate(len);
        self
    }

    /// The bytes.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

/// A 256-bit key, boxed and filled in place so that no copy stays behind on the stack. Wiped on drop.
pub struct SecretKey(Box<Zeroizing<[u8; 32]>>);

impl SecretKey {
    /// A key from the operating system's random source.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn random() -> Result<Self, RandomError> {
        Self::filled(random::fill)
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut key = Box::new(Zeroizing::new([0; 32]));
        key.copy_from_slice(bytes);
        Self(key)
    }

    pub(crate) fn filled<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut key = Box::new(Zeroizing::new([0; 32]));
        fill(key.as_mut_slice())?;
        Ok(Self(key))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Another key for another purpose: HKDF-Expand-SHA256 (RFC 5869 section 2.3) with `label` as info.
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        crate::kdf::expand(self, label.as_bytes())
    }

    /// Seals bytes that do not live in a column, under this key: nonce ‖ ciphertext ‖ tag, AES-256-GCM.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn seal_bytes(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let algorithm = Algorithm::Aes256Gcm;
        let mut out = vec![0; algorithm.nonce_len()];
        random::fill_nonce(&mut out)?;
        cipher::Cipher::new(algorithm, self).seal_onto(aad, plaintext, &mut out, 0)?;
        Ok(out)
    }

    /// Opens what [`SecretKey::seal_bytes`] made.
    ///
    /// # Errors
    /// [`OpenError::NotSealed`] when it is too short, [`OpenError::AuthenticationFailed`] when it is not that.
    pub fn open_bytes(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret, OpenError> {
        let algorithm = Algorithm::Aes256Gcm;
        let (nonce, body) = sealed
            .split_at_checked(algorithm.nonce_len())
            .ok_or(OpenError::NotSealed)?;
        cipher::Cipher::new(algorithm, self).open(aad, nonce, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::assert_not_impl_any;
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(Secret: Debug, Display, Clone, Default, PartialEq, AsRef<[u8]>);
    assert_not_impl_any!(SecretKey: Debug, Display, Clone, Default, PartialEq, AsRef<[u8]>);

    #[test]
    fn bytes_sealed_under_a_key_open_under_it_with_the_same_context_only() {
        let key = SecretKey::from_bytes(&[1; 32]);
        let sealed = key.seal_bytes(b"here", b"secret").expect("seals");
        assert_eq!(
            key.open_bytes(b"here", &sealed)
                .map(|s| s.expose_bytes().to_vec())
                .ok()
                .as_deref(),
            Some(&b"secret"[..])
        );
        assert!(matches!(
            key.open_bytes(b"there", &sealed),
            Err(OpenError::AuthenticationFailed)
        ));
        assert!(matches!(
            key.derive("other").open_bytes(b"here", &sealed),
            Err(OpenError::AuthenticationFailed)
        ));
        assert!(matches!(
            key.open_bytes(b"here", b"short"),
            Err(OpenError::NotSealed)
        ));
    }
}
