//! Under systemd: it is told when requests are answered, that the server is alive, and that it stops; it may open the port; and what
//! its unit leaves the server is little (`systemd-analyze security`), yet enough.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use e2e_support::{Postern, send};
use serde_json::Value;

use crate::owner::{PASSWORD, login, refused, set_password};

const BINARY: &str = env!("CARGO_BIN_EXE_postern");

/// Far longer than anything here takes; a wait that ends with it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Listens as systemd does.
struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("bound");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        Self { socket, folder }
    }

    fn address(&self) -> String {
        self.folder.path().join("notify").display().to_string()
    }

    /// Lines of the next message.
    fn hear(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("something is said in time");
        let text = String::from_utf8_lossy(bytes.get(..length).expect("as long")).into_owned();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for a message with that line; gives those before it.
    fn hear_until(&self, line: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            let lines = self.hear();
            if lines.iter().any(|said| said == line) {
                return before;
            }
            before.extend(lines);
        }
    }

    fn heard_nothing(&self) -> bool {
        self.socket.set_nonblocking(true).expect("set");
        self.socket.recv(&mut [0; 16]).is_err()
    }
}

#[test]
fn it_says_when_it_answers_that_it_lives_and_that_it_stops() {
    let manager = Manager::new();
    let environment = [
        ("NOTIFY_SOCKET", &*manager.address()),
        ("WATCHDOG_USEC", "200000"),
    ];
    let mut postern = Postern::start_with(BINARY, &environment);
    assert_eq!(manager.hear_until("READY=1"), [""; 0], "nothing comes before");
    let health = || send(&postern.base, "GET", "/health", &[], &Value::Null);
    assert_eq!(health().expect("answers").status, 200);
    for _ in 0..3 {
        manager.hear_until("WATCHDOG=1");
    }
    assert_eq!(postern.stop(), Some(0));
    let before = manager.hear_until("STOPPING=1");
    assert!(before.iter().all(|line| line == "WATCHDOG=1"), "{before:?}");
}

#[test]
fn who_does_not_ask_hears_no_sign_of_life_and_a_start_that_fails_is_not_ready() {
    let manager = Manager::new();
    let environment = [
        ("NOTIFY_SOCKET", &*manager.address()),
        ("WATCHDOG_USEC", "200000"),
        ("WATCHDOG_PID", "1"),
    ];
    let mut postern = Postern::start_with(BINARY, &environment);
    manager.hear_until("READY=1");
    assert_eq!(postern.stop(), Some(0));
    assert_eq!(manager.hear_until("STOPPING=1"), [""; 0]);
    let open = postern.run_with(&["serve", "--listen", "0.0.0.0:0"], &environment);
    refused(&open, 78, "no TLS");
    assert!(manager.heard_nothing());
}

/// Opens sockets at an address, and becomes a shell that has them as systemd hands them over.
const HANDING_OVER: &str = r#"
import os, socket, sys
address, count, mine = sys.argv[1], int(sys.argv[2]), sys.argv[3]
sockets = [socket.create_server((address, 0)) for _ in range(count)]
held = [os.dup(one.fileno()) for one in sockets]
for place, one in enumerate(held):
    os.dup2(one, 10 + place)
for place in range(count):
    os.dup2(10 + place, 3 + place)
os.environ.update(LISTEN_FDS=str(count), LISTEN_PID=str(os.getpid() if mine == "mine" else 1))
open("port", "w").write(str(sockets[0].getsockname()[1]))
os.execv(sys.argv[4], sys.argv[4:])
"#;

fn handed(address: &'static str, count: &'static str, whose: &'static str) -> [&'static str; 6] {
    ["python3", "-c", HANDING_OVER, address, count, whose]
}

#[test]
fn it_takes_the_socket_that_was_opened_for_it_and_no_other() {
    let script = "exec \"$0\" \"$@\"";
    for (whose, takes) in [("mine", true), ("another's", false)] {
        let postern = Postern::start_from(BINARY, &handed("127.0.0.1", "1", whose), script);
        let port = postern.data_dir().join("../../port");
        let port = std::fs::read_to_string(port).expect("written");
        let listens = postern.address().ends_with(&format!(":{port}"));
        assert_eq!(listens, takes, "{whose}: {port}, {}", postern.base);
        assert_eq!(
            send(&postern.base, "GET", "/health", &[], &Value::Null)
                .expect("answers")
                .status,
            200
        );
        // The port is not the one in the configuration, which is worth a word.
        assert_eq!(
            postern.logged().contains("handed over"),
            takes,
            "{}",
            postern.logged()
        );
    }
}

fn serve_handed(address: &'static str, count: &'static str) -> Output {
    let folder = tempfile::tempdir().expect("folder");
    let [python, arguments @ ..] = handed(address, count, "mine");
    Command::new(python)
        .args(arguments)
        .args([BINARY, "serve"])
        .current_dir(folder.path())
        .env_clear()
        .env("XDG_DATA_HOME", folder.path().join("data"))
        .env("XDG_CONFIG_HOME", folder.path().join("config"))
        .output()
        .expect("python3 starts")
}

