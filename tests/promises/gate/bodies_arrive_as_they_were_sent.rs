//! Through Postern itself a message is what it was: a part, in chunks with fields after them, one by one, without a body at all.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};

use e2e_support::wire::exchange;

use super::by_hand::{answers, application, curl, head, sends, signed_in_before};
use super::house::{House, ONE};

/// A body in chunks, and the fields after it.
fn chunked(reader: &mut BufReader<TcpStream>) -> (String, Vec<String>) {
    let mut body = String::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).expect("a size");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
        if size == 0 {
            break;
        }
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).expect("a chunk");
        body.push_str(String::from_utf8(chunk).expect("text").trim_end());
    }
    let fields = head(reader);
    (
        body,
        fields
            .lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

#[test]
fn a_part_of_a_file_is_that_part() {
    let (address, told) = application(|head, mut reader| {
        answers(
            &mut reader,
            if head.contains("range: bytes=2-5\r\n") {
                "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Range: bytes 2-5/10\r\nETag: \"e\"\r\n\
             Accept-Ranges: bytes\r\nContent-Length: 4\r\n\r\ncdef"
            } else {
                "HTTP/1.1 416 Range Not Satisfiable\r\nConnection: close\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n\r\n"
            },
        );
    });
    let house = House::start_before(&address);
    let asks = |range: &str| {
        let fields = [("Host", ONE), ("Range", range), ("If-Range", "\"e\"")];
        exchange(house.postern.address(), "GET", "/public", &fields)
    };
    let part = asks("bytes=2-5");
    assert_eq!((part.status, part.body.as_str()), (206, "cdef"));
    for (name, value) in [
        ("content-range", "bytes 2-5/10"),
        ("content-length", "4"),
        ("accept-ranges", "bytes"),
        ("etag", "\"e\""),
    ] {
        assert_eq!(part.header(name), Some(value));
    }
    assert!(told.recv().expect("told").contains("if-range: \"e\"\r\n"));
    let nowhere = asks("bytes=20-");
    assert_eq!(
        (nowhere.status, nowhere.header("content-range")),
        (416, Some("bytes */10"))
    );
}

#[test]
fn what_stands_after_the_chunks_passes_both_ways_but_says_nothing_of_who_asks() {
    let (tell, uploads) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let (address, told) = application(move |_, mut reader| {
        let _ = tell.lock().expect("whole").send(chunked(&mut reader));
        answers(
            &mut reader,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             5\r\nworld\r\n0\r\nX-Sum: down\r\n\r\n",
        );
    });
    let own = "headers = { X-Upstream-Token = \"canary\" }";
    let house = House::start_before_with(&address, own, &[]);
    let names = [
        "Remote-User",
        "Remote_User",
        "Postern-Assertion",
        "X-Forwarded-For",
        "X-Upstream-Token",
        "X_Upstream_Token",
        "Cookie",
        "Authorization",
        "X-Api-Key",
        "Connection",
        "Upgrade",
        "Transfer-Encoding",
        "Content-Length",
        "Host",
    ];
    let fields = names.map(|name| format!("{name}: forged\r\n")).concat();
    let request = format!(
        "GET /public HTTP/1.1\r\nHost: {ONE}\r\nConnection: close, TE\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\
         Trailer: {}\r\nTrailer: X-Sum,X-More\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: up\r\n{fields}X-More: too\r\n\r\n",
        names.join(", ")
    );
    let mut client = sends(&house, &request);
    let answered = head(&mut client);
    assert!(
        answered.starts_with("HTTP/1.1 200") && answered.contains("trailer: X-Sum\r\n"),
        "{answered}"
    );
    let (body, trailers) = chunked(&mut client);
    assert_eq!(
        (body.as_str(), trailers),
        ("world", vec!["x-sum: down".to_owned()])
    );
    let received = told.recv().expect("told");
    assert!(
        received.contains("te: trailers\r\n") && received.contains("connection: te\r\n"),
        "{received}"
    );
    let (body, trailers) = uploads.recv().expect("told");
    assert_eq!(body, "hello");
    assert_eq!(trailers, ["x-sum: up", "x-more: too"]);
}

#[test]
fn a_client_that_asks_whether_to_send_its_body_is_told_so_before_it_does() {
    let (tell, uploads) = channel();
    let tell = Arc::new(Mutex::new(tell));
    let (address, told) = application(move |_, mut reader| {
        let mut body = [0; 5];
        let _ = reader.read_exact(&mut body);
        let _ = tell.lock().expect("whole").send(body);
        answers(
            &mut reader,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        );
    });
    let (house, _held, cookies) = signed_in_before(&address);
    let asks = |cookies: &str| {
        let request = format!(
            "PUT /up HTTP/1.1\r\nHost: {ONE}\r\nCookie: {cookies}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        );
        sends(&house, &request)
    };
    let refused = head(&mut asks("a=b"));
    assert!(
        refused.starts_with("HTTP/1.1 401"),
        "no place for the body of a stranger: {refused}"
    );
    let mut client = asks(&cookies);
    assert_eq!(head(&mut client), "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(uploads.try_recv().is_err(), "nothing was sent yet");
    client.get_mut().write_all(b"hello").expect("sent");
    assert!(head(&mut client).starts_with("HTTP/1.1 200"));
    assert_eq!(uploads.recv().expect("told"), *b"hello");
    let received = told.recv().expect("told");
    assert!(
        received.starts_with("PUT /up") && !received.contains("expect:"),
        "{received}"
    );
}

#[test]
fn an_answer_without_a_body_has_none_and_the_next_one_follows_it() {
    let (address, _told) = application(|head, mut reader| {
        let (_, path) = head.split_once(' ').expect("a line");
        let (path, _) = path.split_once(' ').expect("a line");
        answers(
            &mut reader,
            match path {
                "/public/length" => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n",
                "/public/chunks" => {
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                }
                "/public/204" => "HTTP/1.1 204 No Content\r\nConnection: close\r\nX-Own: kept\r\n\r\n",
                "/public/304" => {
                    "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"e\"\r\nContent-Length: 1000\r\n\r\n"
                }
                _ => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast",
            },
        );
    });
    let house = House::start_before(&address);
    let mut client = sends(&house, "");
    let mut asks = |method: &str, path: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {ONE}\r\n\r\n");
        client.get_mut().write_all(request.as_bytes()).expect("sent");
        head(&mut client)
    };
    let length = asks("HEAD", "/public/length");
    assert!(
        length.starts_with("HTTP/1.1 200") && length.contains("content-length: 1000\r\n"),
        "{length}"
    );
    let chunks = asks("HEAD", "/public/chunks");
    assert!(chunks.starts_with("HTTP/1.1 200"), "{chunks}");
    let nothing = asks("GET", "/public/204");
    assert!(
        nothing.starts_with("HTTP/1.1 204") && nothing.contains("x-own: kept\r\n"),
        "{nothing}"
    );
    assert!(
        !nothing.contains("content-length") && !nothing.contains("transfer-encoding"),
        "{nothing}"
    );
    let unchanged = asks("GET", "/public/304");
    assert!(
        unchanged.starts_with("HTTP/1.1 304") && unchanged.contains("etag: \"e\"\r\n"),
        "{unchanged}"
    );
    let last = asks("GET", "/public/last");
    assert!(
        last.starts_with("HTTP/1.1 200") && last.contains("content-length: 4\r\n"),
        "{last}"
    );
    let mut body = [0; 4];
    client.read_exact(&mut body).expect("a body");
    assert_eq!(&body, b"last");
}

#[test]
fn events_arrive_one_by_one_over_http_2_too() {
    let go = Arc::new(Barrier::new(2));
    let release = Arc::clone(&go);
    let (address, _told) = application(move |_, mut reader| {
        answers(
            &mut reader,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n",
        );
        for n in 0..3 {
            answers(&mut reader, &format!("data: {n}\n\n"));
            release.wait();
        }
    });
    let house = House::start_before(&address);
    let mut curl = curl(&house, "--http2-prior-knowledge", "/public/events");
    let mut child = curl.stdout(Stdio::piped()).spawn().expect("curl(1)");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for n in 0..3 {
        assert_eq!(
            lines.next().expect("in time").expect("text"),
            format!("data: {n}")
        );
        assert_eq!(lines.next().expect("in time").expect("text"), "");
        // Only now does the application go on.
        go.wait();
    }
    assert!(child.wait().expect("ended").success());
}
