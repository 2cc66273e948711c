//! The release binary under load, beside what each figure is measured against.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::{Row, for_a_while, median, memory, quantile, seconds};

const PASSWORD: &str = "correct horse battery staple";

pub struct Postern {
    child: Child,
    pub address: String,
    pub folder: tempfile::TempDir,
    binary: String,
}

pub fn command(binary: &str, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.args(arguments).env_clear();
    command.env("XDG_DATA_HOME", folder.join("data")).env("XDG_CONFIG_HOME", folder.join("config"));
    command.env("POSTERN_LISTEN", "127.0.0.1:0").env("POSTERN_LOG", "error");
    command
}

impl Postern {
    pub fn start(binary: &str, folder: tempfile::TempDir) -> Self {
        let mut child = command(binary, folder.path(), &["serve"]).stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let address = loop {
            let line = lines.next().expect("it listens").expect("a line");
            if let Some(base) = line.strip_prefix("listening on http://") {
                break base.to_owned();
            }
        };
        Self { child, address, folder, binary: binary.to_owned() }
    }

    pub fn set_password(&self) {
        let mut child = command(&self.binary, self.folder.path(), &["password", "set", "--quiet", "--password-file", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("starts");
        child.stdin.take().expect("piped").write_all(PASSWORD.as_bytes()).expect("reads");
        assert!(child.wait().expect("ends").success());
    }

    pub fn sign_in(&self) -> Held {
        let mut client = Client::new(&self.address);
        let body = format!("{{\"Password\": \"{PASSWORD}\", \"RememberMe\": true}}");
        loop {
            let answer = client.answer("POST", "/api/v1/auth/login", "", &body);
            if answer.status == 200 {
                return Held { cookie: answer.cookie(), nonce: answer.text("RefreshNonce"), token: answer.text("AccessToken") };
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// CPU seconds of the server so far, user and system (proc(5), in ticks of 10 ms).
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("ours");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) / 100.0
    }

    fn resident_mib(&self) -> f64 {
        memory::mib(self.child.id(), "VmRSS:").expect("it runs")
    }

    pub fn stop(mut self) -> tempfile::TempDir {
        Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        self.child.wait().expect("ends");
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"))
    }
}

impl Drop for Postern {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone)]
pub struct Held {
    cookie: String,
    nonce: String,
    pub token: String,
}

impl Held {
    fn refresh(&mut self, client: &mut Client) {
        let headers = format!("Cookie: {}\r\n", self.cookie);
        let body = format!("{{\"Nonce\": \"{}\"}}", self.nonce);
        let answer = client.answer("POST", "/api/v1/auth/refresh", &headers, &body);
        assert_eq!(answer.status, 200);
        self.cookie = answer.cookie();
        self.nonce = answer.text("RefreshNonce");
    }
}

pub fn refresh_alone(binary: &str) -> Vec<Row> {
    let postern = Postern::start(binary, tempfile::tempdir().expect("a folder"));
    postern.set_password();
    refresh(&postern)
}

pub fn all(binary: &str) -> Vec<Row> {
    let postern = Postern::start(binary, tempfile::tempdir().expect("a folder"));
    let idle = postern.resident_mib();
    postern.set_password();
    let mut rows = vec![verify(&postern)];
    rows.extend(refresh(&postern));
    rows.push(flood(&postern));
    rows.push(start(binary, postern.stop()));
    rows.push(Row { what: "memory of the idle server, resident", goal: "≤ 16 MiB", measured: format!("{idle:.1} MiB"), met: idle <= 16.0 });
    rows
}

/// Server CPU of a request with an access token seen before, beside one to a route that looks at no credential; both carry
/// the same header fields.
fn verify(postern: &Postern) -> Row {
    let held = postern.sign_in();
    let bearer = format!("Authorization: Bearer {}\r\n", held.token);
    let per_request = |path: &str| {
        let mut client = Client::new(&postern.address);
        let request = client.request("GET", path, &bearer, "");
        assert_eq!(client.status(&request), Some(200));
        let before = postern.cpu();
        let count = for_a_while(Duration::from_millis(1500), || {
            client.status(&request).expect("an answer");
        });
        (postern.cpu() - before) / count as f64 * 1e6
    };
    let pairs: Vec<(f64, f64)> = (0..9).map(|_| (per_request("/ready"), per_request("/api/v1/settings/max_sessions"))).collect();
    let ratio = median(pairs.iter().map(|(bare, seen)| seen / bare).collect());
    let (bare, seen) = (median(pairs.iter().map(|p| p.0).collect()), median(pairs.iter().map(|p| p.1).collect()));
    Row {
        what: "server CPU of a request with an access token seen before, against one without a credential",
        goal: "≤ 1.15×",
        measured: format!("{ratio:.2}× ({seen:.1} µs against {bare:.1} µs)"),
        met: ratio <= 1.15,
    }
}

/// Refreshes, each on disk before it is answered, beside bare writes of as many bytes with fdatasync.
fn refresh(postern: &Postern) -> Vec<Row> {
    let length = Duration::from_millis(1500);
    let mut one = postern.sign_in();
    let mut many: Vec<Held> = (0..64).map(|_| postern.sign_in()).collect();
    let path = postern.folder.path().join("bare");
    let bare = || {
        // A commit writes three or four pages of 4 KiB with their headers to the write-ahead log.
        let mut file: File = OpenOptions::new().create(true).append(true).open(&path).expect("opens");
        let pages = vec![7; 4 * 4120];
        let count = for_a_while(length, || {
            file.write_all(&pages).expect("writes");
            file.sync_data().expect("flushes");
        });
        std::fs::remove_file(&path).expect("removed");
        count as f64 / length.as_secs_f64()
    };
    let mut samples = Vec::new();
    for _ in 0..7 {
        let disk = bare();
        let mut client = Client::new(&postern.address);
        let alone = for_a_while(length, || one.refresh(&mut client)) as f64 / length.as_secs_f64();
        let together: u64 = thread::scope(|scope| {
            let clients: Vec<_> = many
                .iter_mut()
                .map(|held| {
                    scope.spawn(move || {
                        let mut client = Client::new(&postern.address);
                        for_a_while(length, || held.refresh(&mut client))
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().expect("no panic")).sum()
        });
        samples.push((disk, alone, together as f64 / length.as_secs_f64()));
    }
    let of = |pick: fn(&(f64, f64, f64)) -> f64| median(samples.iter().map(pick).collect());
    let (share, gain) = (of(|s| s.1 / s.0), of(|s| s.2 / s.1));
    vec![
        Row {
            what: "refreshes a second by one client, against write + fdatasync of this disk",
            goal: "≥ 0.6×",
            measured: format!("{share:.2}× ({:.0} against {:.0})", of(|s| s.1), of(|s| s.0)),
            met: share >= 0.6,
        },
        Row {
            what: "refreshes a second by 64 clients, against one",
            goal: "≥ 3×",
            measured: format!("{gain:.1}× ({:.0})", of(|s| s.2)),
            met: gain >= 3.0,
        },
    ]
}

/// Verifications by four clients while 200 connections flood the sign-in.
fn flood(postern: &Postern) -> Row {
    let held = postern.sign_in();
    let stop = AtomicBool::new(false);
    let length = Duration::from_secs(8);
    let (mut times, refused) = thread::scope(|scope| {
        let flooding: Vec<_> = (0..200)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(&postern.address);
                    let body = "{\"Password\": \"not the password at all\"}";
                    let request = client.request("POST", "/api/v1/auth/login", "", body);
                    let mut refused = 0_u64;
                    while !stop.load(Ordering::Relaxed) {
                        if client.status(&request).is_some() {
                            refused += 1;
                        } else {
                            client = Client::new(&postern.address);
                        }
                    }
                    refused
                })
            })
            .collect();
        let verifying: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(&postern.address);
                    let bearer = format!("Authorization: Bearer {}\r\n", held.token);
                    let request = client.request("GET", "/api/v1/settings/max_sessions", &bearer, "");
                    let mut times = Vec::new();
                    for_a_while(length, || {
                        times.push(seconds(|| assert_eq!(client.status(&request), Some(200))));
                    });
                    times
                })
            })
            .collect();
        let times: Vec<f64> = verifying.into_iter().flat_map(|v| v.join().expect("no panic")).collect();
        stop.store(true, Ordering::Relaxed);
        (times, flooding.into_iter().map(|f| f.join().expect("no panic")).sum::<u64>())
    });
    let rate = times.len() as f64 / length.as_secs_f64();
    let p99 = quantile(&mut times, 0.99) * 1e3;
    Row {
        what: "verifications beside 200 connections that flood the sign-in, load generator on the same 2 cores",
        goal: "≥ 2,000/s, p99 ≤ 20 ms",
        measured: format!("{rate:.0}/s, p99 {p99:.1} ms, {:.0} sign-ins refused a second", refused as f64 / length.as_secs_f64()),
        met: rate >= 2000.0 && p99 <= 20.0,
    }
}

/// From exec to the first answer, less one key derivation measured between the starts.
fn start(binary: &str, mut folder: tempfile::TempDir) -> Row {
    let mut beyond = Vec::new();
    let mut whole = Vec::new();
    for _ in 0..15 {
        let derivation = seconds(|| {
            let mut out = [0; 32];
            pbkdf2::pbkdf2_hmac::<sha2::Sha256>(b"a field password of some length", &[7; 32], 600_000, &mut out);
            std::hint::black_box(out);
        });
        let begun = Instant::now();
        let postern = Postern::start(binary, folder);
        let mut client = Client::new(&postern.address);
        let request = client.request("GET", "/health", "", "");
        assert_eq!(client.status(&request), Some(200));
        let taken = begun.elapsed().as_secs_f64();
        beyond.push((taken - derivation) * 1e3);
        whole.push(taken * 1e3);
        folder = postern.stop();
    }
    let (beyond, whole) = (median(beyond), median(whole));
    Row {
        what: "start to first answer, beyond the one key derivation",
        goal: "≤ 50 ms",
        measured: format!("{beyond:.0} ms ({whole:.0} ms in all)"),
        met: beyond <= 50.0,
    }
}
