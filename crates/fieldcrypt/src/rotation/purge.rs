//! The purge: SQLite keeps more than one thinks. In this order nothing is left, and a scan of the bytes proves it.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a piece to look for: nonce or tag of something sealed. Met by chance among the 2^40 places of any file with a
/// probability of 2^-88.
pub(crate) const PIECE: usize = 16;

/// What is looked for.
pub(crate) type Pieces = HashSet<[u8; PIECE]>;

/// One step of a purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `sqlite_stat4` keeps samples of a column that was ever indexed and analysed.
    DropStatistics,
    /// The log holds pages as they were.
    EmptyLog,
    /// `secure_delete` overwrites what our connections free; what another tool freed still stands in free pages and gaps.
    RewritePages,
    /// The rewriting went through the log too.
    EmptyLogAgain,
    /// Left over from a time before the log, or from another program.
    RemoveJournal,
    /// The proof.
    Scan,
}

/// The order that leaves nothing.
pub(crate) const ORDER: [Step; 6] = [
    Step::DropStatistics,
    Step::EmptyLog,
    Step::RewritePages,
    Step::EmptyLogAgain,
    Step::RemoveJournal,
    Step::Scan,
];

/// Proof that nothing of what was replaced is left in the files. What no program can reach (snapshots, flash wear
/// levelling, old backups) is not covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many pieces of old values, keys and wraps were looked for: all of those of keys and slots, a sample of values.
    pub pieces: usize,
    /// Files looked through, with their length in bytes.
    pub files: Vec<(PathBuf, u64)>,
}

/// The files were not purged, or not wholly. To be tried again; what to look for is still noted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PurgeError {
    /// `VACUUM` and the log's truncation are not possible within a transaction.
    #[error("a purge cannot be run within a transaction")]
    WithinTransaction,
    /// Somebody reads from the log, which therefore stays.
    #[error("another connection still reads from the database's log; it must finish first")]
    Busy,
    /// Old bytes are still there.
    #[error("{places} pieces of old keys or values still stand in {}", file.display())]
    StillThere {
        /// The file.
        file: PathBuf,
        /// How many pieces.
        places: u64,
    },
    /// A file could not be read or removed.
    #[error("{} cannot be searched", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The rotation that waits for the purge could not be ended.
    #[error(transparent)]
    Rotation(#[from] super::RotationError),
    /// SQLite says something.
    #[error("the database cannot be purged")]
    Database(#[from] rusqlite::Error),
}

/// The files of a database: itself, log, log index, journal.
pub(crate) fn files_of(database: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// Looks through every file of the database.
pub(crate) fn scan(database: &Path, pieces: &Pieces) -> Result<Vec<(PathBuf, u64)>, PurgeError> {
    let mut scanned = Vec::new();
    for file in files_of(database) {
        let failed = |source| PurgeError::Io {
            file: file.clone(),
            source,
        };
        let Some(opened) = open(&file).map_err(failed)? else {
            continue;
        };
        let (length, places) = count(&opened, pieces).map_err(failed)?;
        if places > 0 {
            return Err(PurgeError::StillThere { file, places });
        }
        scanned.push((file, length));
    }
    Ok(scanned)
}

/// How long the file is, and at how many places a piece stands. Memory: two windows of 64 KiB.
fn count(file: &File, pieces: &Pieces) -> io::Result<(u64, u64)> {
    const WINDOW: usize = 64 * 1024;
    // The first two bytes rule out most places before a hash is computed.
    let mut starts = vec![false; 1 << 16];
    for [a, b, ..] in pieces {
        if let Some(start) = starts.get_mut(usize::from(u16::from_be_bytes([*a, *b]))) {
            *start = true;
        }
    }
    let mut buffer = vec![0; WINDOW + PIECE];
    let (mut at, mut kept, mut places) = (0_u64, 0_usize, 0_u64);
    loop {
        let read = read_at(file, buffer.get_mut(kept..).unwrap_or_default(), at)?;
        if read == 0 {
            return Ok((at, places));
        }
        at += read as u64;
        let filled = buffer.get(..kept + read).unwrap_or_default();
        for window in filled.windows(PIECE) {
            if let Some(piece @ [a, b, ..]) = window.first_chunk::<PIECE>()
                && starts.get(usize::from(u16::from_be_bytes([*a, *b]))) == Some(&true)
                && pieces.contains(piece)
            {
                places += 1;
            }
        }
        // A piece may stand across two windows.
        let keep = filled.len().min(PIECE - 1);
        let from = filled.len() - keep;
        buffer.copy_within(from..from + keep, 0);
        kept = keep;
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    use std::io::{Read as _, Seek as _};
    file.seek(io::SeekFrom::Start(at))?;
    file.read(buffer)
}

/// Opens a file of the database for reading; `None` when it is not there.
///
/// POSIX drops every lock that a process holds on a file as soon as the process closes *any* handle of it, SQLite's locks
/// too ("How To Corrupt An SQLite Database File", section 2.2). So a handle once opened is kept until the process ends,
/// one a file, and used again.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<Option<Arc<File>>> {
    use std::os::unix::fs::MetadataExt as _;
    use std::sync::{Mutex, PoisonError};

    /// Device and inode.
    type Identity = (u64, u64);
    static KEPT: Mutex<Vec<(Identity, Arc<File>)>> = Mutex::new(Vec::new());

    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(identity) = found(path.metadata().map(|data| (data.dev(), data.ino())))? else {
        return Ok(None);
    };
    if let Some((_, file)) = kept.iter().find(|(known, _)| *known == identity) {
        return Ok(Some(Arc::clone(file)));
    }
    let Some(file) = found(File::open(path))? else {
        return Ok(None);
    };
    let data = file.metadata()?;
    let file = Arc::new(file);
    kept.push(((data.dev(), data.ino()), Arc::clone(&file)));
    Ok(Some(file))
}

/// Elsewhere a lock belongs to the handle that took it.
#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<Option<Arc<File>>> {
    Ok(found(File::open(path))?.map(Arc::new))
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_piece_is_found_wherever_it_stands(at in 0_usize..200_000, others in 0_usize..50) {
            let mut bytes = vec![0xAB; 200_016];
            let piece: [u8; PIECE] = std::array::from_fn(|i| u8::try_from(i).expect("small"));
            bytes[at..at + PIECE].copy_from_slice(&piece);
            let mut file = tempfile::tempfile().expect("file");
            file.write_all(&bytes).expect("writes");
            let mut pieces: Pieces = (0..others).map(|n| [u8::try_from(n).expect("small") + 100; PIECE]).collect();
            pieces.remove(&[0xAB; PIECE]);
            prop_assert_eq!(count(&file, &pieces).expect("reads"), (200_016, 0));
            pieces.insert(piece);
            prop_assert_eq!(count(&file, &pieces).expect("reads"), (200_016, 1));
        }
    }
}
