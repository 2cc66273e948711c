//! The recovery key: 256 random bits, printed once on paper and typed in again years later.
//!
//! It is a bech32m string (BIP-350) with the human-readable part `r`, shown in twelve groups of five characters:
//! `r1` ‖ 52 characters of key ‖ 6 check characters. The checksum is a BCH code of distance 5 at this length (BIP-173,
//! "Checksum design"): any four wrong characters are noticed, so every single typo and every swap of two neighbours is,
//! and the place of a single one can be told. The alphabet has no `1`, `b`, `i`, `o`, which look like others.

use bech32::primitives::decode::{CheckedHrpstring, UncheckedHrpstring};
use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
use bech32::{Bech32m, Fe32, Hrp};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::random::RandomError;
use crate::secret::SecretKey;

/// The human-readable part and the separator of every recovery key.
const PREFIX: &[u8; 2] = b"r1";
/// Characters of a group.
const GROUP: usize = 5;
/// Characters of a key, without what stands between the groups: 2 of prefix, 52 for 256 bits, 6 of checksum.
const LEN: usize = 60;

/// A recovery key. Wiped on drop; its printed form is shown once and kept nowhere.
pub struct RecoveryKey(SecretKey);

/// What was typed is no recovery key. Never says what it should be, only where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryKeyError {
    /// Too many or too few characters.
    #[error("a recovery key has 12 groups of 5 characters, 60 together; this has {found}")]
    WrongLength {
        /// Letters and digits found.
        found: usize,
    },
    /// Too many or too few characters, and the groups as typed show where.
    #[error("group {group} of the recovery key should have 5 characters; it has {found}")]
    WrongGroupLength {
        /// The group, counted from 1.
        group: usize,
        /// Letters and digits found in it.
        found: usize,
    },
    /// A character that no recovery key has.
    #[error("group {group} of the recovery key holds a character that is never used (as are 1, b, i and o)")]
    StrangeCharacter {
        /// The group, counted from 1.
        group: usize,
    },
    /// The check characters do not fit; one wrong character, or two swapped neighbours, would explain it.
    #[error("there is a typing mistake in group {group} of the recovery key")]
    TypoIn {
        /// The group, counted from 1.
        group: usize,
    },
    /// The check characters do not fit, and more than one character is wrong.
    #[error("there are typing mistakes in the recovery key: its check characters do not fit")]
    Typos,
    /// It has check characters that fit, but it is something else.
    #[error("this is not a recovery key: one starts with r1")]
    SomethingElse,
}

impl RecoveryKey {
    /// A new key from the operating system's random source.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        SecretKey::random().map(Self)
    }

    /// The key to print: twelve groups of five, joined by dashes.
    #[must_use]
    pub fn expose_printable(&self) -> SecretString {
        let hrp = Hrp::parse_unchecked("r");
        let characters = self
            .0
            .expose_bytes()
            .iter()
            .copied()
            .bytes_to_fes()
            .with_checksum::<Bech32m>(&hrp)
            .chars();
        // Exactly as long as needed: a string that grows leaves copies behind.
        let mut text = String::with_capacity(LEN + LEN / GROUP);
        for (at, character) in characters.enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text.into()
    }

    /// Reads what was typed. Case, spaces, line ends and dashes do not matter.
    ///
    /// # Errors
    /// Names the group where the mistake is, when that can be told.
    pub fn parse(typed: &str) -> Result<Self, RecoveryKeyError> {
        let mut text = characters_of(typed)?;
        if let Some(at) = text.iter().skip(PREFIX.len()).position(|c| !is_of_alphabet(*c)) {
            return Err(RecoveryKeyError::StrangeCharacter {
                group: group_of(at + PREFIX.len()),
            });
        }
        if !text.starts_with(PREFIX) {
            let (head, _) = text.split_at_mut(PREFIX.len());
            head.copy_from_slice(PREFIX);
            return Err(if fits(&text) {
                RecoveryKeyError::TypoIn { group: 1 }
            } else {
                RecoveryKeyError::SomethingElse
            });
        }
        if !fits(&text) {
            return Err(match place_of_typo(&mut text) {
                Some(at) => RecoveryKeyError::TypoIn { group: group_of(at) },
                None => RecoveryKeyError::Typos,
            });
        }
        let text = std::str::from_utf8(text.as_slice()).map_err(|_| RecoveryKeyError::SomethingElse)?;
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| RecoveryKeyError::SomethingElse)?;
        // 52 characters are 260 bits; the last 4 are empty, or two texts would be one key.
        if checked
            .fe32_iter()
            .last()
            .is_none_or(|last| last.to_u8() & 0b1111 != 0)
        {
            return Err(RecoveryKeyError::SomethingElse);
        }
        SecretKey::filled(|key| {
            let mut bytes = checked.byte_iter();
            for slot in key {
                *slot = bytes.next().ok_or(RecoveryKeyError::SomethingElse)?;
            }
            Ok(())
        })
        .map(Self)
    }

    pub(crate) const fn key(&self) -> &SecretKey {
        &self.0
    }
}

