//! The vault: what a program sees. Unlocked, it holds the keyring in memory, wiped on drop.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::aad;
use crate::access::Access;
use crate::cipher::Algorithm;
use crate::column::{ColumnRegistry, SealedColumn};
use crate::error::{OpenError, SealError};
use crate::kdf::KdfParams;
use crate::keyring::{KeyInfo, Keyring};
use crate::padding;
use crate::random;
use crate::row_key::RowKey;
use crate::sealed::{HEADER_LEN, Sealed};
use crate::secret::Secret;

/// An unlocked vault. Shared between threads; sealing and opening do no I/O.
///
/// # Security
/// Nonces are drawn from blocks of random bytes, one a thread. A process that `fork`s without `exec`, which only `unsafe`
/// code can do, must seal nothing in the child: parent and child would use the same nonces. Starting programs with
/// [`std::process::Command`] is no such thing.
pub struct Vault {
    pub(crate) install_id: [u8; 16],
    pub(crate) registry: ColumnRegistry,
    /// Opens the keyring's rows: kept so that keys another process adds can be read.
    pub(crate) access: RwLock<Access>,
    pub(crate) keyring: RwLock<Keyring>,
}

/// How a new vault is made.
#[derive(Clone, Debug)]
pub struct NewVault {
    /// What the first slot is called.
    pub slot_label: String,
    /// Cost of a guess at the first slot's password.
    pub kdf: KdfParams,
    /// The cipher of its fields.
    pub algorithm: Algorithm,
    /// The time, seconds since the Unix epoch.
    pub created_unix: i64,
}

impl NewVault {
    /// The defaults: 600,000 iterations, AES-256-GCM.
    #[must_use]
    pub fn first(created_unix: i64) -> Self {
        Self {
            slot_label: "first".to_owned(),
            kdf: KdfParams::default(),
            algorithm: Algorithm::Aes256Gcm,
            created_unix,
        }
    }
}

impl Vault {
    /// The 16 random bytes made with the database; part of what every field is bound to.
    #[must_use]
    pub const fn install_id(&self) -> [u8; 16] {
        self.install_id
    }

    /// Seals a value for its column and row.
    ///
    /// # Errors
    /// See [`SealError`]; the column must be in the registry.
    pub fn seal(
        &self,
        column: SealedColumn,
        row: &RowKey<'_>,
        plaintext: &[u8],
    ) -> Result<Sealed, SealError> {
        let position = self
            .registry
            .position(column)
            .ok_or(SealError::ColumnNotRegistered {
                table: column.table(),
                column: column.column(),
            })?;
        let padded = column.is_padded().then(|| padding::pad(plaintext));
        let plaintext = padded.as_ref().map_or(plaintext, |padded| padded);
        let keyring = self.keyring();
        let (column, algorithm, number) = keyring.to_seal(&self.registry, position)?;
        let header = Sealed::header(algorithm, number);
        let aad = aad::of_field(&column.aad, row);
        let mut bytes =
            Vec::with_capacity(HEADER_LEN + algorithm.nonce_len() + plaintext.len() + crate::cipher::TAG_LEN);
        bytes.extend_from_slice(&header);
        let mut nonce = [0; 24];
        let nonce = nonce.get_mut(..algorithm.nonce_len()).ok_or(SealError::TooLong)?;
        random::fill_nonce(nonce)?;
        bytes.extend_from_slice(nonce);
        column.cipher.seal_onto(&aad, plaintext, &mut bytes, HEADER_LEN)?;
        Ok(Sealed::from_parts(bytes, algorithm, number))
    }

    /// Opens a value of that column and row.
    ///
    /// # Errors
    /// See [`OpenError`]. Fails closed: whatever is wrong, no value comes out.
    pub fn open(&self, column: SealedColumn, row: &RowKey<'_>, sealed: &Sealed) -> Result<Secret, OpenError> {
        let position = self
            .registry
            .position(column)
            .ok_or(OpenError::ColumnNotRegistered {
                table: column.table(),
                column: column.column(),
            })?;
        let keyring = self.keyring();
        let ready = keyring.to_open(&self.registry, position, sealed.key(), sealed.algorithm())?;
        let (nonce, body) = sealed.nonce_and_body()?;
        let opened = ready.cipher.open(&aad::of_field(&ready.aad, row), nonce, body)?;
        if !column.is_padded() {
            return Ok(opened);
        }
        // What authenticates was padded by us: anything else is a mistake of ours, and no value.
        let len = padding::unpadded_len(opened.expose_bytes()).ok_or(OpenError::AuthenticationFailed)?;
        Ok(opened.truncated(len))
    }

    /// Every key of the keyring, without the keys themselves.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyInfo> {
        self.keyring()
            .entries()
            .iter()
            .map(|entry| KeyInfo {
                fields_sealed: entry.fields_sealed(),
                ..entry.info.clone()
            })
            .collect()
    }

    pub(crate) fn keyring(&self) -> RwLockReadGuard<'_, Keyring> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner)
    }
}
