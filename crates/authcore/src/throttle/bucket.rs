//! The bucket of one source: `governor`'s arithmetic (GCRA), over a single number that can be kept.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use crate::clock::WallTime;

/// Attempts at once.
pub(super) const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// One more every so often: with the burst ten in fifteen minutes, and ten in each fifteen after that.
pub(super) const REFILL: Duration = Duration::from_secs(90);

/// Takes one out of a bucket that is full again at `full_at` (never taken from: `None`), and says when it will be full after
/// that.
///
/// # Errors
/// How long to wait when it is empty.
pub(super) fn take(full_at: Option<WallTime>, now: WallTime) -> Result<WallTime, Duration> {
    // The limiter measures from the moment it is made: here the beginning of time, so that what it keeps is a time of day.
    let clock = Hand(Cell::new(Duration::ZERO));
    let store = Kept(Cell::new(full_at.map(since_epoch)));
    let quota = Quota::with_period(REFILL).map_or(Quota::per_hour(BURST), |quota| quota.allow_burst(BURST));
    let limiter: RateLimiter<_, _, _, NoOpMiddleware<Duration>> = RateLimiter::new(quota, store, clock);
    limiter.clock().0.set(since_epoch(now));
    let taken = limiter.check();
    let now = since_epoch(now);
    taken.map_err(|not_until| not_until.wait_time_from(now))?;
    let full_at = limiter.into_state_store().0.get().unwrap_or(now);
    let ms = i64::try_from(full_at.as_millis()).unwrap_or(i64::MAX);
    Ok(WallTime::from_unix_ms(ms))
}

fn since_epoch(time: WallTime) -> Duration {
    Duration::from_millis(u64::try_from(time.unix_ms()).unwrap_or(0))
}

/// A clock that shows what it is set to.
struct Hand(Cell<Duration>);

impl Clock for Hand {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

/// The one number of a bucket.
struct Kept(Cell<Option<Duration>>);

impl StateStore for Kept {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _only: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = decide(self.0.get().map(Nanos::from))?;
        self.0.set(Some(next.into()));
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_then_one_every_ninety_seconds() {
        let begun = WallTime::from_unix_ms(1_800_000_000_000);
        let mut full_at = None;
        for _ in 0..10 {
            full_at = Some(take(full_at, begun).expect("a full bucket"));
        }
        assert_eq!(take(full_at, begun), Err(REFILL));
        let almost = begun.plus(Duration::from_secs(89));
        assert_eq!(take(full_at, almost), Err(Duration::from_secs(1)));
        let again = begun.plus(REFILL);
        full_at = Some(take(full_at, again).expect("one more"));
        assert_eq!(take(full_at, again), Err(REFILL));
        let rested = begun.plus(REFILL * 11);
        let full = (0..10).try_fold(full_at, |full_at, _| take(full_at, rested).map(Some));
        assert!(full.is_ok_and(|full_at| take(full_at, rested).is_err()));
    }
}
