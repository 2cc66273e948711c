//! One-time codes of an authenticator app (TOTP, RFC 6238), without a clock: six digits, steps of 30 seconds, SHA-1.
//!
//! SHA-1, because many apps ignore the `algorithm` of the address they scan; nothing here asks it to withstand collisions
//! (RFC 6238, section 1.2 and appendix B). Made of `hmac` and `sha1`, which are in the program anyway: what is left of the RFC is
//! the truncation.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::Sha1;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use crate::clock::WallTime;
use fieldcrypt::random::{self, RandomError};

/// Bytes of a secret: the length of the HMAC's output (RFC 4226, section 4, R6: at least 128 bits, better 160).
const SECRET: usize = 20;

/// Digits of a code (RFC 4226, section 5.3: at least six).
pub(super) const DIGITS: usize = 6;

/// Seconds of a step (RFC 6238, section 5.2).
pub(super) const PERIOD: u64 = 30;

/// Steps before and after the present one whose codes are taken: a clock that goes wrong, and somebody who types slowly
/// (RFC 6238, section 5.2: at most one for the way; NIST SP 800-63B-4, section 3.1.4: at most two minutes in all).
const DRIFT: u64 = 1;

/// The key that an authenticator app and this database share. Wiped on drop.
#[derive(Clone)]
pub(crate) struct TotpSecret(Arc<Zeroizing<[u8; SECRET]>>);

impl TotpSecret {
    pub(crate) fn random() -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; SECRET]);
        random::fill(&mut *bytes)?;
        Ok(Self(Arc::new(bytes)))
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(text.as_bytes()).ok()?);
        let bytes = <[u8; SECRET]>::try_from(bytes.as_slice()).ok()?;
        Some(Self(Arc::new(Zeroizing::new(bytes))))
    }

    /// As it is typed into an app: 32 characters of base32 (RFC 4648, section 6).
    pub(crate) fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&**self.0))
    }

    /// Whether both are the same; constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&**other.0).into()
    }

    /// The step whose code this is, if it is that of the present one or of one beside it, and later than the last that was
    /// taken. Every candidate is compared, in constant time.
    pub(super) fn step_of(&self, code: &TotpCode, now: WallTime, last: Option<Step>) -> Option<Step> {
        let present = Step::at(now).0;
        let (mut found, mut step) = (Choice::from(0), 0);
        for candidate in present.saturating_sub(DRIFT)..=present.saturating_add(DRIFT) {
            let unused = Choice::from(u8::from(last.is_none_or(|last| candidate > last.0)));
            let fits = self.code_at(Step(candidate)).0.ct_eq(&code.0) & unused;
            step.conditional_assign(&candidate, fits);
            found |= fits;
        }
        bool::from(found).then_some(Step(step))
    }

    /// HOTP (RFC 4226, section 5.3) of the number of the step (RFC 6238, section 4.2).
    fn code_at(&self, step: Step) -> TotpCode {
        #[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
        let mut mac = <Hmac<Sha1>>::new_from_slice(&**self.0).expect("HMAC takes any key");
        mac.update(&step.0.to_be_bytes());
        let sum: [u8; 20] = mac.finalize().into_bytes().into();
        let offset = usize::from(sum[19] & 0x0f);
        let mut four = [0; 4];
        for (to, from) in four.iter_mut().zip(sum.iter().skip(offset)) {
            *to = *from;
        }
        let mut number = u32::from_be_bytes(four) & 0x7fff_ffff;
        let mut digits = [b'0'; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b'0'.wrapping_add(u8::try_from(number % 10).unwrap_or(0));
            number /= 10;
        }
        TotpCode(digits)
    }
}

impl Serialize for TotpSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.expose_text())
    }
}

impl<'de> Deserialize<'de> for TotpSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not the secret of an authenticator app"))
    }
}

/// Six digits.
pub(super) struct TotpCode([u8; DIGITS]);

