//! Whoever breaks into the running server finds walls around it: no file but its own, no program, no other port, no memory of it
//! for others (A15 of the threat model). The walls themselves are tested beside their code, in `crates/server/src/sandbox`.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use e2e_support::Postern;
use e2e_support::wire::{Upstream, exchange};
use serde_json::Value;

use crate::certificates::{Ca, Client, Files, borrowed};
use crate::owner::{refused, start};

const BINARY: &str = env!("CARGO_BIN_EXE_postern");

/// What the kernel says of its Landlock, asked by another program than ours; 0: it has none.
fn landlock() -> i32 {
    // landlock_create_ruleset(2) has this number on every processor; 1 asks for the version.
    let asked = "import ctypes; print(max(0, ctypes.CDLL(None).syscall(444, None, 0, 1)))";
    let output = Command::new("python3")
        .args(["-c", asked])
        .output()
        .expect("runs");
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("a number")
}

/// The value of a line of `/proc/<pid>/status`.
fn value(status: &str, name: &str) -> String {
    let named = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
    status.lines().find_map(named).expect("such a line")
}

fn status(path: &str, name: &str) -> String {
    value(
        &std::fs::read_to_string(path).expect("everybody may read it"),
        name,
    )
}

fn of_server(postern: &Postern, name: &str) -> String {
    status(&format!("/proc/{}/status", postern.pid()), name)
}

fn without_sandbox() -> Postern {
    Postern::start_with(BINARY, &[("POSTERN_SANDBOX", "off")])
}

/// What runs a command on a kernel that has not got a call, as strace(1) plays it.
const fn without_call(inject: &str) -> [&str; 8] {
    ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", inject]
}

const NO_LANDLOCK: &str = "inject=landlock_create_ruleset:error=ENOSYS";
const NO_SECCOMP: &str = "inject=seccomp:error=ENOSYS";

#[test]
fn every_thread_is_under_the_filter_and_gains_no_privileges() {
    let (postern, off) = (start(), without_sandbox());
    let filters = |path: &str| status(path, "Seccomp_filters").parse::<u32>().expect("a number");
    let ours = filters("/proc/self/status");
    let threads = std::fs::read_dir(format!("/proc/{}/task", postern.pid())).expect("lists");
    let mut seen = 0;
    for thread in threads {
        let path = thread.expect("an entry").path().join("status");
        // A thread may end meanwhile.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        assert_eq!(value(&text, "Seccomp_filters"), (ours + 1).to_string(), "{text}");
        assert_eq!(value(&text, "NoNewPrivs"), "1");
        assert_eq!(value(&text, "Seccomp"), "2");
        seen += 1;
    }
    assert!(seen > 2, "control: {seen} threads");
    let path = format!("/proc/{}/status", off.pid());
    assert_eq!(filters(&path), ours, "control: off is off");
    assert!(off.logged().contains("sandbox: off"), "{}", off.logged());
}

#[test]
fn no_core_file_and_no_file_for_others_whatever_the_sandbox() {
    for postern in [start(), without_sandbox()] {
        assert_eq!(of_server(&postern, "Umask"), "0077");
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", postern.pid())).expect("readable");
        let core = limits.lines().find(|line| line.starts_with("Max core file size"));
        let core: Vec<_> = core.expect("a line").split_whitespace().skip(4).collect();
        assert_eq!(core, ["0", "0", "bytes"]);
    }
}

/// Runs both a server and `sleep` as a user without any right, and another process of that user tries to look into them.
const LOOKED_INTO: &str = r#"
    export XDG_DATA_HOME="$1/data" XDG_CONFIG_HOME="$1/config" POSTERN_LISTEN=127.0.0.1:0
    "$0" serve > "$1/said" 2> "$1/log" &
    server=$!
    sleep 1000 &
    sleep=$!
    trap 'kill $server $sleep' EXIT
    until grep -q '^listening' "$1/said"; do kill -0 $server; done
    until grep -q sleep "/proc/$sleep/comm"; do kill -0 $sleep; done
    for process in $sleep $server; do
        for secret in environ maps mem; do
            dd if="/proc/$process/$secret" of=/dev/null count=0 2>/dev/null && echo "$secret open" || echo "$secret closed"
        done
    done
