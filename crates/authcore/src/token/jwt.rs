//! Signed JSON web tokens: the only user of the JWT library.
//!
//! The library writes a token and reads its header and claims. The signature is ed25519-dalek's: on the way in it is checked
//! here, before any claim is read, since the library would unpack the public key again for every token.
//!
//! One algorithm, `EdDSA` over Ed25519 (RFC 8037), verified strictly; the kind of token is in `typ` and checked before the
//! signature (RFC 8725 sections 3.1 and 3.11). `kid` is a look-up key and nothing else; `jku`, `jwk`, `x5u` and their
//! like are never followed; a token with `crit` is refused, as we understand no extension (RFC 7515 section 4.1.11).

use std::sync::Once;

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::clock::WallTime;
use crate::ids::{SessionId, SigningKeyId, TokenId};

/// Longest token looked at, in bytes. Ours are under 700.
const TOKEN_MAX: usize = 2048;

/// Audience of every token made here: this server's own API (RFC 7519 section 4.1.3).
pub(crate) const AUDIENCE: &str = "postern-api";

/// The one identity there is.
pub(crate) const SUBJECT: &str = "admin";

/// The `typ` of a token: the kinds are mutually exclusive (RFC 8725 section 3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenType {
    /// RFC 9068 section 2.1.
    Access,
    Operation,
    /// For an application behind the gate; accepted nowhere here.
    Assertion,
}

impl TokenType {
    const fn name(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Operation => "op+jwt",
            Self::Assertion => "gate+jwt",
        }
    }
}

/// The claims every kind has (RFC 7519 section 4.1), each required and of exactly this JSON type.
#[derive(Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) sub: String,
    pub(crate) sid: SessionId,
    /// base64url of the 32 bytes that only the session's client can know.
    pub(crate) ses: String,
    pub(crate) iat: u64,
    pub(crate) nbf: u64,
    pub(crate) exp: u64,
    pub(crate) jti: TokenId,
    /// The operation, on an operation token only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) op: Option<String>,
}

impl Drop for Claims {
    fn drop(&mut self) {
        use secrecy::zeroize::Zeroize as _;
        self.ses.zeroize();
    }
}

impl Claims {
    /// Claims that begin now and end `life_seconds` later.
    pub(crate) fn new(
        issuer: &str,
        sid: SessionId,
        ses: &str,
        jti: TokenId,
        now: WallTime,
        life_seconds: u64,
    ) -> Self {
        let iat = u64::try_from(now.unix_seconds()).unwrap_or(0);
        Self {
            iss: issuer.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: SUBJECT.to_owned(),
            sid,
            ses: ses.to_owned(),
            iat,
            nbf: iat,
            exp: iat.saturating_add(life_seconds),
            jti,
            op: None,
        }
    }
}

/// Why a token was refused; for the log, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a token of this kind at all.
    #[error("not a token of the expected kind")]
    Malformed,
    /// Signed with a key that is unknown or gone.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// Made by or for somebody else.
    #[error("made by or for another server")]
    Audience,
    /// Not yet or no longer good.
    #[error("outside its time")]
    Time,
}

/// A key that signs; the private half is wiped on drop by the library's type.
pub(crate) struct SigningPair {
    pub(crate) kid: SigningKeyId,
    pub(crate) public: VerifyingKey,
    private: EncodingKey,
}

impl SigningPair {
    /// The pair of that 32-byte seed (RFC 8032 section 5.1.5).
    pub(crate) fn from_seed(kid: SigningKeyId, seed: &[u8; 32], public: VerifyingKey) -> Self {
        install_ed25519();
        Self {
            kid,
            private: EncodingKey::from_ed_der(seed),
            public,
        }
    }

    /// Signs the claims.
    pub(crate) fn sign(&self, kind: TokenType, claims: &impl Serialize) -> Result<String, SigningFailed> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(kind.name().to_owned());
        header.kid = Some(self.kid.as_str().to_owned());
        jsonwebtoken::encode(&header, claims, &self.private).map_err(|_| SigningFailed)
    }
}

/// A token could not be signed: a defect, not a situation.
#[derive(Debug, thiserror::Error)]
#[error("a token could not be signed")]
pub(crate) struct SigningFailed;

/// Checks signature, kind, issuer, audience and time. `find` looks the key up among those that still verify.
pub(crate) fn verify<'k>(
    token: &str,
    kind: TokenType,
    issuer: &str,
    now: WallTime,
    find: impl FnOnce(&str) -> Option<&'k SigningPair>,
) -> Result<Claims, Refused> {
    if token.len() > TOKEN_MAX {
        return Err(Refused::Malformed);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Malformed)?;
    if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(kind.name()) || header.crit.is_some() {
        return Err(Refused::Malformed);
    }
    let named = header.kid.as_deref().ok_or(Refused::Malformed)?;
    let pair = find(named).ok_or(Refused::UnknownKey)?;
    let claims = signed_claims(token, &pair.public)?;
    if claims.iss != issuer || claims.aud != AUDIENCE || claims.sub != SUBJECT {
        return Err(Refused::Audience);
    }
    let now = u64::try_from(now.unix_seconds()).unwrap_or(0);
    if now < claims.nbf || now >= claims.exp {
        return Err(Refused::Time);
    }
    Ok(claims)
}

/// The claims of a token that this key signed (RFC 7515 section 5.2: of all before the last dot).
fn signed_claims(token: &str, public: &VerifyingKey) -> Result<Claims, Refused> {
    let (message, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let signature = BASE64URL_NOPAD
        .decode(signature.as_bytes())
        .map_err(|_| Refused::Malformed)?;
    if !holds(public, message.as_bytes(), &signature) {
        return Err(Refused::Signature);
    }
    // "Insecure" is to read a token that nobody checked; times and audience are judged by our clock and our rules.
    jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| Refused::Malformed)
}

/// Whether the signature is this key's over the message: Ed25519 with strict verification (RFC 8032 section 5.1.7).
fn holds(public: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| public.verify_strict(message, &signature).is_ok())
}

/// Gives the JWT library what signs: ed25519-dalek. Its own providers would bring RSA and NIST curves that nothing here may
/// use; it verifies nothing.
fn install_ed25519() {
    static ONCE: Once = Once::new();
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| match algorithm {
            Algorithm::EdDSA => Ok(Box::new(Ed25519Signer::new(key)?)),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        verifier_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
        key_utils: KeyUtils::new_unimplemented(),
    };
    // A provider that is already installed is ours: nothing else in this process uses the library.
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

struct Ed25519Signer(SigningKey);

impl Ed25519Signer {
    fn new(key: &EncodingKey) -> JwtResult<Self> {
        let seed = <&[u8; 32]>::try_from(key.as_bytes()).map_err(|_| ErrorKind::InvalidEddsaKey)?;
        Ok(Self(SigningKey::from_bytes(seed)))
    }
}

impl signature::Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

#[cfg(test)]
mod tests;
