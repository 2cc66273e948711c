//! What opens the database: the field password or a key file, from the one place that was given, else from a person at
//! the terminal or the file that the first start makes.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use data_encoding::BASE32_NOPAD;
use fieldcrypt::{KeyFileTooShort, RecoveryKey, RecoveryKeyError, SecretKey, SlotSecret};
use zeroize::Zeroizing;

use super::data_dir::{DataDir, flush_folder};
use super::secret_file::{self, SecretFileError};

/// Fewest characters of a field password that a database is made with: it is the only factor (NIST SP 800-63B-4
/// section 3.1.1.2).
pub(crate) const FIELD_PASSWORD_MINIMUM: usize = 15;

/// Where the field password is, or will be.
#[derive(Debug)]
pub(crate) enum FieldPassword {
    /// Somebody said where.
    Given(Given),
    /// Nobody did: this file, made at the first start; without it, a person at the terminal is asked. It is not in the
    /// data directory, so that a copy of that does not carry its own key.
    Fallback(PathBuf),
}

/// A place that was named.
#[derive(Debug)]
pub(crate) enum Given {
    /// A file with the field password, or `-`.
    File(PathBuf),
    /// A file of 32 random bytes or more, or `-`.
    KeyFile(PathBuf),
    /// A file with a recovery key, or `-`.
    RecoveryKey(PathBuf),
    /// The pipe through which [`super::reexec`] hands on what stood in the environment.
    Pipe(PathBuf),
    /// A shell command that prints the field password.
    Command(String),
}

/// Asks the person at the terminal; `None`: there is none.
pub(crate) type Ask = fn() -> io::Result<Option<Zeroizing<String>>>;

/// Why there is no field password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FieldPasswordError {
    #[error("no field password")]
    File(#[from] SecretFileError),
    #[error("the field password file {} is not there, and nobody can be asked", path.display())]
    Missing { path: PathBuf },
    #[error("the field password could not be asked for")]
    Asking(#[source] io::Error),
    #[error("the field password from {from} is shorter than {FIELD_PASSWORD_MINIMUM} characters")]
    TooShort { from: String },
    #[error("the key file {} is not one", path.display())]
    KeyFile {
        path: PathBuf,
        #[source]
        source: KeyFileTooShort,
    },
    #[error("the recovery key does not read")]
    RecoveryKey {
        #[source]
        source: RecoveryKeyError,
    },
    #[error("field_password_command {0}")]
    Command(String),
    #[error("the field password file {} lies in the data directory", path.display())]
    InDataDir { path: PathBuf },
    #[error("the field password file {} cannot be made", path.display())]
    NotMade {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl FieldPassword {
    /// What opens an existing database. Makes nothing.
    ///
    /// # Errors
    /// See [`FieldPasswordError`].
    pub(crate) fn read(&self, ask: Ask) -> Result<SlotSecret, FieldPasswordError> {
        self.open(ask).map(|opener| opener.secret)
    }

    /// The same, with its text where it is a password: a backup is sealed to that too.
    ///
    /// # Errors
    /// See [`FieldPasswordError`].
    pub(crate) fn open(&self, ask: Ask) -> Result<Opener, FieldPasswordError> {
        match self {
            Self::Given(given) => given.read(),
            Self::Fallback(path) if path.exists() => {
                Ok(Opener::password(secret_file::text(path, "field password")?))
            }
            Self::Fallback(path) => match ask().map_err(FieldPasswordError::Asking)? {
                Some(text) => Ok(Opener::password(text)),
                None => Err(FieldPasswordError::Missing { path: path.clone() }),
            },
        }
    }

    /// What a new database is made with: what was given, or a random field password of 256 bits, on disk before the
    /// database is.
    ///
    /// # Errors
    /// As [`FieldPassword::open`]; also when it is short, lies with the data, or cannot be made.
    pub(crate) fn open_or_make(&self, data: &DataDir) -> Result<Opener, FieldPasswordError> {
        if let Self::Fallback(path) | Self::Given(Given::File(path)) = self
            && path.as_os_str() != "-"
            && !path.exists()
        {
            make(path, data)?;
        }
        let opener = match self {
            Self::Given(given) => given.read()?,
            Self::Fallback(path) => Opener::password(secret_file::text(path, "field password")?),
        };
        match &opener.password {
            Some(text) if text.chars().count() < FIELD_PASSWORD_MINIMUM => {
                Err(FieldPasswordError::TooShort {
                    from: self.to_string(),
                })
            }
            Some(_) | None => Ok(opener),
        }
    }

    /// Whether somebody said where it is, or the file that stands in is there: whether reading it asks nobody.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Given(_) => true,
            Self::Fallback(path) => path.exists(),
        }
    }

    /// The file it lies in, if it does.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Fallback(path)
            | Self::Given(Given::File(path) | Given::KeyFile(path) | Given::RecoveryKey(path)) => Some(path),
            Self::Given(Given::Pipe(_) | Given::Command(_)) => None,
        }
    }

    /// Whether it stood in the environment, where others may have seen it.
    pub(crate) const fn stood_in_the_environment(&self) -> bool {
        matches!(self, Self::Given(Given::Pipe(_)))
    }
}

