//! How fast the access password may be guessed: one rule for every path that takes it.
//!
//! ```text
//! attempt ─▶ known device?  ── yes ─▶ its own count: 20 wrong ones in a row, then it is a stranger
//!              └ no ─▶ everybody's count of wrong ones in a row: 50 are free, then a wait that doubles up to an hour
//!                       └▶ a bucket of its own for each address: 10 at once, one more every 90 seconds
//! ```
//!
//! A [`Permit`](crate::Permit) is had here alone, and no password is checked without one. Attempts count before they are
//! checked, so that those under way count too; the right password forgets them. A wrong one is written down together with its
//! audit event, so the counts outlive a crash. The command line of this machine takes no permit: it is never shut out.

mod bucket;
mod known_device;
mod source;
mod state;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use known_device::KnownDevice;
pub use source::Source;
pub use state::{ThrottleState, ThrottleStatus};

use crate::client::Client;
use crate::clock::WallTime;
use crate::ids::KnownDeviceId;
use state::Asker;

/// The password may not be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong passwords")]
pub struct Slowed {
    /// After how long it may be.
    pub retry_after: Duration,
}

/// That a password may be tried once, and who tries it.
pub(crate) struct Admission(Asker);

/// The counts of this process.
pub(crate) struct Throttle(Mutex<ThrottleState>);

impl Throttle {
    pub(crate) const fn new(kept: ThrottleState) -> Self {
        Self(Mutex::new(kept))
    }

    fn with<T>(&self, change: impl FnOnce(&mut ThrottleState) -> T) -> T {
        // Each change is made of whole numbers put in their places: none is half made when a thread panics.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets somebody try once, and counts it as wrong until it was right.
    pub(crate) fn admit(
        &self,
        client: &Client,
        device: Option<KnownDeviceId>,
        now: WallTime,
    ) -> Result<Admission, Slowed> {
        let source = client.address.map(Source::of);
        self.with(|state| state.admit(source, device, now)).map(Admission)
    }

    /// It was wrong: what is to be kept.
    pub(crate) fn failed(&self, _admission: &Admission) -> ThrottleState {
        self.with(ThrottleState::revised)
    }

    /// It was right: what is to be kept, where that is not what is kept anyway.
    pub(crate) fn succeeded(&self, admission: &Admission) -> Option<ThrottleState> {
        self.with(|state| state.forgive(admission.0).then(|| state.revised()))
    }

    pub(crate) fn status(&self, now: WallTime) -> ThrottleStatus {
        self.with(|state| state.status(now))
    }

    /// Takes in what was read from the database: counts made there by somebody else, who cleared them.
    pub(crate) fn take_in(&self, kept: ThrottleState) {
        self.with(|state| {
            if kept.is_of_a_later_era(state) {
                *state = kept;
            }
        });
    }
}
