//! What a session is: the record kept (sealed) of each, and its limits as values.

use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::clock::WallTime;
use crate::gate::GateGrant;
use crate::ids::SessionId;
use crate::token::access::{AccessToken, SessionProof};
use crate::token::hashed::{HashedToken, PlainToken, TokenHasher, TokenUse};

/// A session that is not remembered ends this long after its last refresh or use at the gate.
pub const BROWSER_SESSION_IDLE: Duration = Duration::from_secs(2 * 3600);

/// A remembered session ends this long after its last refresh or use at the gate (NIST SP 800-63B-4 section 2.1.3: at most 30 days at AAL1).
pub const REMEMBERED_SESSION_IDLE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Every session ends this long after the sign-in, however busy.
pub const SESSION_ABSOLUTE: Duration = Duration::from_secs(90 * 24 * 3600);

/// The previous pair presented within this time is a lost answer or a second tab, not theft.
pub const REFRESH_GRACE: Duration = Duration::from_secs(30);

/// How long a refresh may wait for the disk, or for another process's lock, and still be made: ten seconds of the grace are left to
/// come again in, for a client that did not wait.
pub(crate) const REFRESH_WAIT_MAX: Duration = Duration::from_secs(20);

/// That many wrong nonces with the right cookie end the session.
pub const WRONG_NONCES_MAX: u8 = 10;

/// Whether the session outlives the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remember {
    /// Ends with the browser, or two hours after its last refresh.
    ThisBrowserSession,
    /// Thirty days after its last refresh, ninety in all.
    Remembered,
}

impl Remember {
    const fn idle(self) -> Duration {
        match self {
            Self::ThisBrowserSession => BROWSER_SESSION_IDLE,
            Self::Remembered => REMEMBERED_SESSION_IDLE,
        }
    }
}

/// How the owner got in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignInWay {
    /// The access password.
    Password,
    /// A signin token.
    SigninToken,
}

/// The hashes of one turn's two halves.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct HashedPair {
    pub(crate) turn: HashedToken,
    pub(crate) nonce: HashedToken,
}

/// All that is stored of a session. Holds hashes only; the secrets are the client's.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) secret: HashedToken,
    pub(crate) ses: HashedToken,
    pub(crate) current: HashedPair,
    /// The pair before the current one; two after a restart inside the grace (see [`super::refresh`]).
    pub(crate) previous: Vec<HashedPair>,
    /// When the current pair was made.
    pub(crate) rotated: WallTime,
    pub(crate) created: WallTime,
    pub(crate) remember: Remember,
    pub(crate) way: SignInWay,
    pub(crate) wrong_nonces: u8,
    /// Who refreshed last.
    pub(crate) client: Client,
    /// Gate cookies that belong to it, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) gate: Vec<GateGrant>,
    /// When one of them was used last, to ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gate_used: Option<WallTime>,
}

impl Session {
    /// When the session ends by itself: idle or absolute limit, whichever comes first. Who works in an application behind
    /// the gate is not idle.
    pub(crate) fn ends(&self) -> WallTime {
        self.gate_used
            .map_or(self.rotated, |used| used.max(self.rotated))
            .plus(self.remember.idle())
            .min(self.created.plus(SESSION_ABSOLUTE))
    }

    pub(crate) fn is_over(&self, now: WallTime) -> bool {
        now >= self.ends()
    }

    /// How long the cookie of a remembered session may be kept; `None` for one that ends with the browser.
    pub(crate) fn cookie_max_age(&self, now: WallTime) -> Option<Duration> {
        match self.remember {
            Remember::ThisBrowserSession => None,
            Remember::Remembered => Some(self.ends().since(now).unwrap_or(Duration::ZERO)),
        }
    }
}

/// The cookie half of a refresh token: `<session id>.<session secret>.<turn secret>`. Wiped on drop.
pub struct RefreshToken {
    pub(crate) session: SessionId,
    pub(crate) secret: PlainToken,
    pub(crate) turn: PlainToken,
}

impl RefreshToken {
    /// Reads a cookie value; only the one canonical spelling of each part.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let token = Self {
            session: SessionId::parse(parts.next()?)?,
            secret: PlainToken::parse(parts.next()?)?,
            turn: PlainToken::parse(parts.next()?)?,
        };
        parts.next().is_none().then_some(token)
    }

    /// The cookie value: 120 characters, all of them cookie-safe (RFC 6265 section 4.1.1).
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{}.{}.{}",
            self.session,
            &*self.secret.expose_text(),
            &*self.turn.expose_text()
        ))
    }

    /// The session the token claims to belong to.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }
}

/// The script's half of a refresh token: 256 random bits. Wiped on drop.
pub struct RefreshNonce(pub(crate) PlainToken);

