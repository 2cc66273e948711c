//! Bodies that are followed on their way: whether their reader takes them and their sender sends them, and what is cut when they do
//! not. An answer's body is asked for more only while its reader takes what came before, so it is the connection that is cut, from
//! outside.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Version;
use hyper::body::{Frame, SizeHint};
use tokio::task::AbortHandle;
use tokio::time::{Instant, Sleep, sleep};

use super::Line;

/// How long a reader may take for what was sent, where nothing else ends it.
const STALL_TIME: Duration = Duration::from_secs(60);

/// How long a sender may be waited for, in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that give a second of the patience back (the slowest that Apache's `mod_reqtimeout` takes by default).
const BYTES_A_SECOND: u64 = 500;

/// How something gets on.
#[derive(Default)]
pub(crate) struct Flow {
    /// Frames, or pieces, that were handed over.
    passed: AtomicU64,
    /// The last of them is taken: there is a wish for the next.
    wanted: AtomicBool,
    broke: AtomicBool,
    /// It broke because its sender was not waited for any longer.
    late: AtomicBool,
}

impl Flow {
    pub(crate) fn passes(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Whether it came to no end of its own.
    pub(crate) fn broke(&self) -> bool {
        self.broke.load(Ordering::Relaxed)
    }

    pub(crate) fn came_too_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Waits until nothing was taken for [`STALL_TIME`] though something was there, or nobody said whether it was.
    pub(crate) async fn stalled(&self) {
        let mut before = None;
        loop {
            sleep(STALL_TIME).await;
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
    pace: Option<Pace>,
    _leash: Option<Leash>,
}

/// How fast a sender has to be: waiting for it uses patience up, what comes gives some back.
pub(crate) struct Pace {
    left: Duration,
    /// Ends when nothing is left.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self {
            left: PATIENCE,
            waiting: None,
        }
    }

    /// Whether it was waited for too long.
    fn is_lost(&mut self, context: &mut Context<'_>) -> bool {
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(self.left)));
        waiting.as_mut().poll(context).is_ready()
    }

    fn came(&mut self, bytes: usize) {
        if let Some(waiting) = self.waiting.take() {
            self.left = waiting.deadline().saturating_duration_since(Instant::now());
        }
        let back = Duration::from_millis(bytes as u64 * 1000 / BYTES_A_SECOND);
        self.left = PATIENCE.min(self.left.saturating_add(back));
    }
}

/// Ends with the body it is of.
struct Leash(AbortHandle);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Followed {
    /// A request's, which ends with its handler; and before, where it has a pace and its sender does not keep it.
    pub(crate) fn request(body: Body, version: Version, pace: Option<Pace>) -> Self {
        Self {
            body,
            flow: Arc::default(),
            knows_its_end: version == Version::HTTP_2,
            pace,
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
            pace: None,
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
        let Self { body, flow, pace, .. } = &mut *self;
        flow.wanted.store(true, Ordering::Relaxed);
        let mut frame = match Pin::new(body).poll_frame(context) {
            Poll::Ready(frame) => {
                if let Some(pace) = pace {
                    let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                    pace.came(data.map_or(0, Bytes::len));
                }
                frame
            }
            Poll::Pending if pace.as_mut().is_some_and(|pace| pace.is_lost(context)) => {
                flow.late.store(true, Ordering::Relaxed);
                Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut))))
            }
            Poll::Pending => return Poll::Pending,
        };
        if frame.is_none() && self.knows_its_end && !self.body.is_end_stream() {
            frame = Some(Err(axum::Error::new(io::Error::from(
                io::ErrorKind::UnexpectedEof,
            ))));
        }
        self.flow.wanted.store(false, Ordering::Relaxed);
        self.flow.passes();
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
    use std::task::ready;

    async fn stalls_within(flow: &Flow, times: u32) -> bool {
        tokio::time::timeout(STALL_TIME * times, flow.stalled())
            .await
            .is_ok()
    }

    /// In the runtime's own time.
    #[tokio::test(start_paused = true)]
    async fn only_a_reader_who_does_not_take_what_is_there_has_stopped() {
        let mut body = Followed::request(Body::from("x"), Version::HTTP_11, None);
        let flow = body.flow();
        flow.wanted.store(true, Ordering::Relaxed);
        assert!(!stalls_within(&flow, 10).await, "waiting for the application");
        body.frame().await.expect("one").expect("sound");
        assert!(stalls_within(&flow, 3).await, "nothing was taken after it");
        assert_eq!((flow.passed(), flow.broke()), (1, false));
    }
    /// A body of which a piece comes every so often.
    struct Dripping {
        every: Duration,
        piece: Bytes,
        next: Pin<Box<Sleep>>,
    }

    impl hyper::body::Body for Dripping {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            ready!(self.next.as_mut().poll(context));
            let after = Instant::now() + self.every;
            self.next.as_mut().reset(after);
            Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
        }
    }

    /// Whether an hour of such a body passes, and whether it is for its lateness where not.
    async fn an_hour_of(piece: usize, every: Duration, pace: Option<Pace>) -> (bool, bool) {
        let dripping = Dripping {
            every,
            piece: Bytes::from(vec![0; piece]),
            next: Box::pin(sleep(every)),
        };
        let mut body = Followed::request(Body::new(dripping), Version::HTTP_11, pace);
        let flow = body.flow();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3600) {
            if body.frame().await.expect("endless").is_err() {
                return (false, flow.came_too_late());
            }
        }
        (true, flow.came_too_late())
    }

    #[tokio::test(start_paused = true)]
    async fn a_dribbled_body_is_waited_for_a_minute_and_a_slow_one_passes() {
        let second = Duration::from_secs(1);
        for (piece, every, pace, expected) in [
            (1, second * 10, Some(Pace::new()), (false, true)),
            (450, second, Some(Pace::new()), (false, true)),
            (500, second, Some(Pace::new()), (true, false)),
            (50_000, second * 55, Some(Pace::new()), (true, false)),
            (50_000, second * 61, Some(Pace::new()), (false, true)),
            // Control: who is signed in may.
            (1, second * 10, None, (true, false)),
        ] {
            assert_eq!(
                an_hour_of(piece, every, pace).await,
                expected,
                "{piece} each {every:?}"
            );
        }
    }
}
