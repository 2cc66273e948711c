//! The table of moves, and random sequences of them over a database in small.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const KEYS: Keys = Keys {
    active: DataKeyNumber(2),
    retiring: DataKeyNumber(1),
};
const SWAPPED: Keys = Keys {
    active: DataKeyNumber(1),
    retiring: DataKeyNumber(2),
};

const EVENTS: [Event; 9] = [
    Event::Begin(KEYS),
    Event::BatchWalked,
    Event::EveryRowWalked { unopenable: 0 },
    Event::EveryRowWalked { unopenable: 1 },
    Event::FoundClean,
    Event::FoundMore,
    Event::Abort,
    Event::Retry,
    Event::Purged,
];

const fn state(phase: Phase, direction: Direction, keys: Keys) -> RotationState {
    RotationState::UnderWay {
        phase,
        direction,
        keys,
    }
}

/// Every legal move; whatever is not in the table is refused.
#[test]
fn the_table_of_moves() {
    use Direction::{Back, Forward};
    use Phase::{Blocked, Proving, Purging, Sweeping};
    let mut legal = vec![(
        RotationState::Idle,
        Event::Begin(KEYS),
        state(Sweeping, Forward, KEYS),
        Effect::AddKey,
    )];
    for (direction, keys) in [(Forward, KEYS), (Back, SWAPPED)] {
        let at = |phase| state(phase, direction, keys);
        let walked = |unopenable| Event::EveryRowWalked { unopenable };
        legal.extend([
            (at(Sweeping), Event::BatchWalked, at(Sweeping), Effect::KeepPlace),
            (at(Sweeping), walked(0), at(Proving), Effect::KeepPlace),
            (at(Sweeping), walked(1), at(Blocked), Effect::KeepPlace),
            (
                at(Proving),
                Event::FoundClean,
                at(Purging),
                Effect::DestroyRetiring,
            ),
            (at(Proving), Event::FoundMore, at(Sweeping), Effect::StartOver),
            (at(Blocked), Event::Retry, at(Sweeping), Effect::StartOver),
            (at(Purging), Event::Purged, RotationState::Idle, Effect::Forget),
        ]);
    }
    for phase in [Sweeping, Proving, Blocked] {
        let back = state(Sweeping, Back, SWAPPED);
        legal.push((state(phase, Forward, KEYS), Event::Abort, back, Effect::SwapKeys));
    }
    let mut refused = 0;
    for from in legal.iter().map(|row| row.0).collect::<Vec<_>>() {
        for event in EVENTS {
            let expected = legal.iter().find(|row| row.0 == from && row.1 == event);
            let expected = expected.map(|row| (row.2, row.3)).ok_or(IllegalMove);
            refused += usize::from(expected.is_err());
            assert_eq!(from.advance(event), expected, "{from:?} {event:?}");
        }
    }
    assert!(refused > 50);
    let same = Keys {
        active: DataKeyNumber(1),
        retiring: DataKeyNumber(1),
    };
    assert_eq!(RotationState::Idle.advance(Event::Begin(same)), Err(IllegalMove));
}

/// A database in small: rows by the key they are under, keys that still exist, the row of the rotation.
#[derive(Clone, Debug)]
struct World {
    state: RotationState,
    rows: BTreeMap<u8, DataKeyNumber>,
    /// Rows that do not open.
    broken: Vec<u8>,
    alive: Vec<DataKeyNumber>,
    active: DataKeyNumber,
    place: u8,
    unopenable: u64,
    next: u32,
}

#[derive(Clone, Debug)]
enum Happening {
    Begin,
    Step,
    Abort,
    Purged,
    /// A program that reloaded its keyring writes.
    Write(u8),
    /// One that did not, writes with the key it still knows.
    StaleWrite(u8),
    Break(u8),
    Mend,
}

fn happening() -> impl Strategy<Value = (Happening, bool)> {
    let kinds = prop_oneof![
        1 => Just(Happening::Begin),
        8 => Just(Happening::Step),
        1 => Just(Happening::Abort),
        2 => Just(Happening::Purged),
        2 => (0..ROWS).prop_map(Happening::Write),
        2 => (0..ROWS).prop_map(Happening::StaleWrite),
        1 => (0..ROWS).prop_map(Happening::Break),
        1 => Just(Happening::Mend),
    ];
    // Whether the transaction was cut off before its commit.
    (kinds, proptest::bool::weighted(0.2))
}

