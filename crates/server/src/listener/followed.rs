//! Bodies that are followed on their way: whether their reader takes them, and what is cut when it does not. A body is asked for
//! more only while its reader takes what came before, so it is the connection that is cut, from outside.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Version;
use hyper::body::{Frame, SizeHint};
use tokio::task::AbortHandle;

use super::Line;

/// How long a reader may take for what was sent, where nothing else ends it.
const STALL_TIME: Duration = Duration::from_secs(60);

/// How a body gets on.
#[derive(Default)]
pub(crate) struct Flow {
    /// Frames that were handed over.
    passed: AtomicU64,
    /// The last of them is taken: there is a wish for the next.
    wanted: AtomicBool,
    broke: AtomicBool,
}

impl Flow {
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Whether it came to no end of its own.
    pub(crate) fn broke(&self) -> bool {
        self.broke.load(Ordering::Relaxed)
    }

    /// Waits until nothing was taken for [`STALL_TIME`] though something was there.
    pub(crate) async fn stalled(&self) {
        let mut before = None;
        loop {
            tokio::time::sleep(STALL_TIME).await;
            let wanted = self.wanted.load(Ordering::Relaxed);
            let now = self.passed();
            if !wanted && before == Some(now) {
                return;
            }
            before = Some(now);
        }
    }
}

/// A body that is followed on its way.
pub(crate) struct Followed {
    body: Body,
    flow: Arc<Flow>,
    /// Over HTTP/2 a client may call a request off without naming a fault (RFC 9113, section 8.1), and the library gives that for
    /// an end. The body itself knows better then.
    knows_its_end: bool,
    _leash: Option<Leash>,
}

/// Ends with the body it is of.
struct Leash(AbortHandle);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Followed {
    /// A request's, which ends with its handler.
    pub(crate) fn request(body: Body, version: Version) -> Self {
        Self {
            body,
            flow: Arc::default(),
            knows_its_end: version == Version::HTTP_2,
            _leash: None,
        }
    }

    /// An answer's: its connection is cut when `ended` yields, so that nobody takes what came for the whole. Until then the
    /// connection is not idle.
    pub(crate) fn answer<Ended>(body: Body, line: Line, ended: impl FnOnce(Arc<Flow>) -> Ended) -> Self
    where
        Ended: Future<Output = ()> + Send + 'static,
    {
        let flow = Arc::<Flow>::default();
        let ended = ended(Arc::clone(&flow));
        let watch = tokio::spawn(async move {
            ended.await;
            tracing::debug!("a connection was cut: its session or key has ended, or its reader has stopped");
            line.cut();
        });
        Self {
            body,
            flow,
            knows_its_end: false,
            _leash: Some(Leash(watch.abort_handle())),
        }
    }

    pub(crate) fn flow(&self) -> Arc<Flow> {
        Arc::clone(&self.flow)
    }
}

impl hyper::body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.flow.wanted.store(true, Ordering::Relaxed);
        let mut frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() && self.knows_its_end && !self.body.is_end_stream() {
            frame = Some(Err(axum::Error::new(io::Error::from(
                io::ErrorKind::UnexpectedEof,
            ))));
        }
        self.flow.wanted.store(false, Ordering::Relaxed);
        self.flow.passed.fetch_add(1, Ordering::Relaxed);
        if matches!(frame, Some(Err(_))) {
            self.flow.broke.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    async fn stalls_within(flow: &Flow, times: u32) -> bool {
        tokio::time::timeout(STALL_TIME * times, flow.stalled())
            .await
            .is_ok()
    }

    /// In the runtime's own time.
    #[tokio::test(start_paused = true)]
    async fn only_a_reader_who_does_not_take_what_is_there_has_stopped() {
        let mut body = Followed::request(Body::from("x"), Version::HTTP_11);
        let flow = body.flow();
        flow.wanted.store(true, Ordering::Relaxed);
        assert!(!stalls_within(&flow, 10).await, "waiting for the application");
        body.frame().await.expect("one").expect("sound");
        assert!(stalls_within(&flow, 3).await, "nothing was taken after it");
        assert_eq!((flow.passed(), flow.broke()), (1, false));
    }
}
