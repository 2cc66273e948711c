//! Greetings of TLS that are nearly right (rustls RUSTSEC-2024-0336, RUSTSEC-2024-0399): the server outlives each, and none makes it spin.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use e2e_support::Postern;

use crate::certificates::{Ca, Client, Files, borrowed};

const GREETINGS: u64 = 3000;

/// Type of a record that holds a handshake message (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// What the server says to those bytes before it closes.
fn answer(at: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).expect("it listens");
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// The same numbers at every run (Knuth's linear congruential generator, of MMIX).
fn next(state: &mut u64, below: usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).expect("31 bits") % below
}

#[test]
fn greetings_that_are_nearly_right_end_no_server() {
    let ca = Ca::new();
    let files = Files::of(&ca.good());
    let postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &borrowed(&files.variables()));
    let (at, client) = (postern.address(), Client::trusting(&ca.pem));
    let hello = client.hello("localhost");
    assert_eq!(
        answer(at, &hello).first(),
        Some(&HANDSHAKE),
        "control: a right one is answered"
    );
    let mut state = 1;
    for _ in 0..GREETINGS {
        let mut bytes = hello.clone();
        for _ in 0..=next(&mut state, 4) {
            let (place, value) = (next(&mut state, bytes.len()), next(&mut state, 256));
            if let Some(byte) = bytes.get_mut(place) {
                *byte = u8::try_from(value).expect("below 256");
            }
        }
        match next(&mut state, 4) {
            0 => bytes.truncate(next(&mut state, hello.len())),
            1 => bytes.extend_from_within(next(&mut state, hello.len())..),
            _ => {}
        }
        let _said = answer(at, &bytes);
    }
    let reply = client.get(at, "localhost", "/health").expect("it still answers");
    assert!(reply.text.starts_with("HTTP/1.1 200"), "{}", reply.text);
    assert!(!postern.logged().contains("panic"), "{}", postern.logged());
}
