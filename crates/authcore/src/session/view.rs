//! What a list of sessions shows.

use crate::client::Client;
use crate::clock::WallTime;
use crate::ids::SessionId;

use super::state::{Remember, Session, SignInWay};

/// One session, as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The session.
    pub id: SessionId,
    /// The sign-in.
    pub created: WallTime,
    /// The last refresh or use of an access token that this process saw.
    pub last_used: WallTime,
    /// When it ends if nothing more happens.
    pub ends: WallTime,
    /// Whether it outlives the browser.
    pub remember: Remember,
    /// How it began.
    pub way: SignInWay,
    /// Who refreshed last.
    pub client: Client,
}

impl SessionView {
    pub(crate) fn new(id: SessionId, session: &Session, last_seen: WallTime) -> Self {
        Self {
            id,
            created: session.created,
            last_used: session.rotated.max(last_seen),
            ends: session.ends(),
            remember: session.remember,
            way: session.way,
            client: session.client.clone(),
        }
    }
}
