//! The archive: a `ustar` file of exactly two members, the database and, after it, the manifest, which holds its hash. So one
//! pass over the database makes it, in flat memory.
//!
//! There is one way to write it, and no other is read: what a header says is put into a header of ours, and the two must be
//! the same bytes. So no path, link, device, owner or extension of `tar` ever means anything here.

use std::io::{BufRead, Read, Write};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::manifest::LENGTH_MAX;
use super::{BackupError, Manifest, Progress};

/// The members, in their order.
pub(super) const DATABASE: &str = "postern.sqlite";
pub(super) const MANIFEST: &str = "manifest.json";

/// `tar`'s unit, in bytes.
const BLOCK: usize = 512;

/// An archive ends with two blocks of zeros (POSIX.1-2017, pax, "ustar Interchange Format").
const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Writes the archive up to where the database's bytes come.
pub(super) fn begin(out: &mut impl Write, length: u64, seconds: u64) -> Result<(), BackupError> {
    let header = header(DATABASE, length, seconds).ok_or(BackupError::Damaged("it has no length"))?;
    out.write_all(header.as_bytes()).map_err(BackupError::Write)
}

/// Writes what comes after the database's bytes.
pub(super) fn end(out: &mut impl Write, manifest: &Manifest) -> Result<(), BackupError> {
    let json = manifest.render()?;
    let length = json.len() as u64;
    let seconds = seconds(manifest);
    let header = header(MANIFEST, length, seconds).ok_or(BackupError::Damaged("it has no length"))?;
    let mut rest = vec![0; padding(manifest.length)];
    rest.extend_from_slice(header.as_bytes());
    rest.extend_from_slice(&json);
    rest.resize(rest.len() + padding(length), 0);
    rest.extend_from_slice(&END);
    out.write_all(&rest).map_err(BackupError::Write)
}

/// The time of an archive's members, in seconds.
pub(super) fn seconds(manifest: &Manifest) -> u64 {
    u64::try_from(manifest.taken().unix_seconds()).unwrap_or(0)
}

/// Reads an archive to its last byte, hands the database's bytes on, and holds them against the manifest. What was handed on is
/// good only once this has returned.
pub(crate) fn read(
    mut from: impl BufRead,
    mut take: impl FnMut(&[u8]) -> Result<(), BackupError>,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    let (length, seconds_of_database) = member(&mut from, DATABASE)?;
    let mut hash = Sha256::new();
    let mut left = length;
    while left > 0 {
        let piece = from.fill_buf().map_err(BackupError::of_payload)?;
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let piece = piece.get(..most).unwrap_or(piece);
        if piece.is_empty() {
            return Err(BackupError::Damaged("it ends within the database"));
        }
        hash.update(piece);
        take(piece)?;
        let taken = piece.len();
        from.consume(taken);
        left -= taken as u64;
        progress(length - left, length);
    }
    zeros(&mut from, padding(length))?;
    let (length_of_manifest, seconds_of_manifest) = member(&mut from, MANIFEST)?;
    if length_of_manifest > LENGTH_MAX {
        return Err(BackupError::NotOurs("its manifest is too long".to_owned()));
    }
    let mut json = vec![0; usize::try_from(length_of_manifest).unwrap_or(0)];
    from.read_exact(&mut json).map_err(BackupError::of_payload)?;
    zeros(&mut from, padding(length_of_manifest) + END.len())?;
    let more = from.fill_buf().map_err(BackupError::of_payload)?;
    if !more.is_empty() {
        return Err(BackupError::NotOurs(
            "there is something after its end".to_owned(),
        ));
    }
    let manifest = Manifest::parse(&json)?;
    if manifest.length != length {
        return Err(BackupError::Mismatch("its length is another"));
    }
    if manifest.sha256 != HEXLOWER.encode(&hash.finalize()) {
        return Err(BackupError::Mismatch("its SHA-256 is another"));
    }
    if [seconds_of_database, seconds_of_manifest] != [seconds(&manifest); 2] {
        return Err(BackupError::Mismatch("its time is another"));
    }
    Ok(manifest)
}

/// The header of a member; `None` for a length that cannot be written.
fn header(name: &str, length: u64, seconds: u64) -> Option<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name).ok()?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(length);
    header.set_mtime(seconds);
    header.set_cksum();
    Some(header)
}

/// Reads a header, which must be the one that we would write. Gives length and time.
fn member(from: &mut impl Read, name: &str) -> Result<(u64, u64), BackupError> {
    let mut block = [0; BLOCK];
    from.read_exact(&mut block).map_err(BackupError::of_payload)?;
    let found = Header::from_byte_slice(&block);
    let (Ok(length), Ok(seconds)) = (found.entry_size(), found.mtime()) else {
        return Err(not_a_member(name));
    };
    match header(name, length, seconds) {
        Some(ours) if *ours.as_bytes() == block => Ok((length, seconds)),
        Some(_) | None => Err(not_a_member(name)),
    }
}