impl TotpCode {
    /// Exactly six digits of ASCII.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits: [u8; DIGITS] = text.as_bytes().try_into().ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }
}

/// The number of a step of 30 seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Step(u64);

impl Step {
    fn at(now: WallTime) -> Self {
        Self(u64::try_from(now.unix_seconds()).unwrap_or(0) / PERIOD)
    }

    /// The last step whose code is taken at that time.
    pub(super) fn last_taken_at(now: WallTime) -> Self {
        Self(Self::at(now).0.saturating_add(DRIFT))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use static_assertions::assert_not_impl_any;

    assert_not_impl_any!(TotpSecret: fmt::Debug, fmt::Display, Default, PartialEq);
    assert_not_impl_any!(TotpCode: fmt::Debug, fmt::Display, Clone, Default, PartialEq);

    /// The secret of RFC 6238, appendix B, for SHA-1.
    fn secret() -> TotpSecret {
        TotpSecret(Arc::new(Zeroizing::new(*b"12345678901234567890")))
    }

    fn at(seconds: i64) -> WallTime {
        WallTime::from_unix_ms(seconds * 1000)
    }

    fn code(step: u64) -> TotpCode {
        secret().code_at(Step(step))
    }

    /// RFC 6238, appendix B, SHA-1: the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let made = secret().code_at(Step::at(at(seconds)));
            assert_eq!(std::str::from_utf8(&made.0), Ok(code), "{seconds}");
        }
    }

    /// RFC 4226, appendix D.
    #[test]
    fn the_truncation_is_that_of_the_rfc() {
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (count, code) in (0..).zip(expected) {
            assert_eq!(std::str::from_utf8(&secret().code_at(Step(count)).0), Ok(code));
        }
    }

    #[test]
    fn the_window_is_one_step_on_either_side() {
        // Step 1000 is the present one from 30,000 s up to 30,030.
        for (seconds, step, taken) in [
            (30_000, 998, false),
            (30_000, 999, true),
            (30_000, 1000, true),
            (30_000, 1001, true),
            (30_000, 1002, false),
            (30_029, 999, true),
            (30_029, 1001, true),
            (30_030, 999, false),
            (29_999, 1001, false),
        ] {
            let found = secret().step_of(&code(step), at(seconds), None);
            assert_eq!(found, taken.then_some(Step(step)), "{step} at {seconds}");
        }
        assert_eq!(
            secret().step_of(&code(0), at(0), None),
            Some(Step(0)),
            "no underflow"
        );
    }

    #[test]
    fn a_step_is_taken_once_and_none_before_it_after_it() {
        let now = at(30_000);
        for (last, step, taken) in [
            (999, 999, false),
            (999, 1000, true),
            (1000, 999, false),
            (1000, 1000, false),
            (1000, 1001, true),
            (1001, 1001, false),
        ] {
            let found = secret().step_of(&code(step), now, Some(Step(last)));
            assert_eq!(found.is_some(), taken, "{step} after {last}");
        }
        let all = Step::last_taken_at(now);
        assert!((999..=1001).all(|step| secret().step_of(&code(step), now, Some(all)).is_none()));
    }

    #[test]
    fn a_secret_reads_back_and_another_is_another() {
        let text = secret().expose_text();
        assert_eq!(&*text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(TotpSecret::parse(&text).is_some_and(|read| read.is(&secret())));
        assert!(TotpSecret::parse(&text[2..]).is_none());
        assert!(!TotpSecret::random().expect("random").is(&secret()));
    }

    proptest! {
        #[test]
        fn any_time_and_any_text_are_taken_without_a_panic(ms: i64, text in "\\PC*") {
            if let Some(code) = TotpCode::parse(&text) {
                let _ = secret().step_of(&code, WallTime::from_unix_ms(ms), None);
            }
            let _ = Step::last_taken_at(WallTime::from_unix_ms(ms));
        }
    }
}
