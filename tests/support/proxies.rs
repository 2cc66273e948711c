//! Real proxies, each with a folder and a port of its own, on loopback, as the user who runs the tests.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Postern;
use crate::wire::free_port;

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's `nginx-light`.
    Nginx,
    /// Debian's `caddy`.
    Caddy,
    /// Debian's `haproxy`.
    Haproxy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Caddy, Self::Haproxy];

    const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }
}

/// A running proxy; killed when dropped.
pub struct Proxy {
    child: Child,
    folder: tempfile::TempDir,
    /// `127.0.0.1:<port>`.
    pub address: String,
}

impl Proxy {
    /// Starts one with the recipe that the command prints for that application.
    #[must_use]
    pub fn start(kind: Kind, postern: &Postern, configuration: &Path, application: &str) -> Self {
        Self::start_altered(kind, postern, configuration, application, |recipe| recipe)
    }

    /// The same, with a mistake in its first file.
    #[must_use]
    pub fn start_altered(
        kind: Kind,
        postern: &Postern,
        configuration: &Path,
        application: &str,
        alter: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let address = format!("127.0.0.1:{}", free_port());
        let mut files = recipe(kind, postern, configuration, application, &address);
        if let Some(first) = files.first_mut() {
            *first = alter(std::mem::take(first));
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let write = |name: &str, text: &str| std::fs::write(at(name), text).expect("written");
        let (program, arguments) = match (kind, files.as_slice()) {
            (Kind::Nginx, [site]) => {
                write("site.conf", site);
                write("nginx.conf", &nginx_around(&at("")));
                (
                    "nginx",
                    vec![
                        "-e".to_owned(),
                        "stderr".to_owned(),
                        "-c".to_owned(),
                        at("nginx.conf"),
                    ],
                )
            }
            (Kind::Caddy, [site]) => {
                write(
                    "Caddyfile",
                    &format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}"),
                );
                let words = ["run", "--adapter", "caddyfile", "--config"].map(str::to_owned);
                ("caddy", words.into_iter().chain([at("Caddyfile")]).collect())
            }
            (Kind::Haproxy, [configuration, lua]) => {
                write("postern.lua", lua);
                let here = configuration.replace("/etc/haproxy/postern.lua", &at("postern.lua"));
                write("haproxy.cfg", &here);
                (
                    "haproxy",
                    vec!["-db".to_owned(), "-f".to_owned(), at("haproxy.cfg")],
                )
            }
            _ => panic!("{kind:?} has another number of files"),
        };
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = Command::new(program)
            .args(arguments)
            .env("XDG_DATA_HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .env("HOME", folder.path())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start ({error}); ./test installs it"));
        let mut proxy = Self {
            child,
            folder,
            address,
        };
        // It says nowhere in common that it listens: the connection is the event.
        while TcpStream::connect(&proxy.address).is_err() {
            if let Ok(Some(status)) = proxy.child.try_wait() {
                panic!("{program} ended with {status}: {}", proxy.logged());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        proxy
    }

    /// What it logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("a log")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked to stop, not when it is killed.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn recipe(
    kind: Kind,
    postern: &Postern,
    configuration: &Path,
    application: &str,
    listen: &str,
) -> Vec<String> {
    let configuration = configuration.display().to_string();
    let output = postern.run_with(
        &[
            "gate",
            "recipe",
            kind.name(),
            application,
            "--listen",
            listen,
            "--json",
        ],
        &[
            ("POSTERN_CONFIG", configuration.as_str()),
            ("POSTERN_LISTEN", postern.address()),
        ],
    );
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{complaint}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let files = answer
        .get("Files")
        .and_then(|files| files.as_array())
        .expect("files");
    files
        .iter()
        .map(|file| {
            let text = file.get("Text").and_then(|text| text.as_str());
            text.expect("a text").to_owned()
        })
        .collect()
}

/// What an installed nginx has around its sites, in one folder.
fn nginx_around(folder: &str) -> String {
    // Started as root it would give its workers another user, who may not enter the folder.
    let user = if is_root() { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}{kind};\n"))
        .concat();
    format!(
        "{user}daemon off;\nworker_processes 1;\npid {folder}pid;\nevents {{}}\nhttp {{\n    access_log off;\n\
         {temporary}    include {folder}site.conf;\n}}\n"
    )
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id(1)");
    output.stdout == b"0\n"
}
