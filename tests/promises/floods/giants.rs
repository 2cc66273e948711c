//! L-06: requests of a size that nobody needs are refused early, and leave the server's memory as it was.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use e2e_support::wire::parse;

use super::{Verifying, forget_peak, peak};
use crate::owner::signed_in;

/// What the server may need besides, in KiB, however much is sent to it.
const ROOM: u64 = 16 * 1024;

/// Sends `head`, then `piece` as often as the server takes it and no more than `times`; gives the status of its answer.
fn pours(at: &str, head: &str, piece: &[u8], times: usize) -> u16 {
    let mut stream = TcpStream::connect(at).expect("it listens");
    let mut taken = stream.write_all(head.as_bytes());
    for _ in 0..times {
        if taken.is_err() {
            break;
        }
        taken = stream.write_all(piece);
    }
    let mut answer = Vec::new();
    // What was answered before the connection was reset counts.
    let _ = stream.read_to_end(&mut answer);
    parse(&answer).status
}

struct Giant {
    what: &'static str,
    head: String,
    /// What follows, and how often.
    piece: Vec<u8>,
    times: usize,
    /// How it may be refused.
    statuses: &'static [u16],
}

fn giant(what: &'static str, head: String, piece: &[u8], times: usize, statuses: &'static [u16]) -> Giant {
    Giant {
        what,
        head,
        piece: piece.to_vec(),
        times,
        statuses,
    }
}

/// Mebibytes of every part of a request.
fn giants(at: &str) -> Vec<Giant> {
    let close = format!("Host: {at}\r\nConnection: close\r\n");
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\n{close}");
    let post = |framing: &str| {
        format!(
            "POST /api/v1/auth/login HTTP/1.1\r\n{close}Content-Type: application/json\r\n{framing}\r\n\r\n"
        )
    };
    let whole = |body: &str| post(&format!("Content-Length: {}", body.len())) + body;
    let chunked = post("Transfer-Encoding: chunked");
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    let mebibyte = vec![b'a'; 1 << 20];
    let fields = "X-Field: of many\r\n".repeat(1000);
    let pairs = "a=b&".repeat(10_000);
    let nested = "[".repeat(60_000);
    let members = format!("{{{}\"b\":1}}", "\"a\":[[[[]]]],".repeat(4000));
    let beyond = format!("Content-Length: {}", "9".repeat(40));
    vec![
        giant(
            "a gibibyte announced",
            post("Content-Length: 1073741824"),
            &mebibyte,
            1024,
            &[413],
        ),
        giant("a gibibyte in chunks", chunked.clone(), &chunk, 16_384, &[413]),
        giant(
            "a length beyond all numbers",
            post(&beyond),
            &mebibyte,
            16,
            &[400],
        ),
        giant("a header", get("/health") + "X-Long: ", &mebibyte, 10, &[431]),
        giant(
            "a hundred thousand headers",
            get("/health"),
            fields.as_bytes(),
            100,
            &[431],
        ),
        giant("a target", "GET /".to_owned(), &mebibyte, 1, &[414, 431]),
        giant(
            "a million pairs of a query",
            "GET /health?".to_owned(),
            pairs.as_bytes(),
            100,
            &[414, 431],
        ),
        giant("cookies", get("/health") + "Cookie: ", &mebibyte, 10, &[431]),
        giant("nesting", whole(&nested), b"", 0, &[400]),
        giant("members", whole(&members), b"", 0, &[400]),
        giant(
            "a trailer",
            chunked.clone() + "0\r\nX-Long: ",
            &mebibyte,
            10,
            &[400, 431],
        ),
        giant("a chunk's length", chunked + "1;", &mebibyte, 10, &[400, 413]),
    ]
}

#[test]
fn giants_are_refused_and_memory_stays_flat() {
    let (postern, held) = signed_in();
    let at = postern.address();
    let giants = giants(at);
    // Once, so that what is made at the first use is there; then several of each together.
    for together in [1, 8] {
        forget_peak(&postern);
        let before = peak(&postern);
        for giant in &giants {
            let pouring = || pours(at, &giant.head, &giant.piece, giant.times);
            let answers: Vec<u16> = std::thread::scope(|scope| {
                let pouring: Vec<_> = (0..together).map(|_| scope.spawn(pouring)).collect();
                let ends = pouring.into_iter().map(|one| one.join().expect("no panic"));
                ends.collect()
            });
            Verifying::on(&postern, &held).verifies();
            // 0: it was reset before its answer was read.
            let refused = |status: &u16| *status == 0 || giant.statuses.contains(status);
            assert!(answers.iter().all(refused), "{}: {answers:?}", giant.what);
        }
        let grown = peak(&postern).saturating_sub(before);
        assert!(grown <= ROOM || together == 1, "{grown} KiB more");
    }
}

/// Control: what is measured grows with what a server really keeps.
#[test]
fn what_is_kept_shows_in_the_peak() {
    let (postern, _held) = signed_in();
    forget_peak(&postern);
    let before = peak(&postern);
    let open: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut stream = TcpStream::connect(postern.address()).expect("it listens");
            let head = format!("GET /health HTTP/1.1\r\nX-Kept: {}", "a".repeat(60_000));
            stream.write_all(head.as_bytes()).expect("sent");
            stream
        })
        .collect();
    // Who asks on a connection of its own is answered after these were accepted.
    assert_eq!(
        e2e_support::wire::exchange(
            postern.address(),
            "GET",
            "/health",
            &[("Host", postern.address())]
        )
        .status,
        200
    );
    assert!(
        peak(&postern) - before > 4 * 1024,
        "{} KiB",
        peak(&postern) - before
    );
    drop(open);
}
