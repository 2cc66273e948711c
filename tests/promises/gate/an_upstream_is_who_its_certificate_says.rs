//! An application under `https` shows a certificate that is good for it, or nothing of a request is ever sent there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use e2e_support::wire::{Reply, exchange_bytes};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::certificates::{Ca, Pair};
use crate::owner::{refused, start};

use super::by_hand::PATIENCE;
use super::house::{Browser, House, ONE};

/// In a header and in the body of what is sent.
const CANARY: &[u8] = b"canary of the request";

/// What an upstream got of one connection.
struct Seen {
    /// As bytes of the wire.
    wire: Vec<u8>,
    /// As it could read them.
    read: Vec<u8>,
}

/// Shows what it is told to show: a certificate, or nothing and plain HTTP.
struct TlsUpstream {
    address: String,
    shown: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    seen: Receiver<Seen>,
}

impl TlsUpstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shown = Arc::new(Mutex::new(None::<Arc<ServerConfig>>));
        let (tell, seen) = channel();
        let current = Arc::clone(&shown);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = current.lock().expect("whole").clone();
                let stream = Recorded {
                    stream,
                    came: Vec::new(),
                };
                let _ = tell.send(match config {
                    Some(config) => serve_tls(config, stream),
                    None => serve_plain(stream),
                });
            }
        });
        Self {
            address: format!("https://127.0.0.1:{port}"),
            shown,
            seen,
        }
    }

    /// From now on. A server that resumes nothing from before.
    fn shows(&self, pair: Option<&Pair>) {
        let config = pair.map(|pair| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("PEM")];
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(chain, key);
            Arc::new(config.expect("a pair"))
        });
        *self.shown.lock().expect("whole") = config;
    }

    fn seen(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("somebody came")
    }
}

