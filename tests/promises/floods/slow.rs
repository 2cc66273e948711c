//! L-05: connections that say nearly nothing, or take nearly nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use e2e_support::wire::{exchange, parse};

use super::Verifying;
use crate::owner::signed_in;

/// More than the server has places for.
const OPEN: usize = 700;

/// Of them, who asks and does not read.
const READERS: usize = 8;

/// How often a slow client says one byte more.
const DRIP: Duration = Duration::from_secs(1);

/// Says what `begins`, then a byte each second, until the server has had enough; gives the status it said, 0 for none.
fn drips(at: &str, begins: &str, more: u8) -> u16 {
    let mut stream = TcpStream::connect(at).expect("a place in the queue");
    stream.set_read_timeout(Some(DRIP)).expect("set");
    stream.write_all(begins.as_bytes()).expect("sent");
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(piece.get(..count).unwrap_or_default()),
            // Nothing came within a second.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                if stream.write_all(&[more]).is_err() {
                    break;
                }
            }
            Err(_reset) => break,
        }
    }
    parse(&answer).status
}

/// Asks for more and more and reads nothing, until the server has closed the connection.
fn reads_nothing(at: &str, bearer: &str) -> u16 {
    let asks = format!("GET /api/v1/openapi.json HTTP/1.1\r\nHost: {at}\r\nAuthorization: {bearer}\r\n\r\n");
    let mut stream = TcpStream::connect(at).expect("a place");
    // Ends with an error when the server has closed; until then it waits for room.
    while stream.write_all(asks.as_bytes()).is_ok() {}
    0
}

#[test]
fn who_is_slow_is_cut_off_and_verification_goes_on() {
    let (postern, held) = signed_in();
    let (at, bearer) = (postern.address(), held.bearer());
    let mut verifying = Verifying::on(&postern, &held);
    verifying.verifies();
    let begins = format!("GET /health HTTP/1.1\r\nHost: {at}\r\nX-Slow: ");
    let body = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
    );
    let (told, ends) = channel();
    std::thread::scope(|scope| {
        for number in 0..OPEN {
            let (told, begins, body, bearer) = (told.clone(), &begins, &body, &bearer);
            scope.spawn(move || {
                let status = match number % 4 {
                    _ if number < READERS => reads_nothing(at, bearer),
                    0 => drips(at, body, b' '),
                    1 => drips(at, "", b'G'),
                    2 => drips(at, "PRI * HTTP/2.0\r\n", b'\r'),
                    _ => drips(at, begins, b'x'),
                };
                told.send((number, status)).expect("heard");
            });
        }
        let mut over = 0;
        while over < OPEN {
            match ends.recv_timeout(DRIP / 10) {
                Ok((number, status)) => {
                    assert!(matches!(status, 0 | 400 | 408), "{number}: {status}");
                    over += 1;
                }
                Err(_nothing_yet) => verifying.verifies(),
            }
        }
    });
    let control = exchange(at, "GET", "/health", &[("Host", at)]);
    assert_eq!(
        control.status, 200,
        "control: who says what they want is answered, on a new connection"
    );
}
