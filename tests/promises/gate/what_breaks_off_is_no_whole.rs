//! Through Postern itself what breaks off on one side breaks off on the other, and nobody takes a part for the whole.

use std::io::{Read as _, Write as _};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use e2e_support::wire::{exchange, exchange_bytes};

use super::by_hand::{PATIENCE, answers, application, curl, head, sends, signed_in_before};
use super::house::{House, ONE};

/// What curl ends with when its time is over.
const TOO_LATE: i32 = 28;

#[test]
fn when_a_client_goes_in_the_middle_of_a_download_its_application_sees_it() {
    let (tell, gone) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let (address, _told) = application(move |head, mut reader| {
        let framing = if head.starts_with("GET /public/chunks") {
            "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"
        } else {
            "Content-Length: 100\r\n\r\npart"
        };
        answers(&mut reader, &format!("HTTP/1.1 200 OK\r\n{framing}"));
        // Nothing more is sent: that the client is gone must come by itself.
        let _ = reader.read(&mut [0]);
        let _ = tell.lock().expect("whole").send(());
    });
    let house = House::start_before(&address);
    for path in ["/public/chunks", "/public/length"] {
        let mut client = sends(&house, &format!("GET {path} HTTP/1.1\r\nHost: {ONE}\r\n\r\n"));
        assert!(head(&mut client).starts_with("HTTP/1.1 200"));
        let mut part = Vec::new();
        while !part.ends_with(b"part") {
            let mut byte = [0];
            client.read_exact(&mut byte).expect("in time");
            part.extend(byte);
        }
        assert!(gone.try_recv().is_err(), "control: it goes on");
        drop(client);
        gone.recv_timeout(PATIENCE).expect("seen");
    }
}

#[test]
fn when_a_client_goes_in_the_middle_of_an_upload_its_application_gets_no_whole_request() {
    let is_whole = |sent: &[u8]| sent.ends_with(b"0\r\n\r\n") || sent == b"partrest";
    let (tell, uploads) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let (address, told) = application(move |_, mut reader| {
        let mut sent = Vec::new();
        while !is_whole(&sent)
            && reader
                .by_ref()
                .take(1)
                .read_to_end(&mut sent)
                .is_ok_and(|more| more > 0)
        {
            if sent.ends_with(b"part") {
                // The client goes only now.
                let _ = tell.lock().expect("whole").send(None);
            }
        }
        let _ = tell.lock().expect("whole").send(Some(is_whole(&sent)));
        answers(
            &mut reader,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        );
    });
    let (house, _held, cookies) = signed_in_before(&address);
    for (framing, whole) in [
        ("Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", "0\r\n\r\n"),
        ("Content-Length: 8\r\n\r\npart", "rest"),
    ] {
        for goes in [true, false] {
            let mut client = sends(
                &house,
                &format!("POST /up HTTP/1.1\r\nHost: {ONE}\r\nCookie: {cookies}\r\n{framing}"),
            );
            assert!(told.recv().expect("told").starts_with("POST /up"));
            assert_eq!(uploads.recv().expect("told"), None);
            if goes {
                drop(client);
            } else {
                client.get_mut().write_all(whole.as_bytes()).expect("sent");
                assert!(head(&mut client).starts_with("HTTP/1.1 200"), "control");
            }
            let came = uploads.recv_timeout(PATIENCE).expect("its connection ends");
            assert_eq!(came, Some(!goes), "{framing}");
        }
    }
}

#[test]
fn an_application_that_goes_before_it_answers_is_asked_once_and_named() {
    let answer = Arc::new(Mutex::new(""));
    let now = Arc::clone(&answer);
    let (address, told) = application(move |_, mut reader| {
        let answer = *now.lock().expect("whole");
        answers(&mut reader, answer);
    });
    let (house, _held, cookies) = signed_in_before(&address);
    for broken in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n",
        "not HTTP\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    ] {
        *answer.lock().expect("whole") = broken;
        let request = format!(
            "POST /up HTTP/1.1\r\nHost: {ONE}\r\nConnection: close\r\nCookie: {cookies}\r\nContent-Length: 4\r\n\r\nbody"
        );
        let reply = exchange_bytes(house.postern.address(), request.as_bytes());
        assert_eq!(reply.status, 502, "{broken:?}: {reply:?}");
        assert!(
            reply.body.contains("one does not answer now"),
            "{broken:?}: {reply:?}"
        );
        let asked: Vec<_> = told.try_iter().collect();
        assert_eq!(asked.len(), 1, "{broken:?}: {asked:?}");
    }
    *answer.lock().expect("whole") = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let control = exchange(house.postern.address(), "GET", "/public", &[("Host", ONE)]);
    assert_eq!(control.status, 200, "control");
}