/// Where it is, for people.
impl std::fmt::Display for FieldPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fallback(path)
            | Self::Given(Given::File(path) | Given::KeyFile(path) | Given::RecoveryKey(path)) => {
                if path.as_os_str() == "-" {
                    f.write_str("standard input")
                } else {
                    path.display().fmt(f)
                }
            }
            Self::Given(Given::Pipe(_)) => f.write_str("the variable POSTERN_FIELD_PASSWORD"),
            Self::Given(Given::Command(_)) => f.write_str("field_password_command"),
        }
    }
}

/// What was read.
pub(crate) struct Opener {
    /// Opens a slot of the database.
    pub(crate) secret: SlotSecret,
    /// Its text, where it is a password and neither a key file nor a recovery key.
    pub(crate) password: Option<Zeroizing<String>>,
}

impl Opener {
    fn password(text: Zeroizing<String>) -> Self {
        Self {
            secret: SlotSecret::password(&text),
            password: Some(text),
        }
    }

    const fn key(secret: SlotSecret) -> Self {
        Self {
            secret,
            password: None,
        }
    }
}

impl Given {
    fn read(&self) -> Result<Opener, FieldPasswordError> {
        match self {
            Self::File(path) | Self::Pipe(path) => {
                Ok(Opener::password(secret_file::text(path, "field password")?))
            }
            Self::KeyFile(path) => {
                let bytes = secret_file::bytes(path)?;
                let secret = SlotSecret::key_file(bytes.to_vec());
                secret
                    .map(Opener::key)
                    .map_err(|source| FieldPasswordError::KeyFile {
                        path: path.clone(),
                        source,
                    })
            }
            Self::RecoveryKey(path) => {
                let key = RecoveryKey::parse(&secret_file::text(path, "recovery key")?);
                let key = key.map_err(|source| FieldPasswordError::RecoveryKey { source })?;
                Ok(Opener::key(SlotSecret::recovery_key(key)))
            }
            Self::Command(command) => printed_by(command).map(Opener::password),
        }
    }
}

/// What a shell command prints. Its standard error is ours, so that it can ask or complain.
fn printed_by(command: &str) -> Result<Zeroizing<String>, FieldPasswordError> {
    let failed = |reason: &str| FieldPasswordError::Command(reason.to_owned());
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&format!("does not start: {error}")))?;
    let output = child.stdout.take().ok_or_else(|| failed("has no output"))?;
    let bytes = secret_file::bounded(output, secret_file::MAXIMUM);
    let status = child
        .wait()
        .map_err(|error| failed(&format!("did not end: {error}")))?;
    let bytes = bytes.map_err(|error| failed(&format!("could not be read: {error}")))?;
    if !status.success() {
        return Err(failed(&format!("failed with {status}")));
    }
    secret_file::line(&bytes)
        .filter(|text| !text.is_empty() && text.len() <= 4096)
        .ok_or_else(|| failed("printed nothing, or no text, or more than 4096 bytes"))
}

