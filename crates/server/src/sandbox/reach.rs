//! What the running server needs of the machine, told by its configuration.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use axum::http::Uri;

use crate::config::{Config, TlsSource};

/// SQLite draws the names of its temporary files from here.
const RANDOM: &str = "/dev/urandom";

/// What the system says of this process: its memory, time and open files, for the metrics.
const ITSELF: &str = "/proc/self";

/// Where names of machines are looked up (nsswitch.conf(5), resolv.conf(5)): whole folders, since what lies in them is
/// replaced by renaming, and since the C library loads what /etc/nsswitch.conf names.
const NAMES: [&str; 8] = [
    "/etc",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
];

/// Names are asked for over TCP where an answer is too long for a datagram (RFC 7766).
const DNS: u16 = 53;

/// Files and ports.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Files, and folders with all that is in them, that are read.
    pub(super) read: Vec<PathBuf>,
    /// Folders in which files are read, written, made and removed.
    pub(super) written: Vec<PathBuf>,
    /// TCP ports that are connected to.
    pub(super) ports: Vec<u16>,
}

impl Reach {
    /// What a server of this configuration needs once it runs: neither the configuration itself nor the field password, which
    /// were read before.
    pub(crate) fn of(config: &Config) -> Self {
        let mut reach = Self {
            read: vec![PathBuf::from(RANDOM), PathBuf::from(ITSELF)],
            written: vec![config.data_dir.clone()],
            ports: Vec::new(),
        };
        if let TlsSource::Files(files) = &config.tls {
            for file in [&files.certificate, &files.key] {
                reach.read.extend(folders_of(file));
            }
        }
        if let Some(folder) = config.witness.as_deref().and_then(Path::parent) {
            reach.written.push(folder.to_owned());
        }
        reach.written.extend(config.backup.dir.clone());
        let upstreams = config
            .applications
            .0
            .iter()
            .filter_map(|application| application.upstream.as_deref());
        for upstream in upstreams {
            reach.upstream(upstream);
        }
        for hook in &config.hooks {
            reach.upstream(&hook.url);
        }
        reach
    }

    fn upstream(&mut self, upstream: &str) {
        let Ok(uri) = upstream.parse::<Uri>() else {
            return;
        };
        let default = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        self.port(uri.port_u16().unwrap_or(default));
        let host = uri.host().unwrap_or_default();
        let is_address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .is_ok();
        if !is_address && !self.ports.contains(&DNS) {
            self.port(DNS);
            self.read.extend(NAMES.map(PathBuf::from));
            self.read.extend(folders_of(Path::new("/etc/resolv.conf")));
        }
    }

    fn port(&mut self, port: u16) {
        if !self.ports.contains(&port) {
            self.ports.push(port);
        }
    }
}

/// The folder in which a file is named, and the one in which it lies where that is a link, as certbot has it. Whole folders:
/// what is new comes by renaming.
fn folders_of(file: &Path) -> impl Iterator<Item = PathBuf> {
    let named = file.parent().map(Path::to_owned);
    let lies = file.canonicalize().ok();
    let lies = lies.and_then(|file| file.parent().map(Path::to_owned));
    named.into_iter().chain(lies)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstreams(these: &[&str]) -> Reach {
        let mut reach = Reach::default();
        for upstream in these {
            reach.upstream(upstream);
        }
        reach
    }

    #[test]
    fn an_upstream_with_an_address_needs_its_port_and_no_file() {
        let reach = upstreams(&[
            "http://127.0.0.1:2342",
            "https://[::1]",
            "http://10.0.0.1",
            "http://127.0.0.2:2342",
        ]);
        assert_eq!(reach.ports, [2342, 443, 80]);
        assert!(reach.read.is_empty(), "{reach:?}");
    }

    #[test]
    fn an_upstream_with_a_name_needs_what_names_are_looked_up_in_once() {
        let reach = upstreams(&["http://photos.internal:2342", "http://files.internal:2342"]);
        assert_eq!(reach.ports, [2342, DNS]);
        assert!(
            NAMES.iter().all(|name| reach.read.contains(&PathBuf::from(name))),
            "{reach:?}"
        );
        assert!(
            reach.read.len() <= NAMES.len() + 2 && reach.written.is_empty(),
            "{reach:?}"
        );
    }

    #[test]
    fn a_file_behind_a_link_needs_both_folders() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("live")).expect("made");
        std::fs::create_dir_all(at("archive")).expect("made");
        std::fs::write(at("archive/cert1.pem"), "").expect("written");
        std::os::unix::fs::symlink("../archive/cert1.pem", at("live/cert.pem")).expect("linked");
        let folders: Vec<_> = folders_of(&at("live/cert.pem")).collect();
        let archive = at("archive").canonicalize().expect("there");
        assert_eq!(folders, [at("live"), archive]);
    }
}
