//! The stored form of the access password: PBKDF2-HMAC-SHA256 in a PHC string.

use std::fmt;

use password_hash::phc::PasswordHash as Phc;
use password_hash::{CustomizedPasswordHasher as _, PasswordVerifier as _};
use pbkdf2::{Params, Pbkdf2};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::access_password::AccessPassword;
use crate::clock::WallTime;
use fieldcrypt::random;

/// Fewest iterations of PBKDF2-HMAC-SHA256 (OWASP Password Storage Cheat Sheet; NIST SP 800-132 section 5.2).
pub const PASSWORD_ITERATIONS_MIN: u32 = 600_000;

/// Most iterations that a stored hash may ask for: whoever can write the file must not be able to stop sign-ins for
/// hours with one number.
pub const PASSWORD_ITERATIONS_MAX: u32 = 10_000_000;

/// Bytes of salt (NIST SP 800-132 section 5.1 asks for 16) and of output (one block of SHA-256).
const SALT: usize = 32;
const OUTPUT: usize = 32;

/// A PHC string: `$pbkdf2-sha256$i=600000,l=32$<salt>$<hash>`, within the bounds above.
#[derive(Clone)]
pub(crate) struct PasswordHash {
    phc: Phc,
    iterations: u32,
}

/// A hash that must not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadHash {
    #[error("it is not a PHC string of PBKDF2-HMAC-SHA256")]
    Malformed,
    #[error("it asks for {0} iterations, outside {PASSWORD_ITERATIONS_MIN} to {PASSWORD_ITERATIONS_MAX}")]
    Iterations(u32),
}

impl PasswordHash {
    /// Hashes a password under a fresh salt. Takes about 65 ms of one core at 600,000 iterations.
    pub(super) fn make(password: &AccessPassword, iterations: u32) -> Result<Self, MakeFailed> {
        let mut salt = [0; SALT];
        random::fill(&mut salt).map_err(|_| MakeFailed)?;
        let params = Params::new_with_output_len(iterations, OUTPUT).map_err(|_| MakeFailed)?;
        let phc = Pbkdf2::SHA256
            .hash_password_customized(
                password.expose_str().as_bytes(),
                &salt,
                Some("pbkdf2-sha256"),
                None,
                params,
            )
            .map_err(|_| MakeFailed)?;
        Ok(Self { phc, iterations })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, BadHash> {
        let phc: Phc = text.parse().map_err(|_| BadHash::Malformed)?;
        if phc.algorithm.as_str() != "pbkdf2-sha256" || phc.salt.is_none() || phc.hash.is_none() {
            return Err(BadHash::Malformed);
        }
        let iterations = phc.params.get_decimal("i").ok_or(BadHash::Malformed)?;
        if !(PASSWORD_ITERATIONS_MIN..=PASSWORD_ITERATIONS_MAX).contains(&iterations) {
            return Err(BadHash::Iterations(iterations));
        }
        Ok(Self { phc, iterations })
    }

    pub(crate) const fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether this is the hash of that password; compares in constant time.
    pub(super) fn is_of(&self, password: &AccessPassword) -> bool {
        Pbkdf2::SHA256
            .verify_password(password.expose_str().as_bytes(), &self.phc)
            .is_ok()
    }
}

/// A password could not be hashed: no random bytes, or parameters out of bounds.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub(super) struct MakeFailed;

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl Serialize for PasswordHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.phc)
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Where a password came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Origin {
    /// Made at the first start and shown to nobody.
    Initial,
    /// Chosen by the owner, or shown to the operator.
    Chosen,
}

/// All that is stored of the access password, sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PasswordRecord {
    pub(crate) hash: PasswordHash,
    /// How often it was set: a proof of an older password is stale.
    pub(crate) generation: u64,
    origin: Origin,
    pub(crate) changed: WallTime,
}

impl PasswordRecord {
    pub(super) const fn chosen(hash: PasswordHash, changed: WallTime) -> Self {
        Self {
            hash,
            generation: 0,
            origin: Origin::Chosen,
            changed,
        }
    }

