//! A browser that signed in here before: a random number and its keyed hash, so that nothing has to be stored of it
//! (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). It opens nothing; it has a count of its own.

use secrecy::zeroize::Zeroizing;

use fieldcrypt::random::RandomError;

use crate::ids::KnownDeviceId;
use crate::token::hashed::{HashedToken, PlainToken, TokenHasher, TokenUse};

/// What a browser keeps after it has signed in.
pub struct KnownDevice {
    token: PlainToken,
    proof: HashedToken,
}

impl KnownDevice {
    pub(crate) fn new(hasher: &TokenHasher) -> Result<Self, RandomError> {
        let token = PlainToken::random()?;
        let proof = hasher.hash(TokenUse::KnownDevice, &token);
        Ok(Self { token, proof })
    }

    /// Reads what a browser brought; `None` unless it was made here, under the key that is in use.
    pub(crate) fn recognise(hasher: &TokenHasher, text: &str) -> Option<Self> {
        let (token, proof) = text.split_once('.')?;
        let token = PlainToken::parse(token)?;
        let proof = HashedToken::parse(proof).filter(|_| proof.len() == 43)?;
        let own = hasher.hash(TokenUse::KnownDevice, &token);
        own.matches(&proof).then_some(Self { token, proof: own })
    }

    /// What its count goes by.
    #[must_use]
    pub(crate) fn id(&self) -> KnownDeviceId {
        let mut id = [0; KnownDeviceId::BYTES];
        for (to, from) in id.iter_mut().zip(self.proof.as_bytes()) {
            *to = *from;
        }
        KnownDeviceId::from_bytes(id)
    }

    /// The text form, 87 characters: two of 43 of base64url and a dot.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}.{}", &*self.token.expose_text(), self.proof.to_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldcrypt::SecretKey;

    #[test]
    fn only_what_was_made_here_is_known() {
        let hasher = TokenHasher::new(&SecretKey::from_bytes(&[7; 32]));
        let device = KnownDevice::new(&hasher).expect("random bytes");
        let text = device.expose_text().to_string();
        let again = KnownDevice::recognise(&hasher, &text).expect("made here");
        assert_eq!(again.id(), device.id());
        let elsewhere = TokenHasher::new(&SecretKey::from_bytes(&[8; 32]));
        assert!(KnownDevice::recognise(&elsewhere, &text).is_none());
        let other = KnownDevice::new(&hasher)
            .expect("random bytes")
            .expose_text()
            .to_string();
        let (token, _) = text.split_once('.').expect("two halves");
        let (_, proof) = other.split_once('.').expect("two halves");
        for forged in [
            format!("{token}.{proof}"),
            format!("{token}."),
            format!("{text}="),
            token.to_owned(),
            String::new(),
        ] {
            assert!(KnownDevice::recognise(&hasher, &forged).is_none(), "{forged}");
        }
    }
}
