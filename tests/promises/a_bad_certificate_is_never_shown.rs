//! A certificate that no client takes stops the start; one that comes later is not taken, and nobody notices.

use std::os::unix::fs::symlink;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use e2e_support::Postern;

use crate::certificates::{Ca, Client, Files, Pair, borrowed, replace, set_mode};

const BINARY: &str = env!("CARGO_BIN_EXE_postern");

/// How often a new certificate is put there under load (F-17 of the security cases).
const ROUNDS: usize = 50;

/// A pair that no start and no reload takes.
struct Bad {
    what: &'static str,
    /// What is said of it.
    said: &'static str,
    /// Of the key's file, not of the certificate's.
    of_the_key: bool,
    pair: Pair,
}

fn bad_pairs(ca: &Ca) -> Vec<Bad> {
    let Pair { certificate, key } = ca.good();
    let of_certificate = |what, said, certificate: &str| Bad {
        what,
        said,
        of_the_key: false,
        pair: Pair {
            certificate: certificate.to_owned(),
            key: key.clone(),
        },
    };
    let of_key = |what, said, key: &str| Bad {
        what,
        said,
        of_the_key: true,
        pair: Pair {
            certificate: certificate.clone(),
            key: key.to_owned(),
        },
    };
    let of_pair = |what, said, pair| Bad {
        what,
        said,
        of_the_key: false,
        pair,
    };
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let (other, half) = (ca.good(), &certificate[..certificate.len() / 2]);
    vec![
        of_certificate("0 bytes", "holds no certificate", ""),
        of_certificate("text", "holds no certificate", "hello\n"),
        of_certificate("half of one", "is damaged", half),
        of_certificate("no DER", "is damaged", &block("CERTIFICATE")),
        of_certificate(
            "in the wrong order",
            "in the wrong order",
            &format!("{}{certificate}", ca.pem),
        ),
        of_certificate(
            "with a stranger after it",
            "in the wrong order",
            &format!("{certificate}{}", other.certificate),
        ),
        of_pair("over", "is over since", ca.issue(&["127.0.0.1"], -90, -1)),
        of_pair("not yet", "is not good before", ca.issue(&["127.0.0.1"], 1, 90)),
        of_key("the key of another", "does not belong to", &other.key),
        of_key("no key", "holds no private key", &certificate),
        of_key("a key of 0 bytes", "is empty", ""),
        of_key(
            "an encrypted key",
            "is encrypted with a passphrase",
            &block("ENCRYPTED PRIVATE KEY"),
        ),
        of_key("a damaged key", "is damaged or of a kind", &block("PRIVATE KEY")),
    ]
}

fn stopped() -> Postern {
    let mut postern = Postern::start(BINARY);
    assert_eq!(postern.stop(), Some(0));
    postern
}

