//! Sealed columns for SQLite: each value encrypted and authenticated on its own, bound to its table, column and row.
//!
//! ```no_run
//! use fieldcrypt::{ColumnRegistry, NewVault, RowKey, SealedColumn, SlotSecret, Vault};
//! use fieldcrypt::sqlite::{OpenMode, open_connection};
//!
//! const PRIVATE_KEY: SealedColumn = SealedColumn::new("signing_keys", "private_key");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut connection = open_connection("keys.sqlite".as_ref(), OpenMode::CreateNew)?;
//! let registry = ColumnRegistry::new(&[PRIVATE_KEY])?;
//! let vault = Vault::create(&mut connection, registry, &SlotSecret::password("a long field password"), &NewVault::first(0))?;
//! let sealed = vault.seal(PRIVATE_KEY, &RowKey::Integer(1), b"secret")?;   // implements ToSql
//! let secret = vault.open(PRIVATE_KEY, &RowKey::Integer(1), &sealed)?;     // wiped on drop, cannot be printed
//! assert_eq!(secret.expose_bytes(), b"secret");
//! # Ok(()) }
//! ```
//!
//! ```text
//! slot secret ──▶ master key ──▶ keyring (data keys) ──HKDF per column──▶ cipher + AAD ──▶ Sealed
//! ```
//!
//! It does not hide which rows exist, how long a value is, or that a row was deleted.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod aad;
mod access;
mod cipher;
mod column;
mod error;
mod kdf;
mod keyring;
mod labels;
pub mod random;
mod recovery_key;
mod rotation;
mod row_key;
mod sealed;
mod secret;
mod slot;
pub mod sqlite;
mod vault;

pub use access::MasterAccess;
pub use cipher::Algorithm;
pub use column::{ColumnRegistry, DuplicateColumn, SealedColumn};
pub use error::{CreateError, KeyringError, NewKeyError, OpenError, SealError, SlotError, UnlockError};
pub use kdf::{ITERATIONS_MAX, ITERATIONS_MIN, KdfOutOfBounds, KdfParams};
pub use keyring::{DataKeyNumber, KeyInfo, KeyPurpose, KeyState};
pub use recovery_key::{RecoveryKey, RecoveryKeyError};
pub use rotation::purge::{PurgeError, Purged};
pub use rotation::{Direction, NewDataKey, Phase, Rotation, RotationError, UnopenableField};
pub use row_key::RowKey;
pub use sealed::Sealed;
pub use secret::{Secret, SecretKey};
pub use slot::{KeyFileTooShort, NewSlot, SlotId, SlotInfo, SlotKind, SlotSecret};
pub use vault::{NewVault, Vault};
