//! Follows the audit log: what was committed, by this process or another, is counted. It reads after the
//! commit, so that nothing that happens waits for it or fails by it.

use std::convert::Infallible;
use std::sync::Arc;

use authcore::audit::event::AuditRecord;
use authcore::{AuditEventId, Authority, StoreError};

/// Goes on until it is dropped. What happened before it began is not told.
pub(crate) struct Follower {
    authority: Arc<Authority>,
    last: AuditEventId,
}

impl Follower {
    /// From the newest event on.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn begin(authority: Arc<Authority>) -> Result<Self, StoreError> {
        let last = authority.audit().newest()?;
        Ok(Self { authority, last })
    }

    /// Tells of each event, oldest first.
    pub(crate) async fn follow(mut self, tell: impl Fn(&AuditRecord)) -> Infallible {
        let mut changes = self.authority.changes();
        loop {
            while self.step(&tell).await {}
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// One page of events; says whether there may be more.
    async fn step(&mut self, tell: &impl Fn(&AuditRecord)) -> bool {
        let (authority, last) = (Arc::clone(&self.authority), self.last);
        // Reads from disk: on a thread where waiting is no harm.
        let read = tokio::task::spawn_blocking(move || authority.audit().after(last)).await;
        match read {
            Ok(Ok(records)) => {
                records.iter().for_each(tell);
                if let Some(newest) = records.last() {
                    self.last = newest.id;
                }
                !records.is_empty()
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the audit log cannot be followed");
                false
            }
            Err(_) => false,
        }
    }
}
