//! A client that costs little: one kept connection, requests written as they are.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

pub struct Client {
    stream: TcpStream,
    address: String,
    buffer: Vec<u8>,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn new(address: &str) -> Self {
        Self::over(address, TcpStream::connect(address).expect("connects"))
    }

    /// To a server that has just been started and may not listen yet: the only sign of it is that it does.
    pub fn when_it_listens(address: &str) -> Self {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(address) {
                Ok(stream) => return Self::over(address, stream),
                Err(error) if Instant::now() > until => panic!("{address}: {error}"),
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    fn over(address: &str, stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("set");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        Self { stream, address: address.to_owned(), buffer: Vec::with_capacity(8192) }
    }

    pub fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}{length}\r\n{body}", self.address)
    }

    /// Sends and waits for the whole answer; gives its status. `None` when the connection was closed.
    pub fn status(&mut self, request: &str) -> Option<u16> {
        self.ask(request).map(|answer| answer.0)
    }

    pub fn answer(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let request = self.request(method, path, headers, body);
        let (status, end, total) = self.ask(&request).expect("an answer");
        Answer {
            status,
            head: String::from_utf8_lossy(&self.buffer[..end]).into_owned(),
            body: self.buffer[end..total].to_vec(),
        }
    }

    fn ask(&mut self, request: &str) -> Option<(u16, usize, usize)> {
        self.stream.write_all(request.as_bytes()).ok()?;
        self.buffer.clear();
        let mut chunk = [0; 8192];
        loop {
            let read = self.stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
            self.buffer.extend_from_slice(&chunk[..read]);
            let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4) else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end]).ok()?;
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok())
                .unwrap_or(0);
            if self.buffer.len() >= end + length {
                return Some((head.get(9..12)?.parse().ok()?, end, end + length));
            }
        }
    }
}

impl Answer {
    pub fn text(&self, member: &str) -> String {
        let value: Value = serde_json::from_slice(&self.body).expect("JSON");
        value[member].as_str().unwrap_or_else(|| panic!("no {member}: {}", self.status)).to_owned()
    }

    /// The cookie in whose name that stands, as it is sent back.
    pub fn cookie(&self, name: &str) -> String {
        let set = self.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie: "));
        let mut pairs = set.map(|line| line[12..].split(';').next().expect("a value"));
        let of_name = |pair: &&str| pair.split('=').next().expect("a name").to_ascii_lowercase().contains(name);
        pairs.find(of_name).unwrap_or_else(|| panic!("no {name}: {}", self.status)).to_owned()
    }
}
