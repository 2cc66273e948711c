//! Event hooks: the server tells whoever the configuration names, after the commit, and nothing that happens waits for it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use e2e_support::Postern;
use serde_json::{Value, json};

use crate::owner::{PASSWORD, login};

/// What a receiver got: its `Authorization` field and the event.
struct Told {
    authorization: String,
    event: Value,
}

/// Takes one request and answers it so.
fn take(listener: &TcpListener, answer: &str) -> Told {
    let (stream, _) = listener.accept().expect("somebody comes");
    let told = read(&stream);
    (&stream).write_all(answer.as_bytes()).expect("written");
    told
}

fn read(stream: &TcpStream) -> Told {
    let mut reader = BufReader::new(stream);
    let (mut authorization, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        let _ = reader.read_line(&mut line).expect("a line");
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.clone_into(&mut authorization);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().expect("a number");
            }
            _ if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    Told {
        authorization,
        event: serde_json::from_slice(&body).expect("JSON"),
    }
}

const DONE: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

const BROKEN: &str = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A server with that hook, whose password is set.
fn start(hook: &str) -> Postern {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("postern.toml");
    std::fs::write(&path, hook).expect("written");
    let path = path.display().to_string();
    let environment = [("POSTERN_CONFIG", path.as_str())];
    let postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &environment);
    let set = postern.run_fed(&["password", "set", "--password-file", "-"], PASSWORD);
    assert!(set.status.success());
    postern
}

#[test]
fn an_event_is_told_with_its_secret_and_again_after_a_failure() {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = receiver.local_addr().expect("an address");
    let postern = start(&format!(
        "[hook.pager]\nevents = [\"PasswordRefused\", \"AccessKeyCreated\"]\nurl = \"http://{address}/hook\"\n\
         authorization = \"secret.pager\""
    ));
    let set = postern.run_fed(
        &["settings", "set", "secret.pager", "--value-file", "-"],
        "Bearer canary",
    );
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    assert_eq!(
        login(&postern.base, "a wrong one").expect("an answer").status,
        401
    );
    let first = take(&receiver, BROKEN);
    let again = take(&receiver, DONE);
    for told in [&first, &again] {
        assert_eq!(told.authorization, "Bearer canary");
        assert_eq!(
            told.event.get("Event"),
            Some(&json!("PasswordRefused")),
            "{}",
            told.event
        );
        assert_eq!(
            told.event.pointer("/Client/Address"),
            Some(&json!("127.0.0.1")),
            "{}",
            told.event
        );
        assert_eq!(told.event.get("Id"), first.event.get("Id"));
    }
    // What other processes do is told too; what was not asked for is not.
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
    let _ = postern.says(&["access-keys", "create", "k"]);
    let told = take(&receiver, DONE);
    assert_eq!(
        told.event.get("Event"),
        Some(&json!("AccessKeyCreated")),
        "{}",
        told.event
    );
}

#[test]
fn nobody_waits_for_a_receiver_that_does_not_answer() {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = receiver.local_addr().expect("an address");
    let mut postern = start(&format!(
        "[hook.deaf]\nevents = [\"SignedIn\"]\nurl = \"http://{address}/\""
    ));
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
    // It was asked, and is never answered.
    let (held, _) = receiver.accept().expect("somebody comes");
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
    assert_eq!(postern.stop(), Some(0), "nor does the end");
    drop(held);
}

#[test]
fn a_hook_with_a_mistake_stops_the_start() {
    let postern = crate::owner::start();
    let path = postern.data_dir().join("wrong.toml").display().to_string();
    std::fs::write(
        &path,
        "[hook.x]\nevents = [\"Nothing\"]\nurl = \"https://a.example\"",
    )
    .expect("written");
    let output = postern.run(&["config", "check", "--config", &path]);
    crate::owner::refused(&output, 78, "Nothing is no kind of event");
}
