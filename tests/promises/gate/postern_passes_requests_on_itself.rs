//! Without another proxy: Postern itself passes on what may pass, as it comes, and says who asks.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

use e2e_support::wire::{exchange, exchange_bytes};

use crate::rotation_under_load::most_memory;

use super::by_hand::{PATIENCE, application, curl, head, sends, signed_in_before, skip_body};
use super::house::{Browser, House, ONE, TWO};

#[test]
fn one_sign_in_opens_both_applications_and_each_is_told_who_asks() {
    let house = House::start();
    let held = house.login();
    let mut browser = Browser::default();
    let here = house.postern.address().to_owned();
    assert!(browser.signs_in(&house, &here, ONE, "/a%20b?c=d", &held));
    assert!(
        !browser.signs_in(&house, &here, TWO, "/", &held),
        "signed in already"
    );
    let _nothing_before = house.upstream.take();
    let reply = browser.opens(&here, ONE, "/a%20b?c=d");
    assert_eq!((reply.status, reply.body.as_str()), (200, "the upstream"));
    assert_eq!(
        reply.header("content-security-policy"),
        None,
        "the application's business"
    );
    let received = house.upstream.take();
    let received = received.first().expect("one");
    assert_eq!(received.line, "GET /a%20b?c=d HTTP/1.1");
    assert_eq!(received.one("remote-user"), "admin");
    assert_eq!(received.one("postern-session").len(), 32, "control");
    assert_eq!(received.one("postern-assertion").split('.').count(), 3, "control");
    assert_eq!(received.one("host"), ONE);
    assert_eq!(received.one("x-forwarded-host"), ONE);
    assert_eq!(received.one("x-forwarded-proto"), "http");
    assert_eq!(received.one("via"), "1.1 postern");
    assert!(received.all("cookie").is_empty(), "the gate's own");
    assert_eq!(browser.opens(&here, TWO, "/").status, 200);
    let received = house.upstream.take();
    let received = received.first().expect("one");
    assert_eq!(received.one("x-upstream-token"), "Token canary of the upstream");
    assert_eq!(received.one("remote-user"), "admin");
    for name in ["postern-session", "postern-assertion"] {
        assert!(received.all(name).is_empty(), "{name} was not asked for");
    }
    assert_eq!(browser.opens(&here, ONE, "/closed").status, 401);
    house.sign_out(&held);
    assert_eq!(browser.opens(&here, ONE, "/").status, 302);
    assert!(house.upstream.take().is_empty());
}

