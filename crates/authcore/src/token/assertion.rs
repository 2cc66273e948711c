//! Assertions: JWTs of one minute that tell an application who stands before it. They are made for one host, open nothing of
//! this server, and carry no value that does.

use std::time::Duration;

use serde::Serialize;

use super::jwt::{SUBJECT, SigningFailed, SigningPair, TokenType};
use crate::clock::WallTime;
use crate::gate::Visitor;
use crate::ids::{AccessKeyId, SessionId, TokenId};

/// How long an assertion is good.
pub const ASSERTION_LIFE: Duration = Duration::from_secs(60);

/// How long one assertion is handed out again before another is made: the one handed out last is good for half a minute.
pub(crate) const ASSERTION_RENEWED_AFTER: Duration = Duration::from_secs(30);

/// No `ses`: whoever owns the application must not get a part of an access token.
#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    /// The one host it is for.
    aud: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    /// The access key, in the place of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<AccessKeyId>,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: TokenId,
}

pub(crate) fn sign(
    signing: &SigningPair,
    issuer: &str,
    visitor: &Visitor,
    host: &str,
    jti: TokenId,
    now: WallTime,
) -> Result<String, SigningFailed> {
    let (sid, key) = match visitor {
        Visitor::Owner { session } => (Some(*session), None),
        Visitor::Script { access_key, .. } => (None, Some(*access_key)),
    };
    let iat = u64::try_from(now.unix_seconds()).unwrap_or(0);
    let claims = AssertionClaims {
        iss: issuer,
        aud: host,
        sub: SUBJECT,
        sid,
        key,
        iat,
        nbf: iat,
        exp: iat.saturating_add(ASSERTION_LIFE.as_secs()),
        jti,
    };
    signing.sign(TokenType::Assertion, &claims)
}
