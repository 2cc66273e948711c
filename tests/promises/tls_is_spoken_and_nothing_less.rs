//! With TLS on: who is trusted, what is spoken, and that nothing less is.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use e2e_support::Postern;
use serde_json::Value;

use crate::certificates::{Ca, Client, Files, borrowed};
use crate::owner::PASSWORD;

const BINARY: &str = env!("CARGO_BIN_EXE_postern");

const OWN: [(&str, &str); 1] = [("POSTERN_TLS_SELF_SIGNED", "true")];

/// A server with a local authority of its own.
struct Own {
    postern: Postern,
    authority: String,
}

impl Own {
    fn start() -> Self {
        Self::of(Postern::start_with(BINARY, &OWN))
    }

    fn of(postern: Postern) -> Self {
        let authority = said(&postern, &["tls", "export-ca"], "");
        Self { postern, authority }
    }

    fn client(&self) -> Client {
        Client::trusting(&self.authority)
    }
}

#[track_caller]
fn said(postern: &Postern, arguments: &[&str], input: &str) -> String {
    let output = postern.run_fed_with(arguments, input, &OWN);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn who_knows_only_the_exported_authority_trusts_the_server_and_who_does_not_know_it_does_not() {
    let own = Own::start();
    let client = own.client();
    let address = own.postern.address();
    for name in ["127.0.0.1", "localhost"] {
        let reply = client.get(address, name, "/health").expect("trusted");
        assert!(reply.text.starts_with("HTTP/1.1 200"), "{}", reply.text);
    }
    let other_name = client
        .get(address, "door.example.org", "/health")
        .err()
        .expect("not its name");
    assert!(
        other_name.to_string().contains("not valid for name"),
        "{other_name}"
    );
    let stranger = Client::trusting(&Ca::new().pem);
    let refused = stranger
        .get(address, "127.0.0.1", "/health")
        .err()
        .expect("not trusted");
    assert!(
        refused.to_string().contains("invalid peer certificate"),
        "{refused}"
    );
}

#[test]
fn a_restart_keeps_authority_and_certificate_and_a_new_name_gets_a_new_certificate_of_the_same_authority() {
    let own = Own::start();
    let before = own
        .client()
        .get(own.postern.address(), "127.0.0.1", "/health")
        .expect("trusted");
    let own = Own::of(own.postern.restarted_with(&OWN));
    let after = own
        .client()
        .get(own.postern.address(), "127.0.0.1", "/health")
        .expect("trusted");
    assert_eq!(before.shown, after.shown);
    let client = own.client();
    let named = [OWN[0], ("POSTERN_HOSTS", "nas.lan")];
    let postern = own.postern.restarted_with(&named);
    let reply = client
        .get(postern.address(), "nas.lan", "/health")
        .expect("trusted without another word");
    assert!(reply.text.starts_with("HTTP/1.1 200"), "{}", reply.text);
    assert_ne!(reply.shown, after.shown);
}

#[test]
fn a_turn_of_the_data_key_leaves_authority_and_certificate_as_they_are() {
    let own = Own::start();
    let before = own
        .client()
        .get(own.postern.address(), "127.0.0.1", "/health")
        .expect("trusted");
    said(&own.postern, &["keys", "rotate", "data"], "");
    said(&own.postern, &["keys", "verify"], "");
    let authority = own.authority;
    let own = Own::of(own.postern.restarted_with(&OWN));
    assert_eq!(own.authority, authority);
    let after = own
        .client()
        .get(own.postern.address(), "127.0.0.1", "/health")
        .expect("trusted");
    assert_eq!(after.shown, before.shown);
}

#[test]
fn an_access_token_comes_over_tls_from_the_servers_own_authority_or_one_that_is_named() {
    let own = Own::start();
    said(
        &own.postern,
        &["password", "set", "--password-file", "-"],
        PASSWORD,
    );
    let ask = |more: &[&str]| {
        let mut arguments = vec![
            "token",
            "--password-file",
            "-",
            "--url",
            own.postern.base.as_str(),
        ];
        arguments.extend(more);
        own.postern.run_fed_with(&arguments, PASSWORD, &OWN)
    };
    assert!(
        ask(&[]).status.success(),
        "{}",
        String::from_utf8_lossy(&ask(&[]).stderr)
    );
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).expect("written");
        path.display().to_string()
    };
    assert!(ask(&["--ca", &file("own.pem", &own.authority)]).status.success());
    let refused = ask(&["--ca", &file("other.pem", &Ca::new().pem)]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(69), "{text}");
    assert!(text.contains("UnknownIssuer") && text.contains("--ca"), "{text}");
}

