//! One column: what it should hold, where that is known, and what its values turn out to be.

use std::collections::BTreeSet;

use fieldcrypt::sqlite::{PlainColumn, PlainForm, Stored};
use fieldcrypt::{Algorithm, Sealed};

use super::report::Class;

/// Lengths of what hashes and ciphers use: 128 to 512 bits.
const DIGESTS: [usize; 6] = [16, 20, 28, 32, 48, 64];

/// What a column is known to hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    Sealed,
    Plain(PlainColumn),
    /// Nothing is known of it.
    Unknown,
}

impl Expected {
    /// What is wrong with a value of the column, if anything.
    pub(super) fn complaint(
        &self,
        value: Stored<'_>,
        octets: u64,
        keys: &BTreeSet<u32>,
    ) -> Option<&'static str> {
        const STRANGE: &str = "value that is not what this column holds";
        match (self, value) {
            (_, Stored::Null) | (Self::Unknown, _) => None,
            (Self::Sealed, Stored::Blob(bytes)) if envelope(bytes, keys).is_some() => None,
            (Self::Sealed, _) => Some("value that is not sealed"),
            (Self::Plain(column), value) => {
                let fits = match (column.form, value) {
                    (PlainForm::Random { bytes } | PlainForm::Hash { bytes }, Stored::Blob(value)) => {
                        octets == bytes as u64 && !is_readable(value)
                    }
                    (PlainForm::Encrypted { bytes }, Stored::Blob(value)) => {
                        bytes.is_none_or(|bytes| octets == bytes as u64) && !is_readable(value)
                    }
                    (PlainForm::RandomText, Stored::Text(text)) => text.len() == 43,
                    (PlainForm::Keys | PlainForm::Names, _) => true,
                    (
                        PlainForm::Random { .. }
                        | PlainForm::Hash { .. }
                        | PlainForm::Encrypted { .. }
                        | PlainForm::RandomText,
                        _,
                    ) => false,
                };
                (!fits).then_some(STRANGE)
            }
        }
    }

    /// Whether text of the column may look random.
    pub(super) const fn may_look_random(&self) -> bool {
        matches!(
            self,
            Self::Plain(PlainColumn {
                form: PlainForm::RandomText | PlainForm::Keys,
                ..
            })
        )
    }

    /// Whether a value is one of the names that the program gives, and no guessed password.
    pub(super) fn is_a_name(&self, text: &[u8]) -> bool {
        matches!(self, Self::Plain(column) if column.form == PlainForm::Names)
            && text
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-' | b'.'))
    }
}

/// The envelope of a sealed field: it parses, names a key that there is, and its bytes are none that anybody could read.
pub(super) fn envelope(bytes: &[u8], keys: &BTreeSet<u32>) -> Option<Sealed> {
    // Enough of it to tell; the bytes of a long value come in pieces.
    let sealed = Sealed::parse(bytes.get(..bytes.len().min(256))?.to_vec()).ok()?;
    // Without a keyring in the file, numbers that a life of rotations does not reach are none.
    let plausible = if keys.is_empty() {
        (1..=1_000_000).contains(&sealed.key().0)
    } else {
        keys.contains(&sealed.key().0)
    };
    let body = bytes.get(6..).unwrap_or_default();
    (plausible && looks_random(body.get(..body.len().min(64)).unwrap_or_default())).then_some(sealed)
}

/// Text that a person can read: of random bytes of that length, one in a million at the most.
fn is_readable(bytes: &[u8]) -> bool {
    bytes.len() >= 14
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// As many different bytes as random ones have, or nearly.
fn looks_random(bytes: &[u8]) -> bool {
    let different = bytes.iter().collect::<BTreeSet<_>>().len();
    // Of 16 random bytes 15.5 are different, of 64 it is 56.7.
    different * 4 >= bytes.len() * 3 && std::str::from_utf8(bytes).is_err()
}

/// What the values of a column have turned out to be so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) values: u64,
    pub(super) sealed: u64,
    seals: BTreeSet<(u8, u32)>,
    random: u64,
    lengths: BTreeSet<u64>,
    slow: u64,
    slow_names: BTreeSet<&'static str>,
    numbers: u64,
    texts: u64,
    blobs: u64,
    longest: u64,
}

