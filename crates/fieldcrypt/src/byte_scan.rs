//! Looking for plaintext in the files of a database, byte by byte.
//!
//! Of each value its first and last 16 bytes are looked for: SQLite may cut a value once per page, which spoils one of
//! them at most. All values of a batch are looked for in one pass over the files.

use std::io;
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use crate::files;

/// Shorter values are anywhere by chance.
const SHORTEST: usize = 8;

/// Bytes of a value's start and end that are looked for.
const WINDOW: usize = 16;

/// The start or the end of a value.
#[derive(Clone, Zeroize)]
struct Needle {
    window: [u8; WINDOW],
    len: usize,
    value: usize,
}

impl Needle {
    fn bytes(&self) -> &[u8] {
        self.window.get(..self.len).unwrap_or_default()
    }
}

/// Values to look for. Wiped on drop.
#[derive(Default)]
pub(crate) struct Needles(Zeroizing<Vec<Needle>>);

impl Needles {
    /// Adds a value, known by a number. `false` when it cannot be told from chance.
    pub(crate) fn add(&mut self, number: usize, value: &[u8]) -> bool {
        let mut seen = [false; 256];
        for byte in value {
            if let Some(seen) = seen.get_mut(usize::from(*byte)) {
                *seen = true;
            }
        }
        if value.len() < SHORTEST || seen.iter().filter(|seen| **seen).count() < 4 {
            return false;
        }
        let len = value.len().min(WINDOW);
        for part in [value.get(..len), value.get(value.len() - len..)] {
            let mut window = [0; WINDOW];
            window
                .iter_mut()
                .zip(part.unwrap_or_default())
                .for_each(|(to, from)| *to = *from);
            self.0.push(Needle {
                window,
                len,
                value: number,
            });
        }
        true
    }

    /// The numbers of the values that stand in the file; each once, in order.
    pub(crate) fn found_in(&mut self, path: &Path) -> io::Result<Vec<usize>> {
        let Some(file) = files::open(path)? else {
            return Ok(Vec::new());
        };
        self.0.sort_unstable_by(|a, b| a.bytes().cmp(b.bytes()));
        // Most places are ruled out by their first two bytes.
        let mut first_two = vec![false; 1 << 16];
        for needle in self.0.iter() {
            if let Some(there) = needle
                .bytes()
                .first_chunk()
                .and_then(|two| first_two.get_mut(place(*two)))
            {
                *there = true;
            }
        }
        let mut found = Vec::new();
        files::in_pieces(&file, WINDOW - 1, |bytes| {
            for (at, two) in bytes.array_windows::<2>().enumerate() {
                if first_two.get(place(*two)) == Some(&true) {
                    self.found_at(bytes.get(at..).unwrap_or_default(), &mut found);
                }
            }
        })?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn found_at(&self, haystack: &[u8], found: &mut Vec<usize>) {
        let head = haystack.get(..SHORTEST).unwrap_or(haystack);
        let from = self
            .0
            .partition_point(|needle| needle.bytes().get(..SHORTEST).unwrap_or_default() < head);
        for needle in self.0.get(from..).unwrap_or_default() {
            if needle.bytes().get(..SHORTEST) != Some(head) {
                break;
            }
            if haystack.starts_with(needle.bytes()) {
                found.push(needle.value);
            }
        }
    }
}

const fn place(two: [u8; 2]) -> usize {
    u16::from_be_bytes(two) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes read at once.
    const CHUNK: usize = 64 * 1024;

    fn found(values: &[&[u8]], file: &[u8]) -> Vec<usize> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        std::fs::write(&path, file).expect("written");
        let mut needles = Needles::default();
        for (number, value) in values.iter().enumerate() {
            needles.add(number, value);
        }
        needles.found_in(&path).expect("reads")
    }

    #[test]
    fn a_value_is_found_wherever_it_stands() {
        let value = b"a value of 23 bytes, yes".as_slice();
        for at in [
            0,
            1,
            CHUNK - 30,
            CHUNK - 16,
            CHUNK - 15,
            CHUNK - 1,
            CHUNK,
            2 * CHUNK - 5,
        ] {
            let mut file = vec![7; 2 * CHUNK + 100];
            file[at..at + value.len()].copy_from_slice(value);
            assert_eq!(found(&[b"another value", value], &file), [1], "at {at}");
        }
        assert!(found(&[value], &vec![7; 2 * CHUNK]).is_empty());
        assert!(found(&[value], b"").is_empty());
    }

    #[test]
    fn a_value_cut_by_a_page_is_found_by_its_other_end() {
        let value: Vec<u8> = (0..100).collect();
        for cut in 0..=value.len() {
            let file = [&value[..cut], &[255; 20], &value[cut..]].concat();
            assert_eq!(found(&[&value], &file), [0], "cut at {cut}");
        }
    }

    #[test]
    fn part_of_a_value_is_not_the_value() {
        assert!(found(&[b"0123456789"], b"012345678").is_empty());
        assert!(found(&[b"0123456789"], b"01234567899").len() == 1);
        assert!(found(&[b"0123456789abcdefXYZ"], b"0123456789abcde_").is_empty());
    }

    #[test]
    fn what_chance_would_find_is_not_looked_for() {
        let mut needles = Needles::default();
        assert!(!needles.add(0, b"1234567"));
        assert!(!needles.add(0, &[0; 40]));
        assert!(!needles.add(0, b"abcabcabcabc"));
        assert!(needles.add(0, b"12345678"));
    }
}
