//! The text of an access key: `pst_ak_<id>_<secret><check>`.
//!
//! The prefix lets a leak scanner find it, the check digits tell a typo from a wrong key without asking the server.

use data_encoding::BASE32_NOPAD;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

use super::hashed::PlainToken;
use crate::ids::AccessKeyId;

/// Makes a leaked key easy to find.
pub(crate) const PREFIX: &str = "pst_ak_";

/// Length of the check: 6 characters, 30 bits.
const CHECK: usize = 6;

/// An access key: its public id and its secret. Wiped on drop; the database holds the keyed hash of the secret.
pub struct AccessKeySecret {
    pub(crate) id: AccessKeyId,
    pub(crate) secret: PlainToken,
}

impl AccessKeySecret {
    /// Reads the text form; a wrong check digit is as good as no key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let (secret, check) = rest.split_at_checked(rest.len().checked_sub(CHECK)?)?;
        if check != check_digits(id, secret) {
            return None;
        }
        Some(Self {
            id: AccessKeyId::parse(id)?,
            secret: PlainToken::parse(secret)?,
        })
    }

    /// The text, to show once.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        let id = self.id.to_string();
        let secret = self.secret.expose_text();
        let check = check_digits(&id, &secret);
        let mut text = Zeroizing::new(String::with_capacity(
            PREFIX.len() + id.len() + 1 + secret.len() + CHECK,
        ));
        for part in [PREFIX, &id, "_", &secret, &check] {
            text.push_str(part);
        }
        text
    }
}

/// The first 30 bits of SHA-256 over id and secret, in base32. It guards against typing, not against guessing: the
/// secret it is made from has 256 bits.
fn check_digits(id: &str, secret: &str) -> String {
    let digest = Sha256::new()
        .chain_update(id)
        .chain_update("_")
        .chain_update(secret)
        .finalize();
    let mut text = BASE32_NOPAD.encode(&digest);
    text.truncate(CHECK);
    text.make_ascii_lowercase();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use static_assertions::assert_not_impl_any;

    assert_not_impl_any!(AccessKeySecret: std::fmt::Debug, Clone, Default, PartialEq, serde::Serialize);

    fn key() -> AccessKeySecret {
        AccessKeySecret {
            id: AccessKeyId::from_bytes([1, 2, 3, 4, 5, 6]),
            secret: PlainToken::from_bytes(&[9; 32]),
        }
    }

    #[test]
    fn the_text_reads_back() {
        let text = key().expose_text();
        let read = AccessKeySecret::parse(&text).expect("reads back");
        assert_eq!(read.id, key().id);
        assert_eq!(read.secret.expose_bytes(), key().secret.expose_bytes());
    }

    proptest! {
        #[test]
        fn one_wrong_character_is_noticed(at in 0_usize..69, with in "[a-zA-Z0-9_-]") {
            let text = key().expose_text();
            prop_assume!(at < text.len());
            let mut typo = text.to_string();
            typo.replace_range(at..=at, &with);
            prop_assume!(typo != *text);
            prop_assert!(AccessKeySecret::parse(&typo).is_none());
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = AccessKeySecret::parse(&text);
            let _ = AccessKeySecret::parse(&format!("pst_ak_{text}"));
        }
    }
}
