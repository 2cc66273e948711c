//! Where a backup goes: a file, which has its name only once it was flushed and read back; a stream; or a spool without a name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write};
use std::path::Path;

use authcore::{DatabaseSnapshot, WallTime};

use super::temporary::{Temporary, folder_of};
use super::write::{Written, write};
use super::{BackupError, Manifest, Progress, SealedTo, folder, verify};

/// A backup that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) manifest: Manifest,
    /// Its length in bytes; of a stream that is not known here.
    pub(crate) length: Option<u64>,
}

impl Made {
    /// The name it has among those that the schedule makes.
    pub(crate) fn file_name(&self) -> String {
        folder::name_of(self.manifest.taken())
    }
}

/// Makes a backup at `path`. One that is there stays until the new one was read back, and then the new one takes its place.
pub(crate) fn to_file(
    path: &Path,
    snapshot: &DatabaseSnapshot,
    taken: WallTime,
    sealed_to: &SealedTo,
    progress: Progress<'_>,
) -> Result<Made, BackupError> {
    may_be_replaced(path)?;
    let folder = folder_of(path);
    let temporary = Temporary::new_in(folder).map_err(BackupError::file(folder))?;
    let manifest = fill(&temporary, snapshot, taken, sealed_to, progress)?;
    let length = temporary.file().metadata().map(|data| data.len()).ok();
    temporary.rename(path).map_err(BackupError::file(path))?;
    Ok(Made { manifest, length })
}

/// Makes a backup in a file of that folder which has no name any more, so goes when it is closed, whatever happens. It stands
/// at its beginning.
pub(crate) fn to_spool(
    folder: &Path,
    snapshot: &DatabaseSnapshot,
    taken: WallTime,
    sealed_to: &SealedTo,
) -> Result<(File, Made), BackupError> {
    let temporary = Temporary::new_in(folder).map_err(BackupError::file(folder))?;
    let manifest = fill(&temporary, snapshot, taken, sealed_to, &mut |_, _| {})?;
    let length = temporary.file().metadata().map(|data| data.len()).ok();
    let mut file = temporary.nameless().map_err(BackupError::file(folder))?;
    file.rewind().map_err(BackupError::file(folder))?;
    Ok((file, Made { manifest, length }))
}

/// Writes a backup to a stream, which cannot be read back: whoever takes it has to verify it.
pub(crate) fn to_stream(
    out: impl Write,
    snapshot: &DatabaseSnapshot,
    taken: WallTime,
    sealed_to: &SealedTo,
    progress: Progress<'_>,
) -> Result<Made, BackupError> {
    let Written {
        mut out, manifest, ..
    } = write(snapshot, taken, sealed_to, out, progress)?;
    out.flush().map_err(BackupError::Write)?;
    Ok(Made {
        manifest,
        length: None,
    })
}

/// Writes, flushes and reads back: half of the progress each.
fn fill(
    temporary: &Temporary,
    snapshot: &DatabaseSnapshot,
    taken: WallTime,
    sealed_to: &SealedTo,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    let Written {
        out,
        manifest,
        opener,
    } = write(
        snapshot,
        taken,
        sealed_to,
        temporary.file(),
        &mut |done, total| {
            progress(done, 2 * total);
        },
    )?;
    let failed = |error: io::Error| BackupError::Write(error);
    out.sync_all().map_err(failed)?;
    let mut back = out;
    back.rewind().map_err(failed)?;
    let read = verify::read_through(back, &opener, |_| Ok(()), &mut |done, total| {
        progress(total + done, 2 * total);
    })?;
    if read != manifest {
        return Err(BackupError::Mismatch(
            "what was written reads back as something else",
        ));
    }
    Ok(manifest)
}

/// A slip of the pen must not replace a file that is no backup.
fn may_be_replaced(path: &Path) -> Result<(), BackupError> {
    let in_the_way = || BackupError::InTheWay {
        path: path.to_owned(),
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BackupError::file(path)(error)),
        Ok(data) if !data.is_file() => return Err(in_the_way()),
        Ok(_) => {}
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(22).read_to_end(&mut start))
        .map_err(BackupError::file(path))?;
    if start == b"age-encryption.org/v1\n" {
        Ok(())
    } else {
        Err(in_the_way())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_backup_is_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        assert!(may_be_replaced(&at("absent")).is_ok());
        std::fs::write(at("backup"), "age-encryption.org/v1\n-> …").expect("written");
        assert!(may_be_replaced(&at("backup")).is_ok());
        std::fs::write(at("letter"), "age-encryption").expect("written");
        std::os::unix::fs::symlink(at("backup"), at("link")).expect("linked");
        for other in [at("letter"), at("link"), folder.path().to_owned()] {
            assert!(matches!(
                may_be_replaced(&other),
                Err(BackupError::InTheWay { .. })
            ));
        }
    }
}
