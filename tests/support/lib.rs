//! What the end-to-end tests share: the real binary on a free port, in a folder of its own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a harness: a failure ends the test"
)]

mod database_file;
mod faulty;
mod held;
mod install;
pub mod invariants;
pub mod killed;
pub mod power_loss;
pub mod proxies;
pub mod recorder;
pub mod wire;

pub use database_file::{DatabaseFile, Pieces};
pub use faulty::{Ended, Faulty, calls_in, faulty_command};
pub use held::Held;
pub use install::Install;
pub use invariants::Known;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A running server; killed when dropped.
pub struct Postern {
    binary: PathBuf,
    folder: tempfile::TempDir,
    child: Child,
    /// `http://127.0.0.1:<port>`, or `https://` with TLS.
    pub base: String,
    /// What it printed up to the line that says it listens.
    pub said: String,
}

/// An answer of the server.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The refresh cookie it set: name and value.
    pub cookie: Option<String>,
    /// The header fields.
    pub headers: ureq::http::HeaderMap,
    /// The body, `Null` when it is no JSON.
    pub body: serde_json::Value,
}

fn command(binary: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(folder).args(arguments).env_clear();
    command
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        // A port that the system picks.
        .env("POSTERN_LISTEN", "127.0.0.1:0");
    command
}

impl Postern {
    /// Starts `binary` in an empty folder.
    #[must_use]
    pub fn start(binary: &str) -> Self {
        Self::start_with(binary, &[])
    }

    /// The same, with variables in the environment.
    #[must_use]
    pub fn start_with(binary: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = command(Path::new(binary), folder.path(), &["serve"]);
        Self::start_in(PathBuf::from(binary), folder, serve, environment)
    }

    /// The same, from a shell that runs `script` first, in that folder; the script ends with `exec "$0" "$@"`.
    #[must_use]
    pub fn start_from(binary: &str, wrapper: &[&str], script: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut arguments = wrapper.to_vec();
        arguments.extend(["/bin/sh", "-euc", script, binary, "serve"]);
        let serve = command(Path::new("/usr/bin/env"), folder.path(), &arguments);
        Self::start_in(PathBuf::from(binary), folder, serve, &[])
    }

    fn start_in(
        binary: PathBuf,
        folder: tempfile::TempDir,
        command: Command,
        environment: &[(&str, &str)],
    ) -> Self {
        Self::try_start_in(binary, folder, command, environment).unwrap_or_else(|ended| {
            let (said, log) = (&ended.said, ended.logged());
            panic!("it ended before it listened; it said: {said}{log}")
        })
    }

    /// The error is the server that ended before it listened.
    fn try_start_in(
        binary: PathBuf,
        folder: tempfile::TempDir,
        mut command: Command,
        environment: &[(&str, &str)],
    ) -> Result<Self, Box<Self>> {
        let log = File::create(folder.path().join("log")).expect("a log");
        command.envs(environment.iter().copied());
        command.stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut postern = Self {
            binary,
            folder,
            child,
            base: String::new(),
            said: String::new(),
        };
        for line in lines.map_while(Result::ok) {
            if let Some(base) = line.strip_prefix("listening on ") {
                base.clone_into(&mut postern.base);
                recorder::runs(address_in(base));
                return Ok(postern);
            }
            postern.said.push_str(&line);
            postern.said.push('\n');
        }
        Err(Box::new(postern))
    }

    /// Kills the server without warning and starts it again on the same folder and port.
    #[must_use]
    pub fn killed_and_restarted(self) -> Self {
        self.restarted_with(&[])
    }

    /// The same, with variables in the environment.
    #[must_use]
    pub fn restarted_with(self, environment: &[(&str, &str)]) -> Self {
        self.restarted_as_with(&["serve"], environment)
    }

    /// The same, with other arguments.
    #[must_use]
    pub fn restarted_as(self, arguments: &[&str]) -> Self {
        self.restarted_as_with(arguments, &[])
    }

    /// The same, with other arguments and variables.
    #[must_use]
    pub fn restarted_as_with(mut self, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let (binary, folder) = (
            self.binary.clone(),
            std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder")),
        );
        let mut serve = command(&binary, folder.path(), arguments);
        serve.env("POSTERN_LISTEN", self.address());
        Self::start_in(binary, folder, serve, environment)
    }

    /// The install it works on, once it has stopped as it was asked to.
    #[must_use]
    pub fn stopped(mut self) -> Install {
        assert_eq!(self.stop(), Some(0));
        self.killed()
    }

    /// The install it worked on, once it is killed without warning, or ended by itself.
    #[must_use]
    pub fn killed(mut self) -> Install {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        Install {
            binary: self.binary.clone(),
            folder: std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder")),
        }
    }

