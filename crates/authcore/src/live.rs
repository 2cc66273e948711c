//! The in-memory view of the database: what verifying a request looks at.
//!
//! A write-through view: the writer thread publishes what it has committed ([`Committed`]), and nobody else changes
//! anything here. Locks are held for a look-up or a pointer swap only, never over a commit or any other I/O.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::watch;

use crate::access_keys::AccessKeyRecord;
use crate::clock::WallTime;
use crate::ids::{AccessKeyId, SessionId};
use crate::password::PasswordRecord;
use crate::second_factor::SecondFactor;
use crate::session::state::Session;
use crate::session::successor::Successor;
use crate::settings::SettingValues;
use crate::signing_keys::SigningKeySet;
use crate::store::Committed;
use crate::throttle::{Throttle, ThrottleState};
use crate::token::access::SessionProof;

/// How many access tokens are remembered as verified. One costs about 200 bytes.
const SEEN_TOKENS: usize = 16_384;

pub(crate) struct Live {
    sessions: RwLock<HashMap<SessionId, Arc<LiveSession>>>,
    access_keys: RwLock<HashMap<AccessKeyId, Arc<LiveAccessKey>>>,
    signing_keys: RwLock<Arc<SigningKeySet>>,
    settings: RwLock<Arc<SettingValues>>,
    password: RwLock<Arc<PasswordRecord>>,
    throttle: Throttle,
    second_factor: RwLock<Option<Arc<SecondFactor>>>,
    seen: Cache<[u8; 32], Arc<SeenToken>>,
    /// Goes up when there is something new.
    changes: watch::Sender<u64>,
}

/// A session and what only this process knows of it.
pub(crate) struct LiveSession {
    pub(crate) session: Session,
    pub(crate) revision: i64,
    pub(crate) successor: Option<Successor>,
    last_seen: AtomicI64,
    /// When a use at the gate was handed to the writer last.
    touched: AtomicI64,
}

impl LiveSession {
    pub(crate) fn new(session: Session, revision: i64, successor: Option<Successor>) -> Self {
        let last_seen = AtomicI64::new(session.rotated.unix_ms());
        let active = session
            .gate_used
            .map_or(session.rotated, |used| used.max(session.rotated));
        let touched = AtomicI64::new(active.unix_ms());
        Self {
            session,
            revision,
            successor,
            last_seen,
            touched,
        }
    }

