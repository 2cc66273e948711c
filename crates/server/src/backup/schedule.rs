//! Backups that the server makes by itself: on a thread of its own, when the newest in the folder is as old as it may be.
//!
//! What is due is told by the names in the folder and the clock on the wall, not by a timer: a server that was off, or a machine
//! that slept, makes up for it when it is back, once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use authcore::audit::event::BackupProblem;
use authcore::{Authority, SealCheck, WallTime};

use super::retention::superfluous;
use super::{BackupError, Keep, SealedTo, folder, to_file};
use crate::causes::with_causes;
use crate::metrics::Metrics;

/// How long a wait is at most, so that a clock that was set, or a machine that slept, is noticed.
const LOOK: Duration = Duration::from_secs(60);

/// After a failure: soon enough for a folder that comes back, not so often as to fill the log.
const AGAIN: Duration = Duration::from_secs(600);

/// What is made, and when.
pub(crate) struct ScheduleOptions {
    pub(crate) folder: PathBuf,
    pub(crate) every: Duration,
    pub(crate) keep: Keep,
    pub(crate) sealed_to: Arc<SealedTo>,
    /// Held by whoever makes a backup: never two at once.
    pub(crate) lane: Arc<Mutex<()>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// The running schedule; it ends when it is stopped or dropped, after the backup that is under way.
pub(crate) struct Schedule {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Schedule {
    /// Starts it.
    ///
    /// # Errors
    /// When the thread does not start.
    pub(crate) fn start(options: ScheduleOptions, authority: Arc<Authority>) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("backup-schedule".to_owned())
            .spawn(move || run(&options, &authority, &stopped))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends it, and waits for that.
    pub(crate) fn stop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the scheduled backups had panicked");
        }
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(options: &ScheduleOptions, authority: &Authority, stop: &(Mutex<bool>, Condvar)) {
    let mut not_before = None;
    let now = authority.clock().now().wall;
    if let Some(newest) = times(&options.folder)
        .into_iter()
        .filter(|time| *time <= now)
        .max()
    {
        options.metrics.backups.last.set(newest);
    }
    loop {
        let now = authority.clock().now();
        let due = not_before.is_none_or(|time| now.monotonic >= time)
            && is_due(&times(&options.folder), options.every, now.wall);
        if due {
            not_before = None;
            if let Err(error) = make(options, authority) {
                options.metrics.backups.failed.add();
                tracing::error!(
                    folder = %options.folder.display(),
                    error = with_causes(&error),
                    "a backup that was due was not made; it is tried again"
                );
                authority.backups().note_failed(problem(&error));
                not_before = Some(now.monotonic.plus(AGAIN.min(options.every)));
            }
        }
        let stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = stop
            .1
            .wait_timeout_while(stopped, wait(options.every), |stopped| !*stopped);
        let (stopped, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            return;
        }
    }
}

/// How long until it is looked again.
fn wait(every: Duration) -> Duration {
    LOOK.min(every / 2).max(Duration::from_millis(100))
}

/// One backup, with the integrity seal checked in full on the very state that is copied; then what is superfluous goes.
fn make(options: &ScheduleOptions, authority: &Authority) -> Result<(), BackupError> {
    let _lane = options.lane.lock().unwrap_or_else(PoisonError::into_inner);
    make_folder(&options.folder).map_err(BackupError::file(&options.folder))?;
    let snapshot = authority.backups().snapshot(SealCheck::Full)?;
    let taken = authority.clock().now().wall;
    let path = options.folder.join(folder::name_of(taken));
    let made = to_file(&path, &snapshot, taken, &options.sealed_to, &mut |_, _| {})?;
    drop(snapshot);
    options.metrics.backups.made.add();
    options.metrics.backups.last.set(taken);
    tracing::info!(path = %path.display(), bytes = made.length, counter = made.manifest.counter, "backup made and read back");
    let kept = folder::scheduled(&options.folder).map_err(BackupError::file(&options.folder))?;
    let times: Vec<WallTime> = kept.iter().map(|(time, _)| *time).collect();
    let gone = superfluous(&times, options.keep);
    for (_, path) in kept.iter().filter(|(time, _)| gone.contains(time)) {
        match std::fs::remove_file(path) {
            Ok(()) => tracing::info!(path = %path.display(), "an old backup is no longer kept"),
            Err(error) => tracing::warn!(path = %path.display(), %error, "an old backup cannot be removed"),
        }
    }
    Ok(())
}

/// The last part of the path only: a folder above that is not there is a disk that is not mounted.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether the newest backup is as old as it may be. One from the future, of a clock that went wrong, is none.
fn is_due(times: &[WallTime], every: Duration, now: WallTime) -> bool {
    times
        .iter()
        .filter_map(|time| now.since(*time))
        .min()
        .is_none_or(|age| age >= every)
}

fn times(folder: &Path) -> Vec<WallTime> {
    folder::scheduled(folder)
        .map(|found| found.into_iter().map(|(time, _)| time).collect())
        .unwrap_or_default()
}

const fn problem(error: &BackupError) -> BackupProblem {
    match error {
        BackupError::Database(_) | BackupError::Read(_) => BackupProblem::Database,
        BackupError::Write(_)
        | BackupError::File { .. }
        | BackupError::InTheWay { .. }
        | BackupError::Recipient(_)
        | BackupError::Seal(_) => BackupProblem::Folder,
        BackupError::NotAge
        | BackupError::Damaged(_)
        | BackupError::WrongKey
        | BackupError::WantsPassphrase
        | BackupError::WantsIdentity
        | BackupError::TooCostly { .. }
        | BackupError::NotOurs(_)
        | BackupError::Later { .. }
        | BackupError::Mismatch(_) => BackupProblem::ReadBack,
    }
}

/// The newest backup, where one is overdue: `Err` says since when there should be another; `None` there: there is none at all.
pub(crate) fn overdue(folder: &Path, every: Duration, now: WallTime) -> Result<WallTime, Option<WallTime>> {
    let times = times(folder);
    let newest = times.iter().copied().filter(|time| *time <= now).max();
    let late = every.saturating_add(AGAIN);
    match newest {
        Some(newest) if !is_due(&times, late, now) => Ok(newest),
        Some(newest) => Err(Some(newest)),
        None => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_due_when_the_newest_is_as_old_as_it_may_be_whatever_went_by() {
        const HOUR: i64 = 3_600_000;
        let now = WallTime::from_unix_ms(1_000 * HOUR);
        let ago = |hours: i64| WallTime::from_unix_ms((1_000 - hours) * HOUR);
        let every = Duration::from_secs(24 * 3600);
        for (times, due) in [
            (&[][..], true),
            (&[ago(23)], false),
            (&[ago(24)], true),
            (&[ago(80), ago(1)], false),
            // The machine slept for a week: one, not seven.
            (&[ago(168)], true),
            (&[ago(168), ago(0)], false),
            // Made while the clock was ahead.
            (&[ago(-5)], true),
            (&[ago(-5), ago(2)], false),
        ] {
            assert_eq!(is_due(times, every, now), due, "{times:?}");
        }
    }
}