/// The 60 characters in lower case, without what stands between them.
fn characters_of(typed: &str) -> Result<Zeroizing<[u8; LEN]>, RecoveryKeyError> {
    let stands_between = |c: char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}');
    let mut text = Zeroizing::new([b' '; LEN]);
    let mut found = 0;
    for character in typed.chars().filter(|c| !stands_between(*c)) {
        if let Some(slot) = text.get_mut(found) {
            // A character that is not ASCII is strange wherever it stands.
            *slot = u8::try_from(character).unwrap_or(b'?').to_ascii_lowercase();
        }
        found += 1;
    }
    if found == LEN {
        return Ok(text);
    }
    // Where the groups were kept apart, one of them is too long or too short.
    let mut groups = typed.split(stands_between).filter(|group| !group.is_empty());
    let strange = (1..)
        .zip(groups.by_ref())
        .find(|(_, group)| group.chars().count() != GROUP);
    let all = typed
        .split(stands_between)
        .filter(|group| !group.is_empty())
        .count();
    Err(match strange {
        Some((group, text)) if all == LEN / GROUP => RecoveryKeyError::WrongGroupLength {
            group,
            found: text.chars().count(),
        },
        Some(_) | None => RecoveryKeyError::WrongLength { found },
    })
}

fn is_of_alphabet(character: u8) -> bool {
    Fe32::from_char(char::from(character)).is_ok()
}

const fn group_of(at: usize) -> usize {
    at / GROUP + 1
}

fn fits(text: &[u8; LEN]) -> bool {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| UncheckedHrpstring::new(text).ok())
        .is_some_and(|unchecked| unchecked.has_valid_checksum::<Bech32m>())
}

