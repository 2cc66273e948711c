//! `/api/v1/settings`: typed settings. A sensitive value goes in and never comes out.

use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::{Reader, Writer};
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{Json, JsonEntries, required};
use crate::http::extract::path::Segment;
use crate::shapes::settings::{SettingItem, SettingList};

/// A setting's new value.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SettingBody {
    /// Of the setting's type.
    #[schema(required, value_type = Value)]
    value: Option<Value>,
}

/// List all settings.
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "settings",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "All settings", body = SettingList)),
)]
pub(crate) async fn list(State(app): State<App>, _reader: Reader) -> axum::Json<SettingList> {
    axum::Json(all(&app))
}

/// Change several settings. The body's members are keys and their new values; all are checked before the first is
/// changed.
#[utoipa::path(
    patch, path = "/api/v1/settings", tag = "settings",
    security(("bearerAuth" = []), ("accessKey" = ["api"])),
    request_body(content = Object, description = "Keys and their new values"),
    responses(
        (status = 200, description = "All settings, as they are now", body = SettingList),
        (status = 400, description = "A value is not of its setting's type", body = ErrorBody),
        (status = 404, description = "There is no such setting", body = ErrorBody),
    ),
)]
pub(crate) async fn patch(
    State(app): State<App>,
    _writer: Writer,
    RequestClient(client): RequestClient,
    JsonEntries(changes): JsonEntries,
) -> Result<axum::Json<SettingList>, HttpError> {
    app.authority.settings().set(changes, &client).await?;
    Ok(axum::Json(all(&app)))
}

/// One setting.
#[utoipa::path(
    get, path = "/api/v1/settings/{key}", tag = "settings",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    params(("key" = String, Path, description = "The setting's key")),
    responses(
        (status = 200, description = "The setting", body = SettingItem),
        (status = 404, description = "There is no such setting", body = ErrorBody),
    ),
)]
pub(crate) async fn one(
    State(app): State<App>,
    _reader: Reader,
    Segment(key): Segment,
) -> Result<axum::Json<SettingItem>, HttpError> {
    Ok(axum::Json(SettingItem::of(app.authority.settings().one(&key)?)))
}

/// Change one setting.
#[utoipa::path(
    put, path = "/api/v1/settings/{key}", tag = "settings",
    security(("bearerAuth" = []), ("accessKey" = ["api"])), request_body = SettingBody,
    params(("key" = String, Path, description = "The setting's key; `secret.<name>` for a secret of your own")),
    responses(
        (status = 200, description = "The setting, as it is now", body = SettingItem),
        (status = 400, description = "The value is not of the setting's type", body = ErrorBody),
        (status = 404, description = "There is no such setting", body = ErrorBody),
    ),
)]
pub(crate) async fn put(
    State(app): State<App>,
    _writer: Writer,
    RequestClient(client): RequestClient,
    Segment(key): Segment,
    Json(body): Json<SettingBody>,
) -> Result<axum::Json<SettingItem>, HttpError> {
    let settings = app.authority.settings();
    settings
        .set(vec![(key.clone(), required(body.value, "Value")?)], &client)
        .await?;
    Ok(axum::Json(SettingItem::of(settings.one(&key)?)))
}

/// Put one setting back to its default, or forget a secret.
#[utoipa::path(
    delete, path = "/api/v1/settings/{key}", tag = "settings",
    security(("bearerAuth" = []), ("accessKey" = ["api"])),
    params(("key" = String, Path, description = "The setting's key")),
    responses(
        (status = 200, description = "The setting, as it is now", body = SettingItem),
        (status = 404, description = "There is no such setting", body = ErrorBody),
    ),
)]
pub(crate) async fn unset(
    State(app): State<App>,
    _writer: Writer,
    RequestClient(client): RequestClient,
    Segment(key): Segment,
) -> Result<axum::Json<SettingItem>, HttpError> {
    let settings = app.authority.settings();
    settings.unset(&key, &client).await?;
    Ok(axum::Json(SettingItem::of(settings.one(&key)?)))
}

fn all(app: &App) -> SettingList {
    SettingList::of(app.authority.settings().list())
}
