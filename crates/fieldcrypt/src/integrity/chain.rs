//! A chain over rows that are only ever added: each link is keyed, and over the link before it. The seal says that no row
//! was altered by somebody without the keys; a link kept elsewhere says it of everybody.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{IntegrityError, row_tag};
use crate::keyring::KeyPurpose;
use crate::labels;
use crate::row_key::lp_onto;
use crate::vault::Vault;

/// Makes the links of chains. Its key is made of the integrity key, which no rotation replaces, and links are over content,
/// not over sealed bytes: so a chain outlives every change of keys.
pub struct RowChain(Hmac<Sha256>);

/// One link of a chain. No secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLink(pub [u8; 32]);

impl Vault {
    /// What makes the links of chains.
    ///
    /// # Errors
    /// When the keyring has no integrity key.
    pub fn row_chain(&self) -> Result<RowChain, IntegrityError> {
        let keyring = self.keyring();
        let integrity = keyring
            .only_key(KeyPurpose::Integrity)
            .ok_or(IntegrityError::NoKey)?;
        Ok(RowChain(row_tag::keyed(integrity, labels::CHAIN)))
    }
}

impl RowChain {
    /// The link of a row: HMAC-SHA256 over lp(the link before) ‖ lp of each part. The first row's link before is empty.
    #[must_use]
    pub fn link(&self, before: &[u8], parts: &[&[u8]]) -> ChainLink {
        let mut input = Vec::with_capacity(512);
        lp_onto(&mut input, before);
        for part in parts {
            lp_onto(&mut input, part);
        }
        ChainLink(self.0.clone().chain_update(input).finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretKey;
    use static_assertions::assert_not_impl_any;
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(RowChain: Debug, Display, Clone, Default);

    fn chain(key: u8) -> RowChain {
        RowChain(row_tag::keyed(&SecretKey::from_bytes(&[key; 32]), labels::CHAIN))
    }

    #[test]
    fn a_link_depends_on_the_key_the_link_before_and_every_part() {
        let base = chain(1).link(b"ab", &[b"c", b"d"]);
        for other in [
            chain(2).link(b"ab", &[b"c", b"d"]),
            chain(1).link(b"a", &[b"bc", b"d"]),
            chain(1).link(b"ab", &[b"cd", b""]),
            chain(1).link(b"ab", &[b"cd"]),
            chain(1).link(b"", &[b"c", b"d"]),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(base, chain(1).link(b"ab", &[b"c", b"d"]));
    }
}
