//! The data keys, in memory: numbered, in phases, counted, and one cipher per column made ready once.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::aad;
use crate::cipher::{Algorithm, Cipher};
use crate::column::ColumnRegistry;
use crate::error::{OpenError, SealError};
use crate::kdf;
use crate::labels;
use crate::row_key::lp_onto;
use crate::sealed::Sealed;
use crate::secret::SecretKey;

/// Random 96-bit nonces: at most 2^32 uses of one key (NIST SP 800-38D section 8.3).
const USES_MAX: u64 = 1 << 32;

/// Number of a key of the keyring; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataKeyNumber(pub u32);

impl fmt::Display for DataKeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a key of the keyring is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPurpose {
    /// Seals fields.
    Data,
    /// Makes blind indexes.
    Index,
    /// Makes the integrity seal.
    Integrity,
}

impl KeyPurpose {
    /// The name stored in the keyring.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
            Self::Integrity => "integrity",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Data, Self::Index, Self::Integrity]
            .into_iter()
            .find(|purpose| purpose.name() == name)
    }
}

/// Phase of a key (NIST SP 800-57 part 1, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Opens only; its fields are being sealed anew.
    Retiring,
    /// Gone; the row is its tombstone.
    Destroyed,
}

impl KeyState {
    /// The name stored in the keyring.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Destroyed => "destroyed",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Retiring, Self::Destroyed]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// What a key's status shows.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its number.
    pub number: DataKeyNumber,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The algorithm of the fields it seals.
    pub algorithm: Algorithm,
    /// Its phase.
    pub state: KeyState,
    /// When it was made, seconds since the Unix epoch.
    pub created_unix: i64,
    /// How many fields it has sealed.
    pub fields_sealed: u64,
}

impl KeyInfo {
    /// Whether a rotation is due: at 2^31 uses, half of what the key may be used for.
    #[must_use]
    pub const fn rotation_is_due(&self) -> bool {
        self.fields_sealed >= USES_MAX / 2
    }
}

/// One key of the keyring; `key` is `None` once it is destroyed.
pub(crate) struct Entry {
    pub(crate) info: KeyInfo,
    pub(crate) key: Option<SecretKey>,
    /// Seals by this process since the row was read.
    uses: AtomicU64,
    /// How many of them are written down in the row.
    recorded: AtomicU64,
    /// One a registered column, made ready at its first use.
    columns: Box<[OnceLock<ColumnCipher>]>,
}

impl Entry {
    pub(crate) fn new(info: KeyInfo, key: Option<SecretKey>, registry: &ColumnRegistry) -> Self {
        let columns = registry.iter().map(|_| OnceLock::new()).collect();
        Self {
            info,
            key,
            uses: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
            columns,
        }
    }

    /// Seals by this process, and those in the row when it was read.
    pub(crate) fn fields_sealed(&self) -> u64 {
        self.info
            .fields_sealed
            .saturating_add(self.uses.load(Ordering::Relaxed))
    }

    /// Takes the seals that are not written down yet; they count as written from here on.
    pub(crate) fn take_unrecorded(&self) -> u64 {
        let uses = self.uses.load(Ordering::Relaxed);
        uses.saturating_sub(self.recorded.swap(uses, Ordering::Relaxed))
    }

    /// Goes on counting where `before`, an earlier reading of the same row, stood.
    pub(crate) fn carry_over(&self, before: &Self) {
        self.uses.fetch_add(before.take_unrecorded(), Ordering::Relaxed);
    }
}

/// A key made ready for one column.
pub(crate) struct ColumnCipher {
    pub(crate) cipher: Cipher,
    /// What all its fields are bound to: see [`crate::aad`].
    pub(crate) aad: Box<[u8]>,
}

/// The keyring.
pub(crate) struct Keyring {
    install_id: [u8; 16],
    entries: Vec<Entry>,
    active: usize,
    /// The keyring's change counter in the file, as read.
    pub(crate) version: i64,
}

impl Keyring {
    /// `None` when no data key is active.
    pub(crate) fn new(install_id: [u8; 16], entries: Vec<Entry>, version: i64) -> Option<Self> {
        let active = entries.iter().position(|entry| {
            entry.info.purpose == KeyPurpose::Data
                && entry.info.state == KeyState::Active
                && entry.key.is_some()
        })?;
        Some(Self {
            install_id,
            entries,
            active,
            version,
        })
    }

    /// The data key that seals.
    pub(crate) fn active(&self) -> Option<&KeyInfo> {
        self.entries.get(self.active).map(|entry| &entry.info)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The active key of a purpose that has one key only: index or integrity.
    pub(crate) fn only_key(&self, purpose: KeyPurpose) -> Option<&SecretKey> {
        self.entries
            .iter()
            .find(|entry| entry.info.purpose == purpose && entry.info.state == KeyState::Active)
            .and_then(|entry| entry.key.as_ref())
    }

    /// The cipher that seals this column, one use of its key counted.
    pub(crate) fn to_seal(
        &self,
        registry: &ColumnRegistry,
        position: usize,
    ) -> Result<(&ColumnCipher, Algorithm, DataKeyNumber), SealError> {
        // The position was found when the keyring was made.
        let entry = self.entries.get(self.active).ok_or(SealError::TooLong)?;
        let number = entry.info.number;
        let used = entry
            .info
            .fields_sealed
            .saturating_add(entry.uses.fetch_add(1, Ordering::Relaxed));
        if used >= USES_MAX {
            return Err(SealError::KeyExhausted { number });
        }
        let cipher = self
            .column_cipher(entry, registry, position)
            .ok_or(SealError::KeyExhausted { number })?;
        Ok((cipher, entry.info.algorithm, number))
    }

    /// The cipher that opens this column's fields of that key.
    pub(crate) fn to_open(
        &self,
        registry: &ColumnRegistry,
        position: usize,
        number: DataKeyNumber,
        algorithm: Algorithm,
    ) -> Result<&ColumnCipher, OpenError> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.info.number == number && entry.info.purpose == KeyPurpose::Data)
            .ok_or(OpenError::UnknownKey { number })?;
        if entry.key.is_none() {
            return Err(OpenError::KeyDestroyed { number });
        }
        // A key seals with one algorithm; a field that names another was altered.
        if entry.info.algorithm != algorithm {
            return Err(OpenError::AuthenticationFailed);
        }
        self.column_cipher(entry, registry, position)
            .ok_or(OpenError::KeyDestroyed { number })
    }

    fn column_cipher<'a>(
        &self,
        entry: &'a Entry,
        registry: &ColumnRegistry,
        position: usize,
    ) -> Option<&'a ColumnCipher> {
        let ready = entry.columns.get(position)?;
        if let Some(cipher) = ready.get() {
            return Some(cipher);
        }
        let key = entry.key.as_ref()?;
        let column = registry.iter().nth(position)?;
        Some(ready.get_or_init(|| {
            let Entry { info, .. } = entry;
            let mut names = Vec::with_capacity(64);
            lp_onto(&mut names, column.table().as_bytes());
            lp_onto(&mut names, column.column().as_bytes());
            let key = kdf::expand_parts(key, &[labels::COLUMN, &names]);
            let header = Sealed::header(info.algorithm, info.number);
            ColumnCipher {
                cipher: Cipher::new(info.algorithm, &key),
                aad: aad::of_column(header, &self.install_id, column),
            }
        }))
    }
}
