//! A certificate and its key in files, as an ACME client such as certbot keeps them.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use authcore::WallTime;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use super::facts::CertificateFacts;
use super::{Identity, IdentityError};
use crate::config::secret_file::{self, SecretFileError};

/// Longest file of either kind, in bytes; a chain has a few thousand.
const MAXIMUM: usize = 256 * 1024;

/// Why the files are not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFileError {
    #[error("the certificate {} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the certificate {} has more than {MAXIMUM} bytes", path.display())]
    TooLong { path: PathBuf },
    #[error("the file {} holds no certificate in PEM form", path.display())]
    NoCertificate { path: PathBuf },
    #[error("the certificate {} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "the certificates in {} are in the wrong order: the server's comes first, then the one that issued it, and so on",
        path.display()
    )]
    WrongOrder { path: PathBuf },
    #[error("the certificate {} is over since {}", path.display(), end.to_rfc3339())]
    Expired { path: PathBuf, end: WallTime },
    #[error("the certificate {} is not good before {}", path.display(), begin.to_rfc3339())]
    NotYet { path: PathBuf, begin: WallTime },
    #[error(transparent)]
    KeyFile(#[from] SecretFileError),
    #[error("the file {} holds no private key in PEM form", path.display())]
    NoKey { path: PathBuf },
    #[error("the private key {} is encrypted with a passphrase, which is not supported", path.display())]
    EncryptedKey { path: PathBuf },
    #[error("the private key {} is damaged or of a kind that is not supported: {reason}", path.display())]
    UnusableKey { path: PathBuf, reason: String },
    #[error("the private key {} does not belong to the certificate {}", key.display(), certificate.display())]
    Mismatch { certificate: PathBuf, key: PathBuf },
}

/// The two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// Reads both and makes sure that they work together, now.
    ///
    /// # Errors
    /// See [`TlsFileError`]; each names the file.
    pub(crate) fn load(&self, now: WallTime) -> Result<Identity, TlsFileError> {
        let path = || self.certificate.clone();
        let chain = certificates(&self.certificate)?;
        let key = self.private_key()?;
        let others = chain.clone();
        let identity = match Identity::new(chain, key.clone_key()) {
            Ok(identity) => identity,
            Err(IdentityError::Certificate(reason)) => {
                return Err(TlsFileError::Damaged { path: path(), reason });
            }
            Err(IdentityError::Key(error)) => {
                return Err(TlsFileError::UnusableKey {
                    path: self.key.clone(),
                    reason: error.to_string(),
                });
            }
            Err(IdentityError::Mismatch) => {
                let later = others.into_iter().skip(1);
                let mut fits = later.map(|other| Identity::new(vec![other], key.clone_key()).is_ok());
                return Err(if fits.any(|fits| fits) {
                    TlsFileError::WrongOrder { path: path() }
                } else {
                    TlsFileError::Mismatch {
                        certificate: path(),
                        key: self.key.clone(),
                    }
                });
            }
        };
        self.in_order(&others)?;
        let CertificateFacts {
            not_before,
            not_after,
            ..
        } = identity.facts;
        if now > not_after {
            return Err(TlsFileError::Expired {
                path: path(),
                end: not_after,
            });
        }
        if now < not_before {
            return Err(TlsFileError::NotYet {
                path: path(),
                begin: not_before,
            });
        }
        Ok(identity)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsFileError> {
        let path = || self.key.clone();
        let bytes = secret_file::bytes_up_to(&self.key, MAXIMUM)?;
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
            // Of both forms, PKCS #8 and the one before it.
            _ if bytes.windows(9).any(|window| window == b"ENCRYPTED") => {
                TlsFileError::EncryptedKey { path: path() }
            }
            pem::Error::NoItemsFound => TlsFileError::NoKey { path: path() },
            // The reader's own words may repeat a line of the file.
            _ => TlsFileError::UnusableKey {
                path: path(),
                reason: "it is no PEM".to_owned(),
            },
        })
    }

    /// Each certificate was issued by the one that follows it. TLS 1.3 clients put them into order themselves (RFC 8446,
    /// section 4.4.2), older ones do not (RFC 5246, section 7.4.2).
    fn in_order(&self, chain: &[CertificateDer<'static>]) -> Result<(), TlsFileError> {
        let damaged = |reason: String| TlsFileError::Damaged {
            path: self.certificate.clone(),
            reason,
        };
        let parsed = chain
            .iter()
            .map(|der| X509Certificate::from_der(der).map(|(_, certificate)| certificate))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| damaged(error.to_string()))?;
        for (issued, by) in parsed.iter().zip(parsed.iter().skip(1)) {
            if issued.issuer() != by.subject() {
                return Err(TlsFileError::WrongOrder {
                    path: self.certificate.clone(),
                });
            }
        }
        Ok(())
    }

    /// What tells one state of the files from another.
    pub(crate) fn state(&self) -> FilesState {
        FilesState([state_of(&self.certificate), state_of(&self.key)])
    }
}

/// The certificates of a file, one at least, in their order.
///
/// # Errors
/// When it cannot be read, is too long, or holds none; each names the file.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let path = || path.to_owned();
    let mut bytes = Vec::new();
    std::fs::File::open(path())
        .and_then(|file| file.take(MAXIMUM as u64 + 1).read_to_end(&mut bytes))
        .map_err(|source| TlsFileError::Unreadable { path: path(), source })?;
    // The file may be the key's too.
    let bytes = Zeroizing::new(bytes);
    if bytes.len() > MAXIMUM {
        return Err(TlsFileError::TooLong { path: path() });
    }
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| TlsFileError::Damaged {
        path: path(),
        reason: error.to_string(),
    })?;
    if found.is_empty() {
        return Err(TlsFileError::NoCertificate { path: path() });
    }
    Ok(found)
}

/// What the system says of both files. Renames, swapped symbolic links, writes in place and changed permissions all show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilesState([Option<FileState>; 2]);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    file: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

/// Of what a symbolic link leads to; `None` when that is not there.
fn state_of(path: &Path) -> Option<FileState> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some(FileState {
        file: (metadata.dev(), metadata.ino()),
        size: metadata.size(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
