//! The Debian package, in a root of its own: it makes the user and the folders, waits for a field password, keeps what the owner wrote
//! at an upgrade, leaves the data when it is removed and takes it away when it is purged.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e_support::{Postern, send};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_postern");

const DATA: &str = "var/lib/postern";
const CONFIGURATION: &str = "etc/postern/postern.toml";

/// A command that must succeed; what it says.
fn run(command: &mut Command) -> String {
    let output = command.env("DPKG_DEB_COMPRESSOR_TYPE", "none").output();
    let output = output.expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn package(folder: &Path, version: &str) -> PathBuf {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/debian/build");
    let said = run(Command::new(build).arg(BINARY).arg(folder).arg(version));
    PathBuf::from(said.trim())
}

/// A root directory with nothing in it, and dpkg at work on it. Only root may: dpkg(1) gives files to users.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().expect("folder"));
        // Others walk through it, as through any root.
        std::fs::set_permissions(root.0.path(), std::fs::Permissions::from_mode(0o755)).expect("set");
        for folder in ["etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"] {
            std::fs::create_dir_all(root.at(folder)).expect("made");
        }
        for file in ["var/lib/dpkg/status", "var/lib/dpkg/available"] {
            std::fs::write(root.at(file), "").expect("written");
        }
        root
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn has(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// What the package depends on is on this machine, not in that root.
    fn dpkg(&self, arguments: &[&str]) -> String {
        let root = format!("--root={}", self.0.path().display());
        let fixed = ["--force-script-chrootless", "--force-depends", "--force-confold"];
        run(Command::new("dpkg").arg(root).args(fixed).args(arguments))
    }

    fn install(&self, package: &Path) -> String {
        self.dpkg(&["--install", &package.display().to_string()])
    }
}

/// The same package with another configuration in it, as a later version may have.
fn with_another_configuration(package: &Path, folder: &Path) -> PathBuf {
    let (tree, changed) = (folder.join("tree"), folder.join("changed.deb"));
    run(Command::new("dpkg-deb")
        .arg("--raw-extract")
        .arg(package)
        .arg(&tree));
    std::fs::write(tree.join(CONFIGURATION), "# new words of the package\n").expect("written");
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(&tree)
        .arg(&changed));
    changed
}

#[test]
fn installed_upgraded_removed_and_purged_in_a_root_of_its_own() {
    let (root, folder) = (Root::new(), tempfile::tempdir().expect("folder"));
    let said = root.install(&package(folder.path(), "0.1.0"));
    assert!(
        said.contains("not started: it has no field password yet"),
        "{said}"
    );
    for path in [
        "usr/bin/postern",
        "usr/lib/systemd/system/postern.service",
        "usr/lib/systemd/system/postern.socket",
        "usr/share/man/man1/postern-serve.1.gz",
        "usr/share/bash-completion/completions/postern",
        "usr/share/zsh/vendor-completions/_postern",
        "usr/share/fish/vendor_completions.d/postern.fish",
        "usr/share/doc/postern/README.md",
        "usr/share/doc/postern/docs/hardening.md",
        "usr/share/doc/postern/docs/gate/nginx.md",
        "usr/share/doc/postern/docs/formats/read_sealed_field.py",
        "usr/share/doc/postern/examples/reached-from-elsewhere.conf",
        "usr/share/doc/postern/examples/fail2ban/filter.d/postern.conf",
        "usr/share/doc/postern/examples/grafana/postern.json",
        "usr/share/doc/postern/copyright",
        CONFIGURATION,
    ] {
        assert!(root.has(path), "{path}");
    }
    let data = root.at(DATA).metadata().expect("made");
    let users = std::fs::read_to_string(root.at("etc/passwd")).expect("made");
    let user = users
        .lines()
        .find(|line| line.starts_with("postern:"))
        .expect("made");
    assert!(user.ends_with(":/usr/sbin/nologin"), "{user}");
    assert_eq!(user.split(':').nth(2), Some(&*data.uid().to_string()));
    assert_eq!(data.mode() & 0o7777, 0o700);
    let said = run(Command::new(root.at("usr/bin/postern"))
        .args(["config", "check", "--config"])
        .arg(root.at(CONFIGURATION)));
    assert!(
        said.contains("/var/lib/postern"),
        "its configuration is good: {said}"
    );

    // It runs, as its user, with a credential as systemd gives one.
    let credential = root.at("run/credentials");
    std::fs::create_dir_all(&credential).expect("made");
    for path in [credential.clone(), credential.join("field-password")] {
        if path != credential {
            std::fs::write(&path, "fifteen characters and more\n").expect("written");
        }
        chown(&path, Some(data.uid()), Some(data.gid())).expect("given");
        let mode = if path == credential { 0o700 } else { 0o400 };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
    }
    let identity = [
        format!("--reuid={}", data.uid()),
        format!("--regid={}", data.gid()),
    ];
    let wrapper = ["setpriv", &identity[0], &identity[1], "--clear-groups"];
    let script = format!(
        "export CREDENTIALS_DIRECTORY={}; exec {} serve --config {} --data-dir {}",
        credential.display(),
        root.at("usr/bin/postern").display(),
        root.at(CONFIGURATION).display(),
        root.at(DATA).display(),
    );
    let mut postern = Postern::start_from(BINARY, &wrapper, &script);
    let health = send(&postern.base, "GET", "/health", &[], &Value::Null);
    assert_eq!(health.expect("answers").status, 200);
    assert_eq!(postern.stop(), Some(0));
    let database = format!("{DATA}/postern.sqlite");
    assert_eq!(root.at(&database).metadata().expect("made").uid(), data.uid());

    std::fs::write(root.at(CONFIGURATION), "# mine\n").expect("written");
    let newer = with_another_configuration(&package(folder.path(), "0.2.0"), folder.path());
    let said = root.install(&newer);
    assert!(said.contains("0.2.0"), "{said}");
    let kept = std::fs::read_to_string(root.at(CONFIGURATION)).expect("there");
    assert_eq!(kept, "# mine\n");
    assert!(root.has(&database));

    root.dpkg(&["--remove", "postern"]);
    assert!(!root.has("usr/bin/postern") && !root.has("usr/lib/systemd/system/postern.service"));
    assert!(
        root.has(CONFIGURATION) && root.has(&database),
        "they stay until a purge"
    );

    root.dpkg(&["--purge", "postern"]);
    assert!(!root.has("etc/postern") && !root.has(DATA));
}

#[test]
fn two_packages_of_one_binary_are_the_same() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("folder"));
    let packages = folders.each_ref().map(|folder| {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/debian/build");
        let said = run(Command::new(build)
            .arg(BINARY)
            .arg(folder.path())
            .env("SOURCE_DATE_EPOCH", "1700000000"));
        std::fs::read(said.trim()).expect("there")
    });
    assert!(packages[0] == packages[1]);
}
