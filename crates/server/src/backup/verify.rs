//! Reading a backup to its end, and looking into the database in it.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use authcore::{Authority, Examination, OpenError};
use fieldcrypt::{SlotSecret, UnlockError};

use super::temporary::{Temporary, folder_of};
use super::{BackupError, Manifest, Opener, Progress, archive, pipe};

/// A backup that was read to its end, and whose database was looked into.
pub(crate) struct Checked {
    pub(crate) manifest: Manifest,
    pub(crate) examination: Examination,
    /// Which of the secrets opens the database in it; `None` when none does.
    pub(crate) secret: Option<usize>,
}

/// Reads all of it, decrypting on a thread of its own, and hands the database's bytes on.
pub(super) fn read_through(
    file: impl Read + Send,
    opener: &Opener,
    take: impl FnMut(&[u8]) -> Result<(), BackupError>,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    let stream = opener.open(file)?;
    std::thread::scope(|scope| {
        let (pieces, _) = pipe::piped(scope, stream).map_err(BackupError::Read)?;
        archive::read(pieces, take, progress)
    })
}

/// Puts the database in a backup, as sealed as it is, into a file of no name in that folder that lasts.
pub(super) fn extract(
    path: &Path,
    opener: &Opener,
    folder: &Path,
    progress: Progress<'_>,
) -> Result<(Temporary, Manifest), BackupError> {
    let file = File::open(path).map_err(BackupError::file(path))?;
    let temporary = Temporary::new_in(folder).map_err(BackupError::file(folder))?;
    let mut copy = temporary.file();
    let take = |piece: &[u8]| copy.write_all(piece).map_err(BackupError::file(temporary.path()));
    let manifest = read_through(file, opener, take, progress)?;
    Ok((temporary, manifest))
}

/// Reads a backup to its end and looks into its database, with the first of the secrets that opens it.
pub(crate) fn check(
    path: &Path,
    opener: &Opener,
    secrets: &[SlotSecret],
    progress: Progress<'_>,
) -> Result<Checked, BackupError> {
    let beside = folder_of(path).to_owned();
    let (copy, manifest) = match extract(path, opener, &beside, progress) {
        // Where the backup lies there may be no right to write, or no room: a stick, a mounted archive.
        Err(BackupError::File { path: at, .. }) if at != path && at.starts_with(&beside) => {
            extract(path, opener, &elsewhere(), progress)?
        }
        extracted => extracted?,
    };
    look_into(copy.path(), manifest, secrets)
}

/// A folder that can be written to.
pub(super) fn elsewhere() -> PathBuf {
    std::env::temp_dir()
}

pub(super) fn look_into(
    copy: &Path,
    manifest: Manifest,
    secrets: &[SlotSecret],
) -> Result<Checked, BackupError> {
    let mut found = None;
    for (at, secret) in secrets.iter().enumerate() {
        match Authority::examine_copy(copy, Some(secret)) {
            Err(OpenError::Unlock(UnlockError::WrongSecret)) => {}
            examined => {
                found = Some((examined?, at));
                break;
            }
        }
    }
    let (examination, secret) = match found {
        Some((examination, at)) => (examination, Some(at)),
        None => (Authority::examine_copy(copy, None)?, None),
    };
    agree(&manifest, &examination)?;
    Ok(Checked {
        manifest,
        examination,
        secret,
    })
}

/// The manifest tells of this database and no other.
fn agree(manifest: &Manifest, examination: &Examination) -> Result<(), BackupError> {
    let facts = &examination.facts;
    if manifest.install != facts.install_id {
        return Err(BackupError::Mismatch("it belongs to another install"));
    }
    if manifest.schema != facts.schema || manifest.rows != facts.rows {
        return Err(BackupError::Mismatch("its schema or its rows are others"));
    }
    let counter = examination.opened.as_ref().and_then(|opened| opened.counter);
    if counter.is_some_and(|counter| counter != manifest.counter) {
        return Err(BackupError::Mismatch("its counter is another"));
    }
    Ok(())
}

impl Checked {
    /// What is wrong with the database, in words; empty when nothing is that could be looked at.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints: Vec<String> = self
            .examination
            .structure
            .iter()
            .map(|line| format!("the file is damaged: {}", line.escape_debug()))
            .collect();
        if let Some(opened) = &self.examination.opened {
            complaints.extend(opened.verification.complaints.iter().cloned());
            complaints.extend(opened.verification.fields.unopenable.iter().map(|field| {
                format!(
                    "{}.{} of row {} does not open: {}",
                    field.table, field.column, field.row, field.reason
                )
            }));
        }
        complaints
    }
}
