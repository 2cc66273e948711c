//! The purge: SQLite keeps more than one thinks. In this order nothing is left, and a scan of the bytes proves it.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::files;

/// Bytes of a piece to look for: nonce or tag of something sealed. Met by chance among the 2^40 places of any file with a
/// probability of 2^-88.
pub(crate) const PIECE: usize = 16;

/// What is looked for.
pub(crate) type Pieces = HashSet<[u8; PIECE]>;

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
    /// The file is rewritten on a connection of its own, which was not opened.
    #[error("the database could not be opened to be rewritten")]
    Open(#[from] crate::sqlite::ConnectionError),
    /// SQLite says something.
    #[error("the database cannot be purged")]
    Database(#[from] rusqlite::Error),
}

/// Looks through every file of the database.
pub(crate) fn scan(database: &Path, pieces: &Pieces) -> Result<Vec<(PathBuf, u64)>, PurgeError> {
    let mut scanned = Vec::new();
    for file in files::of(database) {
        let failed = |source| PurgeError::Io {
            file: file.clone(),
            source,
        };
        let Some(opened) = files::open(&file).map_err(failed)? else {
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

/// How long the file is, and at how many places a piece stands.
fn count(file: &File, pieces: &Pieces) -> io::Result<(u64, u64)> {
    // The first two bytes rule out most places before a hash is computed.
    let mut starts = vec![false; 1 << 16];
    for [a, b, ..] in pieces {
        if let Some(start) = starts.get_mut(usize::from(u16::from_be_bytes([*a, *b]))) {
            *start = true;
        }
    }
    let mut places = 0;
    let length = files::in_pieces(file, PIECE - 1, |bytes| {
        for window in bytes.windows(PIECE) {
            if let Some(piece @ [a, b, ..]) = window.first_chunk::<PIECE>()
                && starts.get(usize::from(u16::from_be_bytes([*a, *b]))) == Some(&true)
                && pieces.contains(piece)
            {
                places += 1;
            }
        }
    })?;
    Ok((length, places))
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