fn not_a_member(name: &str) -> BackupError {
    BackupError::NotOurs(format!("where {name} should come there is something else"))
}

/// How many zeros fill the last block of so many bytes.
fn padding(length: u64) -> usize {
    let over = usize::try_from(length % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

fn zeros(from: &mut impl Read, count: usize) -> Result<(), BackupError> {
    let mut bytes = vec![0; count];
    from.read_exact(&mut bytes).map_err(BackupError::of_payload)?;
    if bytes.iter().any(|byte| *byte != 0) {
        return Err(BackupError::NotOurs("its padding is not zeros".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::manifest::any_manifest;
    use super::*;
    use proptest::prelude::*;

    fn manifest_of(database: &[u8]) -> Manifest {
        let mut manifest = any_manifest();
        manifest.length = database.len() as u64;
        manifest.sha256 = HEXLOWER.encode(&Sha256::digest(database));
        manifest
    }

    fn written(database: &[u8]) -> Vec<u8> {
        let manifest = manifest_of(database);
        let mut archive = Vec::new();
        begin(&mut archive, manifest.length, seconds(&manifest)).expect("writes");
        archive.extend_from_slice(database);
        end(&mut archive, &manifest).expect("writes");
        archive
    }

    fn read_all(archive: &[u8]) -> Result<(Manifest, Vec<u8>), BackupError> {
        let mut database = Vec::new();
        let take = |piece: &[u8]| {
            database.extend_from_slice(piece);
            Ok(())
        };
        read(archive, take, &mut |_, _| {}).map(|manifest| (manifest, database))
    }

    #[test]
    fn the_tar_crate_reads_what_is_written() {
        let database = vec![7; 1000];
        let archive = written(&database);
        let mut archive = tar::Archive::new(&archive[..]);
        let mut members = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("a member");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("reads");
            members.push((entry.path().expect("a path").into_owned(), bytes));
        }
        assert_eq!(members.len(), 2);
        assert_eq!(members[0], (DATABASE.into(), database.clone()));
        assert_eq!(
            members[1],
            (MANIFEST.into(), manifest_of(&database).render().expect("renders"))
        );
    }

    #[test]
    fn a_length_beyond_eight_gigabytes_has_a_header_too() {
        let header = header(DATABASE, 1 << 40, 1).expect("writes");
        let mut block = &header.as_bytes()[..];
        assert_eq!(member(&mut block, DATABASE).expect("reads"), (1 << 40, 1));
    }

    #[test]
    fn every_altered_byte_and_every_cut_and_addition_is_refused() {
        let archive = written(&[3; 700]);
        assert!(read_all(&archive).is_ok(), "control");
        for at in 0..archive.len() {
            for bit in 0..8 {
                let mut altered = archive.clone();
                altered[at] ^= 1 << bit;
                // A blank or a digit of the manifest's text may be altered into another; the members' bytes may not.
                let same = read_all(&altered).is_ok_and(|(_, database)| database == [3; 700]);
                assert!(read_all(&altered).is_err() || same, "byte {at}, bit {bit}");
            }
            assert!(read_all(&archive[..at]).is_err(), "cut at {at}");
        }
        for more in [&[0][..], b"x", &archive] {
            assert!(read_all(&[&archive, more].concat()).is_err());
        }
    }

    #[test]
    fn paths_links_and_extensions_are_refused() {
        type Trick = (&'static str, fn(&mut Header));
        let tricks: [Trick; 7] = [
            ("another name", |h| h.set_path("other").expect("sets")),
            ("a folder above", |h| {
                h.as_mut_bytes()[..18].copy_from_slice(b"../postern.sqlite\0");
            }),
            ("an absolute path", |h| {
                h.as_mut_bytes()[..8].copy_from_slice(b"/etc/x\0\0");
            }),
            ("a symbolic link", |h| h.set_entry_type(EntryType::Symlink)),
            ("a hard link", |h| h.set_entry_type(EntryType::Link)),
            ("a long name", |h| h.set_entry_type(EntryType::GNULongName)),
            ("a program for root", |h| h.set_mode(0o4755)),
        ];
        for (what, trick) in tricks {
            let mut archive = written(&[3; 700]);
            let mut header = Header::from_byte_slice(&archive[..BLOCK]).clone();
            trick(&mut header);
            header.set_cksum();
            archive[..BLOCK].copy_from_slice(header.as_bytes());
            assert!(
                matches!(read_all(&archive), Err(BackupError::NotOurs(_))),
                "{what}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(database in proptest::collection::vec(any::<u8>(), 1..3000)) {
            let (manifest, read) = read_all(&written(&database)).expect("reads");
            prop_assert_eq!(manifest, manifest_of(&database));
            prop_assert_eq!(read, database);
        }

        #[test]
        fn whatever_the_bytes_it_reads_or_refuses(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            drop(read_all(&bytes));
        }
    }
}
