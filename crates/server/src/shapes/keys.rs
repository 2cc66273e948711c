//! Which keys there are and how old they are. No byte of a key.

use authcore::{Authority, SigningKeyView, WallTime};
use fieldcrypt::{Algorithm, KeyInfo};
use serde::Serialize;
use utoipa::ToSchema;

/// Every key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeyList {
    /// Those that sign tokens, the newest last.
    signing_keys: Vec<SigningKeyItem>,
    /// Those that seal fields of the database.
    data_keys: Vec<DataKeyItem>,
}

/// One key that signs tokens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct SigningKeyItem {
    /// Its `kid`.
    kid: String,
    /// `signing`.
    purpose: &'static str,
    /// `active` signs and verifies, `retiring` only verifies.
    state: &'static str,
    /// When it was made (RFC 3339).
    created: String,
    /// Seconds since then.
    age: u64,
}

/// One key that seals.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct DataKeyItem {
    /// Its number, which sealed fields carry.
    number: u32,
    /// `data`, `index` or `integrity`.
    purpose: &'static str,
    /// The cipher.
    algorithm: &'static str,
    /// `active`, `retiring` or `destroyed`.
    state: &'static str,
    /// When it was made (RFC 3339).
    created: String,
    /// Seconds since then.
    age: u64,
    /// How many fields it has sealed.
    fields_sealed: u64,
}

impl KeyList {
    /// The keys of an authority, with their ages by its clock.
    pub(crate) fn of(authority: &Authority) -> Self {
        let now = authority.clock().now().wall;
        let signing_keys = authority.signing_keys().list();
        let data_keys = authority.sealing_keys();
        Self {
            signing_keys: signing_keys.iter().map(|key| signing_key(key, now)).collect(),
            data_keys: data_keys.iter().map(|key| data_key(key, now)).collect(),
        }
    }
}

fn signing_key(key: &SigningKeyView, now: WallTime) -> SigningKeyItem {
    SigningKeyItem {
        kid: key.kid.to_string(),
        purpose: "signing",
        state: if key.retired.is_none() {
            "active"
        } else {
            "retiring"
        },
        created: key.created.to_rfc3339(),
        age: age(key.created, now),
    }
}

fn data_key(key: &KeyInfo, now: WallTime) -> DataKeyItem {
    let created = WallTime::from_unix_ms(key.created_unix.saturating_mul(1000));
    DataKeyItem {
        number: key.number.0,
        purpose: key.purpose.name(),
        algorithm: match key.algorithm {
            Algorithm::Aes256Gcm => "AES-256-GCM",
            Algorithm::XChaCha20Poly1305 => "XChaCha20-Poly1305",
        },
        state: key.state.name(),
        created: created.to_rfc3339(),
        age: age(created, now),
        fields_sealed: key.fields_sealed,
    }
}

/// Whole seconds; zero for a key from the future, which a clock set wrong can make.
fn age(created: WallTime, now: WallTime) -> u64 {
    now.since(created).unwrap_or_default().as_secs()
}
