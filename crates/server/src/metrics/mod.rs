//! What `GET /metrics` says of this server: counts are kept where things happen, as atomics; [`page`] reads them all and is the
//! one list of names.
//!
//! Labels have few values, all of them known at the start: routes, names of applications, kinds of event. No address, no
//! identifier and nothing that a stranger wrote is ever one.

pub(crate) mod follow;
pub(crate) mod http;
pub(crate) mod page;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use authcore::WallTime;
use authcore::audit::event::KINDS;
use tokio::sync::Semaphore;

use crate::gate::application::Applications;
use crate::gate::decision::GateDecision;
use crate::listener::CONNECTIONS_MAX;

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time, or none yet.
#[derive(Default)]
pub(crate) struct When(AtomicI64);

impl When {
    pub(crate) fn set(&self, to: WallTime) {
        self.0.store(to.unix_ms(), Ordering::Relaxed);
    }

    /// `None` where it was never set.
    pub(crate) fn read(&self) -> Option<WallTime> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            ms => Some(WallTime::from_unix_ms(ms)),
        }
    }
}

/// What this server counts beside what the authority does.
pub(crate) struct Metrics {
    pub(crate) started: WallTime,
    /// Places for connections; those taken are open.
    pub(crate) connections: Arc<Semaphore>,
    /// Credentials that were good, and that were not.
    pub(crate) verified: Count,
    pub(crate) refused: Count,
    pub(crate) backups: Backups,
    /// When the certificate ends that connections are shown.
    pub(crate) certificate_ends: When,
    /// By name of the application, and for hosts that are none's.
    gate: BTreeMap<String, GateCounts>,
    no_application: GateCounts,
    /// By name of the hook.
    hooks: BTreeMap<String, HookCounts>,
    /// By kind, as [`KINDS`] lists them.
    events: [Count; KINDS.len()],
}

/// What the gate answered.
#[derive(Default)]
pub(crate) struct GateCounts {
    pub(crate) allow: Count,
    pub(crate) challenge: Count,
    pub(crate) forbid: Count,
}

/// Events for one hook.
#[derive(Default)]
pub(crate) struct HookCounts {
    pub(crate) delivered: Count,
    pub(crate) failed: Count,
    pub(crate) dropped: Count,
}

/// Backups of this process.
#[derive(Default)]
pub(crate) struct Backups {
    pub(crate) made: Count,
    pub(crate) failed: Count,
    /// When the last one was made; also one of an earlier start, where the schedule finds it.
    pub(crate) last: When,
}

impl Metrics {
    /// Of a server that starts now, with these applications and hooks.
    pub(crate) fn new(
        started: WallTime,
        applications: &Applications,
        hooks: impl Iterator<Item = String>,
    ) -> Arc<Self> {
        let names = applications.0.iter().map(|application| application.name.clone());
        Arc::new(Self {
            started,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            verified: Count::default(),
            refused: Count::default(),
            backups: Backups::default(),
            certificate_ends: When::default(),
            gate: names.map(|name| (name, GateCounts::default())).collect(),
            no_application: GateCounts::default(),
            hooks: hooks.map(|name| (name, HookCounts::default())).collect(),
            events: std::array::from_fn(|_| Count::default()),
        })
    }

    /// The gate decided, on a request to that application.
    pub(crate) fn decided(&self, application: Option<&str>, decision: GateDecision) {
        let counts = application.and_then(|name| self.gate.get(name));
        let counts = counts.unwrap_or(&self.no_application);
        match decision {
            GateDecision::Allow(_) => counts.allow.add(),
            GateDecision::Challenge(_) => counts.challenge.add(),
            GateDecision::Forbid(_) => counts.forbid.add(),
        }
    }

    /// One event more for that hook.
    pub(crate) fn told(&self, hook: &str, which: impl Fn(&HookCounts) -> &Count) {
        if let Some(counts) = self.hooks.get(hook) {
            which(counts).add();
        }
    }

    /// Every hook, in order of its name.
    pub(crate) fn hooks(&self) -> impl Iterator<Item = (&str, &HookCounts)> {
        self.hooks.iter().map(|(name, counts)| (name.as_str(), counts))
    }

    /// An event was written into the audit log.
    pub(crate) fn happened(&self, kind: &str) {
        let place = KINDS.iter().position(|known| *known == kind);
        if let Some(count) = place.and_then(|place| self.events.get(place)) {
            count.add();
        }
    }

    fn events(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KINDS.into_iter().zip(self.events.iter().map(Count::read))
    }

    fn gate(&self) -> impl Iterator<Item = (&str, &GateCounts)> {
        let named = self.gate.iter().map(|(name, counts)| (name.as_str(), counts));
        named.chain([("", &self.no_application)])
    }

    fn open_connections(&self) -> usize {
        // One place is held for the next connection, except when all are taken.
        let taken = CONNECTIONS_MAX.saturating_sub(self.connections.available_permits());
        taken.saturating_sub(1)
    }
}
