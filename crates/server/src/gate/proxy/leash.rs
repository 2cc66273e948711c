//! What outlives its first moment goes on only as long as its visitor is welcome: streams, downloads, uploads, tunnels.

use std::sync::Arc;
use std::time::Duration;

use authcore::{Authority, Visitor};
use axum::body::Body;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{MissedTickBehavior, interval};

pub(super) use crate::listener::{Flow, Followed};
use crate::listener::{Line, Pace};

/// How often it is looked; a look is one in memory.
const EVERY: Duration = Duration::from_millis(250);

/// Who passes, for as long as it takes.
pub(super) enum Passer {
    Visitor(Visitor),
    /// Nobody in particular, on an open path, with a place among the strangers.
    Stranger(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit),
}

impl Passer {
    fn visitor(&self) -> Option<&Visitor> {
        match self {
            Self::Visitor(visitor) => Some(visitor),
            Self::Stranger(_) => None,
        }
    }

    pub(super) fn is_stranger(&self) -> bool {
        self.visitor().is_none()
    }

    /// How fast a body has to come.
    pub(super) fn pace(&self) -> Option<Pace> {
        self.is_stranger().then(Pace::new)
    }

    /// Waits until the passer is no longer welcome: for ever where it is a stranger.
    pub(super) async fn unwelcome(&self, authority: &Authority) {
        let Some(visitor) = self.visitor() else {
            return std::future::pending().await;
        };
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while authority.still_welcome(visitor) {
            ticks.tick().await;
        }
    }
}

impl Followed {
    /// An answer's of an application. Nobody in particular may not stop taking it; who is signed in may stop for as long as the
    /// session lives: a film that is paused does.
    pub(super) fn response(body: Body, authority: &Arc<Authority>, passer: Passer, line: Line) -> Self {
        let authority = Arc::clone(authority);
        Self::answer(body, line, async move |flow| {
            tokio::select! {
                () = passer.unwelcome(&authority) => {}
                () = flow.stalled(), if passer.is_stranger() => {}
            }
        })
    }
}
