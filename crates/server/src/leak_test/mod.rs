//! What a thief can read in a file: without a key, and without changing a byte of it.
//!
//! ```text
//! file ──▶ age?     header alone ─────────────────────────────┐
//!      ──▶ SQLite:  database: every value of every table ─────┼──▶ report
//!                   scan: every byte of file, log and journal ┘
//!                     patterns · password_hashes · entropy · words: what a secret looks like
//! ```

mod age;
mod column;
mod database;
mod entropy;
mod password_hashes;
mod patterns;
mod report;
mod scan;
mod words;

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use fieldcrypt::sqlite::{Survey, SurveyError};

use patterns::{Form, Patterns};
use report::Findings;
pub(crate) use report::Report;
pub(crate) use words::{Words, WordsError};

/// How a database file begins ("Database File Format", section 1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";

/// A file could not be tested.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeakTestError {
    #[error("{} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is neither an SQLite database nor an age file", path.display())]
    NotADatabase { path: PathBuf },
    #[error("{} is an SQLite database, but does not open", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: SurveyError,
    },
    #[error("the patterns do not compile")]
    Patterns(#[source] Box<regex_automata::meta::BuildError>),
}

/// Everything that tells a secret.
struct Detectors {
    patterns: Patterns,
    words: Option<Words>,
}

impl Detectors {
    fn new(words: Option<Words>) -> Result<Self, LeakTestError> {
        let patterns = Patterns::new().map_err(LeakTestError::Patterns)?;
        Ok(Self { patterns, words })
    }

    /// Whether anything of these bytes may be a secret.
    fn find_anything(&self, bytes: &[u8]) -> bool {
        let of_form = self
            .patterns
            .find(bytes)
            .any(|found| matches!(found.form, Form::Exposed(_)));
        let mut guessed = self.words.as_ref().is_some_and(|words| words.is(bytes).is_some());
        if let Some(words) = &self.words {
            words.find(bytes, |_| guessed = true);
        }
        of_form || guessed || entropy::random_in(bytes).next().is_some()
    }
}

/// Secrets that were told of already, by their hash; the bytes of a file are full of copies.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    known: HashSet<u64>,
}

impl Seen {
    /// More secrets than these are told twice, rather than kept in mind.
    const MOST: usize = 1 << 20;

    /// Notes it; says whether it is new.
    fn note(&mut self, kind: &str, secret: &[u8]) -> bool {
        let hash = self.hasher.hash_one((kind, secret));
        if self.known.len() < Self::MOST {
            self.known.insert(hash)
        } else {
            !self.known.contains(&hash)
        }
    }
}

/// Looks at a file, and at what stands beside it; tells `progress` how many bytes of how many it has seen.
///
/// # Errors
/// See [`LeakTestError`]. A table that does not read is no error: the report names it.
pub(crate) fn examine(
    path: &Path,
    words: Option<Words>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, LeakTestError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| LeakTestError::Unreadable { path, source }
    };
    let mut beginning = Vec::new();
    File::open(path)
        .and_then(|file| file.take(age::HEADER_MAX as u64).read_to_end(&mut beginning))
        .map_err(unreadable(path))?;
    let detectors = Detectors::new(words)?;
    let (mut findings, mut seen) = (Findings::default(), Seen::default());
    let recipients = age::recipients(&beginning);
    let files = match recipients {
        Some(_) => vec![path.to_owned()],
        None => Survey::files(path),
    };
    let sizes = files
        .iter()
        .map(|file| file.metadata().map_or(0, |data| data.len()));
    let bytes: u64 = sizes.sum();
    let (is, columns, unread) = match recipients {
        Some(to) => {
            let is = format!("age file, {to}: without the key its header is all there is to read");
            (is, Vec::new(), Vec::new())
        }
        // An empty file is a database too, for SQLite; so is one whose pages are all in the log still.
        None if !beginning.starts_with(MAGIC) && (!beginning.is_empty() || bytes == 0) => {
            return Err(LeakTestError::NotADatabase {
                path: path.to_owned(),
            });
        }
        None => {
            let mut values = |seen: u64| progress(seen.min(bytes), bytes * 2);
            let tables = database::look(path, &detectors, &mut findings, &mut seen, &mut values);
            let tables = tables.map_err(|source| match source {
                SurveyError::NotADatabase => LeakTestError::NotADatabase {
                    path: path.to_owned(),
                },
                source => LeakTestError::Database {
                    path: path.to_owned(),
                    source,
                },
            })?;
            (tables.is.to_owned(), tables.columns, tables.unread)
        }
    };
    let mut before = 0;
    for file in &files {
        let mut scanned = |seen: u64| progress(bytes + before + seen, bytes * 2);
        scan::look(file, &detectors, &mut findings, &mut seen, &mut scanned).map_err(unreadable(file))?;
        before += file.metadata().map_or(0, |data| data.len());
    }
    let (findings, exposed) = findings.finish();
    Ok(Report {
        file: path.display().to_string(),
        is,
        bytes,
        columns,
        findings,
        unread,
        exposed,
    })
}
