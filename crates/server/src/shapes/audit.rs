//! What happened.

use authcore::audit::event::AuditRecord;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One page of events.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AuditPage {
    /// Newest first.
    events: Vec<AuditItem>,
    /// Ask for the next page with `before=` this; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// One event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct AuditItem {
    /// Its number, from 1 on.
    id: i64,
    /// When it was committed (RFC 3339).
    at: String,
    /// `Event`, its name; `Client`, who called; and what the event is about.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    entry: Value,
}

impl AuditPage {
    /// These events, of which `limit` were asked for.
    ///
    /// # Errors
    /// When one is no JSON: a mistake of ours.
    pub(crate) fn of(records: &[AuditRecord], limit: usize) -> serde_json::Result<Self> {
        let full = records.len() >= limit;
        Ok(Self {
            next: records.last().filter(|_| full).map(|record| record.id.0),
            events: records.iter().map(item).collect::<Result<_, _>>()?,
        })
    }
}

/// One event, as it is told to others.
///
/// # Errors
/// As [`AuditPage::of`].
pub(crate) fn as_json(record: &AuditRecord) -> serde_json::Result<Value> {
    serde_json::to_value(item(record)?)
}

fn item(record: &AuditRecord) -> serde_json::Result<AuditItem> {
    Ok(AuditItem {
        id: record.id.0,
        at: record.at.to_rfc3339(),
        entry: serde_json::to_value(&record.entry)?,
    })
}