/// Remembers what came.
struct Recorded {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Read for Recorded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.came.extend(buffer.iter().take(count));
        Ok(count)
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

fn serve_tls(config: Arc<ServerConfig>, mut stream: Recorded) -> Seen {
    let mut connection = ServerConnection::new(config).expect("a connection");
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while !read.ends_with(CANARY) {
        match tls.read(&mut buffer) {
            Ok(count @ 1..) => read.extend(buffer.iter().take(count)),
            Ok(0) | Err(_) => break,
        }
    }
    let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    connection.send_close_notify();
    let _ = connection.write_tls(&mut stream);
    Seen {
        wire: stream.came,
        read,
    }
}

/// What a web server without TLS does with what it does not understand.
fn serve_plain(mut stream: Recorded) -> Seen {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = stream.stream.shutdown(std::net::Shutdown::Write);
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
    Seen {
        read: stream.came.clone(),
        wire: stream.came,
    }
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// The line of the configuration.
fn trusts(path: &str) -> String {
    format!("upstream_ca = \"{path}\"")
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A request with something to lose.
fn sends_all(house: &House, what: &str, cookies: &str) -> Reply {
    let canary = String::from_utf8_lossy(CANARY);
    let request = format!(
        "{what} HTTP/1.1\r\nHost: {ONE}\r\nConnection: close\r\nCookie: {cookies}\r\nX-Canary: {canary}\r\n\
         Content-Length: {}\r\n\r\n{canary}",
        CANARY.len()
    );
    exchange_bytes(house.postern.address(), request.as_bytes())
}

#[test]
fn to_an_upstream_whose_certificate_is_not_good_nothing_of_a_request_is_said() {
    let (upstream, folder, ca) = (
        TlsUpstream::start(),
        tempfile::tempdir().expect("a folder"),
        Ca::new(),
    );
    let line = trusts(&file(&folder, "ca.pem", &ca.pem));
    let house = House::start_before_with(&upstream.address, &line, &[]);
    let held = house.login();
    let mut browser = Browser::default();
    browser.signs_in(&house, house.postern.address(), ONE, "/", &held);
    let cookies = browser.cookies(ONE);
    let here = ["127.0.0.1"];
    let good = || {
        upstream.shows(Some(&ca.good()));
        let reply = sends_all(&house, "POST /up", &cookies);
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok"), "control");
        let seen = upstream.seen();
        assert!(seen.read.starts_with(b"POST /up HTTP/1.1\r\n"), "control");
        assert!(
            holds(&seen.read, b"x-canary: canary of the request\r\n"),
            "control"
        );
        assert!(holds(&seen.read, b"postern-assertion: "), "control");
        assert!(seen.read.ends_with(CANARY), "control");
        assert!(!holds(&seen.wire, CANARY), "control: under TLS");
    };
    good();
    for (what, pair, why) in [
        (
            "another name",
            Some(ca.issue(&["127.0.0.2", "other.example"], -1, 90)),
            "not valid for name",
        ),
        ("over", Some(ca.issue(&here, -90, -1)), "expired"),
        ("to come", Some(ca.issue(&here, 1, 90)), "not valid yet"),
        ("by itself", Some(Pair::self_signed(&here)), "UnknownIssuer"),
        (
            "of an authority of that name, but another",
            Some(Ca::new().issue(&here, -1, 90)),
            "BadSignature",
        ),
        (
            "for clients",
            Some(ca.issue_for_clients(&here)),
            "extended key usage",
        ),
        ("no TLS", None, "InvalidContentType"),
    ] {
        upstream.shows(pair.as_ref());
        let reply = sends_all(&house, "POST /up", &cookies);
        assert_eq!(reply.status, 502, "{what}: {reply:?}");
        assert!(
            reply.body.contains("one does not answer now"),
            "{what}: {}",
            reply.body
        );
        let seen = upstream.seen();
        assert!(!seen.wire.is_empty(), "{what}: it was tried");
        assert!(
            pair.is_none() || seen.read.is_empty(),
            "{what}: {}",
            String::from_utf8_lossy(&seen.read)
        );
        for secret in [CANARY, b"POST /up", b"postern-assertion", b"remote-user"] {
            assert!(
                !holds(&seen.wire, secret),
                "{what}: {}",
                String::from_utf8_lossy(&seen.wire)
            );
        }
        // Whoever looks for the fault is told.
        let logged = house.postern.logged();
        assert!(logged.contains(why), "{what}: {logged}");
    }
    good();
}

#[test]
fn a_file_of_its_own_stands_in_the_place_of_what_the_machine_trusts() {
    let (machine, own) = (Ca::new(), Ca::new());
    let folder = tempfile::tempdir().expect("a folder");
    let machine_trusts = file(&folder, "machine.pem", &machine.pem);
    let variables = [("SSL_CERT_FILE", machine_trusts.as_str())];
    let line = trusts(&file(&folder, "own.pem", &own.pem));
    let two = trusts(&file(&folder, "two.pem", &format!("{}{}", own.pem, machine.pem)));
    for (line, by_machine, by_own) in [
        ("", 200, 502),
        (line.as_str(), 502, 200),
        (two.as_str(), 200, 200),
    ] {
        let upstream = TlsUpstream::start();
        let house = House::start_before_with(&upstream.address, line, &variables);
        for (ca, expected) in [(&machine, by_machine), (&own, by_own)] {
            upstream.shows(Some(&ca.good()));
            let reply = sends_all(&house, "GET /public", "a=b");
            assert_eq!(reply.status, expected, "{line} {reply:?}");
        }
    }
}

#[test]
fn what_the_machine_trusts_is_read_only_where_an_application_goes_by_it() {
    let (upstream, folder) = (TlsUpstream::start(), tempfile::tempdir().expect("a folder"));
    let line = trusts(&file(&folder, "ca.pem", &Ca::new().pem));
    let nothing = file(&folder, "nothing.pem", "");
    let variables = [("SSL_CERT_FILE", nothing.as_str())];
    let says = |address: &str, line: &str| {
        let house = House::start_before_with(address, line, &variables);
        house
            .postern
            .logged()
            .contains("this machine names no authority to trust")
    };
    assert!(says(&upstream.address, ""), "control: it is read, and holds none");
    assert!(!says(&upstream.address, &line));
    assert!(!says("http://127.0.0.1:1", ""));
}

#[test]
fn a_file_that_nobody_can_be_verified_by_stops_the_start_and_nothing_is_made() {
    let mut postern = start();
    assert_eq!(postern.stop(), Some(0));
    let folder = tempfile::tempdir().expect("a folder");
    let ca = Ca::new().pem;
    let place = |name: &str| folder.path().join(name).display().to_string();
    let data = place("data");
    let starts = |path: &str| {
        let text = format!(
            "[application.photos]\nhosts = [\"{ONE}\"]\nupstream = \"https://127.0.0.1:1\"\n{}\n",
            trusts(path)
        );
        let configuration = file(&folder, "postern.toml", &text);
        postern.run_with(
            &["serve", "--data-dir", &data],
            &[("POSTERN_CONFIG", &configuration)],
        )
    };
    let (first_line, rest) = ca.split_once('\n').expect("lines");
    for (path, why) in [
        (place("missing.pem"), "cannot be read"),
        (folder.path().display().to_string(), "cannot be read"),
        (file(&folder, "empty.pem", ""), "holds no certificate"),
        (
            file(&folder, "text.pem", "no certificate\n"),
            "holds no certificate",
        ),
        (file(&folder, "cut.pem", &ca[..ca.len() / 2]), "cut.pem"),
        (
            file(&folder, "other.pem", &format!("{first_line}\nAAAA{rest}")),
            "is damaged",
        ),
        (
            file(
                &folder,
                "one_of_two.pem",
                &format!("{ca}{first_line}\nAAAA{rest}"),
            ),
            "is damaged",
        ),
        (file(&folder, "long.pem", &"#\n".repeat(200_000)), "more than"),
    ] {
        let output = starts(&path);
        refused(&output, 78, "upstream_ca of the application photos is refused: ");
        refused(&output, 78, &path);
        refused(&output, 78, why);
        assert!(!Path::new(&data).exists(), "{path}");
    }
}
