//! What a backup is sealed to, and what opens it: a passphrase, or public keys and their identities.

use std::collections::HashSet;
use std::io::{BufReader, Chain, Cursor, Read};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use age::secrecy::{ExposeSecret as _, SecretString};
use age::stream::StreamReader;
use age::{DecryptError, Decryptor, EncryptError, Encryptor, Identity, Recipient};
use age_core::format::{FileKey, Stanza};

use super::BackupError;

/// scrypt rounds of a passphrase, as a power of two: N = 2^17 with r = 8 takes 128 MiB and is what OWASP's password storage
/// cheat sheet asks of scrypt. A guess at a backup must not be cheaper than one at a key slot (600,000 rounds of PBKDF2).
const WORK: u8 = 17;

/// Most that is taken when reading: what `age -p` writes. 2^18 takes 256 MiB and about a second; a file that asks for more is
/// refused before anything is computed.
pub(crate) const WORK_MAX: u8 = 18;

/// Bytes within which the header of an age file must end. Ours have a few hundred; a hundred recipients have 12 KiB.
pub(super) const HEADER_MAX: usize = 64 * 1024;

/// Whom a backup is sealed to.
pub(crate) enum SealedTo {
    /// Whoever knows it.
    Passphrase(SecretString),
    /// Whoever has the private half of one of these: `age1…` or `ssh-…`. Nobody else, not the server that writes it.
    Recipients(Vec<String>),
}

/// What opens a backup.
pub(crate) enum Opener {
    /// The passphrase.
    Passphrase(SecretString),
    /// Private halves.
    Identities(Vec<Box<dyn Identity + Send + Sync>>),
    /// The file's own key, kept by who just wrote it to read it back.
    Kept(KeptKey),
}

/// The key of one file, in memory from writing it to reading it back.
pub(crate) struct KeptKey(FileKey);

/// A public key that is none.
#[derive(Debug, thiserror::Error)]
#[error("{word} is no public key that a backup can be sealed to: it is age1… or ssh-ed25519 … or ssh-rsa …")]
pub(crate) struct RecipientError {
    word: String,
}

/// A file of private keys that is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("it holds no age identity and no SSH private key")]
    NotOne,
    #[error("its SSH private key is itself under a passphrase")]
    UnderPassphrase,
    #[error("its SSH private key is of a kind that opens no backup")]
    Unsupported,
}

/// An open file: what comes out is the archive.
pub(crate) type Opened<R> = StreamReader<Chain<Cursor<Vec<u8>>, BufReader<R>>>;

type BoxedRecipient = Box<dyn Recipient + Send + Sync>;

fn recipient(word: &str) -> Result<BoxedRecipient, RecipientError> {
    let word = word.trim();
    if let Ok(recipient) = age::x25519::Recipient::from_str(word) {
        return Ok(Box::new(recipient));
    }
    if let Ok(recipient) = age::ssh::Recipient::from_str(word) {
        return Ok(Box::new(recipient));
    }
    Err(RecipientError {
        word: word.to_owned(),
    })
}

/// Whether a backup can be sealed to that.
///
/// # Errors
/// When it is no public key of a kind that is known.
pub(crate) fn check_recipient(word: &str) -> Result<(), RecipientError> {
    recipient(word).map(drop)
}

/// The identities in the text of a file: age's own, or an SSH private key.
///
/// # Errors
/// See [`IdentityError`].
pub(crate) fn identities_of(bytes: &[u8]) -> Result<Opener, IdentityError> {
    if bytes.starts_with(b"-----BEGIN") {
        let identity = age::ssh::Identity::from_buffer(BufReader::new(bytes), None)
            .map_err(|_| IdentityError::NotOne)?;
        return match identity {
            age::ssh::Identity::Unencrypted(_) => Ok(Opener::Identities(vec![Box::new(identity)])),
            age::ssh::Identity::Encrypted(_) => Err(IdentityError::UnderPassphrase),
            age::ssh::Identity::Unsupported(_) => Err(IdentityError::Unsupported),
        };
    }
    let file = age::IdentityFile::from_buffer(BufReader::new(bytes)).map_err(|_| IdentityError::NotOne)?;
    let identities = file.into_identities().map_err(|_| IdentityError::NotOne)?;
    if identities.is_empty() {
        return Err(IdentityError::NotOne);
    }
    Ok(Opener::Identities(identities))
}

/// Seals to a recipient and keeps the file's key, so that what is sealed to others can still be read back by who wrote it.
struct Keeping<'a> {
    recipient: &'a dyn Recipient,
    kept: &'a Mutex<Option<FileKey>>,
}

