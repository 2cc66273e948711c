//! An install on disk with no server on it: to be copied, and worked on by commands that are killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::database_file::DatabaseFile;
use crate::power_loss::Recorder;
use crate::{Postern, command};

/// An install on disk, without a server.
pub struct Install {
    pub(crate) binary: PathBuf,
    pub(crate) folder: tempfile::TempDir,
}

impl Install {
    /// An empty folder, where nothing is installed yet.
    #[must_use]
    pub fn empty(binary: &str) -> Self {
        Self {
            binary: PathBuf::from(binary),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// The same install once more, in a folder of its own.
    #[must_use]
    pub fn copy(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(format!("{}/.", self.folder.path().display()))
            .arg(folder.path())
            .status();
        assert!(copied.expect("cp runs").success());
        Self {
            binary: self.binary.clone(),
            folder,
        }
    }

    /// Starts a server on it.
    #[must_use]
    pub fn serve(self) -> Postern {
        self.serve_as(&["serve"])
    }

    /// The same, with other arguments.
    #[must_use]
    pub fn serve_as(self, arguments: &[&str]) -> Postern {
        let serve = command(&self.binary, self.folder.path(), arguments);
        Postern::start_in(self.binary, self.folder, serve, &[])
    }

    /// Starts a server on it, everything of which is recorded.
    #[must_use]
    pub fn serve_recorded(self, arguments: &[&str], recorder: &Recorder) -> Postern {
        let serve = recorder.over(&command(&self.binary, self.folder.path(), arguments));
        Postern::start_in(self.binary, self.folder, serve, &[])
    }

    /// A command on it, to be run.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        command(&self.binary, self.folder.path(), arguments)
    }

    /// Runs a command on it.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Runs a command on it, which must succeed.
    #[track_caller]
    pub fn does(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file with the field password.
    #[must_use]
    pub fn field_password(&self) -> PathBuf {
        self.folder.path().join("config/postern/field-password")
    }

    /// Its database.
    #[must_use]
    pub fn database(&self) -> DatabaseFile {
        DatabaseFile::in_directory(&self.folder.path().join("data/postern"))
    }

    /// Writes a file that only its owner reads, in its folder, in which commands run.
    pub fn put_secret(&self, name: &str, secret: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, secret).expect("written");
        let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, owner_only).expect("set");
    }
}
