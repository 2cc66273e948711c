//! Landlock: which files, ports and processes the server reaches; everything else is refused with EACCES or EPERM.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus, NetPort, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

use super::Reach;

/// What is asked for: everything up to Linux 6.12. Version 7 only adds logging.
const WANTED: ABI = ABI::V6;

/// The version of the kernel's Landlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) i32);

/// What each version of the kernel's Landlock brought (landlock(7)).
const BROUGHT: [(i32, &str); 5] = [
    (1, "files"),
    (3, "truncation"),
    (4, "ports"),
    (5, "devices"),
    (6, "signals and abstract sockets"),
];

/// Says of a version what it holds and what it does not. Truncation and devices are files to a person, where they are held.
pub(super) fn sort(version: Version, standing: &mut Vec<String>, missing: &mut Vec<String>) {
    let brought = |held: bool| {
        let these = BROUGHT
            .iter()
            .filter(move |(since, _)| (*since <= version.0) == held);
        these.map(|(_, what)| *what)
    };
    let held: Vec<&str> = brought(true)
        .filter(|what| !["truncation", "devices"].contains(what))
        .collect();
    standing.push(format!("{} (Landlock {})", held.join(", "), version.0));
    let lacking: Vec<&str> = brought(false).collect();
    if !lacking.is_empty() {
        missing.push(format!(
            "{} (this kernel's Landlock is version {}, and {} has them)",
            lacking.join(", "),
            version.0,
            WANTED as i32
        ));
    }
}

/// Restricts this thread, and those it starts, for good.
pub(super) fn restrict(reach: &Reach) -> Result<Version, String> {
    let status = ruleset(CompatLevel::BestEffort)
        .and_then(|ruleset| with_rules(ruleset, reach))
        .and_then(RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    version(status.landlock)
}

/// What this kernel has.
pub(super) fn available() -> Result<Version, String> {
    // On a thread of its own, which ends: there is no other way to ask.
    let asked = std::thread::spawn(|| {
        Ruleset::default()
            .handle_access(AccessFs::Execute)
            .and_then(Ruleset::create)
            .and_then(RulesetCreated::restrict_self)
    });
    let status = asked.join().map_err(|_| "it could not be asked for".to_owned())?;
    version(status.map_err(|error| error.to_string())?.landlock)
}

fn version(status: LandlockStatus) -> Result<Version, String> {
    match status {
        LandlockStatus::Available { effective_abi, .. } => Ok(Version(effective_abi as i32)),
        LandlockStatus::NotEnabled => Err("this kernel has Landlock and does not use it".to_owned()),
        LandlockStatus::NotImplemented => Err("this kernel has no Landlock".to_owned()),
    }
}

/// What is taken away.
fn ruleset(level: CompatLevel) -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()
}

/// What is given back. Nothing may be executed, no port bound, and no device, socket, pipe or link made.
fn with_rules(ruleset: RulesetCreated, reach: &Reach) -> Result<RulesetCreated, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let written = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let ports = reach
        .ports
        .iter()
        .map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    ruleset
        .add_rules(path_beneath_rules(&reach.read, read))?
        .add_rules(path_beneath_rules(&reach.written, written))?
        .add_rules(ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, read, rename, write};
    use std::io::{ErrorKind, Result};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::symlink;
    use std::process::Command;

    const REFUSED: ErrorKind = ErrorKind::PermissionDenied;

    /// What each of these comes to, by name: what a server needs, and what it must not.
    fn tried(
        inside: &std::path::Path,
        outside: &std::path::Path,
        ports: [u16; 2],
    ) -> (Vec<Result<()>>, Vec<Result<()>>) {
        let needed = vec![
            write(inside.join("new"), "text"),
            rename(inside.join("new"), inside.join("newer")),
            File::create(inside.join("newer")).map(drop),
            std::fs::remove_file(inside.join("newer")),
            std::fs::read_dir(inside).map(drop),
            TcpStream::connect(("127.0.0.1", ports[0])).map(drop),
        ];
        let not_needed = vec![
            read(outside.join("secret")).map(drop),
            read("/etc/passwd").map(drop),
            write(outside.join("new"), "text"),
            symlink("/etc/passwd", inside.join("link")),
            std::fs::create_dir(inside.join("folder")),
            Command::new("/bin/true").status().map(drop),
            TcpListener::bind("127.0.0.1:0").map(drop),
            TcpStream::connect(("127.0.0.1", ports[1])).map(drop),
        ];
        (needed, not_needed)
    }

    #[test]
    fn within_the_walls_what_is_needed_goes_on_and_nothing_else_does() {
        let (inside, outside) = (tempfile::tempdir(), tempfile::tempdir());
        let (inside, outside) = (inside.expect("folder"), outside.expect("folder"));
        write(outside.path().join("secret"), "secret").expect("written");
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners
            .each_ref()
            .map(|one| one.local_addr().expect("bound").port());
        let reach = Reach {
            written: vec![inside.path().to_owned()],
            ports: vec![ports[0]],
            ..Reach::default()
        };
        let (needed, not_needed) = tried(inside.path(), outside.path(), ports);
        let works = |these: &[Result<()>]| these.iter().all(Result::is_ok);
        assert!(
            works(&needed) && works(&not_needed),
            "control: {needed:?} {not_needed:?}"
        );
        std::fs::remove_file(inside.path().join("link")).expect("removed");
        std::fs::remove_dir(inside.path().join("folder")).expect("removed");

        // The walls are this thread's and end with it.
        let walled = std::thread::spawn(move || {
            let version = restrict(&reach);
            (version, tried(inside.path(), outside.path(), ports))
        });
        let (version, (needed, not_needed)) = walled.join().expect("ends");
        assert_eq!(version, available());
        if version.is_err() {
            assert!(works(&not_needed), "a kernel without them");
            return;
        }
        assert!(works(&needed), "{needed:?}");
        // Ports came with version 4.
        let walls = if version.is_ok_and(|version| version >= Version(4)) {
            8
        } else {
            6
        };
        for (which, result) in not_needed.iter().enumerate().take(walls) {
            let kind = result.as_ref().map_err(std::io::Error::kind);
            assert_eq!(kind, Err(REFUSED), "number {which}: {result:?}");
        }
    }
}
