//! The access password: checked on a lane of its own, stored only as a PBKDF2 hash that is itself sealed.

mod access_password;
mod hash;
mod kdf_lane;
mod policy;

pub use access_password::{AccessPassword, TooLong};
pub(crate) use hash::PasswordRecord;
pub use hash::{PASSWORD_ITERATIONS_MAX, PASSWORD_ITERATIONS_MIN, PasswordVerified};
pub use kdf_lane::{Busy, Permit};
pub(crate) use policy::PasswordPolicy;
pub use policy::{PASSWORD_BYTES_MAX, PolicyViolation};

use std::sync::Arc;

use crate::audit::event::{AuditEvent, PasswordUse};
use crate::client::Client;
use crate::clock::Clock;
use crate::ids::SessionId;
use crate::live::Live;
use crate::store::change::{Change, KeepSessions, Outcome, Request};
use crate::store::{Store, StoreError};
use kdf_lane::KdfLane;

/// The service of the access password.
pub struct Passwords {
    store: Arc<Store>,
    live: Arc<Live>,
    clock: Clock,
    lane: KdfLane,
    policy: PasswordPolicy,
    iterations: u32,
}

/// A password was not accepted as the right one.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is not the access password.
    #[error("the access password is wrong")]
    Wrong,
    /// The store could not be asked or told.
    #[error(transparent)]
    Store(#[from] StoreError),
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
        policy: PasswordPolicy,
        iterations: u32,
    ) -> std::io::Result<Self> {
        Ok(Self {
            store,
            live,
            clock,
            lane: KdfLane::start()?,
            policy,
            iterations,
        })
    }

    /// A place in the lane, before anything costly is done.
    ///
    /// # Errors
    /// [`Busy`] when the lane is full, with the time after which to try again.
    pub fn reserve(&self) -> Result<Permit, Busy> {
        self.lane.reserve()
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

    /// Checks a password. A right one whose hash was made with fewer iterations than configured is hashed anew.
    ///
    /// # Errors
    /// [`VerifyError::Wrong`], written down as an audit event.
    pub async fn verify(
        &self,
        permit: Permit,
        attempt: AccessPassword,
        purpose: PasswordUse,
        client: &Client,
    ) -> Result<PasswordVerified, VerifyError> {
        // The command line may have changed it a moment ago.
        self.store.catch_up().await?;
        let record = self.live.password();
        let upgrade_to = (record.hash.iterations() < self.iterations).then_some(self.iterations);
        let checked = self
            .lane
            .verify(permit, attempt, Box::new(record.hash.clone()), upgrade_to)
            .await?;
        let request = |change| Request {
            change,
            client: client.clone(),
            now: self.clock.now(),
        };
        if !checked.right {
            self.store
                .write(request(Change::Record(AuditEvent::PasswordRefused { purpose })))
                .await?;
            return Err(VerifyError::Wrong);
        }
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
        let hash = self.lane.hash(self.lane.reserve()?, new, self.iterations).await?;
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
            Outcome::Stale => Err(ChangeError::Stale),
            Outcome::Done | Outcome::NotFound | Outcome::Taken | Outcome::Expired | Outcome::Ended(_) => {
                Ok(())
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
