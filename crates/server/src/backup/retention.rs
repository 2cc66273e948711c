//! Which backups stay. Pure: times in, times out.

use std::collections::BTreeSet;
use std::time::Duration;

use authcore::WallTime;

/// All of the last day stay, whatever is kept beyond it.
const RECENT: Duration = Duration::from_secs(24 * 3600);

/// How many days, weeks and months are kept of, the newest of each; days with a backup count, not days that went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    pub(crate) daily: u32,
    pub(crate) weekly: u32,
    pub(crate) monthly: u32,
}

/// The times of the backups that go. The newest never does, nor does any within a day of it.
pub(super) fn superfluous(times: &[WallTime], keep: Keep) -> Vec<WallTime> {
    let mut newest_first = times.to_vec();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    newest_first.dedup();
    let Some(newest) = newest_first.first().copied() else {
        return Vec::new();
    };
    let mut stays: BTreeSet<WallTime> = newest_first
        .iter()
        .copied()
        .filter(|time| newest.since(*time).is_some_and(|age| age < RECENT))
        .collect();
    for (count, period) in [
        (keep.daily, day as fn(WallTime) -> i64),
        (keep.weekly, week),
        (keep.monthly, month),
    ] {
        let mut seen = BTreeSet::new();
        for time in &newest_first {
            let first_of_its_period = seen.insert(period(*time));
            if seen.len() > count as usize {
                break;
            }
            if first_of_its_period {
                stays.insert(*time);
            }
        }
    }
    newest_first.retain(|time| !stays.contains(time));
    newest_first
}

/// Days since the epoch, in UTC.
fn day(time: WallTime) -> i64 {
    time.unix_seconds().div_euclid(86_400)
}

/// Weeks, from Monday; the epoch was a Thursday.
fn week(time: WallTime) -> i64 {
    (day(time) + 3).div_euclid(7)
}

/// Months since the year 0.
fn month(time: WallTime) -> i64 {
    let text = time.to_rfc3339();
    let part = |range| {
        text.get(range)
            .and_then(|digits: &str| digits.parse::<i64>().ok())
    };
    part(0..4).unwrap_or(0) * 12 + part(5..7).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> WallTime {
        WallTime::parse_rfc3339(&format!("{text}:00Z")).expect(text)
    }

    fn left(times: &[&str], keep: Keep) -> Vec<String> {
        let times: Vec<_> = times.iter().map(|text| at(text)).collect();
        let gone = superfluous(&times, keep);
        let mut left: Vec<_> = times.into_iter().filter(|time| !gone.contains(time)).collect();
        left.sort_unstable();
        left.iter()
            .map(|time| time.to_rfc3339()[..16].to_owned())
            .collect()
    }

    const fn keep(daily: u32, weekly: u32, monthly: u32) -> Keep {
        Keep {
            daily,
            weekly,
            monthly,
        }
    }

    #[test]
    fn the_newest_of_each_day_week_and_month_stays() {
        let times = [
            "2026-08-31T03:00",
            "2026-09-30T03:00",
            "2026-10-15T03:00",
            "2026-10-31T03:00",
            "2026-11-09T03:00", // a Monday
            "2026-11-15T03:00", // the Sunday after
            "2026-11-22T03:00",
            "2026-11-23T03:00",
            "2026-11-23T15:00",
            "2026-11-24T03:00",
            "2026-11-25T03:00",
        ];
        for (kept, expected) in [
            (keep(0, 0, 0), &["2026-11-25T03:00"][..]),
            (keep(2, 0, 0), &["2026-11-24T03:00", "2026-11-25T03:00"]),
            (
                keep(3, 0, 0),
                &["2026-11-23T15:00", "2026-11-24T03:00", "2026-11-25T03:00"],
            ),
            (
                keep(1, 3, 0),
                &["2026-11-15T03:00", "2026-11-22T03:00", "2026-11-25T03:00"],
            ),
            (
                keep(1, 1, 3),
                &["2026-09-30T03:00", "2026-10-31T03:00", "2026-11-25T03:00"],
            ),
        ] {
            // Within a day of the newest: 2026-11-24T03:00 is a day and no less.
            assert_eq!(left(&times, kept), expected, "{kept:?}");
        }
    }

    #[test]
    fn all_of_the_last_day_stay() {
        let times = [
            "2026-11-24T02:59",
            "2026-11-24T03:01",
            "2026-11-24T15:00",
            "2026-11-25T03:00",
        ];
        assert_eq!(left(&times, keep(0, 0, 0)), times[1..]);
        assert_eq!(
            left(&times, keep(2, 0, 0)),
            times[1..],
            "the newest of the day before stays anyway"
        );
    }

    #[test]
    fn of_days_without_a_backup_none_is_counted() {
        assert_eq!(
            left(&["2026-01-01T03:00", "2026-11-25T03:00"], keep(2, 0, 0)),
            ["2026-01-01T03:00", "2026-11-25T03:00"]
        );
    }

    proptest! {
        #[test]
        fn the_newest_never_goes_and_what_stays_stays_the_next_time(
            times in proptest::collection::vec(0_i64..4_000_000_000_000, 1..60),
            daily in 0_u32..10, weekly in 0_u32..10, monthly in 0_u32..10,
        ) {
            let times: Vec<_> = times.into_iter().map(WallTime::from_unix_ms).collect();
            let gone = superfluous(&times, keep(daily, weekly, monthly));
            let newest = times.iter().max().expect("some");
            prop_assert!(!gone.contains(newest));
            let rest: Vec<_> = times.iter().copied().filter(|time| !gone.contains(time)).collect();
            prop_assert!(superfluous(&rest, keep(daily, weekly, monthly)).is_empty());
        }
    }
}
