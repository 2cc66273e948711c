//! Who only wants to take room gets little of it, and not for long (A9 of the threat model; cases L-05 to L-07): nobody waits here for a
//! time to pass, each test ends when the server has closed the last connection of the flood.

mod frames;
mod giants;
mod hellos;
mod slow;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use e2e_support::Postern;

use crate::owner::Held;

/// A connection on which the owner's token is verified again and again.
struct Verifying {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Verifying {
    fn on(postern: &Postern, held: &Held) -> Self {
        let (at, bearer) = (postern.address(), held.bearer());
        Self {
            stream: BufReader::new(TcpStream::connect(at).expect("it listens")),
            request: format!(
                "GET /api/v1/sessions HTTP/1.1\r\nHost: {at}\r\nAuthorization: {bearer}\r\n\r\n"
            ),
        }
    }

    /// Once; the token must be good.
    #[track_caller]
    fn verifies(&mut self) {
        self.stream
            .get_mut()
            .write_all(self.request.as_bytes())
            .expect("sent");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a header");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
    }
}

/// The most memory that the server had since [`forget_peak`], in KiB.
fn peak(postern: &Postern) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", postern.pid())).expect("everybody may read it");
    let (_, rest) = status.split_once("VmHWM:").expect("a line");
    rest.split_whitespace()
        .next()
        .and_then(|text| text.parse().ok())
        .expect("a number")
}

fn forget_peak(postern: &Postern) {
    // proc_pid_clear_refs(5): 5 sets the peak to what is there now.
    std::fs::write(format!("/proc/{}/clear_refs", postern.pid()), "5").expect("the tests run as root");
}