impl Tally {
    /// Counts a value; of a long one, its first piece.
    pub(super) fn count(&mut self, value: Stored<'_>, octets: u64, keys: &BTreeSet<u32>) {
        self.values += u64::from(value != Stored::Null);
        match value {
            Stored::Null => {}
            Stored::Integer(_) | Stored::Real(_) => self.numbers += 1,
            Stored::Text(_) => self.texts += 1,
            Stored::Blob(bytes) => {
                self.blobs += 1;
                if let Some(sealed) = envelope(bytes, keys) {
                    self.sealed += 1;
                    self.seals
                        .insert((algorithm_id(sealed.algorithm()), sealed.key().0));
                } else if DIGESTS.contains(&bytes.len()) && looks_random(bytes) {
                    self.random += 1;
                }
            }
        }
        if value != Stored::Null {
            self.longest = self.longest.max(octets);
            if self.lengths.len() < 2 {
                self.lengths.insert(octets);
            }
        }
    }

    /// Notes that a value is a slow password hash and nothing else.
    pub(super) fn count_slow_hash(&mut self, name: &'static str) {
        self.slow += 1;
        self.slow_names.insert(name);
    }

    /// Whether some values are sealed and others are not.
    pub(super) const fn is_half_sealed(&self) -> bool {
        self.sealed > 0 && self.sealed < self.values
    }

    pub(super) fn verdict(&self, expected: &Expected) -> (Class, String) {
        if self.values == 0 {
            return (Class::Empty, "nothing".to_owned());
        }
        if self.sealed == self.values {
            return (Class::Sealed, self.seal_names());
        }
        if let Expected::Plain(column) = expected {
            let class = match column.form {
                PlainForm::Hash { .. } => Class::Hashed,
                PlainForm::Encrypted { .. } => Class::Sealed,
                PlainForm::Random { .. } | PlainForm::RandomText | PlainForm::Keys | PlainForm::Names => {
                    Class::Plain
                }
            };
            return (class, column.holds.to_owned());
        }
        if self.slow == self.values {
            let names: Vec<_> = self.slow_names.iter().copied().collect();
            return (
                Class::Hashed,
                format!("slow password hashes ({})", names.join(", ")),
            );
        }
        if self.random == self.values && self.lengths.len() == 1 {
            return (
                Class::Hashed,
                format!("{} random bytes each: hashes, keys or identifiers", self.longest),
            );
        }
        let sorts = [
            (self.numbers, "numbers"),
            (self.texts, "text"),
            (self.blobs, "bytes"),
        ];
        let sorts: Vec<_> = sorts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(_, name)| *name)
            .collect();
        let mut holds = sorts.join(" and ");
        if self.is_half_sealed() {
            holds = format!("{holds}, {} of {} values sealed", self.sealed, self.values);
        } else if self.numbers < self.values {
            holds = format!("{holds}, at most {} bytes long", self.longest);
        }
        (Class::Plain, holds)
    }

    fn seal_names(&self) -> String {
        let names = self.seals.iter().map(|(algorithm, key)| {
            let name = if *algorithm == algorithm_id(Algorithm::Aes256Gcm) {
                "AES-256-GCM"
            } else {
                "XChaCha20-Poly1305"
            };
            format!("{name}, data key {key}")
        });
        names.collect::<Vec<_>>().join("; ")
    }
}

