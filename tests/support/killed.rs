//! Kills a command at one of its system calls that change files: strace(1) sends the signal when the call begins, so the
//! files are as the call before left them.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// The calls by which SQLite and the file system are written to.
const CALLS: &str =
    "pwrite64,pwritev,write,fdatasync,fsync,ftruncate,fallocate,unlink,unlinkat,rename,renameat2";

/// What kill(2) names 9.
const SIGKILL: i32 = 9;

/// A system call of a command, counted by name, as strace counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// The how manieth of that name.
    pub nth: usize,
}

/// Runs the command to its end; says what calls it made, in their order: its busiest thread.
#[must_use]
#[track_caller]
pub fn calls_of(command: &Command) -> Vec<Call> {
    let log = log_of(command, CALLS);
    // `4711  pwrite64(5, …`. One thread does the work; others print, or wake each other up.
    let mut by_thread = std::collections::HashMap::<&str, Vec<Call>>::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if let Some((name, _)) = rest.trim_start().split_once('(')
            && CALLS.split(',').any(|known| known == name)
        {
            let calls = by_thread.entry(thread).or_default();
            calls.push(Call {
                name: name.to_owned(),
                nth: 1 + calls.iter().filter(|call| call.name == name).count(),
            });
        }
    }
    by_thread.into_values().max_by_key(Vec::len).unwrap_or_default()
}

/// Runs the command to its end; gives what strace(1) writes of those calls, a line each.
#[must_use]
#[track_caller]
pub fn log_of(command: &Command, calls: &str) -> String {
    let log = tempfile::NamedTempFile::new().expect("a file");
    let output = traced(command, &["-e", &format!("trace={calls}")], log.path());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read_to_string(log.path()).expect("a log")
}

/// Runs the command until that call of its, and kills it there. Says whether it came that far.
#[must_use]
pub fn killed_at(command: &Command, call: &Call) -> bool {
    let Call { name, nth } = call;
    let trace = format!("trace={name}");
    let inject = format!("inject={name}:signal=SIGKILL:when={nth}");
    let output = traced(command, &["-e", &trace, "-e", &inject], Path::new("/dev/null"));
    // strace ends as the command did.
    output.status.signal() == Some(SIGKILL)
}

/// That many of the calls, evenly spread, beginning anywhere: over many runs, each has its turn.
#[must_use]
pub fn some_of(calls: Vec<Call>, most: usize) -> Vec<Call> {
    if is_thorough() {
        return calls;
    }
    let stride = calls.len().div_ceil(most).max(1);
    let begin = usize::try_from(std::process::id()).unwrap_or(0) % stride;
    calls.into_iter().skip(begin).step_by(stride).collect()
}

/// Whether everything is tried that is otherwise sampled: `./test --hard`.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the test command says it in the environment"
)]
pub fn is_thorough() -> bool {
    std::env::var_os("POSTERN_TEST_HARD").is_some()
}

fn traced(command: &Command, how: &[&str], log: &Path) -> Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(log);
    strace.args(how).arg("--").arg(command.get_program());
    strace.args(command.get_args()).env_clear();
    strace.env("PATH", "/usr/bin:/bin");
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            strace.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    strace.output().expect("strace starts")
}
