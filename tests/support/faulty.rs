//! A server on which something is wrong: system calls that strace(1) kills it at or lets fail, too little of everything.

use std::path::Path;
use std::process::Command;

use crate::killed::Call;
use crate::{Install, Postern, command};

/// What is done to a server's system calls: options of strace(1).
#[derive(Clone, Debug)]
pub struct Faulty(Vec<String>);

impl Faulty {
    /// Nothing is done; those calls are written down in that file.
    #[must_use]
    pub fn recorded(calls: &str, log: &Path) -> Self {
        Self(vec![
            "-o".to_owned(),
            log.display().to_string(),
            "-e".to_owned(),
            format!("trace={calls}"),
        ])
    }

    /// The server is killed when a thread of it begins that call.
    #[must_use]
    pub fn killed_at(call: &Call) -> Self {
        Self::injected(&call.name, &format!("signal=SIGKILL:when={}", call.nth))
    }

    /// That happens to those calls, as strace(1) puts it: `error=EIO:when=3+`. Each thread counts its own.
    #[must_use]
    pub fn injected(calls: &str, what: &str) -> Self {
        Self(vec![
            "-o".to_owned(),
            "/dev/null".to_owned(),
            "-e".to_owned(),
            format!("trace={calls}"),
            "-e".to_owned(),
            format!("inject={calls}:{what}"),
        ])
    }

    /// The wrapper that starts a program so.
    #[must_use]
    pub fn wrapper(&self) -> Vec<&str> {
        let strace = ["strace", "-D", "-f", "-qq", "-e", "signal=none"];
        strace
            .into_iter()
            .chain(self.0.iter().map(String::as_str))
            .collect()
    }
}

impl Install {
    /// Starts a server on it to whose system calls that is done.
    ///
    /// # Errors
    /// The install of one that ended before it listened.
    pub fn serve_faulty(self, faulty: &Faulty) -> Result<Postern, Ended> {
        self.serve_wrapped(&faulty.wrapper())
    }

    /// The same, from a shell that runs `script` first, in its folder; the script ends with `exec "$0" "$@"`.
    ///
    /// # Errors
    /// The install of one that ended before it listened.
    pub fn serve_from(self, wrapper: &[&str], script: &str) -> Result<Postern, Ended> {
        let shell = ["/bin/sh", "-euc", script];
        self.serve_wrapped(&[wrapper, &shell].concat())
    }

    fn serve_wrapped(self, wrapper: &[&str]) -> Result<Postern, Ended> {
        let binary = self.binary.display().to_string();
        let arguments = [wrapper, &[&binary, "serve"]].concat();
        let serve = command(Path::new("/usr/bin/env"), self.folder.path(), &arguments);
        Postern::try_start_in(self.binary, self.folder, serve, &[]).map_err(|mut ended| Ended {
            code: ended.ended(),
            said: ended.logged(),
            install: ended.killed(),
        })
    }
}

/// A server that ended before it listened.
pub struct Ended {
    /// Its exit code; `None` when it was killed.
    pub code: Option<i32>,
    /// What it complained.
    pub said: String,
    /// What it leaves.
    pub install: Install,
}

/// The calls in a record of strace(1): of each name as many as the thread made that made most.
#[must_use]
pub fn calls_in(log: &Path) -> Vec<Call> {
    let log = std::fs::read_to_string(log).expect("a log");
    let mut counts = std::collections::BTreeMap::<(&str, &str), usize>::new();
    let mut most = std::collections::BTreeMap::<&str, usize>::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if let Some((name, _)) = rest.trim_start().split_once('(')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            let count = counts.entry((thread, name)).or_default();
            *count += 1;
            let most = most.entry(name).or_default();
            *most = (*most).max(*count);
        }
    }
    let of = |(name, most): (&&str, &usize)| {
        let name = (*name).to_owned();
        (1..=*most).map(move |nth| Call {
            name: name.clone(),
            nth,
        })
    };
    most.iter().flat_map(of).collect()
}

/// A command run with that done to its system calls.
#[must_use]
pub fn faulty_command(plain: &Command, faulty: &Faulty) -> Command {
    let mut command = Command::new("/usr/bin/env");
    command.args(faulty.wrapper()).arg(plain.get_program());
    command.args(plain.get_args()).env_clear();
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    if let Some(folder) = plain.get_current_dir() {
        command.current_dir(folder);
    }
    command
}