const fn algorithm_id(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Aes256Gcm => 1,
        Algorithm::XChaCha20Poly1305 => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as a cipher makes them, the same at every run.
    fn random(length: usize) -> Vec<u8> {
        use sha2::Digest as _;
        let blocks = (0..).flat_map(|n: u32| sha2::Sha256::digest(n.to_be_bytes()));
        blocks.take(length).collect()
    }

    fn sealed(key: u32) -> Vec<u8> {
        [&[1, 1][..], &key.to_be_bytes(), &random(60)].concat()
    }

    fn verdict(values: &[Stored<'_>]) -> (Class, String) {
        let mut tally = Tally::default();
        for value in values {
            let octets = match value {
                Stored::Blob(bytes) | Stored::Text(bytes) => bytes.len() as u64,
                Stored::Null | Stored::Integer(_) | Stored::Real(_) => 8,
            };
            tally.count(*value, octets, &BTreeSet::new());
        }
        tally.verdict(&Expected::Unknown)
    }

    #[test]
    fn a_column_is_what_all_its_values_are() {
        let (field, digest) = (sealed(3), random(32));
        for (values, class, holds) in [
            (&[][..], Class::Empty, "nothing"),
            (&[Stored::Null], Class::Empty, "nothing"),
            (&[Stored::Blob(&field)], Class::Sealed, "data key 3"),
            (
                &[Stored::Blob(&field), Stored::Text(b"x")],
                Class::Plain,
                "1 of 2 values sealed",
            ),
            (
                &[Stored::Blob(&digest), Stored::Null],
                Class::Hashed,
                "32 random bytes",
            ),
            (
                &[Stored::Blob(&digest), Stored::Blob(b"x")],
                Class::Plain,
                "bytes",
            ),
            (
                &[Stored::Integer(7), Stored::Text(b"seven")],
                Class::Plain,
                "numbers and text",
            ),
        ] {
            let found = verdict(values);
            assert_eq!(found.0, class, "{}", found.1);
            assert!(found.1.contains(holds), "{}", found.1);
        }
    }

    #[test]
    fn an_envelope_has_a_key_that_there_is_and_no_text_in_it() {
        let none = BTreeSet::new();
        assert!(envelope(&sealed(1), &none).is_some());
        assert!(envelope(&sealed(2_000_000), &none).is_none());
        assert!(envelope(&sealed(1), &BTreeSet::from([2])).is_none());
        assert!(envelope(&sealed(2), &BTreeSet::from([2])).is_some());
        let text = [
            &[1, 1, 0, 0, 0, 1][..],
            b"a secret that only wears the header of a sealed field",
        ]
        .concat();
        assert!(envelope(&text, &none).is_none());
        assert!(envelope(&[&[1, 1, 0, 0, 0, 1][..], &[0; 80]].concat(), &none).is_none());
    }

    #[test]
    fn a_value_that_does_not_belong_is_told() {
        let none = BTreeSet::new();
        let complaint =
            |expected: Expected, value: Stored<'_>, octets| expected.complaint(value, octets, &none);
        let (field, digest) = (sealed(1), random(32));
        let hash = |form| Expected::Plain(PlainColumn::new("t", "c", form, "hashes"));
        assert_eq!(complaint(Expected::Sealed, Stored::Blob(&field), 66), None);
        assert!(complaint(Expected::Sealed, Stored::Blob(&digest), 32).is_some());
        assert!(complaint(Expected::Sealed, Stored::Text(b"plain"), 5).is_some());
        assert!(complaint(Expected::Sealed, Stored::Integer(1234), 4).is_some());
        let form = PlainForm::Hash { bytes: 32 };
        assert_eq!(complaint(hash(form), Stored::Blob(&digest), 32), None);
        assert!(complaint(hash(form), Stored::Blob(&digest), 31).is_some());
        assert!(complaint(hash(form), Stored::Blob(b"a text that is 32 bytes in length"), 32).is_some());
        assert_eq!(
            complaint(hash(PlainForm::Names), Stored::Text(b"password"), 8),
            None
        );
    }
}
