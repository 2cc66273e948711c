//! The data directory: its owner's alone, one server at a time.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const DATABASE: &str = "postern.sqlite";
const UNFINISHED: &str = "postern.sqlite.new";
const SIGNIN_LINK: &str = "first-signin-link";

/// A directory that was looked over.
#[derive(Debug)]
pub(crate) struct DataDir(PathBuf);

/// Held while a server runs on the directory.
#[derive(Debug)]
pub(crate) struct InUse(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);

/// Why a data directory is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    #[error("there is no data directory {}", path.display())]
    Missing { path: PathBuf },
    #[error("{} is not a directory (a symbolic link is not followed)", path.display())]
    NotADirectory { path: PathBuf },
    #[error("{} is open to other users (permissions {mode:04o})", path.display())]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("{} belongs to another user (number {owner})", path.display())]
    NotOurs { path: PathBuf, owner: u32 },
    #[error("{} is not a regular file (a symbolic link is not followed)", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} has another name outside of its directory (a hard link)", path.display())]
    LinkedElsewhere { path: PathBuf },
    #[error("everybody may swap what is in {} (permissions {mode:04o})", path.display())]
    Swappable { path: PathBuf, mode: u32 },
    #[error("another server runs on the data directory {}", path.display())]
    InUse { path: PathBuf },
    #[error("the new database could not be written whole, as on a disk that is full: what is missing is in {}", log.display())]
    Unwritten { log: PathBuf },
    #[error("{}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl DataDir {
    /// An existing directory.
    ///
    /// # Errors
    /// When it is not there, or it or the database in it is not its owner's alone, or somebody else could put another in its place.
    pub(crate) fn existing(path: &Path) -> Result<Self, DataDirError> {
        let metadata = std::fs::symlink_metadata(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DataDirError::Missing {
                path: path.to_owned(),
            },
            _ => at(path, source),
        })?;
        if !metadata.is_dir() {
            return Err(DataDirError::NotADirectory {
                path: path.to_owned(),
            });
        }
        check(path, &metadata)?;
        check_above(path)?;
        let data = Self(path.to_owned());
        for name in ["", "-wal", "-shm"] {
            let file = data.0.join(format!("{DATABASE}{name}"));
            match std::fs::symlink_metadata(&file) {
                Ok(metadata) => {
                    if !metadata.is_file() {
                        return Err(DataDirError::NotAFile { path: file });
                    }
                    check(&file, &metadata)?;
                    data.check_links(&file, &metadata)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(at(&file, error)),
            }
        }
        Ok(data)
    }

    /// Every name of the file must be in this directory, as those that a restore gives are: under a name elsewhere `SQLite` would
    /// look for another log ("How To Corrupt An SQLite Database File", section 2.5), and whoever put it there keeps what is
    /// deleted here.
    fn check_links(&self, file: &Path, metadata: &Metadata) -> Result<(), DataDirError> {
        if metadata.nlink() == 1 {
            return Ok(());
        }
        let same = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.metadata()?.ino() == metadata.ino());
        let names: io::Result<Vec<bool>> = std::fs::read_dir(&self.0)
            .map_err(|source| at(&self.0, source))?
            .map(same)
            .collect();
        let names = names.map_err(|source| at(&self.0, source))?;
        if names.into_iter().filter(|same| *same).count() as u64 == metadata.nlink() {
            Ok(())
        } else {
            Err(DataDirError::LinkedElsewhere {
                path: file.to_owned(),
            })
        }
    }

    /// The directory, made (0700) if there is none.
    ///
    /// # Errors
    /// As [`DataDir::existing`], or when it cannot be made.
    pub(crate) fn made(path: &Path) -> Result<Self, DataDirError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| at(path, source))?;
        Self::existing(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    /// Where the database of a directory is that may not be there yet.
    pub(crate) fn database_in(path: &Path) -> PathBuf {
        path.join(DATABASE)
    }

    pub(crate) fn has_database(&self) -> bool {
        self.database().exists()
    }

    /// Locks the directory itself, so that a start that fails leaves no file behind. The system lets go of it however the
    /// process ends.
    ///
    /// # Errors
    /// When another server holds it.
    pub(crate) fn lock(&self) -> Result<InUse, DataDirError> {
        let directory = File::open(&self.0).map_err(|source| at(&self.0, source))?;
        match directory.try_lock() {
            Ok(()) => Ok(InUse(directory)),
            Err(std::fs::TryLockError::WouldBlock) => Err(DataDirError::InUse { path: self.0.clone() }),
            Err(std::fs::TryLockError::Error(source)) => Err(at(&self.0, source)),
        }
    }

    /// Where a new database is made; what a killed first start left there is taken away.
    ///
    /// # Errors
    /// When it cannot be taken away.
    pub(crate) fn unfinished_database(&self) -> Result<PathBuf, DataDirError> {
        for name in ["", "-wal", "-shm"] {
            remove(&self.0.join(format!("{UNFINISHED}{name}")))?;
        }
        Ok(self.0.join(UNFINISHED))
    }

    /// Gives the new database its name, in one step. Whoever made it has closed it.
    ///
    /// # Errors
    /// When its log was not written back, without which it is no database; when it cannot be renamed.
    pub(crate) fn finish_database(&self) -> Result<(), DataDirError> {
        let log = self.0.join(format!("{UNFINISHED}-wal"));
        if log.try_exists().map_err(|source| at(&log, source))? {
            return Err(DataDirError::Unwritten { log });
        }
        std::fs::rename(self.0.join(UNFINISHED), self.database())
            .map_err(|source| at(&self.database(), source))?;
        flush_folder(&self.0).map_err(|source| at(&self.0, source))
    }

    /// Puts the first sign-in link where only the owner reads it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_signin_link(&self, link: &str) -> Result<PathBuf, DataDirError> {
        let path = self.0.join(SIGNIN_LINK);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        file.and_then(|mut file| writeln!(file, "{link}"))
            .map_err(|source| at(&path, source))?;
        Ok(path)
    }

    /// Takes away the link of an earlier start.
    ///
    /// # Errors
    /// When it is there and cannot be taken away.
    pub(crate) fn remove_signin_link(&self) -> Result<(), DataDirError> {
        remove(&self.0.join(SIGNIN_LINK))
    }
}

