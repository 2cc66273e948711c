//! Every moment at which the power may fail, and the disks that may be found then.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use super::trace::Deed;
use super::{Chance, Disk, Image, Recording};

/// A disk as it could be found.
pub struct Crash {
    /// After how many steps of the recording.
    pub after: usize,
    /// When, since 1970.
    pub at: Duration,
    /// What is on it.
    pub image: Image,
}

/// Makes disks of a recording: between each sync and the next, the one with nothing that was not synced, the one with all of
/// it, and some by chance. No two of them in one such stretch are the same, unless more was acknowledged meanwhile.
pub struct Images<'r> {
    recording: &'r Recording,
    chance: Chance,
    by_chance: usize,
}

impl<'r> Images<'r> {
    /// That many by chance for each stretch.
    #[must_use]
    pub const fn of(recording: &'r Recording, seed: u64, by_chance: usize) -> Self {
        Self {
            recording,
            chance: Chance::of(seed),
            by_chance,
        }
    }

    /// How many stretches there are.
    #[must_use]
    pub fn stretches(&self) -> usize {
        1 + self.recording.places(is_sync).len()
    }

    /// Hands over each of them.
    pub fn each(mut self, before: Disk, take: &mut dyn FnMut(Crash)) {
        let steps = &self.recording.steps;
        let mut begin = before;
        let mut first = 0;
        while first <= steps.len() {
            // The sync that ends the stretch is no part of it: up to there, it did not hold.
            let rest = steps.get(first..).unwrap_or_default();
            let length = rest
                .iter()
                .position(|step| is_sync(&step.deed))
                .unwrap_or(rest.len());
            self.stretch(&begin, first, length, take);
            for step in rest.iter().take(length + 1) {
                begin.follow(&step.deed);
            }
            first += length + 1;
        }
    }

    fn stretch(&mut self, begin: &Disk, first: usize, length: usize, take: &mut dyn FnMut(Crash)) {
        let steps = &self.recording.steps;
        let mut known = HashSet::new();
        let mut give = |after: usize, image: Image| {
            let mut hasher = DefaultHasher::new();
            let answered = steps
                .iter()
                .take(after)
                .filter(|step| step.deed == Deed::Answered);
            (answered.count(), &image).hash(&mut hasher);
            if known.insert(hasher.finish()) {
                let at = steps
                    .get(after.saturating_sub(1))
                    .map_or(Duration::ZERO, |step| step.at);
                take(Crash { after, at, image });
            }
            known.len()
        };
        let mut end = begin.clone();
        for step in steps.iter().skip(first).take(length) {
            end.follow(&step.deed);
        }
        give(first + length, end.least());
        let sure = give(first + length, end.most());
        // Where little is uncertain there are few disks.
        for _ in 0..2 * self.by_chance {
            let so_far = self.chance.below(length + 1);
            let mut disk = begin.clone();
            for step in steps.iter().skip(first).take(so_far) {
                disk.follow(&step.deed);
            }
            let image = disk.some(&mut self.chance);
            if give(first + so_far, image) >= sure + self.by_chance {
                break;
            }
        }
    }
}

const fn is_sync(deed: &Deed) -> bool {
    matches!(deed, Deed::Synced(_))
}
