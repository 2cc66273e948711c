//! Settings, as they are listed. A sensitive value never comes out.

use authcore::{SettingKind, SettingView};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Every setting, and every secret that was set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SettingList {
    /// By key.
    settings: Vec<SettingItem>,
}

/// One setting.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SettingItem {
    /// Its key.
    key: String,
    /// `boolean`, `integer` or `text`.
    #[serde(rename = "Type")]
    kind: &'static str,
    /// Its value; absent for a sensitive one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    value: Option<Value>,
    /// Whether it was changed from its default.
    set: bool,
    /// Whether its value never comes out.
    sensitive: bool,
    /// Its default; a secret has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    default: Option<Value>,
    /// What it is for.
    description: &'static str,
}

impl SettingList {
    /// These settings.
    pub(crate) fn of(settings: Vec<SettingView>) -> Self {
        Self {
            settings: settings.into_iter().map(SettingItem::of).collect(),
        }
    }
}

impl SettingItem {
    /// This setting.
    pub(crate) fn of(view: SettingView) -> Self {
        Self {
            key: view.key,
            kind: match view.spec.kind {
                SettingKind::Boolean => "boolean",
                SettingKind::Integer { .. } => "integer",
                SettingKind::Text => "text",
            },
            value: view.value,
            set: view.set,
            sensitive: view.spec.sensitive,
            default: view.spec.default_value(),
            description: view.spec.description,
        }
    }
}
