//! What reads bytes from elsewhere, each as a function of bytes: for `fuzz/`, and for the test that replays its seeds. Built
//! for those two only. Each tells whether the bytes were taken, and panics where a promise is broken.

use std::sync::{LazyLock, RwLock};

use crate::access::{Access, OpenSlot};
use crate::cipher::Algorithm;
use crate::column::{ColumnRegistry, SealedColumn};
use crate::keyring::{DataKeyNumber, Entry, KeyInfo, KeyPurpose, KeyState, Keyring};
use crate::padding;
use crate::recovery_key::RecoveryKey;
use crate::row_key::RowKey;
use crate::sealed::Sealed;
use crate::secret::SecretKey;
use crate::slot::SlotId;
use crate::vault::Vault;

/// Reads bytes, and tells whether they were taken.
pub type Reader = fn(&[u8]) -> bool;

/// All of them, by the folder of their seeds.
pub const READERS: &[(&str, Reader)] = &[
    ("padding", padded),
    ("recovery-key", recovery_key),
    ("sealed-field", sealed_field),
];

/// All that was ever sealed with the keys below.
const PLAINTEXT: &[u8] = b"plain";

const COLUMN: SealedColumn = SealedColumn::new("people", "phone");

/// One key of each algorithm, one that is gone.
static VAULT: LazyLock<Option<Vault>> = LazyLock::new(|| {
    let registry = ColumnRegistry::new(&[COLUMN]).ok()?;
    let entry = |number, algorithm, state, key: Option<[u8; 32]>| {
        let info = KeyInfo {
            number: DataKeyNumber(number),
            purpose: KeyPurpose::Data,
            algorithm,
            state,
            created_unix: 0,
            fields_sealed: 0,
        };
        Entry::new(info, key.map(|key| SecretKey::from_bytes(&key)), &registry)
    };
    let entries = vec![
        entry(1, Algorithm::Aes256Gcm, KeyState::Active, Some([1; 32])),
        entry(2, Algorithm::XChaCha20Poly1305, KeyState::Retiring, Some([2; 32])),
        entry(3, Algorithm::Aes256Gcm, KeyState::Destroyed, None),
    ];
    let access = Access {
        slot: OpenSlot {
            id: SlotId(1),
            key: SecretKey::from_bytes(&[0; 32]),
        },
        keyring_wrap: SecretKey::from_bytes(&[0; 32]),
    };
    Some(Vault {
        install_id: [7; 16],
        keyring: RwLock::new(Keyring::new([7; 16], entries, 1)?),
        access: RwLock::new(access),
        registry,
    })
});

/// A field as it lies in a database that somebody else could write to: nothing opens but what was sealed.
fn sealed_field(bytes: &[u8]) -> bool {
    let Ok(sealed) = Sealed::parse(bytes.to_vec()) else {
        return false;
    };
    assert_eq!(sealed.to_stored_bytes(), bytes);
    let Some(vault) = VAULT.as_ref() else {
        return false;
    };
    match vault.open(COLUMN, &RowKey::Integer(1), &sealed) {
        Ok(secret) => {
            assert_eq!(secret.expose_bytes(), PLAINTEXT, "a forged field was opened");
            true
        }
        Err(_) => false,
    }
}

/// A recovery key as somebody typed it: what is taken is one key, whose printed form is taken for the same.
fn recovery_key(bytes: &[u8]) -> bool {
    use secrecy::ExposeSecret as _;
    let Some(key) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| RecoveryKey::parse(text).ok())
    else {
        return false;
    };
    let printed = key.expose_printable();
    let again = RecoveryKey::parse(printed.expose_secret());
    assert!(again.is_ok_and(|again| again.key().expose_bytes() == key.key().expose_bytes()));
    true
}

/// What comes out of a padded field.
fn padded(bytes: &[u8]) -> bool {
    let length = padding::unpadded_len(bytes);
    let value = length.and_then(|length| bytes.get(..length));
    assert_eq!(length.is_some(), value.is_some(), "a length beyond the bytes");
    assert_eq!(padding::unpadded_len(&padding::pad(bytes)), Some(bytes.len()));
    value.is_some()
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
