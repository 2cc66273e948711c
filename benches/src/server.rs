//! The release binary under load, beside what each figure is measured against.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::cores::{self, Cores, on_the_last};
use crate::{Row, for_a_while, median, memory, quantile, seconds, token};

const PASSWORD: &str = "correct horse battery staple";

pub struct Postern {
    child: Child,
    pub address: String,
    pub folder: tempfile::TempDir,
    binary: String,
}

pub fn command(binary: &str, folder: &Path, cores: Cores, arguments: &[&str]) -> Command {
    let mut command = cores::command(binary, cores);
    command.args(arguments).env_clear();
    command.env("XDG_DATA_HOME", folder.join("data")).env("XDG_CONFIG_HOME", folder.join("config"));
    command.env("POSTERN_LISTEN", "127.0.0.1:0").env("POSTERN_LOG", "error");
    command
}

impl Postern {
    pub fn start(binary: &str, folder: tempfile::TempDir, cores: Cores) -> Self {
        Self::of(command(binary, folder.path(), cores, &["serve"]), binary, folder)
    }

    /// One that believes this machine's `X-Forwarded-For`: so many addresses come from one.
    fn behind_a_proxy(binary: &str, folder: tempfile::TempDir) -> Self {
        let mut command = command(binary, folder.path(), Cores::All, &["serve"]);
        command.env("POSTERN_TRUSTED_PROXIES", "127.0.0.1");
        Self::of(command, binary, folder)
    }

