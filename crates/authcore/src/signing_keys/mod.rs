//! Signing keys: Ed25519 (RFC 8032); the private half is a sealed field, the public half is published as JWKS.

pub(crate) mod overlap;

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use secrecy::zeroize::Zeroizing;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::Client;
use crate::clock::{Clock, WallTime};
use crate::ids::SigningKeyId;
use crate::live::Live;
use crate::second_factor::ActConfirmed;
use crate::store::change::{Change, Request};
use crate::store::{Store, StoreError};
use crate::token::jwt::SigningPair;
use fieldcrypt::random::{self, RandomError};

/// The service of signing keys.
pub struct SigningKeys {
    pub(crate) store: Arc<Store>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Clock,
}

/// What a list of keys shows.
#[derive(Clone, Debug)]
pub struct SigningKeyView {
    /// Its `kid`.
    pub kid: SigningKeyId,
    /// When it was made.
    pub created: WallTime,
    /// When it stopped signing; it verifies for 16 minutes more.
    pub retired: Option<WallTime>,
}

impl SigningKeys {
    /// The public keys that verify now, as a JWK set (RFC 7517 section 5, RFC 8037 section 2).
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        let keys = self.live.signing_keys();
        let keys: Vec<_> = keys.0.iter().map(StoredSigningKey::jwk).collect();
        json!({ "keys": keys })
    }

    /// Every key that signs or verifies, the newest last.
    #[must_use]
    pub fn list(&self) -> Vec<SigningKeyView> {
        let view = |key: &StoredSigningKey| SigningKeyView {
            kid: key.pair.kid.clone(),
            created: key.created,
            retired: key.retired,
        };
        self.live.signing_keys().0.iter().map(view).collect()
    }

    /// Makes a new key that signs from now on. Tokens signed with the old one stay good until they expire.
    ///
    /// # Errors
    /// When it could not be committed.
    pub async fn rotate(
        &self,
        _confirmed: &ActConfirmed,
        client: &Client,
    ) -> Result<SigningKeyId, StoreError> {
        let key = NewSigningKey::random()?;
        let kid = key.kid.clone();
        let request = Request {
            change: Change::AddSigningKey { key },
            client: client.clone(),
            now: self.clock.now(),
        };
        self.store.write(request).await.map(|_| kid)
    }
}

/// A key about to be stored. Wiped on drop.
pub(crate) struct NewSigningKey {
    pub(crate) kid: SigningKeyId,
    pub(crate) public: [u8; 32],
    seed: Zeroizing<[u8; 32]>,
}

impl NewSigningKey {
    pub(crate) fn random() -> Result<Self, RandomError> {
        let mut seed = Zeroizing::new([0; 32]);
        random::fill(&mut *seed)?;
        let public = SigningKey::from_bytes(&seed).verifying_key();
        Ok(Self {
            kid: kid_of(&public),
            public: public.to_bytes(),
            seed,
        })
    }

    pub(crate) fn expose_seed(&self) -> &[u8; 32] {
        &self.seed
    }
}

/// A key in use.
pub(crate) struct StoredSigningKey {
    pair: SigningPair,
    created: WallTime,
    retired: Option<WallTime>,
}

impl StoredSigningKey {
    /// `None` when public half or `kid` do not fit the private half: somebody put their own key there.
    pub(crate) fn new(
        kid: SigningKeyId,
        seed: &[u8; 32],
        public: &[u8; 32],
        created: WallTime,
        retired: Option<WallTime>,
    ) -> Option<Self> {
        let derived = SigningKey::from_bytes(seed).verifying_key();
        let fits = derived.as_bytes() == public && kid_of(&derived) == kid;
        fits.then(|| Self {
            pair: SigningPair::from_seed(kid, seed, derived),
            created,
            retired,
        })
    }

    fn jwk(&self) -> serde_json::Value {
        json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.pair.kid.as_str(),
            "x": BASE64URL_NOPAD.encode(self.pair.public.as_bytes()),
        })
    }
}

/// The keys in use, oldest first; at least one signs.
pub(crate) struct SigningKeySet(Vec<StoredSigningKey>);

impl SigningKeySet {
    /// `None` when no key signs.
    pub(crate) fn new(mut keys: Vec<StoredSigningKey>) -> Option<Self> {
        // The one that signs stands last.
        keys.sort_by_key(|key| (key.retired.is_none(), key.created));
        keys.last()
            .is_some_and(|key| key.retired.is_none())
            .then_some(Self(keys))
    }

    #[expect(clippy::expect_used, reason = "a set without a key cannot be made")]
    pub(crate) fn signing(&self) -> &SigningPair {
        &self.0.last().expect("never empty").pair
    }

    /// When the key that signs was made.
    pub(crate) fn signing_since(&self) -> WallTime {
        self.0.last().map_or(WallTime::from_unix_ms(0), |key| key.created)
    }

    /// The key of that `kid`, if it still verifies.
    pub(crate) fn verifying(&self, kid: &str, now: WallTime) -> Option<&SigningPair> {
        self.0
            .iter()
            .find(|key| key.pair.kid.as_str() == kid)
            .filter(|key| !key.retired.is_some_and(|retired| overlap::is_gone(retired, now)))
            .map(|key| &key.pair)
    }
}

/// RFC 7638 section 3 with the members of RFC 8037 section 2, in their order.
pub(crate) fn kid_of(public: &VerifyingKey) -> SigningKeyId {
    let x = BASE64URL_NOPAD.encode(public.as_bytes());
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    SigningKeyId(BASE64URL_NOPAD.encode(&Sha256::digest(canonical)))
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(NewSigningKey: std::fmt::Debug, Clone, serde::Serialize);

    /// RFC 8037 appendices A.1 and A.3.
    #[test]
    fn the_kid_is_the_thumbprint_of_the_rfc() {
        let d = BASE64URL_NOPAD
            .decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .expect("base64url");
        let public = SigningKey::from_bytes(d.as_slice().try_into().expect("32 bytes")).verifying_key();
        assert_eq!(
            kid_of(&public).as_str(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn a_foreign_public_key_does_not_fit() {
        let ours = NewSigningKey::random().expect("random");
        let theirs = NewSigningKey::random().expect("random");
        let at = WallTime::from_unix_ms(0);
        let make = |kid: &SigningKeyId, public| {
            StoredSigningKey::new(kid.clone(), ours.expose_seed(), public, at, None)
        };
        assert!(make(&ours.kid, &ours.public).is_some());
        assert!(make(&theirs.kid, &theirs.public).is_none());
        assert!(make(&theirs.kid, &ours.public).is_none());
    }
}
