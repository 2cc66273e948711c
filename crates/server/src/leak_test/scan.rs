//! The bytes of the files themselves: free pages, the log and the journal hold what no table shows any more.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::patterns::Form;
use super::report::Findings;
use super::{Detectors, Seen};

/// Bytes that are looked at at once, and how many of them are looked at again with the next ones: a secret that is longer
/// is known by its beginning.
const PIECE: usize = 1 << 20;
const OVERLAP: usize = 8 << 10;

/// Looks at every byte of a file for what has a form; tells `progress` how many it has seen.
///
/// What a table already showed is not told again. A secret that goes over the end of a page is cut by it and may be
/// missed here; in its table it is whole.
pub(super) fn look(
    path: &Path,
    detectors: &Detectors,
    findings: &mut Findings,
    seen: &mut Seen,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let place = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; PIECE + OVERLAP];
    let (mut at, mut kept) = (0_u64, 0);
    // What ended before this byte was told with the piece before.
    let mut told_to = 0_u64;
    loop {
        let read = fill(&mut file, buffer.get_mut(kept..).unwrap_or_default())?;
        let filled = kept + read;
        let bytes = buffer.get(..filled).unwrap_or_default();
        let is_last = kept + read < buffer.len();
        // What begins in the last bytes is looked at with the next piece, where it is whole.
        let limit = if is_last { filled } else { filled - OVERLAP };
        let mut tell = |kind: &'static str, start: usize, secret: &[u8]| {
            let begins = at + start as u64;
            if start < limit && begins >= told_to {
                if seen.note(kind, secret) {
                    findings.add(
                        kind,
                        &place,
                        || format!("byte {begins}"),
                        secret,
                        secret.len() as u64,
                    );
                }
                true
            } else {
                false
            }
        };
        let mut end = told_to;
        for found in detectors.patterns.find(bytes) {
            if let Form::Exposed(kind) = found.form {
                let secret = bytes.get(found.start..found.end).unwrap_or_default();
                if tell(kind, found.start, secret) {
                    end = end.max(at + found.end as u64);
                }
            }
        }
        if let Some(words) = &detectors.words {
            words.find(bytes, |found| {
                let secret = bytes
                    .get(found.start..found.start + found.length)
                    .unwrap_or_default();
                tell(found.kind, found.start, secret);
            });
        }
        told_to = end;
        progress(at + filled as u64);
        if is_last {
            return Ok(());
        }
        at += limit as u64;
        kept = OVERLAP;
        buffer.copy_within(limit.., 0);
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_told_once_wherever_it_stands() {
        let secret = b"AKIAIOSFODNN7EXAMPLE";
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        for at in [
            0,
            1,
            PIECE - 10,
            PIECE,
            PIECE + OVERLAP - 5,
            PIECE + OVERLAP,
            2 * PIECE - 3,
            2 * PIECE + 99,
        ] {
            let mut bytes = vec![b'.'; 2 * PIECE + 120];
            bytes[at..at + secret.len()].copy_from_slice(secret);
            std::fs::write(&path, &bytes).expect("written");
            let mut findings = Findings::default();
            let detectors = Detectors::new(None).expect("they compile");
            look(
                &path,
                &detectors,
                &mut findings,
                &mut Seen::default(),
                &mut |_| {},
            )
            .expect("reads");
            let (listed, exposed) = findings.finish();
            assert_eq!(exposed, 1, "at {at}");
            assert_eq!(listed[0].at, format!("byte {at}"));
        }
    }
}