"#;

/// A page that is locked is not written to swap. The whole server is, where the system lets it: the test asks the system first.
#[test]
fn no_page_of_it_is_written_to_swap() {
    let kilobytes = |text: &str| {
        text.split(' ')
            .next()
            .and_then(|number| number.parse::<u64>().ok())
    };
    let (postern, off) = (start(), without_sandbox());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", postern.pid())).expect("reads");
    let limit = limits.lines().find(|line| line.starts_with("Max locked memory"));
    let unlimited = limit.is_some_and(|line| line.contains("unlimited"));
    let locked = kilobytes(&of_server(&postern, "VmLck")).expect("a number");
    assert_eq!(locked > 0, unlimited, "{limit:?}");
    assert_eq!(of_server(&off, "VmLck"), "0 kB", "control: off is off");
    if unlimited {
        // `lo`: the pages of the mapping are locked (proc_pid_smaps(5)).
        let maps = std::fs::read_to_string(format!("/proc/{}/smaps", postern.pid())).expect("root reads it");
        let (mut heap, mut of_heap) = (false, 0);
        for line in maps.lines() {
            if line.contains('-') && !line.starts_with("VmFlags") {
                heap = line.ends_with("[heap]");
            }
            if heap && let Some(flags) = line.strip_prefix("VmFlags:") {
                assert!(flags.split_whitespace().any(|flag| flag == "lo"), "{flags}");
                of_heap += 1;
            }
        }
        assert_eq!(of_heap, 1, "control: there is a heap");
    }
}

#[test]
fn another_process_of_the_same_user_reads_nothing_of_it() {
    let folder = tempfile::tempdir().expect("folder");
    let binary = folder.path().join("postern");
    std::fs::copy(BINARY, &binary).expect("copied");
    let mine = std::fs::metadata(folder.path()).expect("there").uid();
    let mut command = if mine == 0 {
        // Root reads everything.
        std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).expect("given away");
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    let output = command
        .args(["-euc", LOOKED_INTO])
        .args([&binary, folder.path()])
        .current_dir("/")
        .output()
        .expect("runs");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "environ open",
            "maps open",
            "mem open",
            "environ closed",
            "maps closed",
            "mem closed"
        ],
        "control: the first three are of a process that does not mind; {log}"
    );
}

