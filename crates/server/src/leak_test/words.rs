//! Guessable passwords: the words of a list, in plain or under a fast hash without salt.
//!
//! A thief tries such lists first, and a fast hash of a listed word is as good as the word. What is looked for at every
//! byte: the MD5, SHA-1, SHA-256 and SHA-512 of each word, raw, in hexadecimal and in base64; and the word itself where it
//! can hardly stand by chance.

use std::io::{self, Read};

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

/// Most words, and bytes, of a list: 64 bytes of memory a word.
const WORDS_MAX: usize = 1_000_000;
const BYTES_MAX: u64 = 64 << 20;

/// Shortest word that is looked for inside longer text, where it also needs two sorts of characters.
const SHORTEST_INSIDE: usize = 7;

/// Bytes that are compared first.
const HEAD: usize = 8;

/// A list that is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WordsError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it holds more than {WORDS_MAX} words or 64 MiB")]
    TooLong,
}

/// A list of words. Wiped on drop.
pub(crate) struct Words {
    text: Zeroizing<Vec<u8>>,
    /// Where each word stands in the text, by its line; nothing where the line is empty.
    lines: Vec<(u32, u32)>,
    /// The lines, in the order of their words.
    sorted: Vec<u32>,
    digests: Heads,
    inside: Heads,
}

/// A word that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Guessed {
    /// Its line in the list, from 1.
    pub(super) line: u32,
    pub(super) kind: &'static str,
    pub(super) start: usize,
    pub(super) length: usize,
}

/// The first bytes of what is looked for, in order, and which beginnings there are at all.
#[derive(Default)]
struct Heads {
    sorted: Vec<(u64, u32)>,
    /// One bit for every three bytes.
    beginnings: Vec<u64>,
}

impl Heads {
    fn of(mut entries: Vec<(u64, u32)>) -> Self {
        entries.sort_unstable();
        let mut beginnings = vec![0; 1 << 18];
        for (head, _) in &entries {
            let three = place(*head >> 40);
            if let Some(bits) = beginnings.get_mut(three / 64) {
                *bits |= 1_u64 << (three % 64);
            }
        }
        Self {
            sorted: entries,
            beginnings,
        }
    }

    fn may_begin(&self, three: usize) -> bool {
        self.beginnings
            .get(three / 64)
            .is_some_and(|bits| bits >> (three % 64) & 1 == 1)
    }

    fn with_head(&self, head: u64) -> impl Iterator<Item = u32> + '_ {
        let from = self.sorted.partition_point(|(known, _)| *known < head);
        let rest = self.sorted.get(from..).unwrap_or_default();
        rest.iter()
            .take_while(move |(known, _)| *known == head)
            .map(|(_, line)| *line)
    }
}

/// A fast hash, and what it is called raw, in hexadecimal and in base64.
struct FastHash {
    hash: fn(&[u8]) -> Vec<u8>,
    kinds: [&'static str; 3],
}

macro_rules! fast_hash {
    ($hash:ty, $name:literal) => {
        FastHash {
            hash: |word| <$hash>::digest(word).to_vec(),
            kinds: [
                concat!($name, " of a listed password"),
                concat!($name, " of a listed password, in hexadecimal"),
                concat!($name, " of a listed password, in base64"),
            ],
        }
    };
}

const HASHES: [FastHash; 4] = [
    fast_hash!(Md5, "MD5"),
    fast_hash!(Sha1, "SHA-1"),
    fast_hash!(Sha256, "SHA-256"),
    fast_hash!(Sha512, "SHA-512"),
];

const IN_PLAIN: &str = "listed password, in plain";

impl Words {
    /// Reads a list, one word a line.
    pub(crate) fn read(from: impl Read) -> Result<Self, WordsError> {
        let mut text = Zeroizing::new(Vec::new());
        from.take(BYTES_MAX + 1).read_to_end(&mut text)?;
        if text.len() as u64 > BYTES_MAX {
            return Err(WordsError::TooLong);
        }
        let (mut lines, mut at) = (Vec::new(), 0_u32);
        for line in text.split(|byte| *byte == b'\n') {
            let word = line.strip_suffix(b"\r").unwrap_or(line);
            lines.push((at, u32::try_from(word.len()).unwrap_or(0)));
            at += u32::try_from(line.len() + 1).unwrap_or(0);
        }
        if lines.len() > WORDS_MAX {
            return Err(WordsError::TooLong);
        }
        let mut words = Self {
            text,
            lines,
            sorted: Vec::new(),
            digests: Heads::default(),
            inside: Heads::default(),
        };
        let (mut digests, mut inside) = (Vec::new(), Vec::new());
        for line in 0..u32::try_from(words.lines.len()).unwrap_or(0) {
            let word = words.word(line);
            if word.is_empty() {
                continue;
            }
            digests.extend(HASHES.iter().map(|fast| (head(&(fast.hash)(word)), line)));
            if stands_out(word) {
                inside.push((head(beginning(word)), line));
            }
        }
        words.digests = Heads::of(digests);
        words.inside = Heads::of(inside);
        let mut sorted: Vec<u32> = (0..u32::try_from(words.lines.len()).unwrap_or(0)).collect();
        sorted.sort_by(|a, b| words.word(*a).cmp(words.word(*b)));
        words.sorted = sorted;
        Ok(words)
    }