#[track_caller]
fn refused(postern: &Postern, files: &Files, code: i32, words: &[&str]) {
    let output = postern.run_with(&["serve"], &borrowed(&files.variables()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    assert!(said.contains("hint: "), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    assert!(
        !said.contains("PRIVATE KEY"),
        "no line of a key is repeated: {said}"
    );
    assert!(output.stdout.is_empty(), "it never listened");
}

#[test]
fn a_certificate_that_no_client_takes_stops_the_start_and_its_file_is_named() {
    let (postern, ca) = (stopped(), Ca::new());
    for bad in bad_pairs(&ca) {
        let files = Files::of(&bad.pair);
        let file = if bad.of_the_key {
            files.key()
        } else {
            files.certificate()
        };
        refused(&postern, &files, 78, &[bad.said, &file.display().to_string()]);
    }
    let files = Files::of(&ca.good());
    for mode in [0o640, 0o604, 0o644] {
        set_mode(&files.key(), mode);
        refused(
            &postern,
            &files,
            77,
            &["is open to other users", &files.key().display().to_string()],
        );
    }
    set_mode(&files.key(), 0o600);
    std::fs::remove_file(files.certificate()).expect("removed");
    refused(
        &postern,
        &files,
        78,
        &["cannot be read", &files.certificate().display().to_string()],
    );
    files.put(&ca.good());
    let served = postern.restarted_with(&borrowed(&files.variables()));
    let reply = Client::trusting(&ca.pem).get(served.address(), "127.0.0.1", "/health");
    assert!(
        reply.is_ok_and(|reply| reply.text.starts_with("HTTP/1.1 200")),
        "control"
    );
}

#[test]
fn half_of_a_configuration_and_two_at_once_are_refused_and_so_is_an_open_address_without_any() {
    let postern = stopped();
    let files = Files::of(&Ca::new().good());
    let [certificate, key] = files.variables();
    let own = ("POSTERN_TLS_SELF_SIGNED", "true".to_owned());
    let open = ("POSTERN_LISTEN", "0.0.0.0:0".to_owned());
    for (variables, word) in [
        (vec![certificate.clone()], "tls.key"),
        (vec![key.clone()], "tls.cert"),
        (vec![certificate, key, own], "tls.self_signed"),
        (vec![open], "there is no TLS"),
    ] {
        let output = postern.run_with(&["serve"], &borrowed(&variables));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(word) && said.contains("hint: "), "{said}");
    }
}

/// Clients that connect again and again, each time with a whole handshake and a request.
struct Load {
    over: AtomicBool,
    answered: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

impl Load {
    /// Runs `work` while clients knock; gives how many were answered. None may fail.
    fn while_clients_knock(client: &Client, address: &str, work: impl FnOnce()) -> usize {
        let load = Self {
            over: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
            failed: Mutex::new(Vec::new()),
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| load.knock(client, address));
            }
            let ends = EndsWhenDropped(&load.over);
            work();
            drop(ends);
        });
        let failed = load.failed.into_inner().expect("no panic");
        assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
        load.answered.into_inner()
    }

    fn knock(&self, client: &Client, address: &str) {
        while !self.over.load(Ordering::Relaxed) {
            match client.get(address, "127.0.0.1", "/health") {
                Ok(reply) if reply.text.starts_with("HTTP/1.1 200") => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(reply) => self.failed.lock().expect("no panic").push(reply.text),
                Err(error) => self.failed.lock().expect("no panic").push(error.to_string()),
            }
        }
    }
}

/// Also when the work panics, or the clients would knock for ever.
struct EndsWhenDropped<'a>(&'a AtomicBool);

impl Drop for EndsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn shown(client: &Client, postern: &Postern) -> Vec<u8> {
    let reply = client
        .get(postern.address(), "127.0.0.1", "/health")
        .expect("an answer");
    reply.shown.to_vec()
}

fn der(pem: &str) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject as _;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes());
    der.expect("PEM").to_vec()
}

fn no_good(postern: &Postern) -> usize {
    postern.logged().matches("the new certificate is no good").count()
}

#[test]
fn under_load_good_certificates_are_taken_bad_ones_are_not_and_no_handshake_fails() {
    let ca = Ca::new();
    let first = ca.good();
    let files = Files::of(&first);
    let postern = Postern::start_with(BINARY, &borrowed(&files.variables()));
    let client = Client::trusting(&ca.pem);
    let bad = bad_pairs(&ca);
    let mut current = der(&first.certificate);
    let answered = Load::while_clients_knock(&client, postern.address(), || {
        for round in 0..ROUNDS {
            // A bad one first: it is said, and the one before is shown on.
            let Bad { what, pair, .. } = &bad[round % bad.len()];
            let said = no_good(&postern);
            files.put(pair);
            postern.hang_up();
            while no_good(&postern) == said {
                assert_eq!(shown(&client, &postern), current, "{what}");
            }
            assert_eq!(shown(&client, &postern), current, "{what}");
            let next = ca.good();
            files.put(&next);
            postern.hang_up();
            current = der(&next.certificate);
            while shown(&client, &postern) != current {}
        }
    });
    assert!(
        answered > ROUNDS,
        "control: {answered} clients were answered meanwhile"
    );
    assert!(no_good(&postern) >= ROUNDS);
}

