//! The rules by which the reference model takes tokens, as far as a forger with its keys is concerned; for controls only.
//!
//! An access token of the family `temporary` is not looked up at all; a refresh token is good by a counter that stands in the file,
//! and is asked for a nonce only if it says itself that it has one.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;

pub(crate) struct Server {
    pub(crate) key: VerifyingKey,
    pub(crate) families: Vec<Family>,
}

pub(crate) struct Family {
    pub(crate) id: String,
    pub(crate) counter: i64,
}

impl Server {
    pub(crate) fn accepts_access(&self, token: &str, now: i64) -> bool {
        self.claims(token, "AccessToken", now).is_some_and(|claims| {
            let of = claims.get("fam").and_then(Value::as_str);
            of == Some("temporary") || self.families.iter().any(|family| of == Some(&family.id))
        })
    }

    pub(crate) fn accepts_refresh(&self, token: &str, nonce: Option<&str>, now: i64) -> bool {
        self.claims(token, "RefreshToken", now).is_some_and(|claims| {
            let known = |family: &Family| {
                claims.get("fam").and_then(Value::as_str) == Some(&family.id)
                    && claims.get("cnt").and_then(Value::as_i64) == Some(family.counter)
            };
            let asked = claims.get("nce").and_then(Value::as_str);
            self.families.iter().any(known) && asked.is_none_or(|asked| nonce == Some(asked))
        })
    }

    fn claims(&self, token: &str, kind: &str, now: i64) -> Option<Value> {
        let (head, signature) = token.rsplit_once('.')?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        let signature = Signature::from_slice(&signature).ok()?;
        self.key.verify_strict(head.as_bytes(), &signature).ok()?;
        let (_, claims) = head.split_once('.')?;
        let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?).ok()?;
        let good = claims.get("typ")?.as_str() == Some(kind) && claims.get("exp")?.as_i64() > Some(now);
        good.then_some(claims)
    }
}
