//! The access password: checked on a lane of its own, stored only as a PBKDF2 hash that is itself sealed.

mod access_password;
mod hash;
mod kdf_lane;
mod policy;

pub use access_password::{AccessPassword, TooLong};
#[cfg(any(test, fuzzing))]
pub(crate) use hash::PasswordHash;
pub(crate) use hash::PasswordRecord;
pub use hash::{PASSWORD_ITERATIONS_MAX, PASSWORD_ITERATIONS_MIN, PasswordVerified};
pub use kdf_lane::Busy;
pub(crate) use policy::PasswordPolicy;
pub use policy::{PASSWORD_BYTES_MAX, PolicyViolation};

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::audit::event::PasswordUse;
use crate::client::Client;
use crate::clock::{Clock, WallTime};
use crate::ids::SessionId;
use crate::live::Live;
use crate::second_factor::{ActConfirmed, CodeCheck, CodeRefused, OneTimeCode};
use crate::store::change::{Change, KeepSessions, Outcome, Request};
use crate::store::{Store, StoreError};
use crate::throttle::{Admission, KnownDevice, Slowed, ThrottleStatus};
use crate::token::hashed::TokenHasher;
use kdf_lane::{KdfLane, Place};

/// The service of the access password.
pub struct Passwords {
    store: Arc<Store>,
    live: Arc<Live>,
    clock: Clock,
    hasher: Arc<TokenHasher>,
    /// In which second it was said last that somebody was turned away.
    said: AtomicI64,
    lane: KdfLane,
    codes: CodeCheck,
    policy: PasswordPolicy,
    iterations: u32,
}

/// That a password may be checked now: no password is checked without one. Given back when it is dropped.
pub struct Permit {
    place: Place,
    admission: Admission,
}

/// No password is checked for this client now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// The lane is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// There were too many wrong ones.
    #[error(transparent)]
    Slowed(#[from] Slowed),
}

/// A password was not accepted as the right one.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not the access password.
    #[error("the access password is wrong")]
    Wrong,
    /// The password, where one was asked for, is right; the second factor is on and no one-time code was given.
    #[error("a one-time code is needed")]
    CodeNeeded,
    /// The password, where one was asked for, is right; the one-time code is not, or was used before.
    #[error("the one-time code is wrong, or was used before")]
    CodeWrong,
    /// The store could not be asked or told.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A dangerous act was not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// There were too many wrong ones.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The one-time code is missing or wrong, or the store did not take it.
    #[error(transparent)]
    Refused(#[from] VerifyError),
}

impl From<CodeRefused> for VerifyError {
    fn from(refused: CodeRefused) -> Self {
        match refused {
            CodeRefused::Needed => Self::CodeNeeded,
            CodeRefused::Wrong => Self::CodeWrong,
            CodeRefused::Store(error) => Self::Store(error),
        }
    }
}

