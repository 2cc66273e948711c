//! `GET /api/v1/keys`: which keys there are and how old they are. No byte of a key.

use authcore::{SigningKeyView, WallTime};
use axum::Json;
use axum::extract::State;
use fieldcrypt::{Algorithm, KeyInfo};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::extract::bearer::Reader;

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

/// List the signing keys and the data keys.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "The keys", body = KeyList)),
)]
pub(crate) async fn list(State(app): State<App>, _reader: Reader) -> Json<KeyList> {
    let authority = &app.authority;
    let now = authority.clock().now().wall;
    Json(KeyList {
        signing_keys: authority
            .signing_keys()
            .list()
            .iter()
            .map(|key| signing_key(key, now))
            .collect(),
        data_keys: authority
            .sealing_keys()
            .iter()
            .map(|key| data_key(key, now))
            .collect(),
    })
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
