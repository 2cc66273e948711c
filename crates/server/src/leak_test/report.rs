//! What a leak test says: a line a column, a line a finding, and no secret in full.

use std::collections::HashMap;

use serde::Serialize;

/// Places of one kind in one column or file that are listed; the rest is counted.
const LISTED: u64 = 5;

/// What a thief sees of a file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Report {
    pub(crate) file: String,
    /// What kind of file it is, in words.
    pub(crate) is: String,
    /// Bytes that were looked at, with log and journal.
    pub(crate) bytes: u64,
    pub(crate) columns: Vec<ColumnReport>,
    pub(crate) findings: Vec<Finding>,
    /// What could not be read, and so may hold anything.
    pub(crate) unread: Vec<String>,
    /// How many findings there are, those that are not listed one by one too.
    pub(crate) exposed: u64,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Class {
    Sealed,
    Hashed,
    Plain,
    Empty,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ColumnReport {
    pub(crate) column: String,
    pub(crate) values: u64,
    pub(crate) class: Class,
    pub(crate) holds: String,
}

/// A secret that is exposed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Finding {
    pub(crate) kind: String,
    /// `table.column`, or the file's name.
    #[serde(rename = "In")]
    pub(crate) place: String,
    /// `row 3`, `byte 4096`.
    pub(crate) at: String,
    /// Its beginning and its length.
    pub(crate) shown: String,
}

/// Findings as they come in.
#[derive(Default)]
pub(super) struct Findings {
    listed: Vec<Finding>,
    /// How many of that kind there are at that place.
    counts: HashMap<(String, String), u64>,
}

impl Findings {
    /// Takes a finding in; `at` and `shown` are asked for only where it is listed.
    pub(super) fn add(
        &mut self,
        kind: &str,
        place: &str,
        at: impl FnOnce() -> String,
        secret: &[u8],
        length: u64,
    ) {
        let count = self
            .counts
            .entry((kind.to_owned(), place.to_owned()))
            .or_default();
        *count += 1;
        if *count <= LISTED {
            self.listed.push(Finding {
                kind: kind.to_owned(),
                place: place.to_owned(),
                at: at(),
                shown: redacted(secret, length),
            });
        }
    }

    /// What is listed, what is not counted in a line of its own, and how many there are in all.
    pub(super) fn finish(self) -> (Vec<Finding>, u64) {
        let mut listed = self.listed;
        let mut more: Vec<_> = self.counts.iter().filter(|(_, count)| **count > LISTED).collect();
        more.sort();
        listed.extend(more.into_iter().map(|((kind, place), count)| Finding {
            kind: kind.clone(),
            place: place.clone(),
            at: format!("{} more", count - LISTED),
            shown: "-".to_owned(),
        }));
        (listed, self.counts.values().sum())
    }
}

/// The first four characters of a secret, fewer of a short one, and its length.
pub(super) fn redacted(secret: &[u8], length: u64) -> String {
    let shown = (secret.len() / 4).min(4);
    let beginning: String = secret
        .iter()
        .take(shown)
        .map(|byte| {
            if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '\u{b7}'
            }
        })
        .collect();
    format!("{beginning}\u{2026} ({length} bytes)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown_in_full() {
        assert_eq!(redacted(b"ghp_0123456789", 14), "ghp\u{2026} (14 bytes)");
        assert_eq!(redacted(b"AKIA0123456789ABCDEF", 20), "AKIA\u{2026} (20 bytes)");
        assert_eq!(redacted(b"hunter2", 7), "h\u{2026} (7 bytes)");
        assert_eq!(redacted(b"abc", 3), "\u{2026} (3 bytes)");
        assert_eq!(
            redacted(b"\x1b[2Jxxxxxxxxxxxxxxxx", 21),
            "\u{b7}[2J\u{2026} (21 bytes)"
        );
    }

    #[test]
    fn many_of_a_kind_are_counted_not_listed() {
        let mut findings = Findings::default();
        for row in 0..LISTED + 3 {
            findings.add("JWT", "t.c", || format!("row {row}"), b"eyJhbGciOiJub25lIn0", 99);
        }
        let (listed, exposed) = findings.finish();
        assert_eq!(exposed, LISTED + 3);
        assert_eq!(listed.len(), usize::try_from(LISTED).expect("small") + 1);
        assert_eq!(listed.last().map(|finding| finding.at.as_str()), Some("3 more"));
    }
}
