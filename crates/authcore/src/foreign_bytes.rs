//! What reads bytes from elsewhere, each as a function of bytes: for `fuzz/`, and for the test that replays its seeds. Built
//! for those two only. Each tells whether the bytes were taken, and panics where a promise is broken.

use std::sync::LazyLock;

use ed25519_dalek::SigningKey;

use crate::audit::head::AuditHead;
use crate::clock::WallTime;
use crate::gate::{BrowserState, BrowserStateMark, GateCookie, GateScope, HandoffCode};
use crate::ids::{AccessKeyId, SessionId, SigningKeyId};
use crate::password::PasswordHash;
use crate::principal::Scope;
use crate::second_factor::OneTimeCode;
use crate::session::RefreshToken;
use crate::token::access_key::AccessKeySecret;
use crate::token::jwt::{self, SigningPair, TokenType};
use crate::token::signin::SigninToken;

/// Reads bytes, and tells whether they were taken.
pub type Reader = fn(&[u8]) -> bool;

/// All of them, by the folder of their seeds.
pub const READERS: &[(&str, Reader)] = &[
    ("access-token", access_token),
    ("one-time-code", one_time_code),
    ("password-hash", password_hash),
    ("scope", scope),
    ("time", time),
    ("token", token),
];

/// Of the seeds.
const ISSUER: &str = "urn:postern:00112233445566778899aabbccddeeff";
const NOW: WallTime = WallTime::from_unix_ms(1_800_000_000_000);
const KID: &str = "one";

static PAIR: LazyLock<SigningPair> = LazyLock::new(|| {
    let seed = [3; 32];
    let public = SigningKey::from_bytes(&seed).verifying_key();
    SigningPair::from_seed(SigningKeyId(KID.to_owned()), &seed, public)
});

/// A token somebody sends: one that is taken is, to the letter, one that was signed.
fn access_token(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else {
        return false;
    };
    let find = |named: &str| (named == PAIR.kid.as_str()).then_some(&*PAIR);
    let mut taken = false;
    for kind in [TokenType::Access, TokenType::Operation, TokenType::Assertion] {
        if let Ok(claims) = jwt::verify(text, kind, ISSUER, NOW, find) {
            assert!(!taken, "a token of two kinds");
            let signed = PAIR.sign(kind, &claims);
            assert!(
                signed.is_ok_and(|signed| signed == text),
                "another spelling of a token"
            );
            taken = true;
        }
    }
    taken
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// What a row says of the access password.
fn password_hash(bytes: &[u8]) -> bool {
    let Some(hash) = text(bytes).and_then(|text| PasswordHash::parse(text).ok()) else {
        return false;
    };
    let json = serde_json::to_string(&hash);
    let again: Option<PasswordHash> = json.ok().and_then(|json| serde_json::from_str(&json).ok());
    assert!(again.is_some_and(|again| again.iterations() == hash.iterations()));
    true
}

/// The scopes of an access key: one scope has one spelling.
fn scope(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else {
        return false;
    };
    if let Ok(scope) = GateScope::parse(text) {
        assert_eq!(GateScope::parse(&scope.to_string()), Ok(scope.clone()));
        // A prefix ends where a name does.
        assert!(!scope.covers("", "/", "GET"), "a scope for no host");
    }
    match Scope::from_name(text) {
        Ok(scope) => {
            let again = Scope::from_name(&scope.name());
            assert!(again.is_ok_and(|again| again == scope));
            true
        }
        Err(_) => false,
    }
}

/// What is typed as a one-time code.
fn one_time_code(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else {
        return false;
    };
    let taken = OneTimeCode::read(text).has_a_form();
    assert_eq!(
        OneTimeCode::read(&text.to_ascii_lowercase()).has_a_form(),
        taken,
        "case matters"
    );
    taken
}

/// Every token that is random bytes as text: each has one spelling.
fn token(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else {
        return false;
    };
    let spellings = [
        RefreshToken::parse(text).map(|token| token.expose_text().to_string()),
        GateCookie::parse(text).map(|token| token.expose_text().to_string()),
        BrowserState::parse(text).map(|token| token.expose_text().to_string()),
        BrowserStateMark::parse(text).map(|mark| mark.to_text()),
        HandoffCode::parse(text).map(|token| token.expose_text().to_string()),
        AccessKeySecret::parse(text).map(|token| token.expose_text().to_string()),
        SigninToken::parse(text).map(|token| token.expose_text().to_string()),
        AuditHead::parse(text).map(|head| head.to_string()),
        SessionId::parse(text).map(|id| id.to_string()),
        AccessKeyId::parse(text).map(|id| id.to_string()),
    ];
    let mut taken = false;
    for spelling in spellings.into_iter().flatten() {
        assert_eq!(spelling, text, "a second spelling");
        taken = true;
    }
    taken
}

/// RFC 3339: what is read is shown, and read again as the same.
fn time(bytes: &[u8]) -> bool {
    let Some(time) = text(bytes).and_then(WallTime::parse_rfc3339) else {
        return false;
    };
    assert_eq!(WallTime::parse_rfc3339(&time.to_rfc3339()), Some(time));
    true
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;