#[test]
fn a_new_certificate_is_seen_without_being_told_written_over_renamed_and_behind_a_swapped_link() {
    let ca = Ca::new();
    let files = Files::of(&ca.good());
    // As certbot has it: names that stay, links to numbered files.
    let archive = |number: usize, pair: &Pair| {
        for (name, text) in [("fullchain", &pair.certificate), ("privkey", &pair.key)] {
            let target = files.folder().join(format!("{name}{number}.pem"));
            replace(&target, text);
            let new = files.folder().join("link");
            symlink(&target, &new).expect("linked");
            std::fs::rename(&new, files.folder().join(format!("{name}.pem"))).expect("renamed");
        }
    };
    let overwritten = |pair: &Pair| {
        std::fs::write(files.certificate(), &pair.certificate).expect("written");
        std::fs::write(files.key(), &pair.key).expect("written");
    };
    let postern = Postern::start_with(BINARY, &borrowed(&files.variables()));
    let client = Client::trusting(&ca.pem);
    let steps: [&dyn Fn(&Pair); 4] = [
        &|pair| files.put(pair),
        &|pair| archive(1, pair),
        &|pair| archive(2, pair),
        &overwritten,
    ];
    for step in steps {
        let next = ca.good();
        step(&next);
        while shown(&client, &postern) != der(&next.certificate) {}
    }
    assert_eq!(
        no_good(&postern),
        0,
        "what is put there in two steps is no bad certificate: {}",
        postern.logged()
    );
}

#[test]
fn the_doctor_warns_three_weeks_before_the_end_and_of_names_that_are_not_covered() {
    let (postern, ca) = (stopped(), Ca::new());
    let says = |pair: &Pair, more: &[(&'static str, String)]| {
        let files = Files::of(pair);
        let variables = [files.variables().to_vec(), more.to_vec()].concat();
        let output = postern.run_with(&["doctor", "--json"], &borrowed(&variables));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let findings = json["Findings"].as_array().expect("a list").clone();
        let about = findings.into_iter().filter(|finding| finding["About"] == "tls");
        about
            .map(|finding| finding["Severity"].as_str().expect("text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(says(&ca.issue(&["127.0.0.1"], -1, 20), &[]), ["warning"]);
    assert_eq!(says(&ca.issue(&["127.0.0.1"], -1, 22), &[]), ["good"]);
    assert_eq!(says(&ca.issue(&["127.0.0.1"], -10, -1), &[]), ["wrong"]);
    let url = ("POSTERN_URL", "https://door.example.org".to_owned());
    assert_eq!(
        says(
            &ca.issue(&["nas.example.org"], -1, 90),
            std::slice::from_ref(&url)
        ),
        ["good", "warning"]
    );
    assert_eq!(says(&ca.issue(&["*.example.org"], -1, 90), &[url]), ["good"]);
}

#[test]
fn the_status_is_what_the_server_shows_not_what_the_file_holds() {
    let ca = Ca::new();
    let files = Files::of(&ca.good());
    let postern = Postern::start_with(BINARY, &borrowed(&files.variables()));
    let mut variables = files.variables().to_vec();
    variables.push(("POSTERN_LISTEN", postern.address().to_owned()));
    let status = || -> serde_json::Value {
        let output = postern.run_with(&["tls", "status", "--json"], &borrowed(&variables));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let before = status();
    assert_eq!(
        (&before["Running"], &before["Problem"]),
        (&true.into(), &serde_json::Value::Null)
    );
    let said = no_good(&postern);
    replace(&files.certificate(), &ca.good().certificate);
    postern.hang_up();
    while no_good(&postern) == said {}
    let after = status();
    assert_eq!(after["Sha256"], before["Sha256"]);
    let problem = after["Problem"].as_str().expect("a text");
    assert!(problem.contains("does not belong to"), "{problem}");
}
