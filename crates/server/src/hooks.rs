//! Tells others of what happened: events as JSON, by POST, to whom the configuration names.
//!
//! ```text
//! commit ─▶ audit log ─▶ metrics/follow.rs ─▶ offer: a queue for each hook ─▶ its own thread ─▶ POST, again if need be
//! ```
//!
//! What happened never waits for it: a full queue drops the event, which is counted and said. Programs are not started: after
//! its start the server starts none.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use authcore::Authority;
use authcore::audit::event::AuditRecord;
use axum::http::Uri;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::metrics::Metrics;
use crate::shapes::audit::as_json;

/// Events that wait for one hook; about 100 KB.
const QUEUE: usize = 256;

/// How long one try may take.
const TRY_TIME: Duration = Duration::from_secs(10);

/// How long to wait before the second try, and the third.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Who is told, of what.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) name: String,
    /// Of these kinds.
    pub(crate) events: Vec<&'static str>,
    pub(crate) url: String,
    /// The sealed setting that holds the `Authorization` field.
    pub(crate) authorization: Option<String>,
}

impl Hook {
    /// Who is told, without the path, which is a secret at some of them.
    pub(crate) fn origin(&self) -> Option<String> {
        let url: Uri = self.url.parse().ok()?;
        Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
    }
}

/// The hooks of a running server. What waits when they are dropped is not told.
pub(crate) struct Hooks {
    queues: Vec<(Hook, SyncSender<String>)>,
    metrics: Arc<Metrics>,
}

impl Hooks {
    /// Starts a thread for each.
    ///
    /// # Errors
    /// When one does not start.
    pub(crate) fn start(
        hooks: &[Hook],
        caller: Option<Caller>,
        authority: &Arc<Authority>,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let mut queues = Vec::new();
        let Some(Caller(agent)) = caller else {
            return Ok(Self::over(queues, metrics));
        };
        for hook in hooks {
            let (queue, events) = sync_channel(QUEUE);
            let teller = Teller {
                hook: hook.clone(),
                agent: agent.clone(),
                authority: Arc::clone(authority),
                metrics: Arc::clone(metrics),
            };
            std::thread::Builder::new()
                .name("hook".to_owned())
                .spawn(move || teller.run(&events))?;
            queues.push((hook.clone(), queue));
        }
        Ok(Self::over(queues, metrics))
    }

    fn over(queues: Vec<(Hook, SyncSender<String>)>, metrics: &Arc<Metrics>) -> Self {
        Self {
            queues,
            metrics: Arc::clone(metrics),
        }
    }

    /// Queues the event for every hook that wants its kind. Waits for nothing.
    pub(crate) fn offer(&self, record: &AuditRecord) {
        let kind = record.entry.event.kind();
        for (hook, queue) in self.queues.iter().filter(|(hook, _)| hook.events.contains(&kind)) {
            let Ok(text) = as_json(record).map(|event| event.to_string()) else {
                continue;
            };
            match queue.try_send(text) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    tracing::warn!(hook = hook.name, kind, "an event was not told: too many wait");
                    self.metrics.told(&hook.name, |counts| &counts.dropped);
                }
            }
        }
    }
}

/// What calls the addresses of hooks, with the certificates that this machine trusts, which a sandboxed server cannot read any more.
pub(crate) struct Caller(Agent);

impl Caller {
    /// None where there are no hooks.
    pub(crate) fn of(hooks: &[Hook]) -> Option<Self> {
        (!hooks.is_empty()).then(|| Self(agent()))
    }
}

/// No redirection is followed: it would take the `Authorization` field elsewhere.
fn agent() -> Agent {
    let roots = rustls_native_certs::load_native_certs().certs;
    let roots = roots
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(crate::tls::provider())
        .build();
    let config = Agent::config_builder()
        .timeout_global(Some(TRY_TIME))
        .max_redirects(0)
        .max_redirects_will_error(true)
        .proxy(None)
        .tls_config(tls)
        .build();
    Agent::new_with_config(config)
}

/// The thread of one hook.
struct Teller {
    hook: Hook,
    agent: Agent,
    authority: Arc<Authority>,
    metrics: Arc<Metrics>,
}

impl Teller {
    fn run(&self, events: &Receiver<String>) {
        for event in events {
            if self.told(&event) {
                self.metrics.told(&self.hook.name, |counts| &counts.delivered);
            } else {
                self.metrics.told(&self.hook.name, |counts| &counts.failed);
            }
        }
    }

    fn told(&self, event: &str) -> bool {
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match self.tell(event) {
                Ok(()) => return true,
                Err(error) => error,
            };
            let Some(pause) = pauses.next() else {
                tracing::error!(hook = self.hook.name, error, "an event could not be told");
                return false;
            };
            tracing::debug!(hook = self.hook.name, error, "an event is told again");
            std::thread::sleep(pause);
        }
    }

    /// One try. The error holds no secret: neither the address, whose path may be one, nor the field.
    fn tell(&self, event: &str) -> Result<(), String> {
        let mut request = self
            .agent
            .post(&self.hook.url)
            .header("content-type", "application/json");
        if let Some(key) = &self.hook.authorization {
            let secret = self.authority.settings().reveal(key).ok().flatten();
            let secret = secret.as_ref().and_then(serde_json::Value::as_str);
            let secret = secret.ok_or_else(|| format!("the setting {key} is not set"))?;
            request = request.header("authorization", secret);
        }
        match request.send(event) {
            Ok(_) => Ok(()),
            Err(ureq::Error::StatusCode(status)) => Err(format!("it answered with status {status}")),
            Err(ureq::Error::Timeout(_)) => Err("it did not answer in time".to_owned()),
            Err(ureq::Error::Io(error)) => Err(format!("it cannot be reached: {}", error.kind())),
            Err(ureq::Error::HostNotFound) => Err("its name is not known".to_owned()),
            Err(_) => Err("it cannot be spoken to".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::application::Applications;
    use authcore::audit::event::{AuditEntry, AuditEvent};
    use authcore::{AuditEventId, Client, WallTime};

    fn record(event: AuditEvent) -> AuditRecord {
        AuditRecord {
            id: AuditEventId(7),
            at: WallTime::from_unix_ms(1_800_000_000_000),
            entry: AuditEntry {
                event,
                client: Client::local(),
            },
        }
    }

    #[test]
    fn a_queue_takes_what_its_hook_wants_and_drops_and_counts_what_is_too_much() {
        let hook = Hook {
            name: "slow".to_owned(),
            events: vec!["BackupTaken"],
            url: "http://127.0.0.1:9/".to_owned(),
            authorization: None,
        };
        let names = ["slow".to_owned()].into_iter();
        let metrics = Metrics::new(WallTime::from_unix_ms(0), &Applications::default(), names);
        let (queue, events) = sync_channel(2);
        let hooks = Hooks::over(vec![(hook, queue)], &metrics);
        for _ in 0..5 {
            hooks.offer(&record(AuditEvent::ThrottleCleared));
            hooks.offer(&record(AuditEvent::BackupTaken));
        }
        drop(hooks);
        let told: Vec<String> = events.iter().collect();
        assert_eq!(told.len(), 2);
        assert!(
            told.iter()
                .all(|event| event.contains("\"Event\":\"BackupTaken\"")),
            "{told:?}"
        );
        let dropped: Vec<u64> = metrics.hooks().map(|(_, counts)| counts.dropped.read()).collect();
        assert_eq!(dropped, [3]);
    }
}
