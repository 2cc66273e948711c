//! Handoff codes on their way: in memory only, each taken out by its first use. A restart forgets them all, and the browser
//! is sent for another.

use std::collections::HashMap;

use super::HANDOFF_CODE_LIFE;
use crate::clock::Monotonic;
use crate::ids::SessionId;
use crate::token::hashed::HashedToken;

/// Codes at once. Only who is signed in gets one, so this bounds a page that runs wild.
const CODES_MAX: usize = 1024;

/// What a code is good for.
pub(super) struct Promised {
    pub(super) session: SessionId,
    pub(super) host: String,
    /// The mark of the browser that was challenged.
    pub(super) browser: HashedToken,
    pub(super) destination: String,
    pub(super) made: Monotonic,
}

/// By the keyed hash of the code: looking one up in a table tells nothing of the code itself.
#[derive(Default)]
pub(super) struct Codes(HashMap<[u8; 32], Promised>);

impl Codes {
    /// Keeps a code; false when there are too many.
    pub(super) fn add(&mut self, hash: &HashedToken, promised: Promised, now: Monotonic) -> bool {
        if self.0.len() >= CODES_MAX {
            self.0.retain(|_, promised| is_good(promised, now));
        }
        if self.0.len() >= CODES_MAX {
            return false;
        }
        self.0.insert(*hash.as_bytes(), promised);
        true
    }

    /// Takes a code out; `None` when there is none or its time is over.
    pub(super) fn take(&mut self, hash: &HashedToken, now: Monotonic) -> Option<Promised> {
        self.0
            .remove(hash.as_bytes())
            .filter(|promised| is_good(promised, now))
    }
}

fn is_good(promised: &Promised, now: Monotonic) -> bool {
    now.since(promised.made) < HANDOFF_CODE_LIFE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, WallTime};
    use crate::token::hashed::{PlainToken, TokenHasher, TokenUse};
    use fieldcrypt::SecretKey;
    use std::time::Duration;

    fn hash(number: u16) -> HashedToken {
        let hasher = TokenHasher::new(&SecretKey::from_bytes(&[7; 32]));
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        hasher.hash(TokenUse::HandoffCode, &PlainToken::from_bytes(&bytes))
    }

    fn promised(made: Monotonic) -> Promised {
        Promised {
            session: SessionId::from_bytes([1; 16]),
            host: "app".to_owned(),
            browser: hash(9),
            destination: "/".to_owned(),
            made,
        }
    }

    #[test]
    fn a_code_is_taken_once_and_not_after_its_time() {
        let clock = Clock::manual(WallTime::from_unix_ms(0));
        let now = || clock.now().monotonic;
        let mut codes = Codes::default();
        assert!(codes.add(&hash(1), promised(now()), now()));
        assert!(codes.add(&hash(2), promised(now()), now()));
        assert!(codes.take(&hash(3), now()).is_none());
        assert!(codes.take(&hash(1), now()).is_some());
        assert!(codes.take(&hash(1), now()).is_none(), "a second time");
        clock.advance(HANDOFF_CODE_LIFE);
        assert!(codes.take(&hash(2), now()).is_none(), "at the end of its time");
    }

    #[test]
    fn there_are_never_too_many_and_old_ones_make_room() {
        let clock = Clock::manual(WallTime::from_unix_ms(0));
        let mut codes = Codes::default();
        let made = clock.now().monotonic;
        for number in 0..CODES_MAX {
            let number = u16::try_from(number).expect("small");
            assert!(codes.add(&hash(number), promised(made), made));
        }
        assert!(!codes.add(&hash(5000), promised(made), made));
        clock.advance(HANDOFF_CODE_LIFE + Duration::from_secs(1));
        let now = clock.now().monotonic;
        assert!(codes.add(&hash(5000), promised(now), now));
    }
}
