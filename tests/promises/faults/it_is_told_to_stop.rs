//! Told to stop with requests under way: each that was taken is answered, nobody new gets in, all is on disk (F-16).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use e2e_support::killed::is_thorough;
use e2e_support::{Held, Known, Postern};

use super::scene::{FIELD_PASSWORD, holds_after};
use crate::owner::{PASSWORD, login, signed_in};

/// Requests whose head is with the server, and whose last byte is not.
const IN_FLIGHT: usize = 200;
const SIGNING_IN: usize = 20;

/// A request that is with the server up to its last byte.
struct Begun {
    stream: TcpStream,
    last: u8,
}

impl Begun {
    fn request(address: &str, held: &Held) -> Self {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let body = format!("{{\"Nonce\":\"{}\"}}", held.nonce);
        let request = format!(
            "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\nContent-Type: application/json\r\n\
             Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            held.cookie,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        // The server asks for the body once it works on the request.
        let mut goes_on = [0; 25];
        stream.read_exact(&mut goes_on).expect("it goes on");
        assert!(
            goes_on.starts_with(b"HTTP/1.1 100 "),
            "{}",
            String::from_utf8_lossy(&goes_on)
        );
        let (last, rest) = body.as_bytes().split_last().expect("a body");
        stream.write_all(rest).expect("sent");
        Self { stream, last: *last }
    }

    /// The status of its answer, once it is whole.
    fn finished(mut self) -> String {
        self.stream.write_all(&[self.last]).expect("sent");
        let mut answer = String::new();
        let _ = self.stream.read_to_string(&mut answer);
        answer.lines().next().unwrap_or("no answer").to_owned()
    }
}

fn stopped_under_way(turning: bool) {
    let (postern, held) = signed_in();
    let pid = postern.pid();
    if turning {
        let body = serde_json::json!({ "Kind": "data" });
        let bearer = held.bearer();
        let begun = postern.send(
            "POST",
            "/api/v1/keys/rotate",
            &[("authorization", &bearer)],
            &body,
        );
        assert!(
            matches!(begun.status, 200 | 202),
            "{} {}",
            begun.status,
            begun.body
        );
    }
    let begun: Vec<_> = (0..IN_FLIGHT)
        .map(|_| Begun::request(postern.address(), &held))
        .collect();
    let (setting_out, set_out) = std::sync::mpsc::channel();
    let signing_in: Vec<_> = (0..SIGNING_IN)
        .map(|_| {
            let (base, setting_out) = (postern.base.clone(), setting_out.clone());
            thread::spawn(move || {
                setting_out.send(()).expect("somebody waits");
                login(&base, PASSWORD)
            })
        })
        .collect();
    for _ in 0..SIGNING_IN {
        set_out.recv().expect("it is on its way");
    }
    let (data, address) = (postern.data_dir(), postern.address().to_owned());
    let stopping = thread::spawn(move || {
        let mut postern = postern;
        (postern.stop(), postern)
    });
    // Nobody new gets in, while those who are in are answered.
    while TcpStream::connect(&address).is_ok() {
        thread::yield_now();
    }
    assert!(
        std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "control: it waits for them"
    );
    let answers: Vec<_> = begun.into_iter().map(Begun::finished).collect();
    let signed_in: Vec<_> = signing_in
        .into_iter()
        .map(|one| one.join().expect("no panic"))
        .collect();
    let (code, postern): (_, Postern) = stopping.join().expect("no panic");
    assert_eq!(code, Some(0), "{}", postern.logged());
    assert!(
        answers.iter().all(|answer| answer == "HTTP/1.1 200 OK"),
        "{answers:?}"
    );
    // Who came too late got no connection; who got one was answered.
    let mut known = Known {
        password: PASSWORD.to_owned(),
        signed_in: vec![held],
        ended: Vec::new(),
        secrets: vec![PASSWORD.to_owned()],
    };
    for answer in signed_in.into_iter().flatten() {
        assert!(
            matches!(answer.status, 200 | 429),
            "{} {}",
            answer.status,
            answer.body
        );
        if answer.status == 200 {
            known.signed_in.push(Held::of(&answer));
        }
    }
    assert!(
        !data.join("postern.sqlite-wal").exists(),
        "the log is written back"
    );
    let install = postern.killed();
    let opens = known.holds_on_disk(&install, &[FIELD_PASSWORD], "stopped");
    assert_eq!(opens, FIELD_PASSWORD);
    let postern = holds_after(&mut known, install, "started again");
    if turning {
        // What was begun goes on to its end.
        let _ = postern.says(&["keys", "rotate", "data"]);
        assert_eq!(postern.database().rotation(), None);
    }
}

fn times() -> usize {
    if is_thorough() { 20 } else { 2 }
}

#[test]
fn whoever_is_in_is_answered_and_nobody_new_gets_in() {
    for _ in 0..times() {
        stopped_under_way(false);
    }
}

#[test]
fn the_same_while_a_key_turns_and_the_turn_goes_on_after_the_next_start() {
    for _ in 0..times() {
        stopped_under_way(true);
    }
}
