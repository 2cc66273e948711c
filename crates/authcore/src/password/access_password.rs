//! A typed password: bounded, normalised, unprintable.

use data_encoding::BASE32_NOPAD;
use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

use super::policy::PASSWORD_BYTES_MAX;
use fieldcrypt::random::{self, RandomError};

/// A password as somebody typed it, in NFC (NIST SP 800-63B-4 section 3.1.1.2), so that the same password typed on
/// another keyboard is the same bytes. Wiped on drop.
pub struct AccessPassword(SecretString);

/// More than 1,024 bytes: refused before anything is computed, so that length is no way to burn CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password is longer than {PASSWORD_BYTES_MAX} bytes")]
pub struct TooLong;

impl AccessPassword {
    /// Takes what was typed.
    ///
    /// # Errors
    /// [`TooLong`] above 1,024 bytes, as typed or as normalised.
    pub fn parse(mut typed: String) -> Result<Self, TooLong> {
        let normalised = if typed.len() > PASSWORD_BYTES_MAX {
            None
        } else {
            // Room for every expansion NFC can bring (a factor of 3 in UTF-8), so that no copy is left by growing.
            let mut text = Zeroizing::new(String::with_capacity(typed.len() * 3));
            text.extend(typed.nfc());
            (text.len() <= PASSWORD_BYTES_MAX).then(|| SecretString::from(text.as_str()))
        };
        typed.zeroize();
        normalised.map(Self).ok_or(TooLong)
    }

    /// A random password of 125 bits, twice: once to be shown, once to be stored.
    pub(crate) fn random_pair() -> Result<(Self, Self), RandomError> {
        let mut bytes = Zeroizing::new([0_u8; 20]);
        random::fill(&mut *bytes)?;
        let mut letters = Zeroizing::new(BASE32_NOPAD.encode(&*bytes));
        letters.make_ascii_lowercase();
        let mut text = Zeroizing::new(String::with_capacity(32));
        for (at, letter) in letters.chars().take(25).enumerate() {
            if at > 0 && at % 5 == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        let make = || Self(SecretString::from(text.as_str()));
        Ok((make(), make()))
    }

    /// The password. For hashing, and for showing a random one once.
    #[must_use]
    pub fn expose_str(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::assert_not_impl_any;

    assert_not_impl_any!(AccessPassword: std::fmt::Debug, std::fmt::Display, Clone, Default, PartialEq);

    #[test]
    fn both_spellings_of_the_same_letters_are_the_same_password() {
        let composed =
            AccessPassword::parse("d\u{e9}j\u{e0} vu d\u{e9}j\u{e0} vu".to_owned()).expect("short");
        let decomposed =
            AccessPassword::parse("de\u{301}ja\u{300} vu de\u{301}ja\u{300} vu".to_owned()).expect("short");
        assert_eq!(composed.expose_str(), decomposed.expose_str());
    }

    #[test]
    fn the_bound_is_at_1024_bytes() {
        assert!(AccessPassword::parse("a".repeat(1024)).is_ok());
        assert!(AccessPassword::parse("a".repeat(1025)).is_err());
        // One character of three bytes that NFC turns into nine.
        assert!(AccessPassword::parse("\u{fb2c}".repeat(300)).is_err());
    }

    #[test]
    fn random_passwords_differ_and_satisfy_the_policy() {
        let (one, same) = AccessPassword::random_pair().expect("random");
        let (other, _) = AccessPassword::random_pair().expect("random");
        assert_eq!(one.expose_str(), same.expose_str());
        assert_ne!(one.expose_str(), other.expose_str());
        assert_eq!(one.expose_str().len(), 29);
        let policy = super::super::PasswordPolicy::new(15, &[]);
        assert!(policy.check(&one).is_ok());
    }
}
