//! HTTP as bytes: requests that no well-behaved client can send, and an upstream that remembers what it got.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::recorder::{self, Seen};

/// An answer, as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status; 0 when the connection was closed without one.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The first field of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every cookie that it sets: name and value.
    #[must_use]
    pub fn cookies(&self) -> Vec<String> {
        let fields = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        fields
            .filter_map(|(_, value)| value.split(';').next())
            .map(str::to_owned)
            .collect()
    }
}

/// Sends one request as it is written and reads the answer to its end.
#[must_use]
#[track_caller]
pub fn exchange(address: &str, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
    let fields: String = headers
        .iter()
        .map(|(name, value)| [name, ": ", value, "\r\n"].concat())
        .collect();
    let mut request = format!("{method} {target} HTTP/1.1\r\n{fields}");
    if !headers.iter().any(|(name, _)| *name == "Connection") {
        request.push_str("Connection: close\r\n");
    }
    request.push_str("\r\n");
    exchange_bytes(address, request.as_bytes())
}

/// The same, of any bytes.
#[must_use]
#[track_caller]
pub fn exchange_bytes(address: &str, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    // Whoever refuses early may close before it has read all; what it said counts.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let reply = parse(&answer);
    let asked = String::from_utf8_lossy(request);
    let (head, _) = asked.split_once("\r\n\r\n").unwrap_or((&asked, ""));
    let field = |line: &str| {
        line.split_once(':')
            .map(|(name, host)| (name.to_ascii_lowercase(), host.trim().to_owned()))
    };
    let host = head.lines().filter_map(field).find(|(name, _)| name == "host");
    let seen = Seen {
        tls: false,
        target: head.split(' ').nth(1).unwrap_or_default(),
        host: host.as_ref().map_or("", |(_, host)| host),
        status: reply.status,
        headers: &reply.headers,
    };
    recorder::look_over(address, &seen);
    reply
}

/// Reads an answer as it came.
#[must_use]
pub fn parse(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .unwrap_or(0);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Reply {
        status,
        body: if chunked { unchunked(body) } else { body.to_owned() },
        headers,
    }
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let Some(chunk) = after.get(..size).filter(|_| size > 0) else {
            break;
        };
        body.push_str(chunk);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    body
}

/// What an upstream received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method and target.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Received {
    /// Every field of that name.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.headers.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }

    /// The one field of that name.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[must_use]
    #[track_caller]
    pub fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [only] => only,
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// A server that answers every request with 200 and remembers it.
pub struct Upstream {
    /// `127.0.0.1:<port>`.
    pub address: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Upstream {
    /// Starts one; it ends with the process.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, received }
    }

    /// What came since the last time this was asked.
    #[must_use]
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().expect("no panic before"))
    }
}

fn serve(mut stream: TcpStream, received: &Mutex<Vec<Received>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    let fields = lines.take_while(|line| !line.is_empty());
    let headers = fields
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    received
        .lock()
        .expect("no panic before")
        .push(Received { line, headers });
    let _ =
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nthe upstream");
}

/// A port of loopback that was free a moment ago.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
