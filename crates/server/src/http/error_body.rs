//! The one shape of an error answer.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

/// What every answer with a status of 400 or more carries.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ErrorBody {
    /// What went wrong, for a person. Never says which check of a credential failed, never repeats what was sent.
    #[schema(value_type = String)]
    pub(crate) error: Cow<'static, str>,
    /// The HTTP status again.
    pub(crate) code: u16,
    /// What to do next, where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) hint: Option<Cow<'static, str>>,
    /// What the same request needs besides, where a program can tell: `OneTimeCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) needs: Option<&'static str>,
}