    /// A random password that nobody will ever see, for a new database: until the owner sets one, no typed password
    /// signs in.
    pub(crate) fn initial(iterations: u32, now: WallTime) -> Result<Self, random::RandomError> {
        let (password, _) = AccessPassword::random_pair()?;
        let hash = PasswordHash::make(&password, iterations).map_err(|_| random::RandomError)?;
        Ok(Self {
            hash,
            generation: 1,
            origin: Origin::Initial,
            changed: now,
        })
    }

    /// The same password under another hash.
    pub(super) fn with_hash(&self, hash: PasswordHash) -> Self {
        Self { hash, ..self.clone() }
    }

    /// The same record as the password of that number.
    pub(crate) fn with_generation(&self, generation: u64) -> Self {
        Self {
            generation,
            ..self.clone()
        }
    }

    pub(crate) const fn is_initial(&self) -> bool {
        matches!(self.origin, Origin::Initial)
    }
}

/// Proof that the access password was right, and the one-time code where one is asked for. Made only by
/// [`super::Passwords::verify`]; good for one step.
pub struct PasswordVerified {
    generation: u64,
}

impl PasswordVerified {
    pub(super) const fn new(generation: u64) -> Self {
        Self { generation }
    }

    /// Which password it is a proof of.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::assert_not_impl_any;

    assert_not_impl_any!(PasswordVerified: Clone, Copy, Default);

    fn password(text: &str) -> AccessPassword {
        AccessPassword::parse(text.to_owned()).expect("short enough")
    }

    #[test]
    fn the_phc_string_reads_back_and_verifies() {
        let right = password("correct horse battery staple");
        let hash = PasswordHash::make(&right, PASSWORD_ITERATIONS_MIN).expect("hashes");
        let text = hash.phc.to_string();
        assert!(text.starts_with("$pbkdf2-sha256$i=600000,l=32$"), "{text}");
        let read = PasswordHash::parse(&text).expect("reads back");
        assert!(read.is_of(&right));
        assert!(!read.is_of(&password("correct horse battery staplf")));
    }

    /// Duplicati #5197: what was stored could be sent in the place of the password.
    #[test]
    fn what_is_stored_of_the_password_is_not_the_password() {
        let hash = PasswordHash::make(&password("correct horse battery staple"), PASSWORD_ITERATIONS_MIN)
            .expect("hashes");
        let text = hash.phc.to_string();
        assert!(hash.is_of(&password("correct horse battery staple")), "control");
        let parts = text.split('$').filter(|part| !part.is_empty());
        for stored in parts.chain([text.as_str(), text.trim_start_matches('$')]) {
            assert!(!hash.is_of(&password(stored)), "{stored}");
        }
    }

    #[test]
    fn a_hash_with_too_few_or_too_many_iterations_is_not_used() {
        let text = |i: u32| format!("$pbkdf2-sha256$i={i},l=32${}${}", "A".repeat(43), "A".repeat(43));
        assert!(PasswordHash::parse(&text(600_000)).is_ok());
        assert!(matches!(
            PasswordHash::parse(&text(599_999)),
            Err(BadHash::Iterations(599_999))
        ));
        assert!(matches!(
            PasswordHash::parse(&text(2_147_483_648)),
            Err(BadHash::Iterations(_))
        ));
        assert!(PasswordHash::parse("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$aGFzaGhhc2g").is_err());
    }

    /// RFC 7914 section 11, second vector (80,000 iterations, 64 bytes), through the same crate and parameters type.
    #[test]
    fn pbkdf2_hmac_sha256_is_that_of_the_rfc() {
        let mut out = [0_u8; 64];
        pbkdf2::pbkdf2_hmac::<sha2::Sha256>(b"Password", b"NaCl", 80_000, &mut out);
        assert_eq!(
            data_encoding::HEXLOWER.encode(&out),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56\
             a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d"
        );
    }
}