    /// A command on the same folder, to be run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        command(&self.binary, self.folder.path(), arguments)
    }

    /// The database it works on.
    #[must_use]
    pub fn database(&self) -> DatabaseFile {
        DatabaseFile::in_directory(&self.data_dir())
    }

    /// Kills the server without warning.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Where it listens: `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> &str {
        address_in(&self.base)
    }

    /// Asks the server to look for new certificates.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Waits until the server has ended by itself.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("ended").code()
    }

    /// Asks the server to stop, and waits until it has.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().expect("ended").code()
    }

    /// Runs another command on the same folder.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    /// The same, with variables in the environment.
    #[must_use]
    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = command(&self.binary, self.folder.path(), arguments);
        command
            .envs(environment.iter().copied())
            .output()
            .expect("the binary starts")
    }

    /// The same, with something on standard input.
    #[must_use]
    pub fn run_fed(&self, arguments: &[&str], input: &str) -> Output {
        self.run_fed_with(arguments, input, &[])
    }

    /// The same, with variables in the environment.
    #[must_use]
    pub fn run_fed_with(&self, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Output {
        let mut command = command(&self.binary, self.folder.path(), arguments);
        let command = command
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    /// Runs a command at a terminal (script(1) makes one), where a person types these lines; gives what the screen showed.
    #[must_use]
    pub fn at_a_terminal(&self, arguments: &[&str], typed: &str) -> String {
        let line = format!("'{}' {}", self.binary.display(), arguments.join(" "));
        let mut command = command(
            Path::new("script"),
            self.folder.path(),
            &["-qec", &line, "/dev/null"],
        );
        let command = command.env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script(1) starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(typed.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        drop(stdin);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the command prints on standard output; it must succeed.
    #[must_use]
    #[track_caller]
    pub fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same as JSON.
    #[must_use]
    #[track_caller]
    pub fn says_json(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.says(&arguments)).expect("JSON")
    }

    /// Number of the server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data/postern")
    }

    /// The file with the field password.
    #[must_use]
    pub fn field_password(&self) -> PathBuf {
        self.folder.path().join("config/postern/field-password")
    }

    /// The token of the first start's link, which lies in a file since nobody reads the output at a terminal.
    #[must_use]
    pub fn first_token(&self) -> String {
        let link = std::fs::read_to_string(self.data_dir().join("first-signin-link")).expect("a link");
        Self::token_in(&link)
    }

    /// The token of the sign-in link in a text.
    #[must_use]
    pub fn token_in(text: &str) -> String {
        let (_, rest) = text.split_once("#token=").expect("a sign-in link");
        rest.split_whitespace().next().expect("a token").to_owned()
    }

    /// Sends a request with JSON and headers.
    #[must_use]
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &serde_json::Value,
    ) -> Answer {
        send(&self.base, method, path, headers, body).expect("an answer")
    }

    /// Whether `needle` stands in any file of the data directory.
    #[must_use]
    pub fn data_holds(&self, needle: &str) -> bool {
        self.data_holds_bytes(needle.as_bytes())
    }

    /// The same, of any bytes.
    #[must_use]
    pub fn data_holds_bytes(&self, needle: &[u8]) -> bool {
        let files = std::fs::read_dir(self.data_dir()).expect("the data directory");
        files
            .filter_map(|file| match std::fs::read(file.expect("an entry").path()) {
                // A server that ends at this moment takes its log away.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                read => Some(read.expect("readable")),
            })
            .any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    }
}

/// Sends a request with JSON and headers; `None` when the server went away before it answered in full.
#[must_use]
#[track_caller]
pub fn send(
    base: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &serde_json::Value,
) -> Option<Answer> {
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{base}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut response = if body.is_null() {
        agent.run(request.body(()).expect("a request"))
    } else {
        let request = request.header("content-type", "application/json");
        agent.run(request.body(body.to_string()).expect("a request"))
    }
    .ok()?;
    let fields = response.headers().iter();
    let fields = fields.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let host = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let seen = recorder::Seen {
        tls: base.starts_with("https://"),
        target: path,
        host: host.map_or_else(|| address_in(base), |(_, host)| host),
        status: response.status().as_u16(),
        headers: &fields.collect::<Vec<_>>(),
    };
    recorder::look_over(address_in(base), &seen);
    let cookie = response
        .headers()
        .get("set-cookie")
        .and_then(|value| value.to_str().ok());
    let cookie = cookie.and_then(|text| text.split(';').next()).map(str::to_owned);
    let mut text = String::new();
    response.body_mut().as_reader().read_to_string(&mut text).ok()?;
    Some(Answer {
        status: response.status().as_u16(),
        cookie,
        headers: response.headers().clone(),
        body: serde_json::from_str(&text).unwrap_or_default(),
    })
}

/// Host and port of a base.
fn address_in(base: &str) -> &str {
    base.trim_start_matches("http://").trim_start_matches("https://")
}

impl Drop for Postern {
    fn drop(&mut self) {
        recorder::ended(self.address());
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    /// A text member of the body.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let member = self.body.get(name).and_then(|value| value.as_str());
        member
            .unwrap_or_else(|| panic!("no member {name} in an answer {}", self.status))
            .to_owned()
    }
}
