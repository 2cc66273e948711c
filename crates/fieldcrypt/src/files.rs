//! The files of a database, read beside SQLite: for scans of their bytes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a database: itself, log, log index, journal.
pub(crate) fn of(database: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// Opens a file of a database for reading; `None` when it is not there.
///
/// POSIX drops every lock that a process holds on a file as soon as the process closes *any* handle of it, SQLite's locks
/// too ("How To Corrupt An SQLite Database File", section 2.2). So a handle once opened is kept until the process ends,
/// one a file, and used again: nothing else in this crate may open these files.
#[cfg(unix)]
pub(crate) fn open(path: &Path) -> io::Result<Option<Arc<File>>> {
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
pub(crate) fn open(path: &Path) -> io::Result<Option<Arc<File>>> {
    Ok(found(File::open(path))?.map(Arc::new))
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Hands the bytes of a file on in pieces, each beginning with the last `overlap` bytes of the one before, so that what
/// stands across two of them is seen whole. Memory: one piece of 64 KiB. Gives the file's length.
pub(crate) fn in_pieces(file: &File, overlap: usize, mut look: impl FnMut(&[u8])) -> io::Result<u64> {
    const PIECE: usize = 64 * 1024;
    let mut buffer = vec![0; PIECE + overlap];
    let (mut at, mut kept) = (0_u64, 0_usize);
    loop {
        let read = read_at(file, buffer.get_mut(kept..).unwrap_or_default(), at)?;
        if read == 0 {
            return Ok(at);
        }
        at += read as u64;
        let filled = kept + read;
        look(buffer.get(..filled).unwrap_or_default());
        kept = filled.min(overlap);
        buffer.copy_within(filled - kept..filled, 0);
    }
}

#[cfg(unix)]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(not(unix))]
pub(crate) fn read_at(mut file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    use std::io::{Read as _, Seek as _};
    file.seek(io::SeekFrom::Start(at))?;
    file.read(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_file_is_opened_once_and_never_closed() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        assert!(open(&path).expect("reads").is_none());
        std::fs::write(&path, "x").expect("written");
        let first = open(&path).expect("reads").expect("there");
        let second = open(&path).expect("reads").expect("there");
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn the_pieces_are_the_file_with_their_overlap() {
        let bytes: Vec<u8> = (0..200_000_u32)
            .map(|n| n.to_le_bytes()[usize::from(n % 2 == 0)])
            .collect();
        let mut file = tempfile::tempfile().expect("file");
        file.write_all(&bytes).expect("writes");
        let mut whole = Vec::new();
        let length = in_pieces(&file, 15, |piece| {
            let again = whole.len().min(15);
            assert_eq!(whole[whole.len() - again..], piece[..again]);
            whole.extend_from_slice(&piece[again..]);
        });
        assert_eq!((length.expect("reads"), whole == bytes), (200_000, true));
    }
}