impl RefreshNonce {
    /// The text, 43 characters of base64url.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        self.0.expose_text()
    }
}

/// What a client presents to refresh: the cookie and what it sent as nonce.
pub struct RefreshCredential {
    pub(crate) token: RefreshToken,
    pub(crate) nonce: PresentedNonce,
}

/// A nonce as it came: a wrong spelling counts as a wrong nonce, an absent one as no guess at all.
pub(crate) enum PresentedNonce {
    Absent,
    Malformed,
    Given(PlainToken),
}

impl RefreshCredential {
    /// The two halves as they came in.
    #[must_use]
    pub fn new(token: RefreshToken, nonce: Option<&str>) -> Self {
        let nonce = match nonce {
            None | Some("") => PresentedNonce::Absent,
            Some(text) => PlainToken::parse(text).map_or(PresentedNonce::Malformed, PresentedNonce::Given),
        };
        Self { token, nonce }
    }

    pub(crate) fn hashed(&self, hasher: &TokenHasher) -> HashedCredential {
        HashedCredential {
            secret: hasher.hash(TokenUse::SessionSecret, &self.token.secret),
            turn: hasher.hash(TokenUse::TurnSecret, &self.token.turn),
            nonce: match &self.nonce {
                PresentedNonce::Absent => HashedNonce::Absent,
                PresentedNonce::Malformed => HashedNonce::Malformed,
                PresentedNonce::Given(nonce) => {
                    HashedNonce::Given(hasher.hash(TokenUse::RefreshNonce, nonce))
                }
            },
        }
    }
}

/// A presented credential, hashed: what the rule compares.
pub(crate) struct HashedCredential {
    pub(crate) secret: HashedToken,
    pub(crate) turn: HashedToken,
    pub(crate) nonce: HashedNonce,
}

pub(crate) enum HashedNonce {
    Absent,
    Malformed,
    Given(HashedToken),
}

/// One turn of the client's secrets, fresh.
pub(crate) struct Turn {
    pub(crate) turn: PlainToken,
    pub(crate) nonce: PlainToken,
}

impl Turn {
    pub(crate) fn random() -> Result<Self, fieldcrypt::random::RandomError> {
        Ok(Self {
            turn: PlainToken::random()?,
            nonce: PlainToken::random()?,
        })
    }

    pub(crate) fn hashed(&self, hasher: &TokenHasher) -> HashedPair {
        HashedPair {
            turn: hasher.hash(TokenUse::TurnSecret, &self.turn),
            nonce: hasher.hash(TokenUse::RefreshNonce, &self.nonce),
        }
    }
}

pub(crate) fn hashed_proof(hasher: &TokenHasher, proof: &SessionProof) -> HashedToken {
    hasher.hash(TokenUse::AccessTokenProof, proof.token())
}

/// What a sign-in or a refresh hands to the client.
pub struct TokenSet {
    /// Good for 15 minutes.
    pub access_token: AccessToken,
    /// For the cookie.
    pub refresh_token: RefreshToken,
    /// For the script.
    pub refresh_nonce: RefreshNonce,
    /// The session all three belong to.
    pub session: SessionId,
    /// How long the browser may keep the cookie; `None`: until it closes.
    pub cookie_max_age: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use static_assertions::assert_not_impl_any;
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(RefreshToken: Debug, Display, Clone, Default, PartialEq, Serialize);
    assert_not_impl_any!(RefreshNonce: Debug, Display, Clone, Default, PartialEq, Serialize);
    assert_not_impl_any!(RefreshCredential: Debug, Display, Clone, Default, PartialEq, Serialize);
    assert_not_impl_any!(TokenSet: Debug, Clone, Serialize);

    fn token() -> RefreshToken {
        RefreshToken {
            session: SessionId::from_bytes([1; 16]),
            secret: PlainToken::from_bytes(&[2; 32]),
            turn: PlainToken::from_bytes(&[3; 32]),
        }
    }

    #[test]
    fn a_cookie_value_reads_back_and_is_cookie_safe() {
        let text = token().expose_text();
        assert_eq!(text.len(), 120);
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        );
        let read = RefreshToken::parse(&text).expect("reads back");
        assert_eq!(*read.expose_text(), *text);
    }

    proptest! {
        #[test]
        fn any_cookie_value_is_read_without_a_panic(text in "\\PC*") {
            let _ = RefreshToken::parse(&text);
        }
    }

    #[test]
    fn spare_parts_and_spaces_are_refused() {
        let text = token().expose_text().to_string();
        for bad in [
            format!("{text}."),
            format!("{text} "),
            format!(".{text}"),
            text.replace('.', ".."),
        ] {
            assert!(RefreshToken::parse(&bad).is_none(), "{bad}");
        }
    }
}
