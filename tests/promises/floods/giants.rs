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

#[test]
fn giants_are_refused_and_memory_stays_flat() {
    let (postern, held) = signed_in();
    let at = postern.address();
    let post = |more: &str| {
        format!(
            "POST /api/v1/auth/login HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Type: application/json\r\n{more}"
        )
    };
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n");
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    let mebibyte = vec![b'a'; 1 << 20];
    let fields = "X-Field: of many\r\n".repeat(1000);
    let pairs = "a=b&".repeat(10_000);
    let nested = "[".repeat(60_000);
    let doubled = format!("{{{}}}", "\"a\":[[[[]]]],".repeat(4000).trim_end_matches(','));
    let announced = |body: &str| post(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let cases: Vec<(&str, String, &[u8], usize, &[u16])> = vec![
        (
            "a gibibyte announced",
            post("Content-Length: 1073741824\r\n\r\n"),
            &mebibyte,
            1024,
            &[413],
        ),
        (
            "a gibibyte in chunks",
            post("Transfer-Encoding: chunked\r\n\r\n"),
            &chunk,
            16_384,
            &[413],
        ),
        (
            "an announcement beyond all numbers",
            post(&format!("Content-Length: {}\r\n\r\n", "9".repeat(40))),
            &mebibyte,
            16,
            &[400],
        ),
        (
            "a header of ten mebibytes",
            get("/health") + "X-Long: ",
            &mebibyte,
            10,
            &[431],
        ),
        (
            "a hundred thousand headers",
            get("/health"),
            fields.as_bytes(),
            100,
            &[431],
        ),
        (
            "a target of a mebibyte",
            "GET /".to_owned(),
            &mebibyte,
            1,
            &[414, 431],
        ),
        (
            "a million pairs of a query",
            "GET /health?".to_owned(),
            pairs.as_bytes(),
            100,
            &[414, 431],
        ),
        (
            "cookies of ten mebibytes",
            get("/health") + "Cookie: ",
            &mebibyte,
            10,
            &[431],
        ),
        ("nesting without end", announced(&nested), b"", 0, &[400]),
        (
            "more nesting than anybody writes",
            announced(&doubled),
            b"",
            0,
            &[400],
        ),
        (
            "a trailer without end",
            post("Transfer-Encoding: chunked\r\n\r\n0\r\nX-Long: "),
            &mebibyte,
            10,
            &[400, 431],
        ),
        (
            "a chunk's length without end",
            post("Transfer-Encoding: chunked\r\n\r\n1;"),
            &mebibyte,
            10,
            &[400, 413],
        ),
    ];
    let mut verifying = Verifying::on(&postern, &held);
    // Once, so that what is made at the first use is there; and once more, together.
    for round in [1, 8] {
        forget_peak(&postern);
        let before = peak(&postern);
        for (what, head, piece, times, statuses) in &cases {
            let answers: Vec<u16> = std::thread::scope(|scope| {
                let pouring: Vec<_> = (0..round)
                    .map(|_| scope.spawn(|| pours(at, head, piece, *times)))
                    .collect();
                pouring
                    .into_iter()
                    .map(|one| one.join().expect("no panic"))
                    .collect()
            });
            verifying.verifies();
            // 0: it was reset before its answer was read.
            assert!(
                answers
                    .iter()
                    .all(|status| *status == 0 || statuses.contains(status)),
                "{what}: {answers:?}"
            );
        }
        let grown = peak(&postern).saturating_sub(before);
        assert!(grown <= ROOM || round == 1, "{grown} KiB more, {round} at a time");
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
