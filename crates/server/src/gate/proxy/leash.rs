//! What outlives its first moment goes on only as long as its visitor is welcome: streams, downloads, uploads, tunnels.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use authcore::{Authority, Visitor};
use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::listener::Busy;

/// How often it is looked; a look is one in memory.
const EVERY: Duration = Duration::from_millis(250);

/// Ends when its visitor is no longer welcome; never for nobody, who passes on open paths.
pub(super) struct Leash {
    authority: Arc<Authority>,
    visitor: Option<Visitor>,
    ticks: Interval,
}

impl Leash {
    pub(super) fn new(authority: &Arc<Authority>, visitor: Option<Visitor>) -> Self {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            authority: Arc::clone(authority),
            visitor,
            ticks,
        }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(visitor) = &self.visitor else {
            return Poll::Pending;
        };
        loop {
            ready!(self.ticks.poll_tick(context));
            if !self.authority.still_welcome(visitor) {
                return Poll::Ready(());
            }
        }
    }

    /// Waits for the end.
    pub(super) async fn end(&mut self) {
        std::future::poll_fn(|context| self.poll_end(context)).await;
    }
}

/// A body on a leash. Its end by the leash is an error, so that nobody takes what came for the whole.
pub(super) struct Leashed {
    body: Body,
    leash: Leash,
    /// Frames that passed.
    passed: Arc<AtomicU64>,
    _busy: Busy,
}

impl Leashed {
    pub(super) fn new(body: Body, leash: Leash, busy: Busy) -> Self {
        Self {
            body,
            leash,
            passed: Arc::default(),
            _busy: busy,
        }
    }

    /// Counts the frames that passed.
    pub(super) fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.passed)
    }
}

impl hyper::body::Body for Leashed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.leash.poll_end(context).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(
                "the visitor is no longer welcome",
            )))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.passed.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
