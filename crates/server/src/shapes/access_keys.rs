//! Access keys, as they are listed and as they are shown once.

use authcore::AccessKeyView;
use serde::Serialize;
use utoipa::ToSchema;

/// Every access key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessKeyList {
    /// By name, expired ones too.
    access_keys: Vec<AccessKeyItem>,
}

/// One access key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct AccessKeyItem {
    /// 12 hexadecimal digits, a part of the key's text.
    id: String,
    /// Its name.
    name: String,
    /// What it is good for: `api`, `api:read`, `metrics`, `gate:HOST[/PATH][:METHOD,METHOD]`.
    scopes: Vec<String>,
    /// When it was made (RFC 3339).
    created: String,
    /// When it ends (RFC 3339).
    expires: String,
    /// When it was used last (RFC 3339); absent when it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

/// A key just made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccessKeyCreated<'a> {
    /// How it is listed from now on.
    #[serde(flatten)]
    item: AccessKeyItem,
    /// `pst_ak_…`, to be sent as `Authorization: Bearer`; it is shown this once.
    secret: &'a str,
}

impl AccessKeyList {
    /// These keys.
    pub(crate) fn of(keys: Vec<AccessKeyView>) -> Self {
        Self {
            access_keys: keys.into_iter().map(item).collect(),
        }
    }
}

impl<'a> AccessKeyCreated<'a> {
    /// A key and its text.
    pub(crate) fn new(view: AccessKeyView, secret: &'a str) -> Self {
        Self {
            item: item(view),
            secret,
        }
    }
}

fn item(view: AccessKeyView) -> AccessKeyItem {
    AccessKeyItem {
        id: view.id.to_string(),
        scopes: view
            .scopes
            .as_slice()
            .iter()
            .map(|scope| scope.name().into_owned())
            .collect(),
        created: view.created.to_rfc3339(),
        expires: view.expires.to_rfc3339(),
        last_used: view.last_used.map(authcore::WallTime::to_rfc3339),
        name: view.name,
    }
}
