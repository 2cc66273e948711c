//! `postern gate check`, run on a house; applications that say what a test wants; a key in a file.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::Value;

use super::house::{House, ONE};

/// What the command came to.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) code: i32,
    pub(super) report: Value,
    pub(super) complaint: String,
}

pub(super) fn checks(house: &House, url: &str, at: &str, more: &[&str]) -> Checked {
    let arguments = [&["gate", "check", url, "--connect", at, "--json"], more].concat();
    let output = house.runs(&arguments);
    Checked {
        code: output.status.code().expect("it ended"),
        report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Checked {
    pub(super) fn list(&self, name: &str) -> &[Value] {
        self.report
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Over all groups.
    pub(super) fn sum(&self, name: &str) -> u64 {
        let groups = self.list("Groups").iter();
        groups.filter_map(|group| group.get(name)?.as_u64()).sum()
    }

    #[track_caller]
    pub(super) fn is_tight(&self) {
        assert_eq!(self.code, 0, "{self:#?}");
        assert!(self.sum("Tried") > 150, "{self:?}");
        // An open path, asked for in a way that a proxy may take.
        let open = self.sum("Open");
        assert!(open <= 1, "{self:?}");
        assert_eq!(self.sum("Refused") + open, self.sum("Tried"), "{self:?}");
        assert!(self.list("Leaks").is_empty());
        assert!(
            self.report
                .get("Sent")
                .and_then(Value::as_u64)
                .is_some_and(|sent| sent <= 205)
        );
    }

    /// The requests that got through, with their forged headers behind them.
    #[track_caller]
    pub(super) fn leaks(&self) -> Vec<String> {
        assert_eq!(self.code, 1, "{self:#?}");
        let text = |leak: &Value, name: &str| leak.get(name).and_then(Value::as_str).expect(name).to_owned();
        let leaks = self.list("Leaks").iter().map(|leak| {
            for name in ["Group", "Answer", "Resembles", "Mend"] {
                assert!(!text(leak, name).is_empty(), "{leak}");
            }
            let headers = leak.get("Headers").and_then(Value::as_array).expect("headers");
            let headers = headers.iter().filter_map(Value::as_str);
            [text(leak, "Request")]
                .into_iter()
                .chain(headers.map(str::to_owned))
                .collect::<Vec<_>>()
                .join(" ")
        });
        leaks.collect()
    }
}

/// An application that makes its answer of the head of the request, or closes the connection without one.
pub(super) fn application(answer: impl Fn(&str) -> Option<(&str, &str)> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && matches!(reader.read_line(&mut head), Ok(1..)) {}
            let Some((status, body)) = answer(&head) else {
                continue;
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = reader.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

/// A key that is good for the first application, in a file.
pub(super) fn key(house: &House) -> (tempfile::TempDir, PathBuf) {
    let made = house
        .postern
        .says_json(&["access-keys", "create", "check", "--scope", "gate:one.test"]);
    let secret = made.get("Secret").and_then(Value::as_str).expect("a secret");
    // The shell made it: the server knows it a moment later.
    while house.asks(ONE, "/", &[("X-Api-Key", secret)]).status != 200 {}
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, secret).expect("written");
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, closed).expect("set");
    (folder, file)
}