    /// Whether a use is to be written down, since the one before was that long ago. True for one caller only.
    pub(crate) fn touched(&self, now: WallTime, every: Duration) -> bool {
        let before = self.touched.load(Ordering::Relaxed);
        let due = now
            .since(WallTime::from_unix_ms(before))
            .is_some_and(|age| age >= every);
        due && self
            .touched
            .compare_exchange(before, now.unix_ms(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    pub(crate) fn saw(&self, now: WallTime) {
        self.last_seen.store(now.unix_ms(), Ordering::Relaxed);
    }

    pub(crate) fn last_seen(&self) -> WallTime {
        WallTime::from_unix_ms(self.last_seen.load(Ordering::Relaxed))
    }
}

pub(crate) struct LiveAccessKey {
    pub(crate) record: AccessKeyRecord,
    last_used: AtomicI64,
}

impl LiveAccessKey {
    pub(crate) fn new(record: AccessKeyRecord) -> Self {
        let last_used = AtomicI64::new(record.last_used.map_or(0, WallTime::unix_ms));
        Self { record, last_used }
    }

    /// Notes a use; returns when the last one before was.
    pub(crate) fn used(&self, now: WallTime) -> WallTime {
        WallTime::from_unix_ms(self.last_used.swap(now.unix_ms(), Ordering::Relaxed))
    }

    pub(crate) fn last_used(&self) -> Option<WallTime> {
        match self.last_used.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(WallTime::from_unix_ms(ms)),
        }
    }
}

/// An access token whose signature, kind, issuer and `ses` were found good before.
pub(crate) struct SeenToken {
    pub(crate) session: SessionId,
    pub(crate) expires_unix_seconds: u64,
    pub(crate) proof: SessionProof,
}

/// Everything the view holds, as loaded from the database.
pub(crate) struct Loaded {
    pub(crate) sessions: HashMap<SessionId, Arc<LiveSession>>,
    pub(crate) access_keys: HashMap<AccessKeyId, Arc<LiveAccessKey>>,
    pub(crate) signing_keys: SigningKeySet,
    pub(crate) settings: SettingValues,
    pub(crate) password: PasswordRecord,
    pub(crate) throttle: ThrottleState,
    pub(crate) second_factor: Option<Arc<SecondFactor>>,
}

/// What a committed change does to the view.
pub(crate) enum LiveChange {
    PutSession(SessionId, Arc<LiveSession>),
    RemoveSession(SessionId),
    RemoveSessions {
        keep: Option<SessionId>,
    },
    PutAccessKey(AccessKeyId, Arc<LiveAccessKey>),
    RemoveAccessKey(AccessKeyId),
    PutSigningKeys(SigningKeySet),
    PutSettings(SettingValues),
    PutPassword(Box<PasswordRecord>),
    /// Counts that were cleared.
    PutThrottle(Box<ThrottleState>),
    /// `None`: it is off.
    PutSecondFactor(Option<Arc<SecondFactor>>),
}

impl Live {
    pub(crate) fn new(loaded: Loaded) -> Self {
        Self {
            sessions: RwLock::new(loaded.sessions),
            access_keys: RwLock::new(loaded.access_keys),
            signing_keys: RwLock::new(Arc::new(loaded.signing_keys)),
            settings: RwLock::new(Arc::new(loaded.settings)),
            password: RwLock::new(Arc::new(loaded.password)),
            throttle: Throttle::new(loaded.throttle),
            second_factor: RwLock::new(loaded.second_factor),
            seen: Cache::new(SEEN_TOKENS),
            changes: watch::channel(0).0,
        }
    }

    /// Counts what was new, of this process's own commits and of those of others.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Shows what a transaction has changed.
    pub(crate) fn publish(&self, committed: Committed<Vec<LiveChange>>) {
        for change in committed.into_inner() {
            match change {
                LiveChange::PutSession(id, session) => drop(write(&self.sessions).insert(id, session)),
                LiveChange::RemoveSession(id) => drop(write(&self.sessions).remove(&id)),
                LiveChange::RemoveSessions { keep } => {
                    write(&self.sessions).retain(|id, _| Some(*id) == keep);
                }
                LiveChange::PutAccessKey(id, key) => drop(write(&self.access_keys).insert(id, key)),
                LiveChange::RemoveAccessKey(id) => drop(write(&self.access_keys).remove(&id)),
                LiveChange::PutSigningKeys(keys) => self.put_signing_keys(keys),
                LiveChange::PutSettings(values) => *write(&self.settings) = Arc::new(values),
                LiveChange::PutPassword(record) => *write(&self.password) = Arc::from(record),
                LiveChange::PutThrottle(state) => self.throttle.take_in(*state),
                LiveChange::PutSecondFactor(factor) => *write(&self.second_factor) = factor,
            }
        }
    }

    /// Takes in what another process committed. What only this process knows of a session stays where the session is
    /// still the same.
    pub(crate) fn replace(&self, loaded: Committed<Loaded>) {
        let mut loaded = loaded.into_inner();
        {
            let mut sessions = write(&self.sessions);
            for (id, fresh) in &mut loaded.sessions {
                if let Some(known) = sessions.get(id).filter(|known| known.revision == fresh.revision) {
                    *fresh = Arc::clone(known);
                }
            }
            *sessions = loaded.sessions;
        }
        *write(&self.access_keys) = loaded.access_keys;
        *write(&self.settings) = Arc::new(loaded.settings);
        *write(&self.password) = Arc::new(loaded.password);
        self.throttle.take_in(loaded.throttle);
        *write(&self.second_factor) = loaded.second_factor;
        self.put_signing_keys(loaded.signing_keys);
        self.tell_of_changes();
    }

    /// Lets nobody in from here on.
    pub(crate) fn close(&self) {
        write(&self.sessions).clear();
        write(&self.access_keys).clear();
        self.seen.clear();
        self.tell_of_changes();
    }

    /// For whoever shows what is in the database.
    pub(crate) fn tell_of_changes(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn put_signing_keys(&self, keys: SigningKeySet) {
        *write(&self.signing_keys) = Arc::new(keys);
        // A token verified with a key that is gone must be verified again, and fail.
        self.seen.clear();
    }

    pub(crate) fn session(&self, id: SessionId) -> Option<Arc<LiveSession>> {
        read(&self.sessions).get(&id).map(Arc::clone)
    }

    pub(crate) fn sessions(&self) -> Vec<(SessionId, Arc<LiveSession>)> {
        read(&self.sessions)
            .iter()
            .map(|(id, session)| (*id, Arc::clone(session)))
            .collect()
    }

    pub(crate) fn session_count(&self) -> usize {
        read(&self.sessions).len()
    }

    pub(crate) fn access_key(&self, id: AccessKeyId) -> Option<Arc<LiveAccessKey>> {
        read(&self.access_keys).get(&id).map(Arc::clone)
    }

    pub(crate) fn access_keys(&self) -> Vec<(AccessKeyId, Arc<LiveAccessKey>)> {
        read(&self.access_keys)
            .iter()
            .map(|(id, key)| (*id, Arc::clone(key)))
            .collect()
    }

    pub(crate) fn signing_keys(&self) -> Arc<SigningKeySet> {
        Arc::clone(&read(&self.signing_keys))
    }

    pub(crate) fn settings(&self) -> Arc<SettingValues> {
        Arc::clone(&read(&self.settings))
    }

    pub(crate) fn password(&self) -> Arc<PasswordRecord> {
        Arc::clone(&read(&self.password))
    }

    /// The second factor, if it is on.
    pub(crate) fn second_factor(&self) -> Option<Arc<SecondFactor>> {
        read(&self.second_factor).clone()
    }

    pub(crate) const fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    pub(crate) const fn seen(&self) -> &Cache<[u8; 32], Arc<SeenToken>> {
        &self.seen
    }
}

// A panic while a lock is held cannot leave the data half changed: each critical section is one assignment.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
