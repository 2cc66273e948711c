//! Files that are not finished: 0600, in the folder of what they become, locked by who writes them, and taken away. One that a
//! killed process left behind is nobody's lock, and the next one in that folder takes it away.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use fieldcrypt::random;

const PREFIX: &str = ".postern-";
const SUFFIX: &str = ".unfinished";

/// A file that is taken away when this is dropped, unless it was given its name.
pub(super) struct Temporary {
    path: PathBuf,
    file: File,
    kept: bool,
}

impl Temporary {
    /// A new one in that folder; what killed ones left there is taken away.
    pub(super) fn new_in(folder: &Path) -> io::Result<Self> {
        sweep(folder);
        let tag: [u8; 8] = random::array().map_err(io::Error::other)?;
        let path = folder.join(format!("{PREFIX}{}{SUFFIX}", HEXLOWER.encode(&tag)));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let temporary = Self {
            path,
            file,
            kept: false,
        };
        // A file system without locks has no other process of ours to be told from either.
        let _ = temporary.file.try_lock();
        Ok(temporary)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name, in the same folder, in one step, on disk.
    pub(super) fn rename(mut self, name: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, name)?;
        self.kept = true;
        flush_folder_of(name)
    }

    /// A handle of a file without a name, which ends with it.
    pub(super) fn nameless(self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            take_away(&self.path);
        }
    }
}

/// The folder in which something of that name lies.
pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Makes what was done in a file's folder last.
pub(super) fn flush_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// With what SQLite may have put beside it.
fn take_away(path: &Path) {
    for beside in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        // It may be gone, or never have been.
        let _ = std::fs::remove_file(name);
    }
}

/// Takes away what nobody holds any more: what killed processes left in that folder.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        let regular = entry.file_type().is_ok_and(|kind| kind.is_file());
        if ours
            && regular
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            tracing::info!(path = %entry.path().display(), "what a process that was killed left unfinished is taken away");
            take_away(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn it_is_its_owners_alone_goes_when_dropped_and_stays_once_it_has_its_name() {
        let folder = tempfile::tempdir().expect("folder");
        let count = || std::fs::read_dir(folder.path()).expect("lists").count();
        let one = Temporary::new_in(folder.path()).expect("made");
        assert_eq!(one.file().metadata().expect("there").mode() & 0o777, 0o600);
        assert_eq!(count(), 1);
        drop(one);
        assert_eq!(count(), 0);
        let name = folder.path().join("name");
        Temporary::new_in(folder.path())
            .expect("made")
            .rename(&name)
            .expect("renamed");
        assert!(name.exists() && count() == 1);
    }

    #[test]
    fn what_a_killed_process_left_is_taken_away_and_what_is_under_way_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        let left = folder.path().join(".postern-0011223344556677.unfinished");
        std::fs::write(&left, "left").expect("written");
        let under_way = Temporary::new_in(folder.path()).expect("made");
        assert!(!left.exists());
        let other = Temporary::new_in(folder.path()).expect("made");
        assert!(under_way.path().exists() && other.path().exists());
    }
}
