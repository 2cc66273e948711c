//! `/api/v1/sessions`: who is signed in, and ending that.

use authcore::{Remember, SessionId, SessionView, SignInWay};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::{Reader, Writer};
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::path::Segment;

/// Every live session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SessionList {
    /// The one used last first.
    sessions: Vec<SessionItem>,
}

/// One session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct SessionItem {
    /// 32 hexadecimal digits.
    id: String,
    /// When it began (RFC 3339).
    created: String,
    /// When it was used last (RFC 3339).
    last_used: String,
    /// When it ends if it is not used (RFC 3339).
    expires: String,
    /// Whether it outlives the browser.
    remembered: bool,
    /// `password` or `signin-token`.
    signed_in_with: &'static str,
    /// Address of the client that signed in or refreshed last.
    client_address: Option<String>,
    /// What that client calls itself.
    user_agent: String,
    /// Whether it is the session of this request's access token.
    current: bool,
}

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SessionsEnded {
    /// How many.
    ended: usize,
}

/// List the live sessions.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses((status = 200, description = "The live sessions", body = SessionList)),
)]
pub(crate) async fn list(State(app): State<App>, reader: Reader) -> Json<SessionList> {
    let sessions = app.authority.sessions().list();
    Json(SessionList {
        sessions: sessions
            .iter()
            .map(|session| item(session, reader.session))
            .collect(),
    })
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

fn item(session: &SessionView, current: Option<SessionId>) -> SessionItem {
    SessionItem {
        id: session.id.to_string(),
        created: session.created.to_rfc3339(),
        last_used: session.last_used.to_rfc3339(),
        expires: session.ends.to_rfc3339(),
        remembered: match session.remember {
            Remember::ThisBrowserSession => false,
            Remember::Remembered => true,
        },
        signed_in_with: match session.way {
            SignInWay::Password => "password",
            SignInWay::SigninToken => "signin-token",
        },
        client_address: session.client.address.map(|address| address.to_string()),
        user_agent: session.client.user_agent.clone(),
        current: current == Some(session.id),
    }
}
