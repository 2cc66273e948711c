//! The rules of a rotation, pure: where it stands, what happens, what is to be done in the same transaction.

use crate::keyring::DataKeyNumber;

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Rows are walked, and what is not under the active key is sealed anew.
    Sweeping,
    /// Every row was walked and opened. What is left is the look that nothing came in behind the walk.
    Proving,
    /// Every row was walked, and some did not open. Another step walks again.
    Blocked,
    /// The old key is destroyed; the files are still to be purged.
    Purging,
}

impl Phase {
    /// The name stored in the rotation's row.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sweeping => "sweeping",
            Self::Proving => "proving",
            Self::Blocked => "blocked",
            Self::Purging => "purging",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Sweeping, Self::Proving, Self::Blocked, Self::Purging]
            .into_iter()
            .find(|phase| phase.name() == name)
    }
}

/// Whether a rotation goes on or was called off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the new key.
    Forward,
    /// Back to the old key: the new one is retiring.
    Back,
}

impl Direction {
    /// The name stored in the rotation's row.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Forward, Self::Back]
            .into_iter()
            .find(|direction| direction.name() == name)
    }
}

/// The two keys of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) active: DataKeyNumber,
    pub(crate) retiring: DataKeyNumber,
}

/// Where a rotation stands; what the file's row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RotationState {
    Idle,
    UnderWay {
        phase: Phase,
        direction: Direction,
        keys: Keys,
    },
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A rotation is asked for; the keys as they will be.
    Begin(Keys),
    /// A batch was walked, and there may be more.
    BatchWalked,
    /// The last row was walked; so many fields of this walk did not open.
    EveryRowWalked { unopenable: u64 },
    /// The look at every field found nothing but the active key.
    FoundClean,
    /// It found something else.
    FoundMore,
    /// The rotation is called off.
    Abort,
    /// Somebody wants a blocked rotation to go on.
    Retry,
    /// The files hold nothing of the old key.
    Purged,
}

/// What is to be done, in the transaction that writes the new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Put the new key in, let the old one retire, start the walk.
    AddKey,
    /// Write down how far the walk is.
    KeepPlace,
    /// Forget place and records: the walk starts over.
    StartOver,
    /// The keys change roles; the walk starts over.
    SwapKeys,
    /// Destroy the retiring key.
    DestroyRetiring,
    /// Delete the row of the rotation.
    Forget,
}

/// That cannot happen there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IllegalMove;

impl RotationState {
    /// The next state, and what is to be done with it.
    pub(crate) fn advance(self, event: Event) -> Result<(Self, Effect), IllegalMove> {
        let (phase, direction, keys) = match (self, event) {
            (Self::Idle, Event::Begin(keys)) if keys.active != keys.retiring => {
                let state = Self::UnderWay {
                    phase: Phase::Sweeping,
                    direction: Direction::Forward,
                    keys,
                };
                return Ok((state, Effect::AddKey));
            }
            (Self::Idle, _) => return Err(IllegalMove),
            (
                Self::UnderWay {
                    phase,
                    direction,
                    keys,
                },
                _,
            ) => (phase, direction, keys),
        };
        let to = |phase| Self::UnderWay {
            phase,
            direction,
            keys,
        };
        match (phase, event) {
            (Phase::Sweeping, Event::BatchWalked) => Ok((self, Effect::KeepPlace)),
            (Phase::Sweeping, Event::EveryRowWalked { unopenable: 0 }) => {
                Ok((to(Phase::Proving), Effect::KeepPlace))
            }
            (Phase::Sweeping, Event::EveryRowWalked { .. }) => Ok((to(Phase::Blocked), Effect::KeepPlace)),
            (Phase::Proving, Event::FoundClean) => Ok((to(Phase::Purging), Effect::DestroyRetiring)),
            (Phase::Proving, Event::FoundMore) | (Phase::Blocked, Event::Retry) => {
                Ok((to(Phase::Sweeping), Effect::StartOver))
            }
            (Phase::Sweeping | Phase::Proving | Phase::Blocked, Event::Abort)
                if direction == Direction::Forward =>
            {
                let back = Self::UnderWay {
                    phase: Phase::Sweeping,
                    direction: Direction::Back,
                    keys: Keys {
                        active: keys.retiring,
                        retiring: keys.active,
                    },
                };
                Ok((back, Effect::SwapKeys))
            }
            (Phase::Purging, Event::Purged) => Ok((Self::Idle, Effect::Forget)),
            _ => Err(IllegalMove),
        }
    }
}

#[cfg(test)]
mod tests;
