//! Signin tokens: a stand-in for the password, `pst_si_` and 256 random bits, one use, at most five minutes.

use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::hashed::PlainToken;
use crate::clock::WallTime;
use crate::ids::SessionId;

/// Longest life of a signin token.
pub const SIGNIN_TOKEN_LIFE_MAX: Duration = Duration::from_secs(300);

/// How long a spent or expired signin token is remembered, so that its second use is noticed and named.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Makes a leaked one easy to find.
const PREFIX: &str = "pst_si_";

/// A signin token. Wiped on drop; the database holds its keyed hash.
pub struct SigninToken(pub(crate) PlainToken);

impl SigninToken {
    /// Reads the text form; surrounding spaces and other spellings are not accepted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        PlainToken::parse(text.strip_prefix(PREFIX)?).map(Self)
    }

    /// The text, to put into a link's fragment.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        let secret = self.0.expose_text();
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + secret.len()));
        text.push_str(PREFIX);
        text.push_str(&secret);
        text
    }
}

/// What is stored of a signin token, sealed, beside its hash.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SigninTokenRecord {
    pub(crate) expires: WallTime,
    /// The session its one use made.
    pub(crate) spent_by: Option<SessionId>,
    /// Which password it was made with, and ends with; none for the operator's.
    #[serde(default)]
    pub(crate) password_generation: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::assert_not_impl_any;

    assert_not_impl_any!(SigninToken: std::fmt::Debug, Clone, Default, PartialEq, Serialize);

    #[test]
    fn only_the_exact_text_is_read() {
        let token = SigninToken(PlainToken::from_bytes(&[3; 32]));
        let text = token.expose_text();
        assert!(text.starts_with("pst_si_"));
        assert!(SigninToken::parse(&text).is_some());
        for bad in [
            format!(" {}", &*text),
            text.to_uppercase(),
            format!("{}\n", &*text),
            text.replace("_si_", "_ak_"),
        ] {
            assert!(SigninToken::parse(&bad).is_none(), "{bad:?}");
        }
    }
}