impl Recipient for Keeping<'_> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy(key));
        self.recipient.wrap_file_key(key)
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::init_with_mut(|bytes| bytes.copy_from_slice(key.expose_secret()))
}

impl Identity for KeptKey {
    /// Whatever the stanza says: the header's MAC tells whether it is the right key.
    fn unwrap_stanza(&self, _stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        Some(Ok(copy(&self.0)))
    }
}

impl SealedTo {
    /// Seals a new file. Gives what opens it again.
    ///
    /// # Errors
    /// When it cannot be sealed to these recipients.
    pub(super) fn seal(&self) -> Result<(Encryptor, Opener), BackupError> {
        match self {
            Self::Passphrase(passphrase) => {
                let mut scrypt = age::scrypt::Recipient::new(passphrase.clone());
                scrypt.set_work_factor(WORK);
                let encryptor = Encryptor::with_recipients(std::iter::once(&scrypt as &dyn Recipient));
                Ok((
                    encryptor.map_err(BackupError::Seal)?,
                    Opener::Passphrase(passphrase.clone()),
                ))
            }
            Self::Recipients(words) => {
                let recipients: Vec<BoxedRecipient> = words
                    .iter()
                    .map(|word| recipient(word))
                    .collect::<Result<_, _>>()?;
                let kept = Mutex::new(None);
                let keeping: Vec<Keeping<'_>> = recipients
                    .iter()
                    .map(|recipient| Keeping {
                        recipient: recipient.as_ref(),
                        kept: &kept,
                    })
                    .collect();
                let encryptor =
                    Encryptor::with_recipients(keeping.iter().map(|recipient| recipient as &dyn Recipient))
                        .map_err(BackupError::Seal)?;
                let key = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
                let key = key.ok_or(BackupError::Seal(EncryptError::MissingRecipients))?;
                Ok((encryptor, Opener::Kept(KeptKey(key))))
            }
        }
    }
}

impl Opener {
    /// Opens a file; what comes out is authenticated piece by piece, and its end too.
    ///
    /// # Errors
    /// See [`BackupError`]; nothing costly was done for a file that asks for too much.
    pub(crate) fn open<R: Read>(&self, mut file: R) -> Result<Opened<R>, BackupError> {
        // The header is read as far as it goes: it must end soon, or a file without an end would fill the memory.
        let mut start = Vec::new();
        let most = HEADER_MAX as u64;
        file.by_ref()
            .take(most)
            .read_to_end(&mut start)
            .map_err(BackupError::Read)?;
        if !start.starts_with(b"age-encryption.org/v1\n") {
            return Err(BackupError::NotAge);
        }
        if !start.windows(5).any(|window| window == b"\n--- ") {
            return Err(BackupError::Damaged("its header does not end"));
        }
        let file = Cursor::new(start).chain(BufReader::with_capacity(HEADER_MAX, file));
        let decryptor = Decryptor::new_buffered(file).map_err(of_header)?;
        match (self, decryptor.is_scrypt()) {
            (Self::Passphrase(_), false) => return Err(BackupError::WantsIdentity),
            (Self::Identities(_), true) => return Err(BackupError::WantsPassphrase),
            (Self::Passphrase(_), true) | (Self::Identities(_), false) | (Self::Kept(_), _) => {}
        }
        let opened = match self {
            Self::Passphrase(passphrase) => {
                let mut scrypt = age::scrypt::Identity::new(passphrase.clone());
                scrypt.set_max_work_factor(WORK_MAX);
                decryptor.decrypt(std::iter::once(&scrypt as &dyn Identity))
            }
            Self::Identities(identities) => decryptor.decrypt(
                identities
                    .iter()
                    .map(|identity| identity.as_ref() as &dyn Identity),
            ),
            Self::Kept(key) => decryptor.decrypt(std::iter::once(key as &dyn Identity)),
        };
        opened.map_err(of_header)
    }
}

fn of_header(error: DecryptError) -> BackupError {
    match error {
        DecryptError::ExcessiveWork { required, .. } => BackupError::TooCostly {
            required,
            most: WORK_MAX,
        },
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            BackupError::WrongKey
        }
        DecryptError::UnknownFormat => BackupError::NotAge,
        DecryptError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            BackupError::Read(error)
        }
        DecryptError::Io(_) => BackupError::Damaged("it ends within its header"),
        _ => BackupError::Damaged("its header was altered"),
    }
}
