//! Who is signed in.

use authcore::{Remember, SessionId, SessionView, SignInWay};
use serde::Serialize;
use utoipa::ToSchema;

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
    pub(crate) ended: usize,
}

impl SessionList {
    /// These sessions; `current` is the one that asks.
    pub(crate) fn of(sessions: &[SessionView], current: Option<SessionId>) -> Self {
        let sessions = sessions.iter().map(|session| item(session, current));
        Self {
            sessions: sessions.collect(),
        }
    }
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
