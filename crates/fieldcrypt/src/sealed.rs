//! The envelope of a sealed field: parsed once, then only typed access.

use crate::cipher::{Algorithm, TAG_LEN};
use crate::error::OpenError;
use crate::keyring::DataKeyNumber;

/// Format version 1.
pub(crate) const VERSION: u8 = 0x01;

/// Version, algorithm, data key number.
pub(crate) const HEADER_LEN: usize = 6;

/// A sealed field as it stands in its column:
///
/// | bytes | what |
/// |---|---|
/// | 1 | format version `0x01` |
/// | 1 | algorithm |
/// | 4 | data key number, big-endian |
/// | 12 or 24 | nonce |
/// | n | ciphertext |
/// | 16 | tag |
#[derive(Clone, Debug)]
pub struct Sealed {
    bytes: Vec<u8>,
    algorithm: Algorithm,
    key: DataKeyNumber,
}

impl Sealed {
    /// Reads an envelope. Its authenticity is found out when it is opened.
    ///
    /// # Errors
    /// Too short, of another version, of an unknown algorithm.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, OpenError> {
        let (&[version, algorithm, a, b, c, d], rest) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(OpenError::NotSealed)?;
        if version != VERSION {
            return Err(OpenError::UnknownVersion { version });
        }
        let algorithm = Algorithm::from_id(algorithm).ok_or(OpenError::UnknownAlgorithm { algorithm })?;
        if rest.len() < algorithm.nonce_len() + TAG_LEN {
            return Err(OpenError::NotSealed);
        }
        Ok(Self {
            algorithm,
            key: DataKeyNumber(u32::from_be_bytes([a, b, c, d])),
            bytes,
        })
    }

    pub(crate) fn header(algorithm: Algorithm, key: DataKeyNumber) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = key.0.to_be_bytes();
        [VERSION, algorithm.id(), a, b, c, d]
    }

    pub(crate) const fn from_parts(bytes: Vec<u8>, algorithm: Algorithm, key: DataKeyNumber) -> Self {
        Self {
            bytes,
            algorithm,
            key,
        }
    }

    /// The data key it was sealed with.
    #[must_use]
    pub const fn key(&self) -> DataKeyNumber {
        self.key
    }

    /// The algorithm it was sealed with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The stored bytes: safe to store and copy, of no use without the keys.
    #[must_use]
    pub fn to_stored_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    pub(crate) fn stored(&self) -> &[u8] {
        &self.bytes
    }

    /// Nonce; ciphertext and tag.
    pub(crate) fn nonce_and_body(&self) -> Result<(&[u8], &[u8]), OpenError> {
        self.bytes
            .get(HEADER_LEN..)
            .and_then(|rest| rest.split_at_checked(self.algorithm.nonce_len()))
            .ok_or(OpenError::NotSealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static_assertions::assert_not_impl_any!(Sealed: AsRef<[u8]>, std::ops::Deref, PartialEq, std::fmt::Display);

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(sealed) = Sealed::parse(bytes.clone()) {
                prop_assert_eq!(sealed.to_stored_bytes(), bytes);
                prop_assert!(sealed.nonce_and_body().is_ok());
            }
        }
    }

    #[test]
    fn each_kind_of_strange_bytes_has_its_own_error() {
        let parse = |bytes: &[u8]| Sealed::parse(bytes.to_vec()).map(drop);
        assert!(matches!(parse(b""), Err(OpenError::NotSealed)));
        assert!(matches!(
            parse(b"{\"plain\": 1}"),
            Err(OpenError::UnknownVersion { version: b'{' })
        ));
        assert!(matches!(
            parse(&[1, 9, 0, 0, 0, 1, 0]),
            Err(OpenError::UnknownAlgorithm { algorithm: 9 })
        ));
        assert!(matches!(
            parse(&[[1_u8, 1, 0, 0, 0, 1].as_slice(), &[0; 27]].concat()),
            Err(OpenError::NotSealed)
        ));
        assert!(parse(&[[1_u8, 1, 0, 0, 0, 1].as_slice(), &[0; 28]].concat()).is_ok());
    }
}
