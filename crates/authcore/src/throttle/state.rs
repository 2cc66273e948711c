//! The counts and the rule, without a clock and without a lock.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::source::Source;
use super::{Slowed, bucket};
use crate::clock::WallTime;
use crate::ids::KnownDeviceId;

/// Wrong passwords in a row, from wherever they came, that cost nothing. With what follows the hundredth comes after almost a
/// day, and after it one an hour (NIST SP 800-63B-4, section 3.2.2: at most 100 in a row, delays of 30 seconds to an hour).
const FREE: u32 = 50;

/// The wait after the last free one; it doubles with every [`DOUBLED_EVERY`] wrong ones more.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const DOUBLED_EVERY: u32 = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Wrong passwords in a row after which a known device is one no more, until somebody signs in on it.
const OF_A_DEVICE: u32 = 20;

/// Sources and devices that are remembered: more than the free attempts, for only who is let in is remembered at all.
const SOURCES_MAX: usize = 1024;
const DEVICES_MAX: usize = 64;

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Device(KnownDeviceId),
    Stranger(Option<Source>),
}

/// How often the password was wrong, and from where: what is kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ThrottleState {
    /// How often it was cleared; a process that is told of a later one forgets its own counts.
    era: u64,
    /// Of two states of an era, the one that was later.
    revision: u64,
    /// Tries of strangers since the password was last right.
    in_a_row: u32,
    /// When the last of them was let in.
    last: Option<WallTime>,
    /// When the bucket of each is full again.
    sources: BTreeMap<Source, WallTime>,
    /// Tries of each known device since the password was right on it.
    devices: BTreeMap<KnownDeviceId, u32>,
}

/// What the counts mean at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleStatus {
    /// Wrong passwords in a row.
    pub in_a_row: u32,
    /// When a browser that is not known here, or a program, may try again; `None`: now.
    pub strangers_until: Option<WallTime>,
    /// Addresses, or networks of IPv6, that may not try, and until when.
    pub sources: Vec<(String, WallTime)>,
    /// Known devices that are treated as strangers.
    pub devices: Vec<KnownDeviceId>,
}

impl ThrottleState {
    pub(super) fn admit(
        &mut self,
        source: Option<Source>,
        device: Option<KnownDeviceId>,
        now: WallTime,
    ) -> Result<Asker, Slowed> {
        if let Some(device) = device {
            let tried = self.devices.get(&device).copied().unwrap_or(0);
            if tried < OF_A_DEVICE {
                self.devices.insert(device, tried + 1);
                while self.devices.len() > DEVICES_MAX {
                    let fewest = self.devices.iter().filter(|(id, _)| **id != device);
                    let Some(fewest) = fewest.min_by_key(|(_, tried)| **tried).map(|(id, _)| *id) else {
                        break;
                    };
                    self.devices.remove(&fewest);
                }
                return Ok(Asker::Device(device));
            }
        }
        let slowed = |retry_after| Slowed { retry_after };
        if let Some(wait) = self.strangers_wait(now) {
            return Err(slowed(wait));
        }
        if let Some(source) = source {
            let full_at = bucket::take(self.sources.get(&source).copied(), now).map_err(slowed)?;
            self.sources.retain(|_, full_at| *full_at > now);
            self.sources.insert(source, full_at);
            while self.sources.len() > SOURCES_MAX {
                let fullest = self.sources.iter().filter(|(known, _)| **known != source);
                let Some(fullest) = fullest
                    .min_by_key(|(_, full_at)| **full_at)
                    .map(|(known, _)| *known)
                else {
                    break;
                };
                self.sources.remove(&fullest);
            }
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last = Some(now);
        Ok(Asker::Stranger(source))
    }

    /// The password was right. Says whether what is kept is another state than this now.
    pub(super) fn forgive(&mut self, asker: Asker) -> bool {
        // One is the right one itself.
        let others = match asker {
            Asker::Device(device) => self.devices.remove(&device).unwrap_or(0) > 1 || self.in_a_row > 0,
            Asker::Stranger(source) => {
                if let Some(source) = source {
                    self.sources.remove(&source);
                }
                self.in_a_row > 1
            }
        };
        self.in_a_row = 0;
        self.last = None;
        others
    }

    /// A copy to be kept, later than every one before.
    pub(super) fn revised(&mut self) -> Self {
        self.revision = self.revision.saturating_add(1);
        self.clone()
    }

    pub(super) const fn is_of_a_later_era(&self, other: &Self) -> bool {
        self.era > other.era
    }

    /// Whether this is to be kept in the place of that.
    pub(crate) fn is_later_than(&self, other: &Self) -> bool {
        (self.era, self.revision) > (other.era, other.revision)
    }

    /// Nothing counted, in an era of its own.
    pub(crate) fn cleared(&self) -> Self {
        Self {
            era: self.era.saturating_add(1),
            ..Self::default()
        }
    }

    fn strangers_wait(&self, now: WallTime) -> Option<Duration> {
        let beyond = self.in_a_row.checked_sub(FREE)?;
        let doubled = 1_u32.checked_shl(beyond / DOUBLED_EVERY).unwrap_or(u32::MAX);
        let wait = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
        let passed = now.since(self.last?).unwrap_or_default();
        wait.checked_sub(passed).filter(|left| !left.is_zero())
    }

    /// What it means at that time.
    #[must_use]
    pub fn status(&self, now: WallTime) -> ThrottleStatus {
        let empty = self.sources.iter().filter_map(|(source, full_at)| {
            let wait = bucket::take(Some(*full_at), now).err()?;
            Some((source.to_string(), now.plus(wait)))
        });
        ThrottleStatus {
            in_a_row: self.in_a_row,
            strangers_until: self.strangers_wait(now).map(|wait| now.plus(wait)),
            sources: empty.collect(),
            devices: self
                .devices
                .iter()
                .filter(|(_, tried)| **tried >= OF_A_DEVICE)
                .map(|(device, _)| *device)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
