//! L-07: floods of HTTP/2 frames, and of requests on one connection. Written as bytes: no client library sends these.

use std::io::{BufReader, Read, Write as _};
use std::net::TcpStream;

use super::{Verifying, forget_peak, peak};
use crate::owner::signed_in;

/// Of RFC 9113, section 3.4, and an empty SETTINGS frame behind it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Types and flags of RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What the server may need besides, in KiB.
const ROOM: u64 = 16 * 1024;

/// In the PING that ends a flood.
const LAST: [u8; 8] = [9; 8];

/// As many rounds as are sent at most: where a server takes them all, it has to have stayed small.
const ROUNDS: u32 = 20_000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()[..]].concat();
    [head, payload.to_vec()].concat()
}

/// `:method: GET`, `:scheme: http`, `:path: /health` and `:authority` (RFC 7541, section 6 and appendix A).
fn head(method: u8, at: &str) -> Vec<u8> {
    let text = |value: &str| [&[u8::try_from(value.len()).expect("short")], value.as_bytes()].concat();
    [
        vec![0x80 | method, 0x86, 0x04],
        text("/health"),
        vec![0x01],
        text(at),
    ]
    .concat()
}

const GET: u8 = 2;
const POST: u8 = 3;

/// Sends round after round, and reads what comes, until the server has closed the connection or has answered a last PING; says whether it
/// closed it.
fn is_cut(at: &str, begins: &[u8], round: impl Fn(u32) -> Vec<u8>) -> bool {
    let mut stream = TcpStream::connect(at).expect("it listens");
    let reader = BufReader::new(stream.try_clone().expect("the same"));
    let reading =
        std::thread::spawn(|| read_until(reader, |frame| frame.kind == PING && frame.payload == LAST));
    let mut taken = stream.write_all(&[PREFACE, begins].concat());
    for number in 0..ROUNDS {
        if taken.is_err() {
            break;
        }
        taken = stream.write_all(&round(number));
    }
    let _ = stream.write_all(&frame(PING, 0, 0, &LAST));
    !reading.join().expect("no panic")
}

struct Frame {
    kind: u8,
    payload: Vec<u8>,
}

/// Whether the frame that is waited for came before the end.
fn read_until(mut stream: impl Read, is_last: impl Fn(&Frame) -> bool) -> bool {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let [a, b, c, kind, ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).expect("64 bits")];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        if is_last(&Frame { kind, payload }) {
            return true;
        }
    }
    false
}

#[test]
fn floods_of_frames_end_their_connection_or_cost_nothing() {
    let (postern, held) = signed_in();
    let at = postern.address();
    let stream = |round: u32| 2 * round + 1;
    let mut good = TcpStream::connect(at).expect("it listens");
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(GET, at));
    good.write_all(&[PREFACE, &request].concat()).expect("sent");
    let answered = read_until(&mut good, |frame| frame.kind == HEADERS);
    assert!(answered, "control: a good request is answered");
    let get = |round: u32, flags| frame(HEADERS, flags, stream(round), &head(GET, at));
    let rapid_reset = |round| {
        [
            get(round, END_HEADERS | END_STREAM),
            frame(RST_STREAM, 0, stream(round), &[0, 0, 0, 8]),
        ]
        .concat()
    };
    let open_headers = get(0, END_STREAM);
    let endless_block = |_| {
        frame(
            CONTINUATION,
            0,
            1,
            &[&[0x40, 1, b'x', 127, 0x81, 0x07][..], &[b'a'; 1024]].concat(),
        )
    };
    let post = frame(HEADERS, END_HEADERS, 1, &head(POST, at));
    forget_peak(&postern);
    let before = peak(&postern);
    for (what, expected, cut) in [
        ("rapid reset (CVE-2023-44487)", true, is_cut(at, b"", rapid_reset)),
        (
            "CONTINUATION without end (CVE-2024-27316)",
            true,
            is_cut(at, &open_headers, endless_block),
        ),
        (
            "empty CONTINUATION without end",
            true,
            is_cut(at, &open_headers, |_| frame(CONTINUATION, 0, 1, b"")),
        ),
        (
            "SETTINGS",
            false,
            is_cut(at, b"", |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ),
        ("PING", false, is_cut(at, b"", |_| frame(PING, 0, 0, &[7; 8]))),
        (
            "empty DATA (RUSTSEC-2026-0258)",
            true,
            is_cut(at, &post, |_| frame(DATA, 0, 1, b"")),
        ),
        (
            "streams beyond the limit",
            true,
            is_cut(at, b"", |round| get(round, END_HEADERS)),
        ),
        (
            "a frame longer than was agreed on",
            true,
            is_cut(at, b"", |_| frame(DATA, 0, 1, &vec![0; 20_000])),
        ),
    ] {
        assert_eq!(cut, expected, "{what}");
        Verifying::on(&postern, &held).verifies();
    }
    let grown = peak(&postern).saturating_sub(before);
    assert!(grown <= ROOM, "{grown} KiB more");
}

/// Ten thousand requests at once on one connection of HTTP/1.1: each is answered, none is kept.
#[test]
fn ten_thousand_requests_on_one_connection_are_answered_in_flat_memory() {
    const REQUESTS: usize = 10_000;
    let (postern, held) = signed_in();
    let at = postern.address();
    Verifying::on(&postern, &held).verifies();
    forget_peak(&postern);
    let before = peak(&postern);
    let request = format!("GET /health HTTP/1.1\r\nHost: {at}\r\n\r\n");
    let last = format!("GET /health HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(at).expect("it listens");
    let mut writer = stream.try_clone().expect("the same");
    let all = request.repeat(REQUESTS - 1) + &last;
    let writing = std::thread::spawn(move || writer.write_all(all.as_bytes()));
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("text");
    writing.join().expect("no panic").expect("all was taken");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), REQUESTS);
    let grown = peak(&postern).saturating_sub(before);
    assert!(grown <= ROOM, "{grown} KiB more");
}
