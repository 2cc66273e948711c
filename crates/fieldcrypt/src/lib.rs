#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod aad;
mod access;
pub mod adoption;
mod blind_index;
mod byte_scan;
mod cipher;
mod column;
mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub mod foreign_bytes;
pub mod integrity;
mod kdf;
mod keyring;
mod labels;
mod padding;
pub mod random;
mod recovery_key;
mod rotation;
mod row_key;
mod sealed;
mod secret;
mod slot;
pub mod sqlite;
#[cfg(test)]
mod testkit;
mod vault;
mod witness;

pub use access::MasterAccess;
pub use blind_index::{BlindIndex, BlindIndexError, IndexedColumn};
pub use cipher::Algorithm;
pub use column::{ColumnRegistry, DuplicateColumn, SealedColumn};
pub use error::{CreateError, KeyringError, NewKeyError, OpenError, SealError, SlotError, UnlockError};
pub use integrity::{
    ChainLink, DamagedRow, DamagedTable, IntegrityError, IntegritySeal, ProtectedTable, Report, RowChain,
    RowDamage, Verified,
};
pub use kdf::{ITERATIONS_MAX, ITERATIONS_MIN, KdfOutOfBounds, KdfParams};
pub use keyring::{DataKeyNumber, KeyInfo, KeyPurpose, KeyState};
pub use recovery_key::{RecoveryKey, RecoveryKeyError};
pub use rotation::purge::{PurgeError, Purged};
pub use rotation::{Direction, NewDataKey, Phase, Rotation, RotationError, UnopenableField};
pub use row_key::RowKey;
pub use sealed::Sealed;
pub use secret::{Secret, SecretKey};
pub use slot::{KeyFileTooShort, NewSlot, SLOTS_MAX, SlotId, SlotInfo, SlotKind, SlotSecret};
pub use vault::{NewVault, Vault};
pub use witness::{Witness, WitnessError};
