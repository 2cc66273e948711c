//! A folder of backups: the names of those that the schedule makes, and what can be told of any without opening it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use authcore::WallTime;

use super::keys::HEADER_MAX;

const PREFIX: &str = "postern-";
const SUFFIX: &str = ".age";

/// How [`Entry::opens_with`] says so.
pub(crate) const PASSPHRASE: &str = "passphrase";

/// An age file in a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// When it was made: of the schedule's own by its name, of others when it was written last.
    pub(crate) made: WallTime,
    pub(crate) length: u64,
    /// In words.
    pub(crate) opens_with: String,
}

/// `postern-20261125T221616Z.age`.
pub(super) fn name_of(time: WallTime) -> String {
    format!("{PREFIX}{}{SUFFIX}", compact(time))
}

/// `20261125T221616Z`.
pub(super) fn compact(time: WallTime) -> String {
    let text = time.to_rfc3339();
    let digits = text.get(..19).unwrap_or(&text).chars();
    let mut compact: String = digits.filter(|c| !matches!(c, '-' | ':')).collect();
    compact.push('Z');
    compact
}

/// The time in a name that the schedule gives, and in no other.
pub(super) fn time_in(name: &str) -> Option<WallTime> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let part = |range| digits.get(range);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4)?,
        part(4..6)?,
        part(6..8)?,
        part(9..11)?,
        part(11..13)?,
        part(13..15)?,
    );
    WallTime::parse_rfc3339(&text).filter(|time| name_of(*time) == name)
}

/// The backups that the schedule made, by their names, oldest first.
pub(super) fn scheduled(folder: &Path) -> io::Result<Vec<(WallTime, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(time) = entry.file_name().to_str().and_then(time_in)
            && entry.file_type()?.is_file()
        {
            found.push((time, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Every age file in a folder, oldest first.
///
/// # Errors
/// When the folder cannot be read; a file that cannot be read is left out.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(data) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if !data.is_file() {
            continue;
        }
        let Some(opens_with) = opens_with(&path) else {
            continue;
        };
        let by_name = path.file_name().and_then(|name| time_in(name.to_str()?));
        let written = || {
            let modified = data.modified().ok()?;
            let age = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(WallTime::from_unix_ms(i64::try_from(age.as_millis()).ok()?))
        };
        found.push(Entry {
            made: by_name.or_else(written).unwrap_or(WallTime::from_unix_ms(0)),
            length: data.len(),
            opens_with,
            path,
        });
    }
    found.sort_unstable_by(|a, b| (a.made, &a.path).cmp(&(b.made, &b.path)));
    Ok(found)
}

/// What opens an age file, by its header: `None` for what is none.
pub(crate) fn opens_with(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEADER_MAX as u64).read_to_end(&mut start))
        .ok()?;
    of_header(&start)
}

fn of_header(start: &[u8]) -> Option<String> {
    let rest = start.strip_prefix(b"age-encryption.org/v1\n")?;
    let (mut passphrase, mut keys) = (false, 0_usize);
    for line in rest.split(|byte| *byte == b'\n') {
        if line.starts_with(b"--- ") {
            break;
        }
        if line.starts_with(b"-> scrypt ") {
            passphrase = true;
        } else if line.starts_with(b"-> X25519 ") || line.starts_with(b"-> ssh-") {
            keys += 1;
        }
    }
    Some(match (passphrase, keys) {
        (true, _) => PASSPHRASE.to_owned(),
        (false, 1) => "one identity".to_owned(),
        (false, keys) => format!("any of {keys} identities"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_says_its_time_and_nothing_else_is_such_a_name() {
        let time = WallTime::parse_rfc3339("2026-11-25T22:16:16.789Z").expect("a time");
        assert_eq!(name_of(time), "postern-20261125T221616Z.age");
        assert_eq!(
            time_in("postern-20261125T221616Z.age")
                .map(WallTime::to_rfc3339)
                .as_deref(),
            Some("2026-11-25T22:16:16Z")
        );
        for other in [
            "postern-20261125T221616Z.age.old",
            "my-postern-20261125T221616Z.age",
            "postern-20261325T221616Z.age",
            "postern-2026-11-25.age",
            "postern-20261125x221616Z.age",
            "postern-+2261125T221616Z.age",
            "postern-.age",
            "postern-ä0261125T221616Z.age",
        ] {
            assert_eq!(time_in(other), None, "{other}");
        }
    }

    #[test]
    fn a_header_tells_what_opens_it() {
        for (header, expected) in [
            (
                "age-encryption.org/v1\n-> scrypt c2FsdA 17\nbody\n--- mac",
                Some("passphrase"),
            ),
            (
                "age-encryption.org/v1\n-> X25519 share\nbody\n-> q-grease\nx\n--- mac",
                Some("one identity"),
            ),
            (
                "age-encryption.org/v1\n-> X25519 share\nbody\n-> ssh-ed25519 a b\nx\n--- mac\n-> X25519 payload",
                Some("any of 2 identities"),
            ),
            ("age-encryption.org/v2\n", None),
            ("", None),
        ] {
            assert_eq!(of_header(header.as_bytes()).as_deref(), expected);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_name_or_the_bytes_nothing_breaks(name in ".{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = time_in(&name);
            let _ = of_header(&[b"age-encryption.org/v1\n".as_slice(), &bytes].concat());
        }
    }
}
