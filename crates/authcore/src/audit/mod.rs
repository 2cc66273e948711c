//! The audit log: what happened, written in the transaction of the change it tells of.

pub mod event;
pub mod head;

use std::sync::Arc;

use crate::clock::WallTime;
use crate::ids::AuditEventId;
use crate::store::{Store, StoreError};
use event::AuditRecord;

/// Most events one page holds.
pub const PAGE_MAX: usize = 500;

/// The service of the audit log.
pub struct AuditLog {
    pub(crate) store: Arc<Store>,
}

/// Which events.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// At or after this time.
    pub since: Option<WallTime>,
    /// Before this event: the next page.
    pub before: Option<AuditEventId>,
    /// Of these kinds ([`event::AuditEvent::kind`]); `None`: of any.
    pub kinds: Option<Vec<String>>,
    /// How many, at most [`PAGE_MAX`].
    pub limit: usize,
}

impl AuditLog {
    /// The events after that one, oldest first, at most [`PAGE_MAX`]: for whoever follows what happens, by whatever process.
    ///
    /// # Errors
    /// When they cannot be read, or one was altered.
    pub fn after(&self, last: AuditEventId) -> Result<Vec<AuditRecord>, StoreError> {
        self.store.audit_after(last)
    }

    /// The number of the newest event; 0 where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn newest(&self) -> Result<AuditEventId, StoreError> {
        self.store.newest_audit_event()
    }

    /// Events, newest first.
    ///
    /// # Errors
    /// When they cannot be read, or one was altered.
    pub fn page(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        self.store.audit_page(query)
    }
}
