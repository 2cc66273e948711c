//! Connections: accepted, bounded in number and in time, and let go in order.
//!
//! The loop is our own because the ready-made one bounds nothing: not how many connections there are, not how long one
//! may take to say what it wants. An attacker who only opens sockets must not starve those who use theirs (L-cases of
//! the threat model, A9).

mod followed;
mod places;
mod transport;

pub(crate) use followed::{Flow, Followed, Pace};
pub(crate) use places::{CONNECTIONS_MAX, Places};
pub(crate) use transport::Transport;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tower::Service;

use places::Place;
use transport::Accepted;

/// How long a client may take for the handshake of TLS, for the header of a request, and a kept-alive connection may be
/// idle.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// How long an HTTP/2 connection, or one that does not read its answers, may go without a request.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// How long requests in flight may take after a stop was asked for (`2-architecture.md`: systemd waits 90 s).
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How long to wait when the system has no descriptor left: trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Header bytes and fields at which the HTTP library itself refuses, bare; `http/limits.rs` refuses below.
const LIBRARY_HEADER_BYTES: usize = 64 * 1024;
const LIBRARY_HEADER_FIELDS: usize = 128;

/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 64;

/// Streams a client may open and reset before it is cut off (CVE-2023-44487, "rapid reset").
const RESET_STREAMS_MAX: usize = 32;

/// The address at the other end of the connection; on every request, put there by this loop only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddress(pub(crate) IpAddr);

/// The connection that a request came on, as far as what outlives its answer's head needs it; on every request. While it lives,
/// the connection is not idle.
#[derive(Clone)]
pub(crate) struct Line {
    /// Whether the connection is TLS.
    pub(crate) tls: bool,
    tasks: Tasks,
    in_flight: Arc<InFlight>,
    place: Arc<Place>,
}

impl Line {
    /// Ends the connection and all that is under way on it.
    pub(crate) fn cut(&self) {
        self.in_flight.0.cut.notify_one();
    }

    /// When the server stops: what has no end of its own is to end then. Until a line is dropped, the listener waits for it.
    pub(crate) async fn draining(&mut self) {
        reached(&mut self.tasks.phase, Phase::Draining).await;
    }

    /// Runs what the connection was upgraded to: it keeps the connection's place, and ends with the listener.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let place = Arc::clone(&self.place);
        self.tasks.spawn(async move {
            task.await;
            drop(place);
        });
    }
}

/// What connections are asked to do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Draining,
    Ended,
}

/// Serves `router` on `listener`, with those places for connections, until `stop` yields; then finishes what is in flight, for at most ten seconds or
/// until `stop` yields again. When this returns, no request is being worked on.
///
/// # Errors
/// When the socket cannot be watched.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    transport: Transport,
    router: Router,
    places: Arc<Places>,
    mut stop: impl AsyncFnMut(),
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let (phase, watched) = watch::channel(Phase::Serving);
    // Every task holds a clone of the sender: when the receiver ends, all of them have.
    let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
    let tasks = Tasks {
        phase: watched,
        alive,
    };
    let http = builder(tasks.clone());

    tokio::select! {
        () = accept_all(&listener, &places, &http, &transport, &router, &tasks) => {}
        () = stop() => {}
    }

    drop((listener, tasks, http, transport, router));
    let _ = phase.send(Phase::Draining);
    tokio::select! {
        _ = all_gone.recv() => {}
        () = tokio::time::sleep(DRAIN_TIME) => tracing::warn!("requests still in flight were cut off"),
        () = stop() => tracing::warn!("asked to stop twice; requests in flight were cut off"),
    }
    let _ = phase.send(Phase::Ended);
    let _ = all_gone.recv().await;
    Ok(())
}

async fn accept_all(
    listener: &TcpListener,
    places: &Arc<Places>,
    http: &auto::Builder<Tasks>,
    transport: &Transport,
    router: &Router,
    tasks: &Tasks,
) {
    loop {
        let Some(free) = places.free().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(place) = places.of(peer.ip(), free) else {
                    continue;
                };
                let connection = Connection {
                    peer: PeerAddress(peer.ip()),
                    http: http.clone(),
                    tasks: tasks.clone(),
                    place: Arc::new(place),
                };
                tasks.spawn(connection.serve(stream, transport.clone(), router.clone()));
            }
            Err(error) if is_about_one_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors of a connection that was gone before it was accepted (accept(2)); the next one may be fine.
fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn builder(tasks: Tasks) -> auto::Builder<Tasks> {
    let mut builder = auto::Builder::new(tasks);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(LIBRARY_HEADER_FIELDS)
        .max_buf_size(LIBRARY_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(IDLE_TIME)
        .keep_alive_timeout(HEADER_TIME)
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
        .max_local_error_reset_streams(RESET_STREAMS_MAX)
        .max_header_list_size(u32::try_from(LIBRARY_HEADER_BYTES).unwrap_or(u32::MAX));
    builder
}

/// Spawns what belongs to this listener: all of it ends with the last phase, and it is known when all of it has.
#[derive(Clone)]
struct Tasks {
    phase: watch::Receiver<Phase>,
    alive: mpsc::Sender<Infallible>,
}

impl Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Self { mut phase, alive } = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                () = reached(&mut phase, Phase::Ended) => {}
            }
            drop(alive);
        });
    }
}

