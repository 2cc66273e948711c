//! The file with the field password: read with care, made at the first start.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;
use fieldcrypt::{SecretKey, SlotSecret};
use secrecy::zeroize::Zeroizing;

use super::data_dir::{DataDir, flush_folder};

/// Fewest characters of a field password that a database is made with: it is the only factor (NIST SP 800-63B-4
/// section 3.1.1.2).
const MINIMUM: usize = 15;

/// Longest file read, in bytes.
const MAXIMUM: u64 = 4096;

/// Where the field password is, or will be.
#[derive(Debug)]
pub(crate) struct FieldPasswordFile(PathBuf);

/// Why there is no field password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FieldPasswordError {
    #[error("the field password cannot be read from {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the field password file {} is empty", path.display())]
    Empty { path: PathBuf },
    #[error("the field password file {} is open to other users (permissions {mode:04o})", path.display())]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("the field password file {} belongs to another user (number {owner})", path.display())]
    NotOurs { path: PathBuf, owner: u32 },
    #[error("the field password in {} is shorter than {MINIMUM} characters", path.display())]
    TooShort { path: PathBuf },
    #[error("the field password file {} lies in the data directory", path.display())]
    InDataDir { path: PathBuf },
    #[error("the field password file {} cannot be made", path.display())]
    NotMade {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl FieldPasswordFile {
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The field password of an existing database. Makes nothing.
    ///
    /// # Errors
    /// When it is missing, empty or open to others.
    pub(crate) fn read(&self) -> Result<SlotSecret, FieldPasswordError> {
        self.text().map(|text| SlotSecret::password(&text))
    }

    /// The field password of a new database: what lies there, or a random one of 256 bits, on disk before the database
    /// is.
    ///
    /// # Errors
    /// As [`FieldPasswordFile::read`]; also when it is short, lies with the data, or cannot be made.
    pub(crate) fn read_or_make(&self, data: &DataDir) -> Result<SlotSecret, FieldPasswordError> {
        if !self.0.exists() {
            self.make(data).map_err(|error| match error {
                Refused::InDataDir => FieldPasswordError::InDataDir { path: self.0.clone() },
                Refused::Io(source) => FieldPasswordError::NotMade {
                    path: self.0.clone(),
                    source,
                },
            })?;
        }
        let text = self.text()?;
        if text.chars().count() < MINIMUM {
            return Err(FieldPasswordError::TooShort { path: self.0.clone() });
        }
        Ok(SlotSecret::password(&text))
    }

    /// Written beside its name and renamed, so that a start killed half-way leaves no empty one.
    fn make(&self, data: &DataDir) -> Result<(), Refused> {
        let folder = match self.0.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        if folder.canonicalize()?.starts_with(data.path().canonicalize()?) {
            return Err(Refused::InDataDir);
        }
        let key = SecretKey::random().map_err(io::Error::other)?;
        let mut line = Zeroizing::new(BASE32_NOPAD.encode(key.expose_bytes()));
        line.make_ascii_lowercase();
        line.push('\n');
        let mut unfinished = self.0.clone().into_os_string();
        unfinished.push(".new");
        // What a killed start left is taken away, not written over: it keeps the mode it was made with.
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&unfinished, &self.0)?;
        Ok(flush_folder(folder)?)
    }

    /// The text, without one trailing newline.
    fn text(&self) -> Result<Zeroizing<String>, FieldPasswordError> {
        let path = || self.0.clone();
        let unreadable = |source| FieldPasswordError::Unreadable { path: path(), source };
        let file = std::fs::File::open(&self.0).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
        let us = rustix::process::geteuid().as_raw();
        if owner != us && owner != 0 {
            return Err(FieldPasswordError::NotOurs { path: path(), owner });
        }
        // Root may let a service's group in: systemd's credentials carry an access list whose mask shows as group bits.
        let closed = if owner == us { 0o077 } else { 0o007 };
        if mode & closed != 0 {
            return Err(FieldPasswordError::OpenToOthers { path: path(), mode });
        }
        let room = usize::try_from(MAXIMUM).unwrap_or(usize::MAX);
        let mut text = Zeroizing::new(String::with_capacity(room));
        file.take(MAXIMUM).read_to_string(&mut text).map_err(unreadable)?;
        if text.ends_with('\n') {
            text.pop();
        }
        if text.is_empty() {
            return Err(FieldPasswordError::Empty { path: path() });
        }
        Ok(text)
    }
}

enum Refused {
    InDataDir,
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Fixture {
        folder: tempfile::TempDir,
        data: DataDir,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().expect("folder");
        let data = DataDir::made(&folder.path().join("data")).expect("made");
        Fixture { folder, data }
    }

    fn written(f: &Fixture, text: &str, mode: u32) -> FieldPasswordFile {
        let path = f.folder.path().join("given");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        FieldPasswordFile::at(path)
    }

    #[test]
    fn the_first_start_makes_one_for_its_owner_alone_and_the_second_reads_the_same() {
        let f = fixture();
        let file = FieldPasswordFile::at(f.folder.path().join("config/postern/field-password"));
        assert!(file.read_or_make(&f.data).is_ok());
        let first = std::fs::read(file.path()).expect("made");
        assert_eq!(
            std::fs::metadata(file.path()).expect("there").mode() & 0o777,
            0o600
        );
        assert_eq!(
            std::fs::metadata(file.path().parent().expect("folder"))
                .expect("there")
                .mode()
                & 0o777,
            0o700
        );
        assert!(file.read_or_make(&f.data).is_ok());
        assert_eq!(std::fs::read(file.path()).expect("there"), first);
        assert_eq!(file.text().map(|text| text.len()).ok(), Some(52));
    }

    #[test]
    fn what_a_killed_start_left_does_not_stop_the_next() {
        let f = fixture();
        let file = FieldPasswordFile::at(f.folder.path().join("field-password"));
        std::fs::write(f.folder.path().join("field-password.new"), "").expect("left");
        assert!(file.read_or_make(&f.data).is_ok());
    }

    #[test]
    fn it_is_never_made_in_the_data_directory() {
        let f = fixture();
        let file = FieldPasswordFile::at(f.data.path().join("sub/../field-password"));
        assert!(matches!(
            file.read_or_make(&f.data),
            Err(FieldPasswordError::InDataDir { .. })
        ));
        assert!(!file.path().exists());
    }

    #[test]
    fn a_short_empty_or_open_one_is_refused() {
        let f = fixture();
        let short = written(&f, "fourteen chars\n", 0o600);
        assert!(matches!(
            short.read_or_make(&f.data),
            Err(FieldPasswordError::TooShort { .. })
        ));
        assert!(short.read().is_ok(), "a database that has such a one still opens");
        assert!(matches!(
            written(&f, "\n", 0o600).read(),
            Err(FieldPasswordError::Empty { .. })
        ));
        for mode in [0o640, 0o604, 0o644] {
            let open = written(&f, "a long enough password", mode);
            assert!(
                matches!(open.read(), Err(FieldPasswordError::OpenToOthers { .. })),
                "{mode:o}"
            );
        }
    }
}
