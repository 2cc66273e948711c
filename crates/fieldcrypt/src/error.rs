//! What can go wrong, each variant a situation.

use crate::kdf::KdfOutOfBounds;
use crate::keyring::DataKeyNumber;
use crate::random::RandomError;
use crate::slot::{SLOTS_MAX, SlotId, SlotKind};
use crate::sqlite::ConnectionError;

/// A sealed field did not open. Never a value in its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are no sealed field: plain text, `NULL`, too short.
    #[error("this is not a sealed field")]
    NotSealed,
    /// Sealed in a format this version does not know.
    #[error("sealed in format version {version}, which is unknown here")]
    UnknownVersion {
        /// The version byte.
        version: u8,
    },
    /// Sealed with an algorithm this version does not know.
    #[error("sealed with algorithm {algorithm}, which is unknown here")]
    UnknownAlgorithm {
        /// The algorithm byte.
        algorithm: u8,
    },
    /// Sealed with a data key that is not in the keyring.
    #[error("sealed with data key {number}, which is not in the keyring")]
    UnknownKey {
        /// The data key.
        number: DataKeyNumber,
    },
    /// Sealed with a data key that was destroyed.
    #[error("sealed with data key {number}, which was destroyed")]
    KeyDestroyed {
        /// The data key.
        number: DataKeyNumber,
    },
    /// Altered, moved from elsewhere, or sealed with another key.
    #[error("authentication failed: the field was altered or belongs elsewhere")]
    AuthenticationFailed,
    /// The column is not in the registry.
    #[error("column {table}.{column} is not in the registry of sealed columns")]
    ColumnNotRegistered {
        /// Logical table.
        table: &'static str,
        /// Logical column.
        column: &'static str,
    },
}

/// A value was not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The data key was used as often as it may be (NIST SP 800-38D section 8.3).
    #[error("data key {number} has sealed 2^32 fields, the most it may; rotate the data key")]
    KeyExhausted {
        /// The data key.
        number: DataKeyNumber,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The value is longer than the cipher takes.
    #[error("the value is too long to be sealed")]
    TooLong,
    /// The column is not in the registry.
    #[error("column {table}.{column} is not in the registry of sealed columns")]
    ColumnNotRegistered {
        /// Logical table.
        table: &'static str,
        /// Logical column.
        column: &'static str,
    },
}

/// A vault was not unlocked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnlockError {
    /// The file has no vault.
    #[error("the database has no key slots: it was not made by this program")]
    NoVault,
    /// No slot opens with it.
    #[error("no key slot opens with this field password, recovery key or key file")]
    WrongSecret,
    /// The secret is right, the slot's contents are not.
    #[error("slot {slot} is damaged: the secret fits its commitment, but its wrapped key does not open")]
    DamagedSlot {
        /// The slot.
        slot: SlotId,
    },
    /// A slot asks for a number of iterations that is out of bounds.
    #[error("slot {slot} was altered: {source}")]
    SlotOutOfBounds {
        /// The slot.
        slot: SlotId,
        /// What it asks for.
        #[source]
        source: KdfOutOfBounds,
    },
    /// More slots than are ever made: trying each would take as long as whoever put them there likes.
    #[error("the database has more than {SLOTS_MAX} key slots: it was altered")]
    TooManySlots,
    /// The vault's rows are not of a form this version knows.
    #[error("the vault is of a form that is unknown here: {what}")]
    UnknownFormat {
        /// Which row, and what about it.
        what: String,
    },
    /// The keyring does not read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// SQLite says something.
    #[error("the vault's tables cannot be read")]
    Database(#[from] rusqlite::Error),
}

/// The keyring could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// A wrapped key does not open under the master key.
    #[error("key {number} of the keyring is damaged or was altered")]
    DamagedKey {
        /// The key.
        number: DataKeyNumber,
    },
    /// A row of the keyring is not of a form this version knows.
    #[error("key {number} of the keyring is of a form that is unknown here: {what}")]
    UnknownFormat {
        /// The key.
        number: DataKeyNumber,
        /// What about it.
        what: &'static str,
    },
    /// No data key is active.
    #[error("the keyring has no active data key")]
    NoActiveKey,
    /// Another process gave the file a new master key, and the slot that this one was unlocked with is gone.
    #[error(
        "the master key was changed, and slot {slot}, which this process was unlocked with, no longer opens"
    )]
    NoLongerUnlocked {
        /// The slot.
        slot: SlotId,
    },
    /// SQLite says something.
    #[error("the keyring's table cannot be read or written")]
    Database(#[from] rusqlite::Error),
}

/// A key of the keyring was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewKeyError {
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The key could not be wrapped.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// SQLite says something.
    #[error("the keyring's table cannot be written")]
    Database(#[from] rusqlite::Error),
}

/// The slots or the master key were not changed: they are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// There is no such slot.
    #[error("there is no slot {slot}")]
    NotFound {
        /// The slot.
        slot: SlotId,
    },
    /// As many as there may be.
    #[error("there are {SLOTS_MAX} slots, and no more are made")]
    NoRoom,
    /// Without it, nothing would open the database any more.
    #[error("slot {slot} is the last one: without it nothing would open the database any more")]
    LastSlot {
        /// The slot.
        slot: SlotId,
    },
    /// The new slot, read back from the file, does not open the keyring.
    #[error("the new slot {slot}, read back from the file, does not open the database; it was not put in")]
    Unproven {
        /// The slot.
        slot: SlotId,
    },
    /// The master key that is held opens the keyring no longer: another process changed it.
    #[error("the master key was changed by another process in the meantime")]
    MasterKeyChanged,
    /// A new master key needs at least one slot that stays.
    #[error("no secret was given for a slot that stays: nothing would open the database any more")]
    NoSlotStays,
    /// One of the secrets given opens none of the slots.
    #[error("secret {position} of those given (a {}) opens none of the slots", kind.name())]
    FitsNoSlot {
        /// Which one, counted from 1.
        position: usize,
        /// Its kind.
        kind: SlotKind,
    },
    /// A slot does not read, or no slot opens with the secret.
    #[error(transparent)]
    Unlock(#[from] UnlockError),
    /// The keyring does not read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The file could not be opened a second time, to prove the new slot.
    #[error("the file could not be opened a second time, to read the new slot back")]
    ReadBack(#[from] ConnectionError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A key could not be wrapped.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// SQLite says something.
    #[error("the vault's tables cannot be written")]
    Database(#[from] rusqlite::Error),
}

/// A vault was not made. Nothing of it is in the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is one.
    #[error("the database has a vault already")]
    AlreadyExists,
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A key could not be made.
    #[error(transparent)]
    NewKey(#[from] NewKeyError),
    /// The first slot could not be made.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The keyring just made does not read back.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// SQLite says something.
    #[error("the vault's tables cannot be written")]
    Database(#[from] rusqlite::Error),
}
