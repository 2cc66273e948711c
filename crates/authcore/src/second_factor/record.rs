//! What is kept, sealed, of the second factor while it is on, and the rule of what it takes.

use serde::{Deserialize, Serialize};

use super::code::{Given, OneTimeCode};
use super::totp::{Step, TotpSecret};
use crate::clock::WallTime;
use crate::token::hashed::{HashedToken, TokenHasher};

/// The second factor, on.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SecondFactor {
    pub(super) secret: TotpSecret,
    pub(super) since: WallTime,
    /// The latest step whose code was taken: neither it nor one before it is taken again.
    pub(super) last_step: Step,
    /// Of the recovery codes that were not used.
    pub(super) recovery: Vec<HashedToken>,
}

/// What a right code used up.
#[derive(Clone)]
pub(crate) enum Spent {
    Step(Step),
    Recovery(HashedToken),
}

impl SecondFactor {
    /// What this code would use up; `None`: it is wrong, or was used before.
    pub(super) fn judge(&self, given: &OneTimeCode, now: WallTime, hasher: &TokenHasher) -> Option<Spent> {
        match &given.0 {
            Given::OfApp(code) => self
                .secret
                .step_of(code, now, Some(self.last_step))
                .map(Spent::Step),
            Given::Recovery(code) => {
                let hash = code.hashed(hasher);
                self.has_recovery(&hash).then_some(Spent::Recovery(hash))
            }
            Given::Neither => None,
        }
    }

    /// What is left of it; `None` when that was used up by somebody else meanwhile.
    pub(crate) fn without(&self, spent: &Spent) -> Option<Self> {
        match spent {
            Spent::Step(step) => (*step > self.last_step).then(|| Self {
                last_step: *step,
                ..self.clone()
            }),
            Spent::Recovery(hash) => self.has_recovery(hash).then(|| {
                let mut left = self.clone();
                left.recovery.retain(|other| !other.matches(hash));
                left
            }),
        }
    }

    /// Whether it is the same one: set up once, whatever was used of it since.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.secret.is(&other.secret)
    }

    /// As it goes on in a database that was put back to an earlier state: no code that was, or may have been, used since is
    /// taken. What was used is told by the state of before, where that is to be had and of the same factor; else no recovery code
    /// is left.
    pub(crate) fn put_back(&self, before: Option<&Self>, now: WallTime) -> Self {
        let before = before.filter(|before| before.is(self));
        let unused = |hash: &&HashedToken| before.is_some_and(|before| before.has_recovery(hash));
        Self {
            last_step: self
                .last_step
                .max(Step::last_taken_at(now))
                .max(before.map_or(self.last_step, |before| before.last_step)),
            recovery: self.recovery.iter().filter(unused).cloned().collect(),
            ..self.clone()
        }
    }

    pub(crate) const fn since(&self) -> WallTime {
        self.since
    }

    pub(crate) const fn recovery_codes_left(&self) -> usize {
        self.recovery.len()
    }

    fn has_recovery(&self, hash: &HashedToken) -> bool {
        self.recovery.iter().any(|other| other.matches(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::second_factor::code::RecoveryCode;
    use fieldcrypt::SecretKey;

    const NOW: WallTime = WallTime::from_unix_ms(1_800_000_000_000);

    fn hasher() -> TokenHasher {
        TokenHasher::new(&SecretKey::from_bytes(&[7; 32]))
    }

    fn step(number: u64) -> Step {
        serde_json::from_value(number.into()).expect("a number")
    }

    fn factor(last: u64, codes: &[&RecoveryCode]) -> SecondFactor {
        SecondFactor {
            secret: serde_json::from_str("\"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"").expect("a secret"),
            since: NOW,
            last_step: step(last),
            recovery: codes.iter().map(|code| code.hashed(&hasher())).collect(),
        }
    }

    #[test]
    fn a_recovery_code_is_taken_once() {
        let (one, two) = (
            RecoveryCode::random().expect("random"),
            RecoveryCode::random().expect("random"),
        );
        let given = OneTimeCode::read(&one.expose_text());
        let before = factor(0, &[&one, &two]);
        let spent = before.judge(&given, NOW, &hasher()).expect("right");
        let after = before.without(&spent).expect("unused");
        assert_eq!(after.recovery_codes_left(), 1);
        assert!(after.judge(&given, NOW, &hasher()).is_none());
        assert!(
            after.without(&spent).is_none(),
            "who decided at the same time is second"
        );
        let other = OneTimeCode::read(&two.expose_text());
        assert!(after.judge(&other, NOW, &hasher()).is_some(), "control");
    }

    #[test]
    fn what_is_put_back_takes_nothing_that_may_have_been_used() {
        let (one, two) = (
            RecoveryCode::random().expect("random"),
            RecoveryCode::random().expect("random"),
        );
        let copy = factor(5, &[&one, &two]);
        let last = Step::last_taken_at(NOW);
        for (before, left, at_least) in [
            (Some(factor(5, &[&two])), 1, last),
            (Some(factor(u64::MAX, &[&one, &two])), 2, step(u64::MAX)),
            (None, 0, last),
        ] {
            let restored = copy.put_back(before.as_ref(), NOW);
            assert_eq!(restored.recovery_codes_left(), left);
            assert_eq!(restored.last_step, at_least);
        }
        let other = SecondFactor {
            secret: TotpSecret::random().expect("random"),
            ..factor(5, &[&one, &two])
        };
        assert_eq!(copy.put_back(Some(&other), NOW).recovery_codes_left(), 0);
    }
}
