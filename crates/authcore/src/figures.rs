//! What this process does, in numbers, for whoever watches it. Counting is an addition to an atomic; no rule reads these.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::WallTime;

/// Counted since the start.
#[derive(Default)]
pub(crate) struct Counts {
    commits: AtomicU64,
    commit_us: AtomicU64,
    failures: AtomicU64,
    /// Unix ms; 0: none failed.
    last_failure: AtomicI64,
    checks: AtomicU64,
    check_us: AtomicU64,
    busy: AtomicU64,
    slowed: AtomicU64,
}

/// The counts, and how things stand.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Transactions of the writer that were committed.
    pub commits: u64,
    /// How long they took, all together.
    pub commit_time: Duration,
    /// Changes, or groups of them, that were not made since the disk or the file did not take them.
    pub store_failures: u64,
    /// The last of those.
    pub last_store_failure: Option<WallTime>,
    /// Passwords checked.
    pub checks: u64,
    /// How long their callers waited, all together: the queue and the hash.
    pub check_time: Duration,
    /// Tries turned away since the queue was full.
    pub turned_away_busy: u64,
    /// Tries turned away after too many wrong ones.
    pub turned_away_slowed: u64,
    /// Passwords in the queue now.
    pub checks_waiting: usize,
    /// Live sessions.
    pub sessions: usize,
    /// Access keys.
    pub access_keys: usize,
}

impl Counts {
    pub(crate) fn committed(&self, took: Duration) {
        add(&self.commits, 1);
        add(&self.commit_us, micros(took));
    }

    pub(crate) fn failed(&self, now: WallTime) {
        add(&self.failures, 1);
        self.last_failure.store(now.unix_ms(), Ordering::Relaxed);
    }

    pub(crate) fn checked(&self, took: Duration) {
        add(&self.checks, 1);
        add(&self.check_us, micros(took));
    }

    pub(crate) fn turned_away_busy(&self) {
        add(&self.busy, 1);
    }

    pub(crate) fn turned_away_slowed(&self) {
        add(&self.slowed, 1);
    }

    /// What was counted; how things stand is for others to fill in.
    pub(crate) fn read(&self) -> Figures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let failed = self.last_failure.load(Ordering::Relaxed);
        Figures {
            commits: read(&self.commits),
            commit_time: Duration::from_micros(read(&self.commit_us)),
            store_failures: read(&self.failures),
            last_store_failure: (failed != 0).then(|| WallTime::from_unix_ms(failed)),
            checks: read(&self.checks),
            check_time: Duration::from_micros(read(&self.check_us)),
            turned_away_busy: read(&self.busy),
            turned_away_slowed: read(&self.slowed),
            ..Figures::default()
        }
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