    fn word(&self, line: u32) -> &[u8] {
        let place = self.lines.get(line as usize).copied().unwrap_or_default();
        let (start, length) = (place.0 as usize, place.1 as usize);
        self.text.get(start..start + length).unwrap_or_default()
    }

    /// The whole value is a listed word.
    pub(super) fn is(&self, value: &[u8]) -> Option<Guessed> {
        if value.is_empty() {
            return None;
        }
        let at = self
            .sorted
            .binary_search_by(|line| self.word(*line).cmp(value))
            .ok()?;
        Some(Guessed {
            line: self.sorted.get(at)? + 1,
            kind: IN_PLAIN,
            start: 0,
            length: value.len(),
        })
    }

    /// Every word and every hash of one that stands among these bytes.
    pub(super) fn find(&self, bytes: &[u8], mut found: impl FnMut(Guessed)) {
        for start in 0..bytes.len() {
            let rest = bytes.get(start..).unwrap_or_default();
            if let Some(raw) = rest.first_chunk::<3>() {
                let three = three(*raw);
                if self.inside.may_begin(three) {
                    for line in self.inside.with_head(head(beginning(rest))) {
                        check(rest, self.word(line), line, IN_PLAIN, start, &mut found);
                    }
                }
                if self.digests.may_begin(three) {
                    self.check_digests(rest, head(rest), 0, start, &mut found);
                }
            }
            for (at, form) in [(1, Form::Hex), (2, Form::Base64)] {
                if let Some(beginning) = form.decode_head(rest, 3)
                    && self.digests.may_begin(place(beginning))
                    && let Some(head) = form.decode_head(rest, HEAD)
                {
                    self.check_digests(rest, head, at, start, &mut found);
                }
            }
        }
    }

