//! What a client whose answer was lost gets once more: the successor of its pair, kept sealed in memory for the grace.
//!
//! It is sealed under a key derived from the session secret, which travels in the cookie and is not kept here: a copy
//! of this process's memory alone does not open it.

use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use fieldcrypt::{OpenError, SealError, SecretKey};

use super::state::Turn;
use crate::clock::Monotonic;
use crate::token::access::AccessToken;
use crate::token::hashed::PlainToken;

const LABEL: &str = "postern/v1/session/successor";

/// The answer of the last rotation, sealed.
#[derive(Clone)]
pub(crate) struct Successor {
    pub(crate) made: Monotonic,
    sealed: Arc<[u8]>,
}

/// The answer, opened.
pub(crate) struct OpenedSuccessor {
    pub(crate) turn: Turn,
    pub(crate) access_token: AccessToken,
}

impl Successor {
    pub(crate) fn seal(
        secret: &PlainToken,
        turn: &Turn,
        access_token: &AccessToken,
        made: Monotonic,
    ) -> Result<Self, SealError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(64 + access_token.expose_str().len()));
        plain.extend_from_slice(turn.turn.expose_bytes());
        plain.extend_from_slice(turn.nonce.expose_bytes());
        plain.extend_from_slice(access_token.expose_str().as_bytes());
        Ok(Self {
            made,
            sealed: key(secret).seal_bytes(LABEL.as_bytes(), &plain)?.into(),
        })
    }

    pub(crate) fn open(&self, secret: &PlainToken) -> Result<OpenedSuccessor, OpenError> {
        let plain = key(secret).open_bytes(LABEL.as_bytes(), &self.sealed)?;
        let bytes = plain.expose_bytes();
        let (turn, rest) = bytes.split_first_chunk::<32>().ok_or(OpenError::NotSealed)?;
        let (nonce, token) = rest.split_first_chunk::<32>().ok_or(OpenError::NotSealed)?;
        let token = std::str::from_utf8(token).map_err(|_| OpenError::NotSealed)?;
        Ok(OpenedSuccessor {
            turn: Turn {
                turn: PlainToken::from_bytes(turn),
                nonce: PlainToken::from_bytes(nonce),
            },
            access_token: AccessToken(Zeroizing::new(token.to_owned())),
        })
    }
}

fn key(secret: &PlainToken) -> SecretKey {
    SecretKey::from_bytes(secret.expose_bytes()).derive(LABEL)
}
