//! `GET /api/v1/events`: a web socket that says when something has changed, so that the page need not ask.
//!
//! ```text
//! client ──opening, Origin is ours──▶ 101
//!        ──{"Token": "…"}───────────▶ an operation token for `websocket`, spent; within five seconds
//!        ◀──{"Changed": true}──────── at once, and after changes, four times a second at most
//!        ◀──close 4401─────────────── the token is not good, or the session is over
//!        ◀──close 1001─────────────── the server stops, or the client is silent
//!        ◀──close 1013─────────────── too many sockets
//! ```
//!
//! What has changed is not said: whoever may know asks for it. The token comes in a message, since addresses are logged and a
//! browser gives a socket no header (RFC 6455, section 10.1 on `Origin`; RFC 9700, section 4.3 on addresses).

use std::sync::Arc;
use std::time::Duration;

use authcore::{Operation, SessionId, Visitor};
use axum::Extension;
use axum::extract::State;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::same_origin::is_same_origin;
use crate::http::host::RequestHost;
use crate::listener::Line;

/// Sockets at a time: the tabs of a household. Who has not shown a token yet holds a place among the connections only.
pub(crate) const SOCKETS_MAX: usize = 64;

/// The places that a server has.
pub(crate) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(SOCKETS_MAX))
}

/// Longest message of a client, in bytes: a token is under 700.
const MESSAGE_MAX: usize = 4 * 1024;

/// How long a client may take for its token, and for taking what it is sent.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether the session is alive; also the shortest time between two messages.
const LOOK: Duration = Duration::from_millis(250);

/// How often a client that says nothing is asked whether it is there; one that does not answer until the next time is not.
const PING: Duration = Duration::from_secs(30);

/// RFC 6455, section 7.4.2: from 4000 on for private use; 401 as in HTTP.
const SESSION_OVER: u16 = 4401;

/// RFC 6455, section 7.4.1: going away.
const GOING_AWAY: u16 = 1001;

/// Try again later (the registry that RFC 6455, section 11.7 sets up).
const TOO_MANY: u16 = 1013;

const CHANGED: &str = r#"{"Changed":true}"#;

#[derive(Deserialize)]
struct Opening {
    #[serde(rename = "Token")]
    token: String,
}

/// A web socket that says when something has changed. Its first message is `{"Token": …}`, an operation token for `websocket`.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", security(()),
    responses(
        (status = 101, description = "A web socket: `{\"Changed\": true}` after each change; closed with 4401 when the session is \
            over or the token is not good"),
        (status = 400, description = "Not the opening of a web socket", body = ErrorBody),
        (status = 403, description = "Another origin", body = ErrorBody),
    ),
)]
pub(crate) async fn events(
    State(app): State<App>,
    RequestHost(host): RequestHost,
    headers: HeaderMap,
    line: Result<Extension<Line>, ExtensionRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, HttpError> {
    // Browsers let every page open a socket to everywhere, with cookies; only the server can mind the origin.
    if !is_same_origin(&headers, &host, app.config.scheme) {
        return Err(HttpError::CrossSite);
    }
    let (Ok(upgrade), Ok(Extension(line))) = (upgrade, line) else {
        return Err(HttpError::malformed("this is the address of a web socket"));
    };
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    Ok(upgrade.on_upgrade(async move |socket| {
        // Of the listener: it knows of the socket, waits for it, and cuts it in the end.
        line.clone().spawn(serve(app, socket, line));
    }))
}

async fn serve(app: App, mut socket: WebSocket, mut line: Line) {
    let code = tokio::select! {
        code = tell(&app, &mut socket) => code,
        () = line.draining() => GOING_AWAY,
    };
    let reason = match code {
        SESSION_OVER => "the session is over",
        TOO_MANY => "too many sockets",
        _ => "going away",
    };
    let frame = CloseFrame {
        code,
        reason: Utf8Bytes::from_static(reason),
    };
    // Whoever is gone need not be told.
    drop(timeout(PATIENCE, socket.send(Message::Close(Some(frame)))).await);
}

/// Until there is nobody to tell, or nothing may be told any more: the code to close with.
async fn tell(app: &App, socket: &mut WebSocket) -> u16 {
    let Some(session) = introduced(app, socket).await else {
        return SESSION_OVER;
    };
    let Ok(_place) = app.sockets.try_acquire() else {
        return TOO_MANY;
    };
    let visitor = Visitor::Owner { session };
    let mut changes = app.authority.changes();
    changes.mark_changed();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ping_at = Instant::now() + PING;
    let mut heard = true;
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Pong(_) | Message::Ping(_))) => heard = true,
                // Nothing else was asked for.
                Some(_) | None => return GOING_AWAY,
            },
            _ = look.tick() => {
                if !app.authority.still_welcome(&visitor) {
                    return SESSION_OVER;
                }
                if changes.has_changed().unwrap_or(false) {
                    changes.mark_unchanged();
                    if !sent(socket, Message::Text(Utf8Bytes::from_static(CHANGED))).await {
                        return GOING_AWAY;
                    }
                }
            }
            () = sleep_until(ping_at) => {
                if !heard || !sent(socket, Message::Ping(axum::body::Bytes::new())).await {
                    return GOING_AWAY;
                }
                heard = false;
                ping_at = Instant::now() + PING;
            }
        }
    }
}

/// Whose session it is, by the token in the first message.
async fn introduced(app: &App, socket: &mut WebSocket) -> Option<SessionId> {
    let Ok(Some(Ok(Message::Text(text)))) = timeout(PATIENCE, socket.recv()).await else {
        return None;
    };
    let opening: Opening = serde_json::from_str(&text).ok()?;
    let tokens = app.authority.operation_tokens();
    let spent = tokens.spend(&opening.token, Operation::WebSocket).await;
    spent
        .inspect_err(|error| tracing::debug!(%error, "a web socket was refused"))
        .ok()
}

async fn sent(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(PATIENCE, socket.send(message)).await, Ok(Ok(())))
}