#[test]
fn cookies_and_headers_are_those_of_tls() {
    let own = Own::start();
    said(
        &own.postern,
        &["password", "set", "--password-file", "-"],
        PASSWORD,
    );
    let body = format!("{{\"Password\": \"{PASSWORD}\"}}");
    let request = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = own
        .client()
        .send(own.postern.address(), "localhost", &request)
        .expect("an answer");
    let text = reply.text.to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{text}");
    assert!(
        text.contains("strict-transport-security: max-age=31536000"),
        "{text}"
    );
    let cookie = text
        .lines()
        .find(|line| line.starts_with("set-cookie: "))
        .expect("a cookie");
    assert!(
        cookie.starts_with("set-cookie: __host-postern-refresh="),
        "{cookie}"
    );
    assert!(
        cookie.contains("; secure") && cookie.contains("; path=/"),
        "{cookie}"
    );
    assert!(own.postern.base.starts_with("https://"), "{}", own.postern.base);
}

#[test]
fn plain_http_on_the_tls_port_is_told_to_use_https() {
    let own = Own::start();
    for request in [
        "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}",
        "OPTIONS * HTTP/1.0\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(own.postern.address()).expect("connects");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer to its end");
        assert!(
            answer.split_once(' ').expect("a status").1.starts_with("400 "),
            "{answer}"
        );
        assert!(answer.contains("https://"), "{answer}");
        let lower = answer.to_ascii_lowercase();
        assert!(
            lower.contains("content-security-policy") && !lower.contains("strict-transport"),
            "{answer}"
        );
    }
}

#[test]
fn both_versions_of_http_are_spoken() {
    let own = Own::start();
    let reply = own
        .client()
        .get(own.postern.address(), "localhost", "/health")
        .expect("an answer");
    assert_eq!(reply.protocol.as_deref(), Some(&b"http/1.1"[..]));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &own.authority).expect("written");
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let output = Command::new("curl")
            .args([
                "-sS",
                flag,
                "-o",
                "/dev/null",
                "-w",
                "%{http_version} %{response_code}",
                "--cacert",
            ])
            .arg(&file)
            .arg(format!("{}/health", own.postern.base))
            .output()
            .expect("curl runs");
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            found,
            format!("{version} 200"),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// What `openssl s_client` agreed on with that address, if on anything.
fn agreed(address: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", address])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("openssl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("New, "))?;
    let line = line.trim_start_matches("New, ");
    (!line.contains("(NONE)")).then(|| line.to_owned())
}

/// A server that takes what ours must not; killed when dropped.
struct Lax {
    child: Child,
    address: String,
}

impl Lax {
    fn start() -> Self {
        let files = Files::of(&Ca::new().good());
        let mut child = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-cipher",
                "ALL:@SECLEVEL=0",
                "-naccept",
                "9",
            ])
            .arg("-cert")
            .arg(files.certificate())
            .arg("-key")
            .arg(files.key())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl runs");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
        let address = loop {
            let line = lines.next().expect("it says where it listens").expect("text");
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                break address.to_owned();
            }
        };
        Self { child, address }
    }
}

impl Drop for Lax {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn old_protocols_and_ciphers_without_forward_secrecy_or_authentication_are_refused() {
    let (own, lax) = (Own::start(), Lax::start());
    let ours = |arguments: &[&str]| agreed(own.postern.address(), arguments);
    for weak in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
    ] {
        assert_eq!(ours(weak), None, "{weak:?}");
        let control = agreed(&lax.address, weak);
        assert!(control.is_some(), "control: another server takes {weak:?}");
    }
    for strong in [
        &["-tls1_3"][..],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    ] {
        assert!(ours(strong).is_some(), "{strong:?}");
    }
}

#[test]
fn without_an_authority_there_is_nothing_to_export_and_with_files_the_status_names_them() {
    let postern = Postern::start(BINARY);
    let output = postern.run(&["tls", "export-ca"]);
    assert_eq!(output.status.code(), Some(78));
    let status: Value = serde_json::from_str(&postern.says(&["tls", "status", "--json"])).expect("JSON");
    assert_eq!(status["Source"], Value::Null);
    let files = Files::of(&Ca::new().good());
    let output = postern.run_with(&["tls", "status", "--json"], &borrowed(&files.variables()));
    let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(status["Source"], files.certificate().display().to_string());
    assert_eq!(status["Names"], serde_json::json!(["127.0.0.1", "localhost"]));
}
