//! What is given as a one-time code: six digits of the app, or a recovery code.

use data_encoding::BASE32_NOPAD;
use secrecy::zeroize::Zeroizing;

use super::totp::TotpCode;
use crate::token::hashed::{HashedToken, TokenHasher, TokenUse};
use fieldcrypt::random::{self, RandomError};

/// How many recovery codes there are at once.
pub const RECOVERY_CODES: usize = 10;

/// Bytes of a recovery code: with 112 bits or more a fast keyed hash is enough (OWASP ASVS 5.0, 6.5.2), and 120 are 24
/// characters without a remainder.
const RECOVERY: usize = 15;

/// Characters of a group, for whoever types one from paper.
const GROUP: usize = 4;

/// Longest text that is looked at.
const TEXT_MAX: usize = 64;

/// A one-time code as it came: what is neither of the two forms counts as a wrong one.
pub struct OneTimeCode(pub(super) Given);

pub(super) enum Given {
    OfApp(TotpCode),
    Recovery(RecoveryCode),
    Neither,
}

impl OneTimeCode {
    /// Reads what somebody typed; spaces, hyphens and case do not matter.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if text.len() > TEXT_MAX {
            return Self(Given::Neither);
        }
        let kept = text.chars().filter(|c| !matches!(c, ' ' | '-'));
        let kept: Zeroizing<String> = Zeroizing::new(kept.map(|c| c.to_ascii_uppercase()).collect());
        Self(match TotpCode::parse(&kept) {
            Some(code) => Given::OfApp(code),
            None => RecoveryCode::parse(&kept).map_or(Given::Neither, Given::Recovery),
        })
    }

    /// Whether it has one of the two forms.
    #[cfg(any(test, fuzzing))]
    pub(crate) const fn has_a_form(&self) -> bool {
        !matches!(self.0, Given::Neither)
    }
}

/// 120 random bits that are a one-time code once. Wiped on drop.
pub struct RecoveryCode(Zeroizing<[u8; RECOVERY]>);

impl RecoveryCode {
    pub(super) fn random() -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; RECOVERY]);
        random::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// Without hyphens, in capitals.
    fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(text.as_bytes()).ok()?);
        let bytes = <[u8; RECOVERY]>::try_from(bytes.as_slice()).ok()?;
        Some(Self(Zeroizing::new(bytes)))
    }

    /// `ABCD-EFGH-IJKL-MNOP-QRST-UVWX`
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        let plain = Zeroizing::new(BASE32_NOPAD.encode(&*self.0));
        // Room for all of it at once: a string that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(2 * plain.len()));
        for (at, character) in plain.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text
    }

    pub(super) fn hashed(&self, hasher: &TokenHasher) -> HashedToken {
        hasher.hash_bytes(TokenUse::RecoveryCode, &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use static_assertions::assert_not_impl_any;
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(OneTimeCode: Debug, Display, Clone, Default, PartialEq);
    assert_not_impl_any!(RecoveryCode: Debug, Display, Clone, Default, PartialEq);

    #[test]
    fn a_recovery_code_reads_back_however_it_is_typed() {
        let code = RecoveryCode::random().expect("random");
        let text = code.expose_text();
        assert_eq!(text.len(), 29);
        let spaced = text.replace('-', " ");
        for typed in [&*text, &text.to_lowercase(), &text.replace('-', ""), &spaced] {
            let Given::Recovery(read) = OneTimeCode::read(typed).0 else {
                panic!("not read");
            };
            assert_eq!(*read.0, *code.0);
        }
    }

    #[test]
    fn six_digits_are_of_the_app_and_anything_else_is_nothing() {
        for good in ["123456", "123 456", " 123-456 "] {
            assert!(matches!(OneTimeCode::read(good).0, Given::OfApp(_)), "{good}");
        }
        for bad in [
            "",
            "12345",
            "1234567",
            "12345a",
            "１２３４５６",
            "ABCD-EFGH",
            &"1".repeat(65),
        ] {
            assert!(matches!(OneTimeCode::read(bad).0, Given::Neither), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = OneTimeCode::read(&text);
        }
    }
}
