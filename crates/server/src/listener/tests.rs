//! Stopping, and connections at their bounds.

use super::places::OF_ONE_SOURCE;
use super::*;
use axum::Extension;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

pub(crate) struct Running {
    address: SocketAddr,
    stop: mpsc::Sender<()>,
    served: JoinHandle<io::Result<()>>,
}

impl Running {
    pub(crate) fn start(router: Router) -> Self {
        Self::over(Transport::Plain, router)
    }

    /// With TLS, of which only the handshake is begun here.
    fn start_tls() -> Self {
        let names = ["localhost".to_owned()];
        let now = authcore::WallTime::from_unix_ms(1_800_000_000_000);
        let authority = crate::tls::self_signed::make_authority(&names, now).expect("made");
        let identity = crate::tls::self_signed::identity(&authority).expect("a pair");
        let (_, shown) = watch::channel(identity.server_config().expect("TLS"));
        let refusal = Router::new().fallback(async || "told");
        Self::over(Transport::Tls { shown, refusal }, Router::new())
    }

    fn over(transport: Transport, router: Router) -> Self {
        Self::with(places(|_| true), transport, router)
    }

    fn with(places: Arc<Places>, transport: Transport, router: Router) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let (stop, mut stopped) = mpsc::channel(2);
        let served = tokio::spawn(serve(listener, transport, router, places, async move || {
            let _ = stopped.recv().await;
        }));
        Self {
            address,
            stop,
            served,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connect")
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).await.expect("running");
        self.served.await.expect("no panic").expect("served");
    }
}

fn places(speaks_for_many: fn(IpAddr) -> bool) -> Arc<Places> {
    Places::new(Arc::new(Semaphore::new(CONNECTIONS_MAX)), speaks_for_many)
}

pub(crate) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).await.expect("read");
        assert!(read > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..read]).expect("text"));
    }
    text
}

#[tokio::test]
async fn the_peers_address_is_the_sockets() {
    let router = Router::new().route(
        "/",
        get(async |Extension(peer): Extension<PeerAddress>| peer.0.to_string()),
    );
    let running = Running::start(router);
    let mut stream = running.connect().await;
    stream.write_all(REQUEST).await.expect("write");
    let answer = read_until(&mut stream, "127.0.0.1").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn a_stop_lets_a_request_in_flight_finish_and_takes_no_new_one() {
    let (begun, wait_begun) = oneshot::channel();
    let (go_on, wait_go_on) = oneshot::channel::<()>();
    let once = Arc::new(std::sync::Mutex::new(Some((begun, wait_go_on))));
    let router = Router::new().route(
        "/",
        get(async move || {
            let (begun, go_on) = once.lock().expect("lock").take().expect("one request");
            begun.send(()).expect("test waits");
            go_on.await.expect("test goes on");
            "finished"
        }),
    );
    let running = Running::start(router);
    let address = running.address;
    let mut stream = running.connect().await;
    stream.write_all(REQUEST).await.expect("write");
    wait_begun.await.expect("begun");
    let stopping = tokio::spawn(running.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    go_on.send(()).expect("handler waits");
    let answer = read_until(&mut stream, "finished").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    stopping.await.expect("stopped");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_idle_connections() {
    let running = Running::start(Router::new().route("/", get(async || "idle")));
    let silent = running.connect().await;
    let mut kept_alive = running.connect().await;
    kept_alive.write_all(REQUEST).await.expect("write");
    read_until(&mut kept_alive, "idle").await;
    let mut preface = running.connect().await;
    preface.write_all(b"PRI * HTTP").await.expect("write");
    running.stop().await;
    drop((silent, kept_alive, preface));
}

#[tokio::test]
async fn a_second_stop_cuts_off_what_is_in_flight() {
    let (begun, wait_begun) = oneshot::channel();
    let once = Arc::new(std::sync::Mutex::new(Some(begun)));
    let router = Router::new().route(
        "/",
        get(async move || {
            once.lock()
                .expect("lock")
                .take()
                .expect("one request")
                .send(())
                .expect("test waits");
            std::future::pending::<()>().await;
        }),
    );
    let running = Running::start(router);
    let mut stream = running.connect().await;
    stream.write_all(REQUEST).await.expect("write");
    wait_begun.await.expect("begun");
    running.stop.send(()).await.expect("running");
    running.stop().await;
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_wait_and_are_served_when_others_go() {
    let running = Running::start(Router::new().route("/", get(async || "served")));
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        idle.push(running.connect().await);
    }
    let mut late = running.connect().await;
    late.write_all(REQUEST).await.expect("write");
    idle.clear();
    read_until(&mut late, "served").await;
    running.stop().await;
}

/// Opens as many connections as there are places, and asks on each; gives those that are served.
async fn crowd(running: &Running) -> Vec<TcpStream> {
    let mut served = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = running.connect().await;
        let mut answer = [0; 1024];
        // A connection that is closed may take the request yet.
        if stream.write_all(REQUEST).await.is_ok()
            && stream.read(&mut answer).await.is_ok_and(|read| read > 0)
        {
            served.push(stream);
        }
    }
    served
}

#[tokio::test]
async fn one_address_cannot_hold_all_places() {
    let router = || Router::new().route("/", get(async || "served"));
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let running = Running::with(Places::new(room.clone(), |_| true), Transport::Plain, router());
    let held = crowd(&running).await;
    assert_eq!(
        (held.len(), room.available_permits()),
        (CONNECTIONS_MAX, 0),
        "control: who speaks for many can"
    );
    drop(held);
    running.stop().await;

    let running = Running::with(places(|_| false), Transport::Plain, router());
    let held = crowd(&running).await;
    assert_eq!(held.len(), OF_ONE_SOURCE);
    let other = TcpSocket::new_v4().expect("a socket");
    other
        .bind("127.0.0.2:0".parse().expect("an address"))
        .expect("bound");
    let mut other = other.connect(running.address).await.expect("connect");
    other.write_all(REQUEST).await.expect("write");
    read_until(&mut other, "served").await;
    running.stop().await;
}

/// The header of a TLS record that opens a handshake, and then nothing.
const HANDSHAKE_BEGUN: &[u8] = b"\x16\x03\x01\x02\x00\x01";

/// In the runtime's own time, which goes on when nothing else is waited for.
#[tokio::test(start_paused = true)]
async fn who_does_not_finish_the_handshake_is_cut_off() {
    let running = Running::start_tls();
    for begun in [&b""[..], HANDSHAKE_BEGUN] {
        let before = tokio::time::Instant::now();
        let mut stream = running.connect().await;
        stream.write_all(begun).await.expect("write");
        let mut rest = Vec::new();
        // Cut off with bytes unread, the system may say so with a reset.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
        assert_eq!(before.elapsed().as_secs(), HEADER_TIME.as_secs());
    }
    running.stop().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes_and_plain_http_is_told() {
    let running = Running::start_tls();
    let silent = running.connect().await;
    let mut begun = running.connect().await;
    begun.write_all(HANDSHAKE_BEGUN).await.expect("write");
    let mut plain = running.connect().await;
    plain.write_all(REQUEST).await.expect("write");
    read_until(&mut plain, "told").await;
    running.stop().await;
    drop((silent, begun));
}

#[tokio::test]
async fn handshakes_that_are_not_finished_take_places_and_give_them_back() {
    let running = Running::start_tls();
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = running.connect().await;
        stream.write_all(HANDSHAKE_BEGUN).await.expect("write");
        idle.push(stream);
    }
    let mut late = running.connect().await;
    late.write_all(REQUEST).await.expect("write");
    idle.clear();
    read_until(&mut late, "told").await;
    running.stop().await;
}
