//! Time is a value: rules take a [`Moment`], and only this file reads the clock.
//!
//! The wall clock handed out never runs backwards, not even over a restart: it is the highest wall time ever seen,
//! carried on by the monotonic clock. So a clock set back brings nothing expired or spent back to life
//! (`5-threat-model.md`, A14); a clock that jumps ahead ends things early, which is the safe side.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(i64);

impl WallTime {
    /// The time that many milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the `NumericDate` of RFC 7519 section 2.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time and `by` more. Saturates at the end of representable time.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long ago `earlier` was; `None` when it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0.checked_sub(earlier.0)?)
            .ok()
            .map(Duration::from_millis)
    }

    /// The time as RFC 3339 text in UTC, to the millisecond.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .unwrap_or_else(|| self.0.to_string())
    }

    /// Reads RFC 3339 text with any offset; `None` too for a year that has not four digits in UTC, which could not be written again.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339)
            .ok()?
            .checked_to_offset(time::UtcOffset::UTC)
            .filter(|time| (0..=9999).contains(&time.year()))?;
        i64::try_from(time.unix_timestamp_nanos() / 1_000_000)
            .ok()
            .map(Self)
    }
}

/// Time since the process's clock was made; never set, never stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// This time and `by` more.
    #[must_use]
    pub const fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// How long ago `earlier` was.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time of day, never lower than any seen before.
    pub wall: WallTime,
    /// For short windows, untouched by clock changes.
    pub monotonic: Monotonic,
}

/// The one source of time. Cheap to clone; clones share the highest time seen.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
struct Source {
    hands: Hands,
    /// Highest value of (wall − monotonic) seen, in ms: added to the monotonic clock it gives a wall time that never
    /// goes back and never stands still.
    offset: AtomicI64,
}

#[derive(Debug)]
enum Hands {
    System {
        start: Instant,
    },
    #[cfg(feature = "testing")]
    Manual {
        wall: AtomicI64,
        monotonic: AtomicI64,
    },
}

impl Clock {
    /// The machine's clocks.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the clock")]
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Source {
            hands: Hands::System {
                start: Instant::now(),
            },
            offset: AtomicI64::new(i64::MIN),
        }))
    }

    /// A clock that stands still until a test moves it.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn manual(wall: WallTime) -> Self {
        let hands = Hands::Manual {
            wall: AtomicI64::new(wall.0),
            monotonic: AtomicI64::new(0),
        };
        Self(Arc::new(Source {
            hands,
            offset: AtomicI64::new(i64::MIN),
        }))
    }

    /// Both clocks move on by `by`, as time does.
    ///
    /// # Panics
    /// On the machine's clock.
    #[cfg(feature = "testing")]
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        if let Hands::Manual { wall, monotonic } = &self.0.hands {
            wall.fetch_add(ms, Ordering::SeqCst);
            monotonic.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Somebody sets the wall clock; the monotonic one does not notice.
    #[cfg(feature = "testing")]
    pub fn set_wall(&self, to: WallTime) {
        if let Hands::Manual { wall, .. } = &self.0.hands {
            wall.store(to.0, Ordering::SeqCst);
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Moment {
        let (wall, monotonic) = self.read();
        let offset = wall.saturating_sub(monotonic);
        let highest = self.0.offset.fetch_max(offset, Ordering::SeqCst).max(offset);
        Moment {
            wall: WallTime(monotonic.saturating_add(highest)),
            monotonic: Monotonic(Duration::from_millis(u64::try_from(monotonic).unwrap_or(0))),
        }
    }

    /// Takes a time seen before (kept in the database) into account.
    pub(crate) fn raise_to(&self, seen: WallTime) {
        let (_, monotonic) = self.read();
        self.0
            .offset
            .fetch_max(seen.0.saturating_sub(monotonic), Ordering::SeqCst);
    }

    /// How far the machine's wall clock stands behind the highest time seen; zero when it is sane.
    #[must_use]
    pub fn behind(&self) -> Duration {
        let now = self.now();
        let (wall, _) = self.read();
        now.wall.since(WallTime(wall)).unwrap_or(Duration::ZERO)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the clock")]
    fn read(&self) -> (i64, i64) {
        match &self.0.hands {
            Hands::System { start } => {
                let wall = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or(Duration::ZERO);
                (
                    i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
                    i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX),
                )
            }
            #[cfg(feature = "testing")]
            Hands::Manual { wall, monotonic } => {
                (wall.load(Ordering::SeqCst), monotonic.load(Ordering::SeqCst))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: WallTime = WallTime::from_unix_ms(1_800_000_000_000);

    #[test]
    fn a_clock_set_back_does_not_turn_time_back_and_time_goes_on() {
        let clock = Clock::manual(NOON);
        assert_eq!(clock.now().wall, NOON);
        clock.set_wall(WallTime::from_unix_ms(0));
        assert_eq!(clock.now().wall, NOON);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now().wall, NOON.plus(Duration::from_secs(5)));
        assert!(clock.behind() > Duration::from_secs(1_000_000));
    }

    #[test]
    fn the_highest_time_of_an_earlier_run_counts() {
        let clock = Clock::manual(NOON);
        let later = NOON.plus(Duration::from_secs(864_000));
        clock.raise_to(later);
        assert_eq!(clock.now().wall, later);
    }

    #[test]
    fn rfc_3339_text_reads_back() {
        assert_eq!(NOON.to_rfc3339(), "2027-01-15T08:00:00Z");
        assert_eq!(WallTime::parse_rfc3339("2027-01-15T09:00:00+01:00"), Some(NOON));
        assert_eq!(WallTime::parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn a_time_in_the_future_has_no_age() {
        assert_eq!(NOON.since(NOON.plus(Duration::from_millis(1))), None);
    }
}