#[test]
fn what_a_client_says_of_itself_reaches_no_application() {
    let house = House::start();
    let here = house.postern.address();
    // On an open path, where anybody gets through; the server trusts 127.0.0.1 here, and still only the scheme and the chain.
    for (name, value) in [
        ("Remote-User", "admin"),
        ("Postern-Session", "x"),
        ("Postern-Assertion", "x"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-User", "admin"),
        ("X-Original-URL", "http://evil.example/"),
        ("X-Real-IP", "10.0.0.1"),
        ("Forwarded", "for=10.0.0.1"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Keep-Alive", "timeout=5"),
    ] {
        let reply = exchange(
            here,
            "GET",
            "/public",
            &[("Host", ONE), (name, value), ("X-Own", "kept")],
        );
        assert_eq!(reply.status, 200, "{name}");
        let received = house.upstream.take();
        let received = received.first().expect("one");
        assert_eq!(received.one("x-own"), "kept", "control");
        assert!(
            !received.all(&name.to_ascii_lowercase()).contains(&value),
            "{name}"
        );
        assert_eq!(received.one("remote-user"), "anonymous", "{name}");
        assert_eq!(received.one("postern-session"), "none", "{name}");
    }
    for name in ["Remote_User", "Postern_Assertion", "X_Forwarded_For"] {
        let reply = exchange(here, "GET", "/public", &[("Host", ONE), (name, "admin")]);
        assert_eq!(reply.status, 400, "{name}");
    }
    let named = [
        ("Host", ONE),
        ("Connection", "close, X-Mine, Remote-User"),
        ("X-Mine", "x"),
    ];
    assert_eq!(exchange(here, "GET", "/public", &named).status, 400);
    assert!(house.upstream.take().is_empty());
    let named = [
        ("Host", ONE),
        ("Connection", "close, X-Mine, Host"),
        ("X-Mine", "x"),
    ];
    assert_eq!(exchange(here, "GET", "/public", &named).status, 200);
    let received = house.upstream.take();
    let received = received.first().expect("one");
    assert!(received.all("x-mine").is_empty(), "named by Connection");
    assert_eq!(received.one("host"), ONE);
    let looped = [("Host", ONE), ("Via", "1.1 postern")];
    assert_eq!(exchange(here, "GET", "/public", &looped).status, 508);
    assert!(house.upstream.take().is_empty());
}

#[test]
fn it_is_no_tunnel_and_no_mirror() {
    let house = House::start();
    let held = house.login();
    let mut browser = Browser::default();
    let here = house.postern.address();
    browser.signs_in(&house, here, ONE, "/", &held);
    let cookies = browser.cookies(ONE);
    let asks = |method: &str, target: &str| {
        let reply = exchange(here, method, target, &[("Host", ONE), ("Cookie", &cookies)]);
        (reply.status, house.upstream.take().len())
    };
    assert_eq!(asks("GET", "/"), (200, 1), "control");
    // The one sends back what the application is told, the other is asked of who passes on to anywhere.
    for (method, target) in [
        ("TRACE", "/"),
        ("CONNECT", "one.test:80"),
        ("CONNECT", "127.0.0.1:22"),
    ] {
        let (status, came_through) = asks(method, target);
        assert!(
            (400..500).contains(&status) && came_through == 0,
            "{method} {target}: {status}"
        );
    }
}

#[test]
fn no_second_request_is_smuggled_in_the_body_of_a_first() {
    // Every request of every connection is told, by the letter of its framing.
    let (tell, lines) = channel();
    let tell = Arc::new(std::sync::Mutex::new(tell));
    let (address, _told) = application(move |first, mut reader| {
        let mut next = first;
        while !next.is_empty() {
            let line = next.lines().next().unwrap_or_default().to_owned();
            let framed = skip_body(&next.to_ascii_lowercase(), &mut reader);
            let told = if framed {
                line
            } else {
                format!("badly framed: {next}")
            };
            let _ = tell.lock().expect("whole").send(told);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            let _ = reader.get_mut().write_all(answer);
            next = head(&mut reader);
        }
    });
    let mut direct = TcpStream::connect(&address).expect("it listens");
    let two = b"GET /first HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n";
    direct.write_all(two).expect("sent");
    for line in ["GET /first HTTP/1.1", "GET /second HTTP/1.1"] {
        assert_eq!(
            lines.recv().expect("told"),
            line,
            "control: it sees a second request"
        );
    }
    let (house, _held, _) = signed_in_before(&address);
    let hidden = "GET /secret HTTP/1.1\r\nHost: one.test\r\n\r\n";
    let mut seen = Vec::new();
    for framing in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
        "Content-Length: 0, 40\r\n\r\n",
        "Connection: Content-Length\r\nContent-Length: 40\r\n\r\n",
        "Connection: Transfer-Encoding, close\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n",
        "Content-Length: +0\r\n\r\n",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X: y\nContent-Length: 0\n\n",
    ] {
        // What ends the one that is a chunk; to all others it is one more try.
        let request = format!("GET /public HTTP/1.1\r\nHost: one.test\r\n{framing}{hidden}\r\n0\r\n\r\n");
        let _first = exchange_bytes(house.postern.address(), request.as_bytes());
        seen.extend(lines.try_iter());
    }
    // The last of them, so that all before it have come.
    let control = exchange(house.postern.address(), "GET", "/public/last", &[("Host", ONE)]);
    assert_eq!(control.status, 200);
    seen.extend(lines.try_iter());
    assert!(seen.contains(&"GET /public/last HTTP/1.1".to_owned()), "control");
    assert!(
        seen.iter().all(|line| line.starts_with("GET /public")),
        "{seen:?}"
    );
}

#[test]
fn events_arrive_one_by_one_and_end_with_the_session() {
    let go = Arc::new(Barrier::new(2));
    let release = Arc::clone(&go);
    let (address, _told) = application(move |head, mut reader| {
        let stream = reader.get_mut();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        if head.starts_with("GET /events") {
            for n in 0..3 {
                let _ = stream.write_all(format!("data: {n}\n").as_bytes());
                release.wait();
            }
            // Quiet, until it is cut.
            let _ = reader.read(&mut [0]);
        }
    });
    let (house, held, cookies) = signed_in_before(&address);
    let mut client = sends(
        &house,
        &format!("GET /events HTTP/1.1\r\nHost: {ONE}\r\nCookie: {cookies}\r\n\r\n"),
    );
    assert!(head(&mut client).starts_with("HTTP/1.1 200"));
    for n in 0..3 {
        let mut line = String::new();
        while !line.starts_with("data:") {
            line.clear();
            assert_ne!(client.read_line(&mut line).expect("in time"), 0);
        }
        assert_eq!(line, format!("data: {n}\n"));
        // Only now does the application go on: what was read had not waited for more.
        go.wait();
    }
    house.sign_out(&held);
    let mut rest = Vec::new();
    let end = client.read_to_end(&mut rest).map_err(|error| error.kind());
    assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "it was not cut");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "no clean end");
}

