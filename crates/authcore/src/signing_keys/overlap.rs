//! Which key signs and which still verify: pure.

use std::time::Duration;

use crate::clock::WallTime;
use crate::token::access::ACCESS_TOKEN_LIFE;

/// A retired key verifies for the life of the last token it signed, and a minute more for clocks that differ.
pub(crate) const OVERLAP: Duration = Duration::from_secs(ACCESS_TOKEN_LIFE.as_secs() + 60);

/// Whether a key retired then is of no more use now.
pub(crate) fn is_gone(retired: WallTime, now: WallTime) -> bool {
    now >= retired.plus(OVERLAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_key_outlives_the_last_token_it_signed() {
        let retired = WallTime::from_unix_ms(0);
        assert!(!is_gone(retired, retired.plus(ACCESS_TOKEN_LIFE)));
        assert!(is_gone(retired, retired.plus(OVERLAP)));
    }
}
