//! `/api/v1/sessions`: who is signed in, and ending that.

use authcore::SessionId;
use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::{Reader, Writer};
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::path::Segment;
use crate::shapes::sessions::{SessionList, SessionsEnded};

/// List the live sessions.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "The live sessions", body = SessionList)),
)]
pub(crate) async fn list(State(app): State<App>, reader: Reader) -> Json<SessionList> {
    Json(SessionList::of(&app.authority.sessions().list(), reader.session))
}

/// End one session, with all its access tokens.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "sessions",
    security(("bearerAuth" = []), ("accessKey" = ["api"])),
    params(("id" = String, Path, description = "The session, 32 hexadecimal digits")),
    responses(
        (status = 200, description = "Ended", body = SessionsEnded),
        (status = 404, description = "There is no such session", body = ErrorBody),
    ),
)]
pub(crate) async fn end(
    State(app): State<App>,
    _writer: Writer,
    RequestClient(client): RequestClient,
    Segment(id): Segment,
) -> Result<Json<SessionsEnded>, HttpError> {
    let absent = HttpError::NotFound("session");
    let Some(id) = SessionId::parse(&id) else {
        return Err(absent);
    };
    if app.authority.sessions().end(id, &client).await? {
        Ok(Json(SessionsEnded { ended: 1 }))
    } else {
        Err(absent)
    }
}

/// End all sessions but the one that asks.
#[utoipa::path(
    delete, path = "/api/v1/sessions", tag = "sessions",
    security(("bearerAuth" = []), ("accessKey" = ["api"])),
    responses((status = 200, description = "Ended", body = SessionsEnded)),
)]
pub(crate) async fn end_others(
    State(app): State<App>,
    writer: Writer,
    RequestClient(client): RequestClient,
) -> Result<Json<SessionsEnded>, HttpError> {
    let ended = app.authority.sessions().end_all(writer.session, &client).await?;
    Ok(Json(SessionsEnded { ended }))
}