/// A password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The new one is refused.
    #[error(transparent)]
    Policy(#[from] PolicyViolation),
    /// The lane is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Without the current password only the first one can be set.
    #[error("the current password is needed")]
    NotFirst,
    /// Somebody else changed it meanwhile; the proof is of an older one.
    #[error("the password was changed by somebody else meanwhile")]
    Stale,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// On whose word a password is changed.
pub enum ChangeAuthority {
    /// The current password was given, in that session, which lives on.
    Verified {
        /// Proof of the current password.
        proof: PasswordVerified,
        /// The session that changes it.
        session: SessionId,
    },
    /// The first password of an install is set by its first owner: the random one made at the first start was shown to
    /// nobody, so nobody can be asked for it.
    First {
        /// The session that sets it.
        session: SessionId,
    },
    /// The operator, who can open the database anyway.
    LocalOperator {
        /// Whether sessions outlive the change.
        keep_sessions: bool,
    },
}

impl Passwords {
    pub(crate) fn new(
        store: Arc<Store>,
        live: Arc<Live>,
        clock: Clock,
        hasher: Arc<TokenHasher>,
        policy: PasswordPolicy,
        iterations: u32,
    ) -> std::io::Result<Self> {
        let codes = CodeCheck {
            store: Arc::clone(&store),
            live: Arc::clone(&live),
            clock: clock.clone(),
            hasher: Arc::clone(&hasher),
        };
        Ok(Self {
            store,
            live,
            clock,
            hasher,
            said: AtomicI64::new(0),
            lane: KdfLane::start()?,
            codes,
            policy,
            iterations,
        })
    }

    /// Leave to try a password once, before anything costly is done. `device` is what a browser was given by
    /// [`Passwords::new_device`], if it brought any: where it is one of ours, wrong passwords of others do not slow it.
    ///
    /// # Errors
    /// When the lane is full or there were too many wrong ones, with the time after which to try again.
    pub fn reserve(&self, client: &Client, device: Option<&str>) -> Result<Permit, NotNow> {
        let device = device.and_then(|text| KnownDevice::recognise(&self.hasher, text));
        let counts = self.store.counts();
        let place = self.lane.reserve(device.is_some());
        let place = place.inspect_err(|_| counts.turned_away_busy())?;
        let device = device.map(|device| device.id());
        let now = self.clock.now().wall;
        let admitted = self.live.throttle().admit(client, device, now);
        let admission = admitted.inspect_err(|_| {
            counts.turned_away_slowed();
            self.say_turned_away(client, now);
        })?;
        Ok(Permit { place, admission })
    }

    /// Once a second: who floods must not fill the log.
    fn say_turned_away(&self, client: &Client, now: WallTime) {
        if self.said.swap(now.unix_seconds(), Ordering::Relaxed) != now.unix_seconds() {
            tracing::warn!(address = %client.address_text(), "a try of the access password was turned away");
        }
    }

    /// What a browser is given that has signed in, unless it brought one of ours.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new_device(&self, brought: Option<&str>) -> Result<Option<KnownDevice>, StoreError> {
        if brought.is_some_and(|text| KnownDevice::recognise(&self.hasher, text).is_some()) {
            return Ok(None);
        }
        Ok(Some(KnownDevice::new(&self.hasher)?))
    }

    /// How sign-in is slowed now.
    #[must_use]
    pub fn throttle_status(&self) -> ThrottleStatus {
        self.live.throttle().status(self.clock.now().wall)
    }

    /// How many passwords are being checked or wait for it.
    pub(crate) fn checks_waiting(&self) -> usize {
        self.lane.taken()
    }

    /// Forgets every wrong password, in this process and in one that is running beside it.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn clear_throttle(&self) -> Result<(), StoreError> {
        let change = Change::ClearThrottle;
        let (client, now) = (Client::local(), self.clock.now());
        self.store.write(Request { change, client, now }).await?;
        Ok(())
    }

    /// Whether the password is still the random one of the first start, which nobody ever saw.
    #[must_use]
    pub fn is_initial(&self) -> bool {
        self.live.password().is_initial()
    }

    /// Fewest characters of a new password.
    #[must_use]
    pub const fn minimum_length(&self) -> usize {
        self.policy.minimum()
    }

    /// Whether a password may be chosen, without choosing it: what [`Passwords::change`] asks first.
    ///
    /// # Errors
    /// See [`PolicyViolation`].
    pub fn judge(&self, candidate: &AccessPassword) -> Result<(), PolicyViolation> {
        self.policy.check(candidate)
    }

    /// Checks a password, and the one-time code where the second factor is on: under one permit, and the code only after the
    /// password was right. A right password whose hash was made with fewer iterations than configured is hashed anew.
    ///
    /// # Errors
    /// [`VerifyError::Wrong`] and [`VerifyError::CodeWrong`], written down as audit events.
    ///
    /// # Security
    /// Who gives the right password without a right code learns that it is right: that cannot be helped where codes are asked for
    /// one after the other. It does not forget the failed tries before it, so codes cannot be guessed without end.
    pub async fn verify(
        &self,
        permit: Permit,
        attempt: AccessPassword,
        code: Option<OneTimeCode>,
        purpose: PasswordUse,
        client: &Client,
    ) -> Result<PasswordVerified, VerifyError> {
        let Permit { place, admission } = permit;
        // The command line may have changed it a moment ago.
        self.store.catch_up().await?;
        let record = self.live.password();
        let upgrade_to = (record.hash.iterations() < self.iterations).then_some(self.iterations);
        let begun = self.clock.now().monotonic;
        let checked = self
            .lane
            .verify(place, attempt, Box::new(record.hash.clone()), upgrade_to)
            .await?;
        self.store
            .counts()
            .checked(self.clock.now().monotonic.since(begun));
        let request = |change| Request {
            change,
            client: client.clone(),
            now: self.clock.now(),
        };
        if !checked.right {
            // `deploy/fail2ban` looks for these words.
            tracing::warn!(address = %client.address_text(), "the access password was refused");
            self.store
                .write(request(Change::RefusePassword {
                    purpose,
                    throttle: Box::new(self.live.throttle().failed(&admission)),
                }))
                .await?;
            return Err(VerifyError::Wrong);
        }
        self.codes
            .check(&admission, code.as_ref(), purpose, client)
            .await?;
        self.succeeded(&admission, client);
        if let Some(hash) = checked.upgraded {
            let record = record.with_hash(hash);
            self.store
                .write(request(Change::UpgradePasswordHash {
                    record: Box::new(record),
                }))
                .await?;
        }
        Ok(PasswordVerified::new(record.generation))
    }

    /// Asks for a fresh one-time code before a dangerous act of who is signed in, where the second factor is on. A wrong one
    /// counts as a wrong password does.
    ///
    /// # Errors
    /// See [`ConfirmError`].
    pub async fn confirm(
        &self,
        code: Option<OneTimeCode>,
        act: PasswordUse,
        client: &Client,
        device: Option<&str>,
    ) -> Result<ActConfirmed, ConfirmError> {
        // The command line may have switched it a moment ago.
        self.store.catch_up().await.map_err(VerifyError::from)?;
        if self.codes.is_on() {
            // Where none is given, nothing is tried.
            let code = code.ok_or(VerifyError::CodeNeeded)?;
            let Permit {
                place: _place,
                admission,
            } = self.reserve(client, device)?;
            let checked = self.codes.check(&admission, Some(&code), act, client).await;
            checked.map_err(VerifyError::from)?;
            self.succeeded(&admission, client);
        }
        Ok(ActConfirmed::new())
    }

    /// Forgets what came before the right password, or the right code.
    fn succeeded(&self, admission: &Admission, client: &Client) {
        if let Some(throttle) = self.live.throttle().succeeded(admission) {
            // Nobody waits: where it is lost, what is kept is the stricter.
            let throttle = Box::new(throttle);
            self.store.write_later(Request {
                change: Change::KeepThrottle { throttle },
                client: client.clone(),
                now: self.clock.now(),
            });
        }
    }

    /// Sets a new password and, in the same transaction, ends every other session.
    ///
    /// # Errors
    /// See [`ChangeError`]; nothing was changed.
    pub async fn change(
        &self,
        by: ChangeAuthority,
        new: AccessPassword,
        client: &Client,
    ) -> Result<(), ChangeError> {
        self.policy.check(&new)?;
        let (expected_generation, sessions) = match by {
            ChangeAuthority::Verified { proof, session } => {
                (Some(proof.generation()), KeepSessions::One(session))
            }
            ChangeAuthority::First { session } => {
                let current = self.live.password();
                if !current.is_initial() {
                    return Err(ChangeError::NotFirst);
                }
                (Some(current.generation), KeepSessions::One(session))
            }
            ChangeAuthority::LocalOperator { keep_sessions: true } => (None, KeepSessions::All),
            ChangeAuthority::LocalOperator { keep_sessions: false } => (None, KeepSessions::None),
        };
        let hash = self
            .lane
            .hash(self.lane.reserve(true)?, new, self.iterations)
            .await?;
        let now = self.clock.now();
        let record = Box::new(PasswordRecord::chosen(hash, now.wall));
        let change = Change::SetPassword {
            record,
            expected_generation,
            sessions,
        };
        match self
            .store
            .write(Request {
                change,
                client: client.clone(),
                now,
            })
            .await?
        {
            Outcome::Done => Ok(()),
            Outcome::Stale | Outcome::NotFound | Outcome::Taken | Outcome::Expired | Outcome::Ended(_) => {
                Err(ChangeError::Stale)
            }
        }
    }

    /// Replaces the password with a random one, for the operator to read once.
    ///
    /// # Errors
    /// As [`Passwords::change`].
    pub async fn reset(&self, keep_sessions: bool) -> Result<AccessPassword, ChangeError> {
        let (shown, kept) = AccessPassword::random_pair().map_err(StoreError::from)?;
        self.change(
            ChangeAuthority::LocalOperator { keep_sessions },
            kept,
            &Client::local(),
        )
        .await?;
        Ok(shown)
    }
}
