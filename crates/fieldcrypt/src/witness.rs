//! The witness: a small file outside the data directory that remembers how far the integrity seal's counter had come.
//!
//! A whole database put back from an older copy is consistent in itself, so nothing in it can tell. The witness stands
//! where whoever replaces the database does not reach, holds the counter under a MAC, and is written *after* a commit. So in
//! any honest history, with crashes between, the database's counter is at least the witness's; a lower one is a rollback.
//!
//! ```text
//! fieldcrypt witness 1
//! install 0123…                     16 bytes, hex
//! counter 4711
//! mac 89ab…                         HMAC-SHA256(witness key, the lines above), hex
//! ```
//!
//! It says nothing about what happened since it was last written: a database put back to a state newer than that is not
//! noticed. How often it is written is the program's choice; it costs a flush of a file and of its folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::integrity::IntegritySeal;
use crate::random;

/// More than any witness has: a larger file is none.
const LEN_MAX: u64 = 1024;

/// The witness file of a database.
pub struct Witness {
    path: PathBuf,
    install_id: [u8; 16],
    key: Hmac<Sha256>,
}

/// The witness speaks against the database, or cannot speak.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// There is no file.
    #[error("there is no witness file at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It was altered, or belongs to another database.
    #[error("the witness file {} was altered or belongs to another database", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The database is older than the witness.
    #[error(
        "the database was put back from an older copy: its counter is {database}, the witness has seen {witness}"
    )]
    RolledBack {
        /// The database's counter.
        database: u64,
        /// The witness's counter.
        witness: u64,
    },
    /// The file could not be read or written.
    #[error("the witness file {} cannot be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Witness {
    /// The witness of this seal's database in that file. Reads nothing yet.
    #[must_use]
    pub fn new(path: &Path, seal: &IntegritySeal) -> Self {
        Self {
            path: path.to_owned(),
            install_id: seal.keys.install_id,
            key: seal.witness.clone(),
        }
    }

    /// The counter it has seen.
    ///
    /// # Errors
    /// When the file is not there, does not read, or is not this database's.
    pub fn counter(&self) -> Result<u64, WitnessError> {
        let mut text = String::new();
        match File::open(&self.path).and_then(|file| file.take(LEN_MAX).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(WitnessError::Missing {
                    path: self.path.clone(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(self.damaged()),
            Err(error) => return Err(self.io(error)),
        }
        let counter: u64 = text
            .lines()
            .nth(2)
            .and_then(|line| line.strip_prefix("counter "))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| self.damaged())?;
        // Rendered anew and compared whole: there is one way to write a witness.
        let genuine = self.render(counter);
        if subtle::ConstantTimeEq::ct_eq(genuine.as_bytes(), text.as_bytes()).into() {
            Ok(counter)
        } else {
            Err(self.damaged())
        }
    }

    /// Holds the database's counter, as [`IntegritySeal::verify`] gave it, against the witness.
    ///
    /// # Errors
    /// [`WitnessError::RolledBack`] when the database is older. When the file is missing or damaged, too: whoever
    /// cannot be asked has not agreed.
    pub fn check(&self, database: u64) -> Result<(), WitnessError> {
        let witness = self.counter()?;
        if database < witness {
            return Err(WitnessError::RolledBack { database, witness });
        }
        Ok(())
    }

    /// Writes down a counter that is committed; a lower one than the file's is left out. Two processes at once may leave the
    /// lower of their two behind, which the next call makes good: the witness is never ahead of the database.
    ///
    /// # Errors
    /// When the file is missing or damaged, or cannot be written.
    pub fn record(&self, committed: u64) -> Result<(), WitnessError> {
        if self.counter()? < committed {
            self.write(committed)?;
        }
        Ok(())
    }

    /// Writes the witness whatever is there: for a new database, and when the person in charge accepts what it speaks against
    /// (after [`IntegritySeal::rebuild`] with the old witness's counter as floor).
    ///
    /// # Errors
    /// When it cannot be written; the old file, if any, is still there then.
    pub fn replace(&self, committed: u64) -> Result<(), WitnessError> {
        self.write(committed)
    }

    fn render(&self, counter: u64) -> String {
        let said = format!(
            "fieldcrypt witness 1\ninstall {}\ncounter {counter}\n",
            hex(&self.install_id)
        );
        let mac = self
            .key
            .clone()
            .chain_update(said.as_bytes())
            .finalize()
            .into_bytes();
        format!("{said}mac {}\n", hex(&mac))
    }

    /// All or nothing: a new file beside the old one, flushed, renamed over it, the folder flushed.
    fn write(&self, counter: u64) -> Result<(), WitnessError> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let tag: [u8; 8] = random::array().map_err(|error| self.io(io::Error::other(error)))?;
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", hex(&tag)));
        let temporary = folder.join(name);
        let written = write_flushed(&temporary, self.render(counter).as_bytes())
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            // The first error is the one to tell.
            drop(fs::remove_file(&temporary));
        }
        written
            .and_then(|()| File::open(folder)?.sync_all())
            .map_err(|error| self.io(error))
    }

    fn damaged(&self) -> WitnessError {
        WitnessError::Damaged {
            path: self.path.clone(),
        }
    }

    fn io(&self, source: io::Error) -> WitnessError {
        WitnessError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

fn write_flushed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| DIGITS.get(usize::from(digit)))
        .map(|digit| char::from(*digit))
        .collect()
}
