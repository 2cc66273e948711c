//! Key slots: ways to open the master key, as in LUKS. Changing a password rewrites one slot.

use std::fmt;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use subtle::ConstantTimeEq;

use crate::kdf::{self, KdfParams};
use crate::labels;
use crate::recovery_key::RecoveryKey;
use crate::secret::SecretKey;

/// Most slots there are: whoever writes the file could have each of them cost a key derivation, before anything is checked.
pub const SLOTS_MAX: usize = 32;

/// Number of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub i64);

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What opens a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// A field password.
    Password,
    /// A recovery key, printed once.
    RecoveryKey,
    /// A key file of 32 bytes or more.
    KeyFile,
}

impl SlotKind {
    /// The name stored in the slot.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::RecoveryKey => "recovery",
            Self::KeyFile => "key-file",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Password, Self::RecoveryKey, Self::KeyFile]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What a list of slots shows.
#[derive(Clone, Debug)]
pub struct SlotInfo {
    /// Its number.
    pub id: SlotId,
    /// What opens it.
    pub kind: SlotKind,
    /// What its owner calls it.
    pub label: String,
    /// PBKDF2 iterations, of a password slot.
    pub iterations: Option<u32>,
    /// When it was made, seconds since the Unix epoch.
    pub created_unix: i64,
}

/// How a slot is made.
#[derive(Clone, Debug)]
pub struct NewSlot {
    /// What its owner calls it.
    pub label: String,
    /// Cost of a guess, of a password slot; the other kinds hold 256 random bits and need none.
    pub kdf: KdfParams,
    /// The time, seconds since the Unix epoch.
    pub created_unix: i64,
}

/// A field password, a recovery key or the bytes of a key file. Wiped on drop.
pub struct SlotSecret(Material);

enum Material {
    Password(SecretString),
    RecoveryKey(RecoveryKey),
    KeyFile(SecretSlice<u8>),
}

/// A key file holds fewer than 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key file needs at least 32 bytes, this one has {0}")]
pub struct KeyFileTooShort(pub usize);

impl SlotSecret {
    /// A field password.
    #[must_use]
    pub fn password(password: &str) -> Self {
        Self(Material::Password(SecretString::from(password)))
    }

    /// A recovery key.
    #[must_use]
    pub const fn recovery_key(key: RecoveryKey) -> Self {
        Self(Material::RecoveryKey(key))
    }

    /// The contents of a key file.
    ///
    /// # Errors
    /// Below 32 bytes.
    pub fn key_file(bytes: Vec<u8>) -> Result<Self, KeyFileTooShort> {
        if bytes.len() < 32 {
            return Err(KeyFileTooShort(bytes.len()));
        }
        Ok(Self(Material::KeyFile(SecretSlice::from(bytes))))
    }

    pub(crate) const fn kind(&self) -> SlotKind {
        match &self.0 {
            Material::Password(_) => SlotKind::Password,
            Material::RecoveryKey(_) => SlotKind::RecoveryKey,
            Material::KeyFile(_) => SlotKind::KeyFile,
        }
    }

    /// The slot secret: a full PBKDF2 run for a password, HKDF-Extract for a key file, whose bytes are random but
    /// need not be uniform, a recovery key as it is.
    pub(crate) fn derive(&self, salt: &[u8], params: KdfParams) -> OpenedSlot {
        let secret = match &self.0 {
            Material::Password(password) => kdf::pbkdf2(password.expose_secret().as_bytes(), salt, params),
            Material::RecoveryKey(key) => SecretKey::from_bytes(key.key().expose_bytes()),
            Material::KeyFile(bytes) => kdf::extract(bytes.expose_secret()),
        };
        OpenedSlot {
            wrap: kdf::expand_parts(&secret, &[labels::SLOT_WRAP, salt]),
            commitment: kdf::expand_parts(&secret, &[labels::SLOT_COMMIT, salt]),
        }
    }
}

/// A slot secret at work.
pub(crate) struct OpenedSlot {
    /// Wraps the master key.
    pub(crate) wrap: SecretKey,
    /// Tells a wrong secret from a damaged slot; costs a guesser the same full run.
    commitment: SecretKey,
}

impl OpenedSlot {
    pub(crate) fn commitment(&self) -> &[u8; 32] {
        self.commitment.expose_bytes()
    }

    pub(crate) fn fits(&self, commitment: &[u8]) -> bool {
        self.commitment.expose_bytes().as_slice().ct_eq(commitment).into()
    }
}

/// AAD of the wrapped master key.
pub(crate) fn aad(id: SlotId, install_id: &[u8; 16]) -> Vec<u8> {
    [labels::SLOT_AAD, &id.0.to_be_bytes(), install_id].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::assert_not_impl_any;

    assert_not_impl_any!(SlotSecret: fmt::Debug, fmt::Display, Clone, Default, PartialEq);

    #[test]
    fn a_short_key_file_is_refused() {
        assert_eq!(
            SlotSecret::key_file(vec![0; 31]).map(drop),
            Err(KeyFileTooShort(31))
        );
        assert!(SlotSecret::key_file(vec![0; 32]).is_ok());
    }
}