/// HTTP/2 runs each request as a task of its own; they count like the connections.
impl<F: Future + Send + 'static> hyper::rt::Executor<F> for Tasks
where
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.spawn(async move {
            future.await;
        });
    }
}

async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // The sender outlives every task but for a panic in `serve`, and then the end has come too.
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

/// How busy one connection is.
#[derive(Default)]
struct Activity {
    requests_begun: AtomicU64,
    in_flight: AtomicUsize,
    /// The connection is to end at once.
    cut: Notify,
}

/// One request's place in [`Activity`], given back also when the request is dropped half-way.
struct InFlight(Arc<Activity>);

impl InFlight {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests_begun.fetch_add(1, Ordering::Relaxed);
        activity.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Connection {
    peer: PeerAddress,
    http: auto::Builder<Tasks>,
    tasks: Tasks,
    place: Arc<Place>,
}

impl Connection {
    /// Finds out what is spoken, shakes hands where that is TLS, and serves. A connection has its place from the first byte.
    async fn serve(self, stream: TcpStream, transport: Transport, router: Router) {
        // Answers are small and whole: waiting for more to send (Nagle) only adds 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off Nagle's algorithm");
        }
        let mut phase = self.tasks.phase.clone();
        let accepted = tokio::select! {
            accepted = tokio::time::timeout(HEADER_TIME, transport.accept(stream)) => accepted,
            () = reached(&mut phase, Phase::Draining) => return,
        };
        match accepted {
            Ok(Ok(Accepted::Plain(stream))) => self.serve_http(stream, router, false).await,
            Ok(Ok(Accepted::Tls(stream))) => self.serve_http(stream, router, true).await,
            Ok(Ok(Accepted::PlainOnTls(stream, refusal))) => self.serve_http(stream, refusal, false).await,
            Ok(Err(error)) => tracing::debug!(peer = %self.peer.0, %error, "no handshake"),
            Err(_elapsed) => tracing::debug!(peer = %self.peer.0, "no handshake in time"),
        }
    }

    async fn serve_http<S>(self, stream: S, router: Router, tls: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            peer,
            http,
            tasks,
            place,
        } = self;
        let mut phase = tasks.phase.clone();
        let activity = Arc::new(Activity::default());
        let counted = activity.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let in_flight = Arc::new(InFlight::begin(&counted));
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(Line {
                tls,
                tasks: tasks.clone(),
                in_flight: Arc::clone(&in_flight),
                place: Arc::clone(&place),
            });
            let answer = router.clone().call(request);
            async move {
                let answer = answer.await;
                drop(in_flight);
                answer
            }
        });
        let mut connection =
            std::pin::pin!(http.serve_connection_with_upgrades(TokioIo::new(stream), service));

        // Before the first request there is no other clock: deciding between HTTP/1.1 and HTTP/2 waits for bytes.
        let mut deadline = std::pin::pin!(tokio::time::sleep(HEADER_TIME));
        let mut begun_before = 0;
        let mut closing = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => {
                    if let Err(error) = result {
                        tracing::debug!(error = %error, "connection ended");
                    }
                    return;
                }
                () = activity.cut.notified() => return,
                () = reached(&mut phase, Phase::Draining), if !closing => {
                    connection.as_mut().graceful_shutdown();
                    closing = true;
                    deadline.as_mut().reset(tokio::time::Instant::now() + DRAIN_TIME);
                }
                () = deadline.as_mut() => {
                    let begun = activity.requests_begun.load(Ordering::Relaxed);
                    let busy = activity.in_flight.load(Ordering::Relaxed) > 0;
                    let mut next = IDLE_TIME;
                    if begun == 0 || (closing && !busy) {
                        return;
                    } else if !busy && begun == begun_before && !closing {
                        connection.as_mut().graceful_shutdown();
                        closing = true;
                        next = HEADER_TIME;
                    }
                    begun_before = begun;
                    deadline.as_mut().reset(tokio::time::Instant::now() + next);
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
