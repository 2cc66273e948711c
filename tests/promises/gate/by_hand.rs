//! Applications behind Postern, and clients before it, that speak byte by byte.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::house::{Browser, House, ONE};

/// Far longer than anything here takes; a wait that ends with it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An application that says what came first on each connection to the channel, and does with the connection what the test wants.
pub(crate) fn application(
    serve: impl Fn(String, BufReader<TcpStream>) + Send + Sync + Clone + 'static,
) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tell, serve) = (tell.clone(), serve.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let head = head(&mut reader);
                if !head.is_empty() {
                    let _ = tell.send(head.clone());
                    serve(head, reader);
                }
            });
        }
    });
    (address, told)
}

pub(crate) fn head(reader: &mut impl std::io::BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(reader.read_line(&mut head), Ok(1..)) {
            break;
        }
    }
    head
}

/// Reads the body that a head in small letters announces; whether it is announced in one way.
pub(crate) fn skip_body(head: &str, reader: &mut impl std::io::BufRead) -> bool {
    let values = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let named = fields.filter(|(field, _)| *field == name);
        named.map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
    };
    match (
        values("content-length").as_slice(),
        values("transfer-encoding").as_slice(),
    ) {
        ([], []) => true,
        ([length], []) => length.parse().is_ok_and(|length| {
            std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).is_ok()
        }),
        ([], [coding]) if coding == "chunked" => loop {
            let mut size = String::new();
            let _ = reader.read_line(&mut size);
            let Ok(size) = u64::from_str_radix(size.trim_end(), 16) else {
                return false;
            };
            let _ = std::io::copy(&mut reader.by_ref().take(size + 2), &mut std::io::sink());
            if size == 0 {
                return true;
            }
        },
        _ => false,
    }
}

/// A connection to the house's own port, with a request sent.
pub(crate) fn sends(house: &House, request: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(house.postern.address()).expect("it listens");
    let timeout = Some(Duration::from_secs(30));
    stream.set_read_timeout(timeout).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("sent");
    BufReader::new(stream)
}

/// A house whose first application is this one, and the cookies of who is signed in there.
pub(crate) fn signed_in_before(address: &str) -> (House, crate::owner::Held, String) {
    let house = House::start_before(address);
    let held = house.login();
    let mut browser = Browser::default();
    let here = house.postern.address().to_owned();
    browser.signs_in(&house, &here, ONE, "/", &held);
    let cookies = browser.cookies(ONE);
    (house, held, cookies)
}

/// What an application says; whoever is gone does not hear it.
pub(crate) fn answers(reader: &mut BufReader<TcpStream>, answer: &str) {
    let _ = reader.get_mut().write_all(answer.as_bytes());
}

/// curl(1), which speaks HTTP/2 without TLS where it is told to.
pub(crate) fn curl(house: &House, version: &str, path: &str) -> Command {
    let mut curl = Command::new("curl");
    let there = format!("{ONE}:80:{}", house.postern.address());
    let wait = PATIENCE.as_secs().to_string();
    curl.args(["-sS", "-N", "--max-time", &wait, version, "--connect-to", &there]);
    curl.arg(format!("http://{ONE}{path}"));
    curl
}