/// Makes a random field password. Written beside its name and renamed, so that a start killed half-way leaves no empty one.
fn make(path: &Path, data: &DataDir) -> Result<(), FieldPasswordError> {
    let not_made = |source| FieldPasswordError::NotMade {
        path: path.to_owned(),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(not_made)?;
    if lies_below(folder, data.path()).map_err(not_made)? {
        return Err(FieldPasswordError::InDataDir {
            path: path.to_owned(),
        });
    }
    write(path, folder).map_err(not_made)
}

/// Whether a folder is the data directory or lies in it.
pub(crate) fn lies_below(folder: &Path, data: &Path) -> io::Result<bool> {
    Ok(folder.canonicalize()?.starts_with(data.canonicalize()?))
}

fn write(path: &Path, folder: &Path) -> io::Result<()> {
    let key = SecretKey::random().map_err(io::Error::other)?;
    let mut line = Zeroizing::new(BASE32_NOPAD.encode(key.expose_bytes()));
    line.make_ascii_lowercase();
    line.push('\n');
    let mut unfinished = path.to_owned().into_os_string();
    unfinished.push(".new");
    // What a killed start left is taken away, not written over: it keeps the mode it was made with.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    flush_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    struct Fixture {
        folder: tempfile::TempDir,
        data: DataDir,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().expect("folder");
        let data = DataDir::made(&folder.path().join("data")).expect("made");
        Fixture { folder, data }
    }

    #[expect(clippy::unnecessary_wraps, reason = "an Ask")]
    fn nobody() -> io::Result<Option<Zeroizing<String>>> {
        Ok(None)
    }

    fn written(f: &Fixture, content: &[u8]) -> PathBuf {
        let path = f.folder.path().join("given");
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        path
    }

    #[test]
    fn the_first_start_makes_one_for_its_owner_alone_and_the_second_reads_the_same() {
        let f = fixture();
        let path = f.folder.path().join("config/postern/field-password");
        let fallback = FieldPassword::Fallback(path.clone());
        assert!(fallback.open_or_make(&f.data).is_ok());
        let first = std::fs::read(&path).expect("made");
        assert_eq!(first.len(), 53);
        let mode = |path: &Path| std::fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("folder")), 0o700);
        assert!(fallback.open_or_make(&f.data).is_ok() && fallback.read(nobody).is_ok());
        assert_eq!(std::fs::read(&path).expect("there"), first);
    }

    #[test]
    fn what_a_killed_start_left_does_not_stop_the_next() {
        let f = fixture();
        std::fs::write(f.folder.path().join("field-password.new"), "").expect("left");
        let fallback = FieldPassword::Fallback(f.folder.path().join("field-password"));
        assert!(fallback.open_or_make(&f.data).is_ok());
    }

    #[test]
    fn it_is_never_made_in_the_data_directory() {
        let f = fixture();
        let path = f.data.path().join("sub/../field-password");
        let given = FieldPassword::Given(Given::File(path.clone()));
        assert!(matches!(
            given.open_or_make(&f.data),
            Err(FieldPasswordError::InDataDir { .. })
        ));
        assert!(!path.exists());
    }

    #[test]
    fn a_database_is_not_made_with_a_short_one_but_one_that_has_it_still_opens() {
        let f = fixture();
        let short = FieldPassword::Given(Given::File(written(&f, b"fourteen chars\n")));
        assert!(matches!(
            short.open_or_make(&f.data),
            Err(FieldPasswordError::TooShort { .. })
        ));
        assert!(short.read(nobody).is_ok());
    }

    #[test]
    fn without_the_file_the_person_is_asked_and_without_a_person_it_is_missing() {
        let f = fixture();
        let absent = FieldPassword::Fallback(f.folder.path().join("absent"));
        assert!(matches!(
            absent.read(nobody),
            Err(FieldPasswordError::Missing { .. })
        ));
        assert!(
            absent
                .read(|| Ok(Some(Zeroizing::new("typed".to_owned()))))
                .is_ok()
        );
        assert!(!f.folder.path().join("absent").exists());
    }

    #[test]
    fn a_command_gives_what_it_prints_and_its_failure_is_told() {
        let f = fixture();
        let from =
            |command: &str| FieldPassword::Given(Given::Command(command.to_owned())).open_or_make(&f.data);
        assert!(from("echo 'a long enough password'").is_ok());
        for (command, word) in [
            ("echo 'a long enough password'; exit 3", "exit status: 3"),
            ("true", "printed nothing"),
            ("head -c 5000 /dev/zero | tr '\\0' a", "4096"),
        ] {
            let refused = from(command).err().expect(command).to_string();
            assert!(refused.contains(word), "{refused}");
        }
    }

    #[test]
    fn a_key_file_has_thirty_two_bytes_or_more() {
        let f = fixture();
        let from =
            |bytes: &[u8]| FieldPassword::Given(Given::KeyFile(written(&f, bytes))).open_or_make(&f.data);
        assert!(matches!(from(&[7; 31]), Err(FieldPasswordError::KeyFile { .. })));
        assert!(from(&[7; 32]).is_ok());
    }
}