/// A certificate that is replaced by a link to one elsewhere: what comes of it.
fn linked_elsewhere(environment: &[(&'static str, &str)], taken: bool) {
    let ca = Ca::new();
    let (first, second) = (ca.good(), ca.good());
    let (files, elsewhere) = (Files::of(&first), Files::of(&second));
    let variables = files.variables();
    let environment: Vec<_> = borrowed(&variables)
        .into_iter()
        .chain(environment.iter().copied())
        .collect();
    let postern = Postern::start_with(BINARY, &environment);
    let client = Client::trusting(&ca.pem);
    let shown = || {
        client
            .get(postern.address(), "127.0.0.1", "/health")
            .expect("answers")
            .shown
    };
    let before = shown();
    for (link, target) in [
        (files.certificate(), elsewhere.certificate()),
        (files.key(), elsewhere.key()),
    ] {
        let new = files.folder().join("link");
        symlink(target, &new).expect("linked");
        std::fs::rename(&new, link).expect("renamed");
    }
    postern.hang_up();
    if taken {
        while shown() == before {}
    } else {
        while !postern.logged().contains("the new certificate is no good") {
            assert_eq!(shown(), before, "it was taken");
        }
        assert!(
            postern.logged().contains("Permission denied"),
            "{}",
            postern.logged()
        );
        assert_eq!(shown(), before);
    }
}

#[test]
fn a_file_outside_of_its_folders_is_out_of_reach() {
    linked_elsewhere(&[("POSTERN_SANDBOX", "off")], true);
    linked_elsewhere(&[], landlock() == 0);
}

#[test]
fn an_application_with_a_name_is_found_from_within() {
    let upstream = Upstream::start();
    let port = upstream.address.rsplit(':').next().expect("a port");
    let configuration = tempfile::NamedTempFile::new().expect("a file");
    let text = format!(
        "[application.one]\nhosts = [\"one.test\"]\nopen = [\"/\"]\nupstream = \"http://localhost:{port}\"\n"
    );
    std::fs::write(configuration.path(), text).expect("written");
    let path = configuration.path().display().to_string();
    let postern = Postern::start_with(BINARY, &[("POSTERN_CONFIG", &path)]);
    let reply = exchange(postern.address(), "GET", "/", &[("host", "one.test")]);
    assert_eq!(reply.status, 200, "{}", postern.logged());
}

/// What comes of `serve` where the kernel has not got a call.
fn serve_without(call: &str, how: &str) -> Output {
    let folder = tempfile::tempdir().expect("folder");
    let [strace, arguments @ ..] = without_call(call);
    Command::new(strace)
        .args(arguments)
        .args([BINARY, "serve", "--sandbox", how])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("XDG_DATA_HOME", folder.path().join("data"))
        .env("XDG_CONFIG_HOME", folder.path().join("config"))
        .env("POSTERN_LISTEN", "127.0.0.1:0")
        .output()
        .expect("strace starts")
}

#[test]
fn required_it_starts_where_all_of_it_is_in_force_and_nowhere_else() {
    if landlock() >= 6 {
        let postern = Postern::start_with(BINARY, &[("POSTERN_SANDBOX", "require")]);
        let log = postern.logged();
        let line = "sandbox: in force: files, ports, signals and abstract sockets (Landlock";
        assert!(log.contains(line) && !log.contains("not in force"), "{log}");
    } else {
        refused(
            &serve_without("trace=none", "require"),
            69,
            "not all of it is in force",
        );
    }
    refused(
        &serve_without(NO_LANDLOCK, "require"),
        69,
        "this kernel has no Landlock",
    );
    refused(
        &serve_without(NO_SECCOMP, "require"),
        69,
        "not all of it is in force: system calls",
    );
    refused(
        &serve_without(NO_SECCOMP, "rquire"),
        78,
        "it is require, best-effort or off",
    );
}

#[test]
fn elsewhere_it_starts_with_what_there_is_and_says_what_is_missing() {
    let exec = "exec \"$0\" \"$@\"";
    let postern = Postern::start_from(BINARY, &without_call(NO_LANDLOCK), exec);
    let log = postern.logged();
    assert!(
        log.contains("WARN") && log.contains("not in force: files and ports (this kernel has no Landlock)"),
        "{log}"
    );
    assert_eq!(of_server(&postern, "Seccomp"), "2", "the other wall stands");
    let postern = Postern::start_from(BINARY, &without_call(NO_SECCOMP), exec);
    let log = postern.logged();
    assert!(
        log.contains("WARN") && log.contains("not in force: system calls ("),
        "{log}"
    );
}

#[test]
fn doctor_says_what_is_not_in_force() {
    let postern = start();
    let about = |environment: &[(&str, &str)]| {
        let doctor = postern.run_with(&["doctor", "--json"], environment);
        let said: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
        let findings = said["Findings"].as_array().expect("a list").clone();
        let finding = findings.into_iter().find(|finding| finding["About"] == "sandbox");
        finding.expect("one about it")
    };
    let off = about(&[("POSTERN_SANDBOX", "off")]);
    assert_eq!(off["Severity"], "warning", "{off}");
    let on = about(&[]);
    let whole = if landlock() >= 6 { "good" } else { "warning" };
    assert_eq!(on["Severity"], whole, "{on}");
}

#[test]
fn a_folder_of_backups_that_is_made_at_the_start_is_within_reach() {
    let folder = tempfile::tempdir().expect("folder");
    let dir = folder.path().join("backups");
    let postern = Postern::start_with(BINARY, &[("POSTERN_BACKUP_DIR", &dir.display().to_string())]);
    let is_there = |dir: &Path| {
        let mut files = std::fs::read_dir(dir).expect("lists");
        files.any(|file| {
            file.expect("an entry")
                .path()
                .extension()
                .is_some_and(|kind| kind == "age")
        })
    };
    while !is_there(&dir) {
        assert!(!postern.logged().contains("was not made"), "{}", postern.logged());
    }
    let mode = std::fs::metadata(&dir).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
