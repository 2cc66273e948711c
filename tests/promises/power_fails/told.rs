//! A scene: what was recorded, and what holds when.

use std::path::Path;

use e2e_support::power_loss::{Deed, Disk, Recording, Syncs};

use super::checked::{Checker, Fact};

/// What is known of a scene while it is played: facts, from one answer to another.
#[derive(Default)]
pub(super) struct Told {
    answers: usize,
    facts: Vec<(Span, Fact)>,
}

/// From this answer on, if one has to come first; up to that one, if it ends.
#[derive(Clone, Copy)]
struct Span {
    from: Option<usize>,
    until: Option<usize>,
}

/// An answer of a scene, to be counted from.
#[derive(Clone, Copy)]
pub(super) struct Answered(usize);

impl Told {
    /// One more answer came.
    pub(super) fn answered(&mut self) -> Answered {
        self.answers += 1;
        Answered(self.answers - 1)
    }

    /// It holds from there on.
    pub(super) fn since(&mut self, from: Answered, fact: Fact) {
        self.put(Some(from), None, fact);
    }

    /// It held before the scene, and goes on.
    pub(super) fn always(&mut self, fact: Fact) {
        self.put(None, None, fact);
    }

    /// It held until that answer, whatever was under way.
    pub(super) fn until(&mut self, until: Answered, fact: Fact) {
        self.put(None, Some(until), fact);
    }

    /// From there on and until then.
    pub(super) fn between(&mut self, from: Answered, until: Answered, fact: Fact) {
        self.put(Some(from), Some(until), fact);
    }

    fn put(&mut self, from: Option<Answered>, until: Option<Answered>, fact: Fact) {
        let number = |answered: Answered| answered.0;
        let span = Span {
            from: from.map(number),
            until: until.map(number),
        };
        self.facts.push((span, fact));
    }
}

impl Answered {
    /// The answer before: what came after it may have been under way.
    pub(super) const fn before(self) -> Self {
        Self(self.0 - 1)
    }
}

/// What was recorded of a scene, and what is known of it.
pub(super) struct Scene {
    pub(super) name: String,
    pub(super) recording: Recording,
    pub(super) checker: Checker,
    before: Disk,
    lying: Disk,
    facts: Vec<(Span, Fact)>,
}

/// What lay in the folder before.
pub(super) struct Before(Disk, Disk);

impl Before {
    pub(super) fn of(folder: &Path) -> Self {
        Self(Disk::of(folder, Syncs::Hold), Disk::of(folder, Syncs::Lie))
    }
}

impl Scene {
    pub(super) fn new(
        name: &str,
        before: Before,
        recording: Recording,
        told: Told,
        checker: Checker,
    ) -> Self {
        let Before(before, lying) = before;
        let answers = recording.places(is_answer).len();
        assert_eq!(answers, told.answers, "control: every answer was recorded");
        Self {
            name: name.to_owned(),
            recording,
            checker,
            before,
            lying,
            facts: told.facts,
        }
    }

    pub(super) fn before(&self, syncs: Syncs) -> Disk {
        match syncs {
            Syncs::Hold => self.before.clone(),
            Syncs::Lie => self.lying.clone(),
        }
    }

    /// What holds after so many steps.
    pub(super) fn facts_after(&self, steps: usize) -> Vec<&Fact> {
        let so_far = self.recording.steps.iter().take(steps);
        let answers = so_far.filter(|step| is_answer(&step.deed)).count();
        let facts = self.facts.iter().filter(|(span, _)| {
            span.from.is_none_or(|from| from < answers) && span.until.is_none_or(|until| answers <= until)
        });
        facts.map(|(_, fact)| fact).collect()
    }
}

/// The end of the program is its last answer.
fn is_answer(deed: &Deed) -> bool {
    matches!(deed, Deed::Answered | Deed::Ended)
}