    fn of(mut command: Command, binary: &str, folder: tempfile::TempDir) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
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
        let mut child = command(&self.binary, self.folder.path(), Cores::All, &["password", "set", "--quiet", "--password-file", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("starts");
        child.stdin.take().expect("piped").write_all(PASSWORD.as_bytes()).expect("reads");
        assert!(child.wait().expect("ends").success());
    }

    pub fn sign_in(&self) -> Held {
        let mut client = Client::new(&self.address);
        loop {
            let answer = client.answer("POST", "/api/v1/auth/login", "", &right_password());
            if answer.status == 200 {
                return Held { cookie: answer.cookie("refresh"), nonce: answer.text("RefreshNonce"), token: answer.text("AccessToken") };
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn resident_mib(&self) -> f64 {
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
        self.cookie = answer.cookie("refresh");
        self.nonce = answer.text("RefreshNonce");
    }
}

pub fn all(binary: &str) -> Vec<Row> {
    let size = std::fs::metadata(binary).expect("it is there").len() as f64 / 1e6;
    let postern = Postern::start(binary, tempfile::tempdir().expect("a folder"), Cores::First);
    let idle = postern.resident_mib();
    postern.set_password();
    let mut rows = on_the_last(|| refresh(&postern));
    let folder = postern.stop();
    let postern = Postern::behind_a_proxy(binary, folder);
    rows.extend(flood(&postern));
    rows.push(start(binary, postern.stop()));
    rows.push(Row {
        what: "memory of the idle server, resident",
        goal: "≤ 12 MiB",
        measured: format!("{idle:.1} MiB"),
        met: idle <= 12.0,
    });
    rows.push(Row { what: "the binary, stripped", goal: "≤ 12 MB", measured: format!("{size:.1} MB"), met: size <= 12.0 });
    rows
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
            goal: "≥ 5×",
            measured: format!("{gain:.1}× ({:.0})", of(|s| s.2)),
            met: gain >= 5.0,
        },
    ]
}

/// Addresses that guess.
const SOURCES: usize = 10_000;

/// Verifications by four clients, and the owner's sign-ins from a browser that is known, while 200 connections guess, each time from
/// the next of 10,000 addresses.
fn flood(postern: &Postern) -> Vec<Row> {
    let held = postern.sign_in();
    let known = known_device(postern);
    let (stop, tries) = (AtomicBool::new(false), AtomicUsize::new(0));
    let length = Duration::from_secs(30);
    let (mut times, mut sign_ins, refused) = thread::scope(|scope| {
        let flooding: Vec<_> = (0..200).map(|_| scope.spawn(|| guesses(postern, &stop, &tries))).collect();
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
        let owner = scope.spawn(|| {
            // From an address that guesses, too.
            let headers = format!("X-Forwarded-For: 10.0.0.0\r\nCookie: {known}\r\n");
            let mut times = Vec::new();
            for_a_while(length, || {
                times.push(seconds(|| {
                    let mut client = Client::new(&postern.address);
                    assert_eq!(client.answer("POST", "/api/v1/auth/login", &headers, &right_password()).status, 200);
                }));
            });
            times
        });
        let times: Vec<f64> = verifying.into_iter().flat_map(|v| v.join().expect("no panic")).collect();
        let sign_ins = owner.join().expect("no panic");
        stop.store(true, Ordering::Relaxed);
        (times, sign_ins, flooding.into_iter().map(|f| f.join().expect("no panic")).sum::<u64>())
    });
    let sources = tries.into_inner().min(SOURCES);
    let rate = times.len() as f64 / length.as_secs_f64();
    let p99 = quantile(&mut times, 0.99) * 1e3;
    let (slowest, usual) = (quantile(&mut sign_ins, 1.0), quantile(&mut sign_ins, 0.5));
    vec![
        Row {
            what: "verifications beside 200 connections that guess from 10,000 addresses, load generator on the same 2 cores",
            goal: "≥ 2,000/s, p99 ≤ 20 ms",
            measured: format!("{rate:.0}/s, p99 {p99:.1} ms; {} guesses refused, from {sources} addresses", refused),
            met: rate >= 2000.0 && p99 <= 20.0 && sources == SOURCES,
        },
        Row {
            what: "the owner's sign-in from a known browser meanwhile, the slowest",
            goal: "≤ 2 s",
            measured: format!("{slowest:.2} s of {} sign-ins, {usual:.2} s in the middle", sign_ins.len()),
            met: slowest <= 2.0 && sources == SOURCES,
        },
    ]
}

/// Guesses until it is told to stop; says how often it was refused.
fn guesses(postern: &Postern, stop: &AtomicBool, tries: &AtomicUsize) -> u64 {
    let mut client = Client::new(&postern.address);
    let mut refused = 0;
    while !stop.load(Ordering::Relaxed) {
        let source = tries.fetch_add(1, Ordering::Relaxed) % SOURCES;
        let from = format!("X-Forwarded-For: 10.0.{}.{}\r\n", source / 256, source % 256);
        let request = client.request("POST", "/api/v1/auth/login", &from, "{\"Password\": \"not the password at all\"}");
        if client.status(&request).is_some() {
            refused += 1;
        } else {
            client = Client::new(&postern.address);
        }
    }
    refused
}

fn right_password() -> String {
    format!("{{\"Password\": \"{PASSWORD}\", \"RememberMe\": true}}")
}

/// What a browser keeps by which it is known.
fn known_device(postern: &Postern) -> String {
    let mut client = Client::new(&postern.address);
    // As a browser says where it comes from: scripts are no devices.
    let headers = "Sec-Fetch-Site: same-origin\r\n";
    client.answer("POST", "/api/v1/auth/login", headers, &right_password()).cookie("postern-device")
}

/// From exec to the first answer, less one key derivation measured between the starts; beside nginx, which has none.
fn start(binary: &str, mut folder: tempfile::TempDir) -> Row {
    let first_answer = |address: &str, path: &str| {
        let mut client = Client::when_it_listens(address);
        let request = client.request("GET", path, "", "");
        assert!(client.status(&request).is_some());
    };
    let (mut beyond, mut whole, mut nginx) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..15 {
        let derivation = token::derivation();
        let begun = Instant::now();
        let postern = Postern::start(binary, folder, Cores::All);
        first_answer(&postern.address, "/health");
        let taken = begun.elapsed().as_secs_f64();
        beyond.push((taken - derivation) * 1e3);
        whole.push(taken * 1e3);
        folder = postern.stop();
        let peer = Nginx::new();
        nginx.push(seconds(|| first_answer(&peer.start().address, "/")) * 1e3);
    }
    let (beyond, whole, nginx) = (median(beyond), median(whole), median(nginx));
    Row {
        what: "start to first answer, beyond the one key derivation, against nginx",
        goal: "≤ 1×",
        measured: format!("{:.1}× ({beyond:.1} ms against {nginx:.1} ms; {whole:.0} ms in all)", beyond / nginx),
        met: beyond <= nginx,
    }
}

/// An nginx that answers 204 to everything, of a configuration of its own.
struct Nginx {
    folder: tempfile::TempDir,
    address: String,
}

struct RunningNginx {
    child: Child,
    address: String,
}

impl Nginx {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("known");
        let at = folder.path().display();
        let text = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error;\nevents {{}}\nhttp {{ access_log off; \
             client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; \
             scgi_temp_path {at}/s; server {{ listen {free}; return 204; }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).expect("written");
        Self { folder, address: free.to_string() }
    }

    fn start(&self) -> RunningNginx {
        let file = self.folder.path().join("nginx.conf");
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let child = Command::new(program).arg("-c").arg(file).stderr(Stdio::null()).spawn().expect("nginx starts");
        RunningNginx { child, address: self.address.clone() }
    }
}

impl Drop for RunningNginx {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
