//! The web socket of the page: opened by its own origin with a token of one use, it tells of changes by anybody and ends with its
//! session.

use std::net::TcpStream;
use std::time::Duration;

use e2e_support::{Held, Postern, send};
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use crate::owner::{PASSWORD, login, signed_in};

const PATH: &str = "/api/v1/events";

/// Far longer than anything here takes; a wait that ends with it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The close code of a session that is over.
const OVER: u16 = 4401;

/// And of one too many.
const TOO_MANY: u16 = 1013;

type Socket = WebSocket<TcpStream>;

/// Opens a socket with these header fields; the status where that is refused.
fn opened(postern: &Postern, fields: &[(&'static str, String)]) -> Result<Socket, u16> {
    let mut request = format!("ws://{}{PATH}", postern.address())
        .into_client_request()
        .expect("a request");
    for (name, value) in fields {
        let value = HeaderValue::from_str(value).expect("a value");
        request.headers_mut().append(*name, value);
    }
    let stream = TcpStream::connect(postern.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    match tungstenite::client::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
            Err(answer.status().as_u16())
        }
        Err(_) => Err(0),
    }
}

fn issue(postern: &Postern, held: &Held, operation: &str) -> String {
    let path = format!("/api/v1/auth/issuetoken/{operation}");
    let fields = [("Authorization", held.bearer())];
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    send(&postern.base, "POST", &path, &fields, &Value::Null)
        .expect("an answer")
        .text("Token")
}

fn introduce(socket: &mut Socket, token: &str) {
    let text = json!({ "Token": token }).to_string();
    socket.send(Message::text(text)).expect("sent");
}

/// What comes next, pings aside: `Ok` for a change, `Err` with the code of the close.
fn next(socket: &mut Socket) -> Result<(), u16> {
    loop {
        match socket.read().expect("something comes") {
            Message::Text(text) => {
                assert_eq!(text.as_str(), r#"{"Changed":true}"#);
                return Ok(());
            }
            Message::Close(frame) => return Err(frame.map_or(1005, |frame| frame.code.into())),
            _ => {}
        }
    }
}

fn listening(postern: &Postern, held: &Held) -> Socket {
    let mut socket = opened(postern, &[]).expect("opened");
    introduce(&mut socket, &issue(postern, held, "websocket"));
    assert_eq!(next(&mut socket), Ok(()), "at once");
    socket
}

/// Waits for the close; changes come before it, since ending a session is one.
fn closed_with(socket: &mut Socket) -> u16 {
    loop {
        if let Err(code) = next(socket) {
            return code;
        }
    }
}

#[test]
fn no_other_origin_opens_the_socket() {
    let (postern, _) = signed_in();
    let own = format!("http://{}", postern.address());
    for (fields, expected) in [
        (vec![], None),
        (vec![("Origin", own.clone())], None),
        (
            vec![
                ("Origin", own.clone()),
                ("Sec-Fetch-Site", "same-origin".to_owned()),
            ],
            None,
        ),
        (vec![("Origin", "http://evil.example".to_owned())], Some(403)),
        (vec![("Origin", "null".to_owned())], Some(403)),
        (vec![("Origin", own.clone()), ("Origin", own.clone())], Some(403)),
        (
            vec![
                ("Origin", own.clone()),
                ("Sec-Fetch-Site", "same-site".to_owned()),
            ],
            Some(403),
        ),
        (vec![("Sec-Fetch-Site", "cross-site".to_owned())], Some(403)),
    ] {
        assert_eq!(opened(&postern, &fields).err(), expected, "{fields:?}");
    }
}

#[test]
fn only_its_own_token_is_taken_and_only_once() {
    let (postern, held) = signed_in();
    let good = issue(&postern, &held, "websocket");
    let mut first = opened(&postern, &[]).expect("opened");
    introduce(&mut first, &good);
    assert_eq!(next(&mut first), Ok(()), "control");
    let access = held.access_token.clone();
    let another = issue(&postern, &held, "backup");
    for (name, token) in [
        ("used", good.as_str()),
        ("an access token", &access),
        ("of another operation", &another),
        ("nothing", ""),
    ] {
        let mut socket = opened(&postern, &[]).expect("opened");
        introduce(&mut socket, token);
        assert_eq!(next(&mut socket), Err(OVER), "{name}");
    }
    // In a header it is none at all.
    let late = issue(&postern, &held, "websocket");
    let mut socket = opened(&postern, &[("Authorization", format!("Bearer {late}"))]).expect("opened");
    socket.send(Message::text("{}")).expect("sent");
    assert_eq!(next(&mut socket), Err(OVER));
    let mut again = opened(&postern, &[]).expect("opened");
    introduce(&mut again, &late);
    assert_eq!(next(&mut again), Ok(()), "it was not spent by that");
}

#[test]
fn changes_by_anybody_are_told_and_the_socket_ends_with_its_session() {
    let (postern, held) = signed_in();
    let mut socket = listening(&postern, &held);
    // By the command line, another process.
    let _said = postern.says(&["access-keys", "create", "job", "--scope", "api"]);
    assert_eq!(next(&mut socket), Ok(()));
    // By a request; a sign-in elsewhere.
    let elsewhere = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    assert_eq!(next(&mut socket), Ok(()));
    let mut other = listening(&postern, &elsewhere);
    let bearer = elsewhere.bearer();
    let fields = [("Authorization", bearer.as_str())];
    let ended = send(&postern.base, "DELETE", "/api/v1/sessions", &fields, &Value::Null);
    assert_eq!(ended.expect("an answer").status, 200);
    assert_eq!(closed_with(&mut socket), OVER, "ended by a request");
    let _said = postern.says(&["sessions", "revoke-all"]);
    assert_eq!(closed_with(&mut other), OVER, "ended at the shell");
}

#[test]
fn sockets_are_bounded_and_none_keeps_the_server_from_stopping() {
    let (mut postern, held) = signed_in();
    let mut all: Vec<Socket> = (0..64).map(|_| listening(&postern, &held)).collect();
    let one_more = || {
        let mut socket = opened(&postern, &[]).expect("opened");
        introduce(&mut socket, &issue(&postern, &held, "websocket"));
        next(&mut socket)
    };
    assert_eq!(one_more(), Err(TOO_MANY));
    drop(all.pop());
    // The server notices that it is gone when it reads.
    while one_more() != Ok(()) {}
    // One that never says who it is keeps no server from stopping either.
    let mut silent = opened(&postern, &[]).expect("opened");
    assert_eq!(postern.stop(), Some(0));
    assert_eq!(closed_with(all.first_mut().expect("one")), 1001);
    assert_eq!(closed_with(&mut silent), 1001);
}
