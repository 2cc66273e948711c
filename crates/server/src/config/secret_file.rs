//! Files that hold one secret: closed to others, bounded, read into memory that is wiped.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal as _, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Longest secret in a file, in bytes.
pub(super) const MAXIMUM: usize = 4096;

/// Standard input, in the place of a file.
const STANDARD_INPUT: &str = "-";

/// Why a file's secret is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFileError {
    #[error("the secret cannot be read from {}", shown(path))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the file {} is open to other users (permissions {mode:04o})", path.display())]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("the file {} belongs to another user (number {owner})", path.display())]
    NotOurs { path: PathBuf, owner: u32 },
    #[error("{} holds more than {maximum} bytes", shown(path))]
    TooLong { path: PathBuf, maximum: usize },
    #[error("{} is empty", shown(path))]
    Empty { path: PathBuf },
    #[error("what {} holds is not text", shown(path))]
    NotText { path: PathBuf },
}

/// The bytes of a file, or of standard input for `-`; a file must be its owner's alone.
///
/// # Errors
/// See [`SecretFileError`].
pub(crate) fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    bytes_up_to(path, MAXIMUM)
}

/// The same, for a secret that may be longer than others.
///
/// # Errors
/// See [`SecretFileError`].
pub(crate) fn bytes_up_to(path: &Path, maximum: usize) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let unreadable = |source| SecretFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = if path.as_os_str() == STANDARD_INPUT {
        bounded(io::stdin().lock(), maximum).map_err(unreadable)?
    } else {
        let file = File::open(path).map_err(unreadable)?;
        check(path, &file.metadata().map_err(unreadable)?)?;
        bounded(file, maximum).map_err(unreadable)?
    };
    if bytes.len() > maximum {
        return Err(SecretFileError::TooLong {
            path: path.to_owned(),
            maximum,
        });
    }
    if bytes.is_empty() {
        return Err(SecretFileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// The text of a file, or of standard input for `-`, without one trailing line end. A person at a terminal is asked for it by
/// that name.
///
/// # Errors
/// See [`SecretFileError`].
pub(crate) fn text(path: &Path, what: &str) -> Result<Zeroizing<String>, SecretFileError> {
    let text = if path.as_os_str() == STANDARD_INPUT && io::stdin().is_terminal() {
        typed(what).map_err(|source| SecretFileError::Unreadable {
            path: path.to_owned(),
            source,
        })?
    } else {
        line(&bytes(path)?).ok_or_else(|| SecretFileError::NotText {
            path: path.to_owned(),
        })?
    };
    if text.is_empty() {
        return Err(SecretFileError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// A secret that the person at the terminal types, without echo.
///
/// # Errors
/// When the terminal does not answer.
pub(crate) fn typed(what: &str) -> io::Result<Zeroizing<String>> {
    let mut capital = what.to_owned();
    if let Some(first) = capital.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    rpassword::prompt_password(format!("{capital}: ")).map(Zeroizing::new)
}

/// Bytes as text without one trailing line end; `None` when they are not UTF-8.
pub(super) fn line(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    std::str::from_utf8(bytes)
        .ok()
        .map(|text| Zeroizing::new(text.to_owned()))
}

/// Reads at most one byte more than a secret may have.
pub(super) fn bounded(reader: impl Read, maximum: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for everything from the start: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(maximum + 1));
    reader.take(maximum as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), SecretFileError> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let us = rustix::process::geteuid().as_raw();
    if owner != us && owner != 0 {
        return Err(SecretFileError::NotOurs {
            path: path.to_owned(),
            owner,
        });
    }
    // A shell's `<(…)` and a pipe are nobody else's, whatever their mode bits say.
    if !metadata.is_file() {
        return Ok(());
    }
    // Root may let a service's group in: systemd's credentials carry an access list whose mask shows as group bits.
    let closed = if owner == us { 0o077 } else { 0o007 };
    if mode & closed != 0 {
        return Err(SecretFileError::OpenToOthers {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    if path.as_os_str() == STANDARD_INPUT {
        "standard input".to_owned()
    } else {
        format!("the file {}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn read(content: &[u8], mode: u32) -> Result<String, SecretFileError> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        text(&path, "secret").map(|text| text.as_str().to_owned())
    }

    #[test]
    fn one_line_end_is_not_part_of_it() {
        for content in ["secret", "secret\n", "secret\r\n"] {
            assert_eq!(read(content.as_bytes(), 0o600).expect("read"), "secret");
        }
        assert_eq!(read(b"two\nlines\n\n", 0o400).expect("read"), "two\nlines\n");
    }

    #[test]
    fn empty_long_strange_and_open_ones_are_refused() {
        assert!(matches!(read(b"\n", 0o600), Err(SecretFileError::Empty { .. })));
        assert!(matches!(read(b"", 0o600), Err(SecretFileError::Empty { .. })));
        assert!(matches!(
            read(b"\xff\xfe", 0o600),
            Err(SecretFileError::NotText { .. })
        ));
        assert!(read(&[b'a'; MAXIMUM], 0o600).is_ok());
        assert!(matches!(
            read(&[b'a'; MAXIMUM + 1], 0o600),
            Err(SecretFileError::TooLong { .. })
        ));
        for mode in [0o640, 0o604, 0o660, 0o644] {
            assert!(
                matches!(read(b"secret", mode), Err(SecretFileError::OpenToOthers { .. })),
                "{mode:o}"
            );
        }
    }
}
