//! Writing a backup: one pass over the snapshot, hashed on one thread, sealed and written on the other.

use std::io::{self, BufRead as _, Read, Write};

use authcore::{DatabaseSnapshot, WallTime};
use data_encoding::HEXLOWER;
use fieldcrypt::sqlite::SnapshotBytes;
use sha2::{Digest as _, Sha256};

use super::keys::Opener;
use super::{BackupError, Manifest, Progress, SealedTo, archive, pipe};
use crate::urgency;

/// What was written, and what opens it again.
pub(super) struct Written<W> {
    pub(super) out: W,
    pub(super) manifest: Manifest,
    pub(super) opener: Opener,
}

/// Writes the snapshot, which was taken at that time. Makes the calling thread give way to others, for good.
pub(super) fn write<W: Write>(
    snapshot: &DatabaseSnapshot,
    taken: WallTime,
    sealed_to: &SealedTo,
    out: W,
    progress: Progress<'_>,
) -> Result<Written<W>, BackupError> {
    urgency::give_way();
    let (encryptor, opener) = sealed_to.seal()?;
    let mut out = encryptor.wrap_output(out).map_err(BackupError::Write)?;
    let length = snapshot.bytes().length();
    let seconds = u64::try_from(taken.unix_seconds()).unwrap_or(0);
    archive::begin(&mut out, length, seconds)?;
    let sha256 = copy(snapshot.bytes(), &mut out, progress)?;
    let manifest = Manifest::of(snapshot, taken, sha256);
    archive::end(&mut out, &manifest)?;
    let out = out.finish().map_err(BackupError::Write)?;
    Ok(Written {
        out,
        manifest,
        opener,
    })
}

/// Writes the database's bytes. Gives their hash.
fn copy(
    bytes: SnapshotBytes<'_>,
    out: &mut impl Write,
    progress: Progress<'_>,
) -> Result<String, BackupError> {
    let length = bytes.length();
    std::thread::scope(|scope| {
        let hashing = Hashing {
            bytes,
            at: 0,
            hash: Sha256::new(),
        };
        let (mut pieces, reading) = pipe::piped(scope, hashing).map_err(BackupError::Read)?;
        let mut done = 0;
        loop {
            let piece = pieces.fill_buf().map_err(BackupError::Read)?;
            if piece.is_empty() {
                break;
            }
            out.write_all(piece).map_err(BackupError::Write)?;
            let taken = piece.len();
            done += taken as u64;
            pieces.consume(taken);
            progress(done, length);
        }
        drop(pieces);
        let hashing = reading.join().map_err(|_| {
            BackupError::Read(io::Error::other("the thread that reads the database panicked"))
        })?;
        if done != length {
            return Err(BackupError::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(HEXLOWER.encode(&hashing.hash.finalize()))
    })
}

/// The snapshot as a stream that is hashed as it is read.
struct Hashing<'a> {
    bytes: SnapshotBytes<'a>,
    at: u64,
    hash: Sha256,
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read_at(buffer, self.at)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        self.at += read as u64;
        Ok(read)
    }
}
