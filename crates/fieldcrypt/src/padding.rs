//! Padmé: the length of a padded value says little about the value.
//!
//! From Nikitin, Barman, Lueks, Underwood, Hubaux and Ford, *Reducing Metadata Leakage from Encrypted Files and
//! Communication with PURBs*, PETS 2019, section 4.2 (algorithm 1). A length L becomes the next whose last
//! `E - S` bits are zero, where `E = ⌊log2 L⌋` and `S = ⌊log2 E⌋ + 1`: at most 12 % more, and only O(log log L) bits of
//! information left in the length.
//!
//! The padding itself is ISO/IEC 7816-4: a byte `0x80`, then zeros.

use zeroize::Zeroizing;

/// Ends the value; zeros follow.
const MARKER: u8 = 0x80;

/// The Padmé length of a length.
fn padded_len(len: usize) -> usize {
    let Some(e) = len.checked_ilog2() else {
        return len;
    };
    let s = e.checked_ilog2().map_or(0, |log| log + 1);
    let mask = (1_usize << (e - s)) - 1;
    len.checked_add(mask).map_or(len, |len| len & !mask)
}

/// The value, the marker, zeros.
pub(crate) fn pad(value: &[u8]) -> Zeroizing<Vec<u8>> {
    let len = padded_len(value.len() + 1);
    let mut padded = Zeroizing::new(Vec::with_capacity(len));
    padded.extend_from_slice(value);
    padded.push(MARKER);
    padded.resize(len, 0);
    padded
}

/// How long the value is. `None` when that is no padding.
pub(crate) fn unpadded_len(padded: &[u8]) -> Option<usize> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    (padded.get(end) == Some(&MARKER)).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_those_of_the_paper() {
        for (len, padded) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (3, 3),
            (4, 4),
            (5, 5),
            (7, 7),
            (8, 8),
            (9, 10),
            (10, 10),
            (15, 16),
            (16, 16),
            (17, 18),
            (31, 32),
            (32, 32),
            (33, 36),
            (100, 104),
            (1000, 1024),
            (1025, 1088),
            (1_000_000, 1_015_808),
        ] {
            assert_eq!(padded_len(len), padded, "{len}");
        }
        assert_eq!(padded_len(usize::MAX), usize::MAX, "no overflow");
    }

    #[test]
    fn what_is_no_padding_is_not_taken_for_one() {
        for bytes in [&b""[..], b"\0\0", b"abc", b"abc\x81\0"] {
            assert_eq!(unpadded_len(bytes), None);
        }
    }

    proptest! {
        #[test]
        fn a_padded_value_comes_back(value in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0x80), any::<u8>()], 0..300)) {
            let padded = pad(&value);
            prop_assert_eq!(unpadded_len(&padded), Some(value.len()));
            prop_assert_eq!(&padded[..value.len()], &value[..]);
        }

        #[test]
        fn it_costs_at_most_twelve_per_cent_and_never_shrinks(len in 1_usize..100_000_000) {
            let padded = padded_len(len);
            prop_assert!(padded >= len && (padded - len) * 100 <= len * 12);
            prop_assert_eq!(padded_len(padded), padded, "a padded length stays");
        }
    }
}