const ROWS: u8 = 8;

impl World {
    fn new() -> Self {
        let first = DataKeyNumber(1);
        Self {
            state: RotationState::Idle,
            rows: (0..ROWS).map(|row| (row, first)).collect(),
            broken: Vec::new(),
            alive: vec![first],
            active: first,
            place: 0,
            unopenable: 0,
            next: 2,
        }
    }

    /// One transaction.
    fn happen(&mut self, happening: &Happening) {
        let event = match *happening {
            Happening::Begin => {
                let active = DataKeyNumber(self.next);
                let retiring = self.active;
                Event::Begin(Keys { active, retiring })
            }
            Happening::Abort => Event::Abort,
            Happening::Purged => Event::Purged,
            Happening::Step => match self.step() {
                Some(event) => event,
                None => return,
            },
            Happening::Write(row) => {
                self.rows.insert(row, self.active);
                self.broken.retain(|broken| *broken != row);
                return;
            }
            Happening::StaleWrite(row) => {
                let stale = self.alive.iter().find(|key| **key != self.active);
                self.rows.insert(row, *stale.unwrap_or(&self.active));
                self.broken.retain(|broken| *broken != row);
                return;
            }
            Happening::Break(row) => return self.broken.push(row),
            Happening::Mend => return self.broken.clear(),
        };
        let Ok((state, effect)) = self.state.advance(event) else {
            return;
        };
        match (effect, state, self.state) {
            (Effect::AddKey, RotationState::UnderWay { keys, .. }, _) => {
                self.alive.push(keys.active);
                self.active = keys.active;
                self.next += 1;
                (self.place, self.unopenable) = (0, 0);
            }
            (Effect::SwapKeys, RotationState::UnderWay { keys, .. }, _) => {
                self.active = keys.active;
                (self.place, self.unopenable) = (0, 0);
            }
            (Effect::DestroyRetiring, RotationState::UnderWay { keys, .. }, _) => {
                self.alive.retain(|key| *key != keys.retiring);
            }
            (Effect::StartOver, ..) => (self.place, self.unopenable) = (0, 0),
            _ => {}
        }
        self.state = state;
    }

    fn step(&mut self) -> Option<Event> {
        let RotationState::UnderWay { phase, .. } = self.state else {
            return None;
        };
        match phase {
            Phase::Sweeping => {
                for row in self.place..(self.place + 3).min(ROWS) {
                    if self.broken.contains(&row) {
                        self.unopenable += 1;
                    } else {
                        self.rows.insert(row, self.active);
                    }
                }
                self.place += 3;
                let unopenable = self.unopenable;
                Some(if self.place < ROWS {
                    Event::BatchWalked
                } else {
                    Event::EveryRowWalked { unopenable }
                })
            }
            Phase::Proving if self.rows.values().all(|key| *key == self.active) => Some(Event::FoundClean),
            Phase::Proving => Some(Event::FoundMore),
            Phase::Blocked => Some(Event::Retry),
            Phase::Purging => None,
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_every_row_keeps_its_key_and_the_rotation_can_be_finished(
        happenings in proptest::collection::vec(happening(), 0..120)
    ) {
        let mut world = World::new();
        for (happening, cut_off) in happenings {
            let before = world.clone();
            world.happen(&happening);
            if cut_off {
                world = before;
            }
            for (row, key) in &world.rows {
                prop_assert!(world.alive.contains(key), "row {row} is under {key}, which is gone: {world:?}");
            }
            prop_assert!(world.alive.contains(&world.active));
            prop_assert!(world.alive.len() <= 2);
        }
        world.happen(&Happening::Mend);
        for _ in 0..12 {
            world.happen(&Happening::Step);
        }
        world.happen(&Happening::Purged);
        prop_assert_eq!(world.state, RotationState::Idle);
        prop_assert_eq!(world.alive, vec![world.active]);
    }
}
