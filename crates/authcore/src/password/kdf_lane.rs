//! Password hashing on a lane of its own: one thread behind a short bounded queue, so that a flood of sign-ins costs at
//! most one core and never delays a verification. A full queue answers at once, with the time to try again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::access_password::AccessPassword;
use super::hash::PasswordHash;
use crate::store::StoreError;

/// Places in the queue, the one being served included: about half a second of waiting at 600,000 iterations.
const PLACES: usize = 8;

/// Of these, kept free for browsers that signed in here before, so that a flood of strangers does not fill the lane.
const FOR_KNOWN: usize = 2;

/// When to try again: by then the whole queue has been served.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The lane is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked")]
pub struct Busy {
    /// After how long to try again.
    pub retry_after: Duration,
}

/// A place in the lane; given back when it is dropped.
pub(super) struct Place {
    taken: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(super) struct KdfLane {
    taken: Arc<AtomicUsize>,
    jobs: Sender<Job>,
}

enum Job {
    Verify {
        password: AccessPassword,
        hash: Box<PasswordHash>,
        upgrade_to: Option<u32>,
        done: oneshot::Sender<Checked>,
        place: Place,
    },
    Hash {
        password: AccessPassword,
        iterations: u32,
        done: oneshot::Sender<Option<PasswordHash>>,
        place: Place,
    },
}

/// What a check found.
pub(super) struct Checked {
    pub(super) right: bool,
    /// The right password under the newer parameters that were asked for.
    pub(super) upgraded: Option<PasswordHash>,
}

impl KdfLane {
    pub(super) fn start() -> std::io::Result<Self> {
        let (jobs, queue) = channel::<Job>();
        std::thread::Builder::new()
            .name("password-kdf".to_owned())
            .spawn(move || queue.into_iter().for_each(work))?;
        Ok(Self {
            taken: Arc::default(),
            jobs,
        })
    }

    pub(super) fn reserve(&self, is_known: bool) -> Result<Place, Busy> {
        let places = if is_known { PLACES } else { PLACES - FOR_KNOWN };
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < places).then_some(taken + 1)
            })
            .map(|_| Place {
                taken: Arc::clone(&self.taken),
            })
            .map_err(|_| Busy {
                retry_after: RETRY_AFTER,
            })
    }

    /// Places that are taken now.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(super) async fn verify(
        &self,
        place: Place,
        password: AccessPassword,
        hash: Box<PasswordHash>,
        upgrade_to: Option<u32>,
    ) -> Result<Checked, StoreError> {
        let (done, checked) = oneshot::channel();
        self.jobs
            .send(Job::Verify {
                password,
                hash,
                upgrade_to,
                done,
                place,
            })
            .map_err(|_| StoreError::Closed)?;
        checked.await.map_err(|_| StoreError::Closed)
    }

    pub(super) async fn hash(
        &self,
        place: Place,
        password: AccessPassword,
        iterations: u32,
    ) -> Result<PasswordHash, StoreError> {
        let (done, hashed) = oneshot::channel();
        self.jobs
            .send(Job::Hash {
                password,
                iterations,
                done,
                place,
            })
            .map_err(|_| StoreError::Closed)?;
        hashed
            .await
            .map_err(|_| StoreError::Closed)?
            .ok_or(StoreError::Random)
    }
}

fn work(job: Job) {
    match job {
        // The caller has gone: its connection was closed. No work for nobody.
        Job::Verify { done, .. } if done.is_closed() => {}
        Job::Hash { done, .. } if done.is_closed() => {}
        Job::Verify {
            password,
            hash,
            upgrade_to,
            done,
            place,
        } => {
            let right = hash.is_of(&password);
            let upgraded = upgrade_to
                .filter(|_| right)
                .and_then(|n| PasswordHash::make(&password, n).ok());
            drop(place);
            drop(done.send(Checked { right, upgraded }));
        }
        Job::Hash {
            password,
            iterations,
            done,
            place,
        } => {
            let hash = PasswordHash::make(&password, iterations).ok();
            drop(place);
            drop(done.send(hash));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lane_says_when_to_try_again_and_a_dropped_place_is_a_free_one() {
        let lane = KdfLane::start().expect("starts");
        let mut places: Vec<Place> = (0..PLACES - FOR_KNOWN)
            .map(|_| lane.reserve(false).expect("free"))
            .collect();
        assert!(matches!(lane.reserve(false), Err(Busy { retry_after }) if retry_after > Duration::ZERO));
        places.extend((0..FOR_KNOWN).map(|_| lane.reserve(true).expect("kept free")));
        assert!(lane.reserve(true).is_err());
        places.truncate(PLACES - FOR_KNOWN - 1);
        assert!(lane.reserve(false).is_ok());
    }
}