/// Makes what was done in a folder last.
pub(super) fn flush_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// No directory above may let everybody rename what is in it: an older copy of the whole data directory could take its place.
fn check_above(path: &Path) -> Result<(), DataDirError> {
    let whole = path.canonicalize().map_err(|source| at(path, source))?;
    for above in whole.ancestors().skip(1) {
        let mode = std::fs::metadata(above)
            .map_err(|source| at(above, source))?
            .mode()
            & 0o7777;
        // Where it is sticky (`/tmp`), only owners rename.
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            return Err(DataDirError::Swappable {
                path: above.to_owned(),
                mode,
            });
        }
    }
    Ok(())
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), DataDirError> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != rustix::process::geteuid().as_raw() {
        return Err(DataDirError::NotOurs {
            path: path.to_owned(),
            owner,
        });
    }
    if mode & 0o077 != 0 {
        return Err(DataDirError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), DataDirError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn at(path: &Path, source: io::Error) -> DataDirError {
    DataDirError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    }

    #[test]
    fn whatever_others_could_read_or_swap_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let data = folder.path().join("data");
        DataDir::made(&data).expect("made");
        for mode in [0o750, 0o705, 0o701, 0o710, 0o777] {
            set(&data, mode);
            assert!(
                matches!(DataDir::existing(&data), Err(DataDirError::OpenToOthers { .. })),
                "{mode:o}"
            );
        }
        set(&data, 0o700);
        for name in ["postern.sqlite", "postern.sqlite-wal"] {
            std::fs::write(data.join(name), "").expect("written");
            set(&data.join(name), 0o640);
            assert!(
                matches!(DataDir::existing(&data), Err(DataDirError::OpenToOthers { .. })),
                "{name}"
            );
            set(&data.join(name), 0o600);
        }
        let (database, elsewhere) = (data.join("postern.sqlite"), folder.path().join("another-name"));
        std::fs::hard_link(&database, data.join("put-aside")).expect("linked");
        assert!(DataDir::existing(&data).is_ok(), "a name that a restore gave");
        std::fs::hard_link(&database, &elsewhere).expect("linked");
        assert!(matches!(
            DataDir::existing(&data),
            Err(DataDirError::LinkedElsewhere { .. })
        ));
        std::fs::remove_file(&database).expect("removed");
        symlink(&elsewhere, &database).expect("linked");
        assert!(matches!(
            DataDir::existing(&data),
            Err(DataDirError::NotAFile { .. })
        ));
        std::fs::remove_file(&database).expect("removed");
        set(folder.path(), 0o777);
        assert!(matches!(
            DataDir::existing(&data),
            Err(DataDirError::Swappable { .. })
        ));
        for mode in [0o1777, 0o700] {
            set(folder.path(), mode);
            assert!(DataDir::existing(&data).is_ok(), "control: {mode:o}");
        }
        let link = folder.path().join("link");
        symlink(&data, &link).expect("linked");
        assert!(matches!(
            DataDir::existing(&link),
            Err(DataDirError::NotADirectory { .. })
        ));
    }

    #[test]
    fn a_directory_is_locked_once_and_free_again_afterwards() {
        let folder = tempfile::tempdir().expect("folder");
        let data = DataDir::made(&folder.path().join("data")).expect("made");
        let held = data.lock().expect("free");
        assert!(matches!(data.lock(), Err(DataDirError::InUse { .. })));
        drop(held);
        assert!(data.lock().is_ok());
        assert_eq!(
            std::fs::read_dir(data.path()).expect("lists").count(),
            0,
            "nothing was made for it"
        );
    }
}
