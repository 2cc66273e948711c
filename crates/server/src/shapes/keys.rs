//! Which keys there are and how old they are. No byte of a key.

use authcore::{Authority, KeyKind, RotationStatus, SigningKeyView, WallTime};
use fieldcrypt::{Algorithm, Direction, KeyInfo, KeyState, Phase, UnopenableField};
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
    /// Whether one of them is only a number that is not given again.
    pub(crate) fn has_destroyed(&self) -> bool {
        let destroyed = KeyState::Destroyed.name();
        self.data_keys.iter().any(|key| key.state == destroyed)
    }

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

/// Where a rotation of keys stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RotationReport {
    /// The rotation of the data key under way; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<RotationItem>,
    /// The kinds of key that a rotation of all kinds has not come to yet: `signing`, `master`, `data`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pending: Vec<&'static str>,
}

/// A rotation of the data key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct RotationItem {
    /// `sweeping`, `proving`, `blocked` or `purging`.
    phase: &'static str,
    /// `forward`, or `back` when it was called off.
    direction: &'static str,
    /// The number of the key that seals.
    active_key: u32,
    /// The number of the key that goes.
    retiring_key: u32,
    /// Rows walked; one with two sealed fields counts twice.
    rows_done: u64,
    /// Rows there were when it began.
    rows_total: u64,
    /// When it began (RFC 3339).
    started: String,
    /// Fields that do not open, for which the old key stays.
    unopenable: Vec<UnopenableItem>,
}

/// A field that does not open.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UnopenableItem {
    /// Its table.
    table: String,
    /// Its column.
    column: String,
    /// Its row's primary key.
    row: String,
    /// Why it does not open.
    reason: String,
}

impl RotationReport {
    /// Of what the database says.
    pub(crate) fn of(status: Option<&RotationStatus>, pending: &[KeyKind]) -> Self {
        Self {
            rotation: status.map(rotation),
            pending: pending.iter().map(|kind| kind.name()).collect(),
        }
    }

    /// Whether there is anything to tell.
    pub(crate) fn is_under_way(&self) -> bool {
        self.rotation.is_some() || !self.pending.is_empty()
    }

    /// In words.
    pub(crate) fn for_people(&self) -> String {
        let mut lines = vec![match &self.rotation {
            None => "no rotation of the data key is under way".to_owned(),
            Some(at) => {
                let what = match at.direction {
                    "back" => "called off: sealing back",
                    _ => "under way",
                };
                format!(
                    "rotation of the data key from {} to {}, {what}: {}, {} of {} rows, begun {}; \
                     postern keys rotate data goes on with it",
                    at.retiring_key, at.active_key, at.phase, at.rows_done, at.rows_total, at.started
                )
            }
        }];
        let unopenable = self.rotation.iter().flat_map(|at| &at.unopenable);
        lines.extend(unopenable.map(|field| {
            let UnopenableItem {
                table,
                column,
                row,
                reason,
            } = field;
            format!("does not open: {table}.{column} of row {row}: {reason}")
        }));
        if !self.pending.is_empty() {
            let kinds = self.pending.join(", ");
            lines.push(format!("still to be made, by postern keys rotate all: {kinds}"));
        }
        lines.join("\n")
    }
}

fn rotation(status: &RotationStatus) -> RotationItem {
    let at = &status.rotation;
    RotationItem {
        phase: match at.phase {
            Phase::Sweeping => "sweeping",
            Phase::Proving => "proving",
            Phase::Blocked => "blocked",
            Phase::Purging => "purging",
        },
        direction: match at.direction {
            Direction::Forward => "forward",
            Direction::Back => "back",
        },
        active_key: at.active.0,
        retiring_key: at.retiring.0,
        rows_done: at.rows_done,
        rows_total: at.rows_total,
        started: WallTime::from_unix_ms(at.started_unix.saturating_mul(1000)).to_rfc3339(),
        unopenable: status.unopenable.iter().map(UnopenableItem::of).collect(),
    }
}

impl UnopenableItem {
    /// Of what a walk found.
    pub(crate) fn of(field: &UnopenableField) -> Self {
        Self {
            table: field.table.clone(),
            column: field.column.clone(),
            row: field.row.clone(),
            reason: field.reason.clone(),
        }
    }
}