/// The place of the one substitution or swap of neighbours that explains the checksum. The code's distance of 5 leaves
/// at most one. Tried one by one, some 1,900 checksums: the decoder of the crate panics on some inputs with more errors.
fn place_of_typo(text: &mut [u8; LEN]) -> Option<usize> {
    for at in PREFIX.len()..LEN {
        let typed = *text.get(at)?;
        for other in Fe32::iter_alpha() {
            *text.get_mut(at)? = u8::try_from(other.to_char()).ok()?;
            if fits(text) {
                return Some(at);
            }
        }
        *text.get_mut(at)? = typed;
        if at + 1 < LEN {
            text.swap(at, at + 1);
            if fits(text) {
                return Some(at);
            }
            text.swap(at, at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;
    use static_assertions::assert_not_impl_any;

    assert_not_impl_any!(RecoveryKey: std::fmt::Debug, std::fmt::Display, Clone, Default, PartialEq);

    const ALPHABET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

    fn key(bytes: [u8; 32]) -> RecoveryKey {
        RecoveryKey(SecretKey::from_bytes(&bytes))
    }

    fn printed(bytes: [u8; 32]) -> String {
        key(bytes).expose_printable().expose_secret().to_owned()
    }

    fn parse(text: &str) -> Result<[u8; 32], RecoveryKeyError> {
        RecoveryKey::parse(text).map(|key| *key.key().expose_bytes())
    }

    /// Made with the reference implementation of BIP-350 (`bech32_encode("r", convertbits(range(32), 8, 5), BECH32M)`).
    #[test]
    fn the_printed_form_is_bech32m() {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).expect("small"));
        let text = printed(bytes);
        assert_eq!(text, REFERENCE);
        assert_eq!(parse(REFERENCE), Ok(bytes));
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [GROUP; 12]);
    }

    const REFERENCE: &str = "r1qqq-syqcy-q5rqw-zqfpg-9scrg-wpugp-zysnz-s23v9-ccryd-pk8qa-rc0sp-f2xlw";

    fn plain(text: &str) -> [u8; LEN] {
        let plain: Vec<u8> = text.bytes().filter(|c| *c != b'-').collect();
        plain.try_into().expect("60 characters")
    }

    fn typed(plain: &[u8; LEN]) -> &str {
        std::str::from_utf8(plain).expect("ASCII")
    }

    /// Every one of the 58 × 31 typos, and every swap that changes something; the group, of a part of them: it is searched.
    #[test]
    fn every_wrong_character_and_every_swap_is_noticed_and_its_group_named() {
        let right = plain(&printed([0xA7; 32]));
        assert!(fits(&right), "control");
        for at in PREFIX.len()..LEN {
            for (nth, wrong) in ALPHABET.bytes().enumerate().filter(|(_, c)| *c != right[at]) {
                let mut text = right;
                text[at] = wrong;
                assert!(!fits(&text), "{}", typed(&text));
                if nth % 16 == at % 16 {
                    let group = group_of(at);
                    assert_eq!(
                        parse(typed(&text)),
                        Err(RecoveryKeyError::TypoIn { group }),
                        "{}",
                        typed(&text)
                    );
                }
            }
        }
        for at in PREFIX.len()..LEN - 1 {
            let mut text = right;
            text.swap(at, at + 1);
            if text != right {
                let group = group_of(at);
                assert_eq!(
                    parse(typed(&text)),
                    Err(RecoveryKeyError::TypoIn { group }),
                    "{}",
                    typed(&text)
                );
            }
        }
    }

    #[test]
    fn the_rest_of_what_can_be_typed_has_its_own_error() {
        let text = printed([3; 32]);
        let with = |at: usize, c: char| {
            let mut typed = text.clone();
            typed.replace_range(at..=at, &c.to_string());
            typed
        };
        assert_eq!(parse(""), Err(RecoveryKeyError::WrongLength { found: 0 }));
        assert_eq!(
            parse(&text[..65]),
            Err(RecoveryKeyError::WrongLength { found: 55 })
        );
        assert_eq!(
            parse(&text.replacen('-', "q-", 1)),
            Err(RecoveryKeyError::WrongGroupLength { group: 1, found: 6 })
        );
        assert_eq!(
            parse(&with(8, 'b')),
            Err(RecoveryKeyError::StrangeCharacter { group: 2 })
        );
        assert_eq!(
            parse(&with(8, 'é')),
            Err(RecoveryKeyError::StrangeCharacter { group: 2 })
        );
        assert_eq!(parse(&with(0, 'x')), Err(RecoveryKeyError::TypoIn { group: 1 }));
        assert_eq!(parse(&with(1, 'l')), Err(RecoveryKeyError::TypoIn { group: 1 }));
        let mut elsewhere = with(0, 'x');
        elsewhere.replace_range(9..=9, if &elsewhere[9..10] == "q" { "p" } else { "q" });
        assert_eq!(parse(&elsewhere), Err(RecoveryKeyError::SomethingElse));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again_however_it_is_typed(bytes in any::<[u8; 32]>(), spaces in "[ \t\n-]{0,3}") {
            let text = printed(bytes);
            prop_assert_eq!(parse(&text), Ok(bytes));
            prop_assert_eq!(parse(&text.to_uppercase().replace('-', &spaces)), Ok(bytes));
        }

        #[test]
        fn up_to_four_typos_never_make_another_key(bytes in any::<[u8; 32]>(), typos in proptest::collection::vec((2..LEN, 0..32_usize), 1..=4)) {
            let right = plain(&printed(bytes));
            let mut text = right;
            for (at, letter) in typos {
                text[at] = ALPHABET.as_bytes()[letter];
            }
            prop_assert_eq!(fits(&text), text == right);
        }

        #[test]
        fn anything_is_read_without_a_panic(text in "\\PC{0,80}", letters in "[r1qpzry9x8gf2tvdw0s3jn54khce6mua7l]{60}") {
            prop_assert!(parse(&text).is_err());
            prop_assert!(parse(&letters).is_err());
        }
    }
}
