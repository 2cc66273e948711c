//! Power that fails: what a program wrote and synced is recorded (strace(1)), and disks are made of it as they could be found
//! afterwards.
//!
//! What was synced is on every such disk. Of what was not, any part may be: each 512-byte sector of each write, each change of a
//! length, each name made, replaced or taken away is there or not, whatever came before or after it. That is more than a
//! file system does, which keeps some order; who survives this survives those.
//!
//! Not on the disks: SQLite's `-shm` file, which is memory shared by processes and is made anew from the log.

mod chance;
mod disk;
mod images;
mod trace;

pub use chance::Chance;
pub use disk::{Disk, Image, Syncs};
pub use images::{Crash, Images};
pub use trace::{Deed, Recording, Step};

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

/// The calls that are recorded. Of those of the last line nothing is known of what they write: a program that makes one of
/// them on a file of the folder ends the test.
const CALLS: &str = "openat,write,writev,pwrite64,fdatasync,fsync,ftruncate,unlink,unlinkat,rename,renameat,renameat2,\
     sendto,sendmsg,exit_group,mkdir,lseek,\
     link,linkat,fallocate,copy_file_range,sendfile,pwritev,pwritev2,sync_file_range,msync";

/// Takes down what one command does to the files of a folder.
pub struct Recorder {
    /// Where the pipe is into which strace(1) writes, and out of which a thread reads until it has ended.
    place: tempfile::TempDir,
    reading: JoinHandle<String>,
    folder: PathBuf,
}

impl Recorder {
    /// Of the files of that folder.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let pipe = place.path().join("log");
        let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
        assert!(made.success());
        let reading = std::thread::spawn(move || std::fs::read_to_string(pipe).expect("a log"));
        Self {
            place,
            reading,
            folder: folder.to_owned(),
        }
    }

    /// The same command, recorded. It stays the child of who starts it: strace(1) is nobody's parent.
    #[must_use]
    pub fn over(&self, command: &Command) -> Command {
        let mut strace = Command::new("strace");
        // Times, the names of open files, every string whole and in hexadecimal.
        strace.args(["-D", "-f", "-qq", "-ttt", "-y", "-xx", "-s", "4000000"]);
        strace.args(["-e", "signal=none", "-e", &format!("trace={CALLS}"), "-o"]);
        strace.arg(self.place.path().join("log"));
        strace
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args());
        strace.env_clear().env("PATH", "/usr/bin:/bin");
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                strace.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            strace.current_dir(folder);
        }
        strace
    }

    /// What was recorded, once the command has ended.
    #[must_use]
    #[track_caller]
    pub fn recording(self) -> Recording {
        let log = self.reading.join().expect("no panic");
        Recording::read(&log, &self.folder)
    }
}
