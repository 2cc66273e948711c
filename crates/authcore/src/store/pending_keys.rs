//! What is left of a rotation of several kinds of key: noted in the file, so that a rotation that is killed and run again
//! makes each kind once.

use fieldcrypt::Vault;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::load::{from_json, to_json};
use super::server_state::{self, PENDING_KEYS};
use super::{StoreError, columns::SERVER_STATE};

/// A kind of key that is made anew by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    /// Signs tokens.
    Signing,
    /// Wraps the keyring; wrapped in the slots.
    Master,
    /// Seals fields.
    Data,
}

impl KeyKind {
    /// In the order in which all of them are made: the new data key is never wrapped under the old master key.
    pub const ALL: [Self; 3] = [Self::Signing, Self::Master, Self::Data];

    /// As people and programs name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Master => "master",
            Self::Data => "data",
        }
    }
}

pub(super) fn load(connection: &Connection, vault: &Vault) -> Result<Vec<KeyKind>, StoreError> {
    match server_state::fetch(connection, vault, PENDING_KEYS)? {
        Some(list) => from_json(SERVER_STATE, PENDING_KEYS, list.expose_bytes()),
        None => Ok(Vec::new()),
    }
}

pub(super) fn put(connection: &Connection, vault: &Vault, kinds: &[KeyKind]) -> Result<(), StoreError> {
    if kinds.is_empty() {
        server_state::forget(connection, PENDING_KEYS)
    } else {
        server_state::put(connection, vault, PENDING_KEYS, &to_json(&kinds)?)
    }
}

/// One kind less.
pub(super) fn done(connection: &Connection, vault: &Vault, kind: KeyKind) -> Result<(), StoreError> {
    let mut left = load(connection, vault)?;
    let before = left.len();
    left.retain(|other| *other != kind);
    if left.len() < before {
        put(connection, vault, &left)?;
    }
    Ok(())
}
