//! A backup in words, and in JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::backup::Manifest;

pub(super) fn rows_in_words(rows: &BTreeMap<String, u64>) -> String {
    let total: u64 = rows.values().sum();
    format!("{total} rows")
}

pub(super) fn in_words(manifest: &Manifest) -> String {
    format!(
        "taken {}, counter {}, {}, database {} bytes, SHA-256 {}",
        manifest.taken_text(),
        manifest.counter,
        rows_in_words(&manifest.rows),
        manifest.length,
        manifest.sha256
    )
}

pub(super) fn of_manifest(manifest: &Manifest) -> Value {
    json!({
        "Taken": manifest.taken_text(),
        "Postern": manifest.postern,
        "Install": manifest.install,
        "Counter": manifest.counter,
        "Schema": manifest.schema,
        "Rows": manifest.rows,
        "Length": manifest.length,
        "Sha256": manifest.sha256,
    })
}