#[test]
fn a_socket_that_is_open_to_the_network_without_tls_and_several_are_refused() {
    refused(&serve_handed("0.0.0.0", "1"), 78, "is not a loopback address");
    refused(&serve_handed("127.0.0.1", "2"), 78, "2 sockets were handed over");
}

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name)
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(deploy(name)).expect("there")
}

fn analyze(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("systemd-analyze").args(arguments).output();
    let output = output.expect("systemd-analyze (Debian: systemd) is there");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// The unit as it is found by `systemd-analyze verify`, which wants the program to be there.
fn unit_of_this_program(folder: &Path, drop_in: &str) -> String {
    let unit =
        text_of("postern.service").replace("ExecStart=/usr/bin/postern", &format!("ExecStart={BINARY}"));
    std::fs::write(folder.join("postern.service"), format!("{unit}\n{drop_in}")).expect("written");
    std::fs::copy(deploy("postern.socket"), folder.join("postern.socket")).expect("copied");
    folder.join("postern.service").display().to_string()
}

#[test]
fn the_unit_exposes_little_and_has_no_fault() {
    // In tenths: 1.5.
    let most = ["security", "--offline=true", "--threshold=15"];
    for drop_in in ["", &text_of("reached-from-elsewhere.conf")] {
        let folder = tempfile::tempdir().expect("folder");
        let unit = unit_of_this_program(folder.path(), drop_in);
        let (good, said) = analyze(&[&most[..], &[unit.as_str()]].concat());
        assert!(good && said.contains("Overall exposure level"), "{said}");
        let socket = folder.path().join("postern.socket").display().to_string();
        let (good, said) = analyze(&["verify", "--man=no", &unit, &socket]);
        assert!(good && said.is_empty(), "{said}");
    }
    let folder = tempfile::tempdir().expect("folder");
    let open = unit_of_this_program(
        folder.path(),
        "[Service]\nPrivateUsers=no\nNoNewPrivileges=no\nUser=root\n",
    );
    let (good, said) = analyze(&[&most[..], &[open.as_str()]].concat());
    assert!(!good, "control: {said}");
}

/// The system calls that the unit lets through.
fn let_through() -> BTreeSet<String> {
    let unit = text_of("postern.service");
    let mut calls = BTreeSet::new();
    for line in unit
        .lines()
        .filter_map(|line| line.strip_prefix("SystemCallFilter="))
    {
        let (taken_away, names) = match line.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, line),
        };
        for name in names.split(' ').flat_map(in_group) {
            if taken_away {
                calls.remove(&name);
            } else {
                calls.insert(name);
            }
        }
    }
    // What systemd always lets through (systemd.exec(5)).
    calls.extend(in_group("@default"));
    calls
}

/// The calls of a group, and of those in it.
fn in_group(name: &str) -> Vec<String> {
    if !name.starts_with('@') {
        return vec![name.to_owned()];
    }
    let (good, said) = analyze(&["syscall-filter", name]);
    assert!(good, "{said}");
    let lines = said.lines().skip(1).map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .flat_map(in_group)
        .collect()
}

#[test]
fn the_unit_lets_through_every_system_call_that_the_server_makes() {
    let folder = tempfile::tempdir().expect("folder");
    let trace = folder.path().join("trace").display().to_string();
    let wrapper = ["strace", "-D", "-f", "-qq", "-c", "-U", "name", "-o", &trace];
    let mut postern = Postern::start_from(BINARY, &wrapper, "exec \"$0\" \"$@\"");
    set_password(&postern, PASSWORD);
    assert_eq!(login(&postern.base, PASSWORD).expect("an answer").status, 200);
    let _ = postern.says(&["keys", "rotate", "signing"]);
    assert_eq!(postern.stop(), Some(0));
    // The tracer writes when all it follows have ended.
    let made = loop {
        let made = std::fs::read_to_string(&trace).unwrap_or_default();
        if made.trim_end().ends_with("total") {
            break made;
        }
        std::thread::yield_now();
    };
    let let_through = let_through();
    assert!(
        let_through.contains("read") && !let_through.contains("mount"),
        "control"
    );
    let made: BTreeSet<_> = made
        .lines()
        .map(str::trim)
        .filter(|line| line.chars().all(|c| c.is_alphanumeric() || c == '_') && !line.is_empty())
        .collect();
    assert!(
        made.contains("landlock_restrict_self") && made.contains("accept4"),
        "control: {made:?}"
    );
    // Head and foot of the table; and SQLite gives its files to the database's owner, as root only.
    let others = ["syscall", "total", "fchown"];
    let refused: Vec<_> = made
        .into_iter()
        .filter(|call| !others.contains(call) && !let_through.contains(*call))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}