#[test]
fn a_broken_answer_is_broken_over_both_versions_of_http() {
    let (address, _told) = application(|head, mut reader| {
        let (_, path) = head.split_once(' ').expect("a line");
        let (path, _) = path.split_once(' ').expect("a line");
        answers(
            &mut reader,
            match path {
                "/public/chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
                "/public/chunk" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\npart",
                "/public/length" => "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npart",
                "/public/whole-chunks" => {
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0\r\n\r\n"
                }
                _ => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\npart",
            },
        );
    });
    let house = House::start_before(&address);
    for (version, spoken) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        for (path, is_whole) in [
            ("/public/whole-chunks", true),
            ("/public/whole-length", true),
            ("/public/chunks", false),
            ("/public/chunk", false),
            ("/public/length", false),
        ] {
            let mut curl = curl(&house, version, path);
            let output = curl.args(["-w", "\n%{http_version}"]).output().expect("curl(1)");
            let said = format!("{version} {path}: {output:?}");
            assert_eq!(output.status.success(), is_whole, "{said}");
            assert_ne!(output.status.code(), Some(TOO_LATE), "{said}");
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!is_whole || shown == format!("part\n{spoken}"), "{said}");
        }
    }
}

/// Kinds of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Fields as they are, none of them remembered (RFC 7541, section 6.2.2).
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        // An integer with a prefix of seven bits (section 5.1).
        let length = match u8::try_from(text.len()).expect("short") {
            short @ ..127 => vec![short],
            long => vec![127, long - 127],
        };
        [length, text.as_bytes().to_vec()].concat()
    };
    let each = fields
        .iter()
        .map(|(name, value)| [vec![0], text(name), text(value)].concat());
    each.collect::<Vec<_>>().concat()
}

/// The library takes a stream that its client calls off with `NO_ERROR` for a body that has come to its end.
#[test]
fn an_upload_that_is_called_off_over_http_2_is_no_whole_request() {
    let (tell, uploads) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let (address, _told) = application(move |_, mut reader| {
        let mut sent = Vec::new();
        while !sent.ends_with(b"0\r\n\r\n")
            && reader
                .by_ref()
                .take(1)
                .read_to_end(&mut sent)
                .is_ok_and(|more| more > 0)
        {
            if sent.ends_with(b"part\r\n") {
                let _ = tell.lock().expect("whole").send(None);
            }
        }
        let _ = tell
            .lock()
            .expect("whole")
            .send(Some(sent.ends_with(b"0\r\n\r\n")));
    });
    let (house, _held, cookies) = signed_in_before(&address);
    let head = fields(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", ONE),
        (":path", "/up"),
        ("cookie", &cookies),
    ]);
    // Who is first, the reader of the body or the end of its request, is by chance.
    for round in 0..20 {
        // NO_ERROR, CANCEL (section 7).
        for called_off in [Some(0), Some(8), None] {
            let mut client = sends(&house, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
            let mut says = |frames: &[Vec<u8>]| client.get_mut().write_all(&frames.concat()).expect("sent");
            says(&[
                frame(SETTINGS, 0, 0, &[]),
                frame(HEADERS, 4, 1, &head),
                frame(DATA, 0, 1, b"part"),
            ]);
            assert_eq!(uploads.recv_timeout(PATIENCE), Ok(None), "it begins");
            says(&[match called_off {
                Some(reason) => frame(RST_STREAM, 0, 1, &[0, 0, 0, reason]),
                None => frame(DATA, 1, 1, b"rest"),
            }]);
            let came = uploads.recv_timeout(PATIENCE);
            assert_eq!(
                came,
                Ok(Some(called_off.is_none())),
                "{called_off:?}, round {round}"
            );
        }
    }
}
