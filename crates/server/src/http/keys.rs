//! `GET /api/v1/keys`: which keys there are and how old they are.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::http::extract::bearer::Reader;
use crate::shapes::keys::KeyList;

/// List the signing keys and the data keys.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "keys",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "The keys", body = KeyList)),
)]
pub(crate) async fn list(State(app): State<App>, _reader: Reader) -> Json<KeyList> {
    Json(KeyList::of(&app.authority))
}