#[test]
fn a_tunnel_carries_bytes_both_ways_and_ends_with_its_session() {
    let (address, told) = application(|head, mut reader| {
        if !head.contains("upgrade: websocket") {
            let _ = reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        let _ = reader.get_mut().write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        let mut line = String::new();
        while matches!(reader.read_line(&mut line), Ok(1..)) {
            let _ = reader.get_mut().write_all(line.as_bytes());
            line.clear();
        }
    });
    let (house, held, cookies) = signed_in_before(&address);
    let opening = |cookies: &str| {
        format!(
            "GET /socket HTTP/1.1\r\nHost: {ONE}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: {cookies}\r\n\r\n"
        )
    };
    while told.try_recv().is_ok() {}
    assert!(head(&mut sends(&house, &opening("a=b"))).starts_with("HTTP/1.1 401"));
    assert!(told.try_recv().is_err(), "nobody gets there without a session");
    let mut client = sends(&house, &opening(&cookies));
    assert!(head(&mut client).starts_with("HTTP/1.1 101"));
    for text in ["one\n", "two\n"] {
        client.get_mut().write_all(text.as_bytes()).expect("sent");
        let mut line = String::new();
        client.read_line(&mut line).expect("an echo");
        assert_eq!(line, text);
    }
    house.sign_out(&held);
    let mut rest = Vec::new();
    let end = client.read_to_end(&mut rest);
    let cut = match end {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    assert!(cut && rest.is_empty());
}

/// A GiB each way; what is kept of them would show.
#[test]
fn large_bodies_pass_in_flat_memory() {
    let size: u64 = 1 << 30;
    let (address, _told) = application(move |head, mut reader| {
        if head.starts_with("PUT") {
            let taken = std::io::copy(&mut (&mut reader).take(size), &mut std::io::sink()).unwrap_or(0);
            let taken = taken.to_string();
            let length = taken.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{taken}");
            let _ = reader.get_mut().write_all(answer.as_bytes());
        } else {
            let start = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n");
            let _ = reader.get_mut().write_all(start.as_bytes());
            let _ = std::io::copy(&mut std::io::repeat(b'x').take(size), reader.get_mut());
        }
    });
    let house = House::start_before(&address);
    let held = house.login();
    let mut browser = Browser::default();
    browser.signs_in(&house, house.postern.address(), ONE, "/", &held);
    let cookies = browser.cookies(ONE);
    let before = most_memory(house.postern.pid());
    let mut client = sends(
        &house,
        &format!("GET /down HTTP/1.1\r\nHost: {ONE}\r\nConnection: close\r\nCookie: {cookies}\r\n\r\n"),
    );
    assert!(head(&mut client).starts_with("HTTP/1.1 200"));
    assert_eq!(
        std::io::copy(&mut client, &mut std::io::sink()).expect("whole"),
        size
    );
    let start = format!(
        "PUT /up HTTP/1.1\r\nHost: {ONE}\r\nConnection: close\r\nContent-Length: {size}\r\nCookie: {cookies}\r\n\r\n"
    );
    let mut client = sends(&house, &start);
    std::io::copy(&mut std::io::repeat(b'x').take(size), client.get_mut()).expect("taken");
    assert!(head(&mut client).starts_with("HTTP/1.1 200"));
    let mut body = String::new();
    client.read_to_string(&mut body).expect("whole");
    assert_eq!(body, size.to_string());
    let cookie = format!("Cookie: {cookies}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(size).expect("a hole of that size");
    let file = file.path().display().to_string();
    let over_http_2 = |path: &str, arguments: &[&str]| {
        let mut curl = curl(&house, "--http2-prior-knowledge", path);
        // All the time that it takes: the last one counts.
        let output = curl
            .args(["--max-time", "600", "-H", &cookie])
            .args(arguments)
            .output();
        let output = output.expect("curl(1)");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let down = over_http_2(
        "/down",
        &["-o", "/dev/null", "-w", "%{http_version} %{size_download}"],
    );
    assert_eq!(down, format!("2 {size}"));
    assert_eq!(over_http_2("/up", &["-T", &file]), size.to_string());
    let more = most_memory(house.postern.pid()).saturating_sub(before);
    eprintln!("{size} bytes each way, over both versions of HTTP, took {more} KiB of memory");
    assert!(more < 16 << 10, "{more} KiB more");
}

#[test]
fn an_answer_that_breaks_off_is_no_whole_one_and_a_dead_application_is_named() {
    let (address, _told) = application(|head, mut reader| {
        let broken: &[u8] = if head.contains("/chunks") {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"
        };
        let _ = reader.get_mut().write_all(broken);
    });
    let house = House::start_before(&address);
    for (path, end) in [("/public/chunks", "0\r\n\r\n"), ("/public/length", "never there")] {
        let mut client = sends(
            &house,
            &format!("GET {path} HTTP/1.1\r\nHost: {ONE}\r\nConnection: close\r\n\r\n"),
        );
        let mut all = Vec::new();
        let _ = client.read_to_end(&mut all);
        let text = String::from_utf8_lossy(&all);
        assert!(text.contains("part") && !text.ends_with(end), "{text}");
    }
    let nobody = format!("127.0.0.1:{}", e2e_support::wire::free_port());
    // A server that speaks no TLS is not reached by https, either.
    for upstream in [nobody, format!("https://{address}")] {
        let house = House::start_before(&upstream);
        let reply = exchange(house.postern.address(), "GET", "/public", &[("Host", ONE)]);
        assert_eq!(reply.status, 502);
        assert!(reply.body.contains("one does not answer now"), "{}", reply.body);
        assert!(!reply.body.contains("127.0.0.1"), "{}", reply.body);
        assert!(
            reply.header("content-security-policy").is_some(),
            "our own answer"
        );
    }
}

#[test]
fn a_reader_who_has_stopped_is_cut_off_with_the_session() {
    // Tells when the connection to it has ended.
    let (tell, ended) = channel();
    let tell = Arc::new(std::sync::Mutex::new(tell));
    let (address, told) = application(move |head, mut reader| {
        let stream = reader.get_mut();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        if head.starts_with("GET /down") {
            let _ = std::io::copy(&mut std::io::repeat(b'x'), stream);
            let _ = tell.lock().expect("whole").send(());
        }
    });
    let (house, held, cookies) = signed_in_before(&address);
    let request = format!("GET /down HTTP/1.1\r\nHost: {ONE}\r\nCookie: {cookies}\r\n\r\n");
    let mut client = sends(&house, &request);
    assert!(head(&mut client).starts_with("HTTP/1.1 200"));
    while !told.recv().expect("told").contains("/down") {}
    // From here on nothing is read.
    assert!(ended.try_recv().is_err(), "control: it goes on");
    house.sign_out(&held);
    ended.recv_timeout(PATIENCE).expect("cut");
}

#[test]
fn strangers_on_an_open_path_take_half_of_the_places_and_no_more() {
    let (address, _told) = application(|_, mut reader| {
        let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let _ = reader.read(&mut [0]);
    });
    let house = House::start_before(&address);
    let asks = || {
        let mut client = sends(&house, &format!("GET /public HTTP/1.1\r\nHost: {ONE}\r\n\r\n"));
        let head = head(&mut client);
        (
            client,
            head.starts_with("HTTP/1.1 200"),
            head.starts_with("HTTP/1.1 429"),
        )
    };
    let held: Vec<_> = (0..256).map(|_| asks()).collect();
    assert!(held.iter().all(|(_, passed, _)| *passed));
    assert!(asks().2, "one more is told to come again");
    let _owner = house.login();
    drop(held);
    while !asks().1 {}
}

#[test]
fn a_broken_upload_is_its_senders_fault() {
    let (address, _told) = application(|_, mut reader| {
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
    });
    let (house, _held, cookies) = signed_in_before(&address);
    let request = format!(
        "POST /up HTTP/1.1\r\nHost: {ONE}\r\nCookie: {cookies}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    );
    let answer = head(&mut sends(&house, &request));
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}