    fn check_digests(
        &self,
        rest: &[u8],
        head: u64,
        form: usize,
        start: usize,
        found: &mut impl FnMut(Guessed),
    ) {
        for line in self.digests.with_head(head) {
            for FastHash { hash, kinds } in &HASHES {
                let digest = hash(self.word(line));
                let kind = kinds.get(form).copied().unwrap_or_default();
                match form {
                    0 => check(rest, &digest, line, kind, start, found),
                    1 => {
                        let hex = data_encoding::HEXLOWER.encode(&digest);
                        let lower = rest.get(..hex.len()).unwrap_or_default().to_ascii_lowercase();
                        check(&lower, hex.as_bytes(), line, kind, start, found);
                    }
                    _ => {
                        for alphabet in [data_encoding::BASE64_NOPAD, data_encoding::BASE64URL_NOPAD] {
                            let text = alphabet.encode(&digest);
                            check(rest, text.as_bytes(), line, kind, start, found);
                            if !text.contains(['+', '/', '-', '_']) {
                                break;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How a digest is written as text.
#[derive(Clone, Copy)]
enum Form {
    Hex,
    Base64,
}

impl Form {
    /// The first bytes of what is written there, as a number.
    fn decode_head(self, text: &[u8], bytes: usize) -> Option<u64> {
        let bits = match self {
            Self::Hex => 4,
            Self::Base64 => 6,
        };
        let digits = (bytes * 8).div_ceil(bits);
        let mut value = 0_u128;
        for byte in text.get(..digits)? {
            value = value << bits | u128::from(self.digit(*byte)?);
        }
        u64::try_from(value >> (digits * bits - bytes * 8)).ok()
    }

    const fn digit(self, byte: u8) -> Option<u8> {
        match (self, byte) {
            (_, b'0'..=b'9') => Some(match self {
                Self::Hex => byte - b'0',
                Self::Base64 => byte - b'0' + 52,
            }),
            (Self::Hex, b'a'..=b'f') => Some(byte - b'a' + 10),
            (Self::Hex, b'A'..=b'F') => Some(byte - b'A' + 10),
            (Self::Base64, b'A'..=b'Z') => Some(byte - b'A'),
            (Self::Base64, b'a'..=b'z') => Some(byte - b'a' + 26),
            (Self::Base64, b'+' | b'-') => Some(62),
            (Self::Base64, b'/' | b'_') => Some(63),
            _ => None,
        }
    }
}

/// Tells of a word whose text or hash stands there in full.
fn check(
    rest: &[u8],
    wanted: &[u8],
    line: u32,
    kind: &'static str,
    start: usize,
    found: &mut impl FnMut(Guessed),
) {
    if rest.starts_with(wanted) {
        found(Guessed {
            line: line + 1,
            kind,
            start,
            length: wanted.len(),
        });
    }
}

fn head(bytes: &[u8]) -> u64 {
    let mut head = [0; HEAD];
    head.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(head)
}

/// As many bytes as the shortest word inside text has.
fn beginning(bytes: &[u8]) -> &[u8] {
    bytes.get(..SHORTEST_INSIDE).unwrap_or(bytes)
}

/// A number of three bytes.
fn place(three: u64) -> usize {
    usize::try_from(three).unwrap_or(usize::MAX)
}

fn three([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// Whether a word can hardly stand inside other text by chance.
fn stands_out(word: &[u8]) -> bool {
    let sorts = [
        u8::is_ascii_lowercase as fn(&u8) -> bool,
        u8::is_ascii_uppercase,
        u8::is_ascii_digit,
        |byte| !byte.is_ascii_alphanumeric(),
    ];
    word.len() >= SHORTEST_INSIDE && sorts.iter().filter(|sort| word.iter().any(sort)).count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::{BASE64, HEXLOWER, HEXUPPER};

    fn words() -> Words {
        Words::read("password\r\nhunter2\n\ncorrect horse battery\nqwerty".as_bytes()).expect("read")
    }

    fn found(bytes: &[u8]) -> Vec<(u32, &'static str)> {
        let mut all = Vec::new();
        words().find(bytes, |guessed| all.push((guessed.line, guessed.kind)));
        all
    }

    #[test]
    fn every_fast_hash_in_every_form_is_found_wherever_it_stands() {
        for FastHash { hash, kinds } in HASHES {
            let digest = hash(b"qwerty");
            for (text, kind) in [
                (digest.clone(), kinds[0]),
                (HEXLOWER.encode(&digest).into_bytes(), kinds[1]),
                (HEXUPPER.encode(&digest).into_bytes(), kinds[1]),
                (BASE64.encode(&digest).into_bytes(), kinds[2]),
            ] {
                for before in [&b""[..], b"\x00abc123", b"user:"] {
                    let bytes = [before, &text, b" \xff tail"].concat();
                    assert_eq!(found(&bytes), [(5, kind)]);
                }
                assert_eq!(found(&text[..text.len() - 3]), [], "cut, it is none");
            }
        }
        assert_eq!(found(&Sha256::digest("another word")), []);
    }

    #[test]
    fn a_word_is_found_whole_and_inside_text_only_when_it_stands_out() {
        assert_eq!(words().is(b"password").map(|guessed| guessed.line), Some(1));
        assert_eq!(words().is(b"passwords"), None);
        assert_eq!(words().is(b""), None);
        assert_eq!(found(b"the passwords of qwerty keyboards"), []);
        assert_eq!(found(b"{\"p\": \"hunter2\"}"), [(2, IN_PLAIN)]);
        assert_eq!(found(b"..correct horse battery.."), [(4, IN_PLAIN)]);
    }
}
