//! Why a backup was not made, or is not one.

use std::io;
use std::path::PathBuf;

use authcore::OpenError;

use super::keys::RecipientError;

/// A backup was not made, or what was given is none that can be relied on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// It does not begin like an age file.
    #[error("it is no backup: it does not begin as an age v1 file")]
    NotAge,
    /// Its header, or a piece of it, was altered; or it was cut off or added to.
    #[error("it was altered or cut off: {0}")]
    Damaged(&'static str),
    /// The passphrase or the identities do not open it.
    #[error("it does not open with what was given")]
    WrongKey,
    /// It wants a passphrase, and identities were given.
    #[error("it is sealed with a passphrase, and identities were given")]
    WantsPassphrase,
    /// It wants an identity, and a passphrase was given.
    #[error("it is sealed to public keys, and a passphrase was given")]
    WantsIdentity,
    /// Its passphrase costs more to try than any of ours: a trap, or made elsewhere.
    #[error("trying its passphrase would cost 2^{required} rounds of scrypt; at most 2^{most} are taken")]
    TooCostly { required: u8, most: u8 },
    /// It opens, and what is in it is not a backup.
    #[error("what is in it is no backup of Postern: {0}")]
    NotOurs(String),
    /// It opens, and was made by a later version.
    #[error("it has format {found}, and this version knows format {known}")]
    Later { found: u64, known: u64 },
    /// The database in it is not the one that the manifest tells of.
    #[error("the database in it is not the one its manifest tells of: {0}")]
    Mismatch(&'static str),
    /// It is to be sealed to something that is no public key.
    #[error(transparent)]
    Recipient(#[from] RecipientError),
    /// It could not be sealed.
    #[error("it cannot be sealed to these recipients")]
    Seal(#[source] age::EncryptError),
    /// The database could not be read or held still.
    #[error(transparent)]
    Database(#[from] Box<OpenError>),
    /// What is at the final name is something else.
    #[error("{} is there and is no backup", path.display())]
    InTheWay { path: PathBuf },
    /// A file could not be written or read.
    #[error("{}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// What it is written to takes no more.
    #[error("the backup cannot be written")]
    Write(#[source] io::Error),
    /// It, or the database, could not be read.
    #[error("the backup cannot be read")]
    Read(#[source] io::Error),
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl BackupError {
    pub(super) fn file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }

    /// What reading the payload of an age file says: a piece that does not open, or that there is no more, is damage; anything
    /// else is the disk's.
    pub(super) fn of_payload(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Damaged("a piece of it does not open"),
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early"),
            _ => Self::Read(error),
        }
    }
}
