//! Text that looks random: tokens and keys of no known form.
//!
//! Long runs of the alphabets in which secrets are written are judged by how often they change between letters and digits,
//! capitals and small letters: words, names, paths and times do so seldom, random text at every second place. What has
//! letters of one case only cannot be told from words this way, and is not found.

use std::ops::Range;

/// Shorter runs are anything.
const SHORTEST: usize = 20;

/// Shortest run of one case of letters, with digits, and of hexadecimal digits: 128 bits.
const SHORTEST_ONE_CASE: usize = 24;
const SHORTEST_HEX: usize = 32;

/// Longer runs are data, such as a picture.
const LONGEST: usize = 512;

/// Where the text looks random.
pub(super) fn random_in(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            let rest = text.get(at..).unwrap_or_default();
            let length = rest.iter().take_while(|byte| is_of_run(**byte)).count();
            let start = at;
            at += length.max(1);
            let run = rest.get(..length).unwrap_or_default();
            if (SHORTEST..=LONGEST).contains(&length) && looks_random(run) {
                return Some(start..start + length);
            }
        }
        None
    })
}

const fn is_of_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// What a character is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Lower,
    Upper,
    Digit,
    Other,
}

const fn sort(byte: u8) -> Sort {
    match byte {
        b'a'..=b'z' => Sort::Lower,
        b'A'..=b'Z' => Sort::Upper,
        b'0'..=b'9' => Sort::Digit,
        _ => Sort::Other,
    }
}

fn looks_random(run: &[u8]) -> bool {
    if is_identifier(run) || is_public(run) || entropy(run) < 3.0 {
        return false;
    }
    let count = |which| run.iter().filter(|byte| sort(**byte) == which).count();
    let (lower, upper, digits) = (count(Sort::Lower), count(Sort::Upper), count(Sort::Digit));
    if run.iter().all(u8::is_ascii_hexdigit) && (lower == 0 || upper == 0) {
        return run.len() >= SHORTEST_HEX && lower + upper >= 4 && digits >= 4;
    }
    // A sign stands between words as well as in random text: it counts for neither.
    let (mut changes, mut pairs) = (0, 0);
    for pair in run.array_windows::<2>() {
        let [first, second] = pair.map(sort);
        if first != Sort::Other && second != Sort::Other {
            pairs += 1;
            changes += usize::from(first != second);
        }
    }
    // Random base64 changes at 6 of 10 places, random base32 and base36 at 3 or 4 of 10.
    if lower > 0 && upper > 0 && digits > 0 {
        changes * 3 >= pairs
    } else {
        run.len() >= SHORTEST_ONE_CASE && digits >= 3 && lower + upper >= 3 && changes * 10 >= pairs * 2
    }
}

/// A UUID (RFC 9562) or a ULID of our time: made to be unique, not to be secret.
fn is_identifier(run: &[u8]) -> bool {
    let has_dashes = run.len() == 36
        && run.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let is_sortable = run.len() == 26
        && run.starts_with(b"01")
        && run
            .iter()
            .all(|byte| sort(*byte) == Sort::Upper || sort(*byte) == Sort::Digit);
    has_dashes || is_sortable
}

/// An SSH public key (RFC 4253, section 6.6): the length of its name, and its name, in base64.
fn is_public(run: &[u8]) -> bool {
    [
        b"AAAAB3NzaC1",
        b"AAAAC3NzaC1",
        b"AAAAE2VjZHN",
        b"AAAAGnNrLXN",
        b"AAAAInNrLWV",
    ]
    .iter()
    .any(|start| run.starts_with(*start))
}

/// Shannon's entropy, bits a character.
#[expect(clippy::cast_precision_loss, reason = "counts of at most 512")]
fn entropy(run: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in run {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = run.len() as f64;
    counts
        .into_iter()
        .filter(|count| *count > 0)
        .map(|count| {
            let share = f64::from(count) / length;
            -share * share.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
    use proptest::prelude::*;

    #[test]
    fn what_only_looks_random_is_left_alone() {
        for text in [
            "",
            "550e8400-e29b-41d4-a716-446655440000",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "#1e90ff;#FF00AA;#c0ffee",
            "The quick brown fox jumps over the lazy dog, 42 times in 2026.",
            "/usr/local/share/doc/postern-0.1.0/examples/nginx/forward-auth.conf",
            "/home/Anna/Documents/Project2024/Reports/QuarterlyFinancials_v2_final.xlsx",
            "C:\\Users\\Public\\Documents\\Visual Studio 2022\\Templates\\ProjectTemplates",
            "2026-11-25T22:25:41.401345674Z",
            "20261125T222541Z-20261126T000000Z",
            "10296691062723397019",
            "https://example.org/articles/2024/03/how-to-run-a-server-at-home-part-2",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "getUserAccountSettingsFromDatabaseConnection2",
            "CREATE TABLE fieldcrypt_rotation_place (part INTEGER NOT NULL PRIMARY KEY)",
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx3vQ1xq0Tz9K2mB7cD4eF6gH8iJ0kL2mN4oP6qR8sT anna@host",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1A",
            "00000000000000000000000000000000000000000000000a",
        ] {
            let found: Vec<_> = random_in(text.as_bytes()).collect();
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            for range in random_in(&bytes) {
                prop_assert!(bytes.get(range).is_some());
            }
        }
    }

    #[test]
    fn random_text_of_every_common_alphabet_is_found() {
        use sha2::Digest as _;
        const TEXTS: usize = 1000;
        for (name, encode) in [
            ("hex", (|bytes| HEXLOWER.encode(bytes)) as fn(&[u8]) -> String),
            ("base64", |bytes| BASE64.encode(bytes)),
            ("base64url", |bytes| BASE64URL_NOPAD.encode(bytes)),
            ("half as long", |bytes| BASE64URL_NOPAD.encode(&bytes[..18])),
        ] {
            let texts = (0..TEXTS).map(|n| encode(&sha2::Sha256::digest(n.to_be_bytes())));
            let inside = texts.map(|text| format!("{{\"token\": \"{text}\"}}"));
            let found = inside
                .filter(|text| random_in(text.as_bytes()).count() == 1)
                .count();
            assert!(found * 100 >= TEXTS * 97, "{name}: {found} of {TEXTS}");
        }
    }

    #[test]
    fn a_seed_of_base32_is_found() {
        let seed: Vec<u8> = (0..20_u8).map(|n| n.wrapping_mul(91) ^ 0x5d).collect();
        assert_eq!(random_in(BASE32_NOPAD.encode(&seed).as_bytes()).count(), 1);
    }
}
