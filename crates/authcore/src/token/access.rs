//! Access tokens: JWTs of 15 minutes, bound to a live session by a value that only its client can know.

use std::time::Duration;

use secrecy::zeroize::Zeroizing;

use super::hashed::PlainToken;
use super::jwt::{Claims, SigningFailed, SigningPair, TokenType};
use crate::clock::WallTime;
use crate::ids::{SessionId, TokenId};

/// How long an access token is good, unless it is configured to be less.
pub const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(900);

/// Below this an access token would end before it is used: lifetimes are whole seconds.
pub const ACCESS_TOKEN_LIFE_MIN: Duration = Duration::from_secs(2);

/// An access token in its text form. Wiped on drop; never stored.
pub struct AccessToken(pub(crate) Zeroizing<String>);

impl AccessToken {
    /// The text, to hand to the client.
    #[must_use]
    pub fn expose_str(&self) -> &str {
        &self.0
    }
}

/// The `ses` value of a session: 32 bytes derived from the session secret, which only the client holds. Whoever has the
/// signing key but not the session's tokens cannot make it up, and only its hash is stored.
pub struct SessionProof(PlainToken);

impl SessionProof {
    pub(crate) fn of(session_secret: &PlainToken) -> Self {
        let secret = fieldcrypt::SecretKey::from_bytes(session_secret.expose_bytes());
        Self(PlainToken::from_bytes(
            secret.derive("postern/v1/session/ses").expose_bytes(),
        ))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        PlainToken::parse(text).map(Self)
    }

    pub(crate) const fn token(&self) -> &PlainToken {
        &self.0
    }
}

impl Clone for SessionProof {
    fn clone(&self) -> Self {
        Self(PlainToken::from_bytes(self.0.expose_bytes()))
    }
}

/// Makes an access token of that session, good for `life`, at most [`ACCESS_TOKEN_LIFE`]: retired keys verify no longer.
pub(crate) fn sign(
    signing: &SigningPair,
    issuer: &str,
    session: SessionId,
    proof: &SessionProof,
    jti: TokenId,
    now: WallTime,
    life: Duration,
) -> Result<AccessToken, SigningFailed> {
    let ses = proof.token().expose_text();
    let life = life.min(ACCESS_TOKEN_LIFE).as_secs();
    let claims = Claims::new(issuer, session, &ses, jti, now, life);
    signing
        .sign(TokenType::Access, &claims)
        .map(|token| AccessToken(Zeroizing::new(token)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::assert_not_impl_any;
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(AccessToken: Debug, Display, Clone, Default, serde::Serialize);
    assert_not_impl_any!(SessionProof: Debug, Display, Default, PartialEq, serde::Serialize);
}
