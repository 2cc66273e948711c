//! What a request may touch. The same in tests.

use std::sync::Arc;

use authcore::Authority;
use tokio::sync::Semaphore;

use crate::backup::Desk;
use crate::doctor::Finding;
use crate::gate::Gate;
use crate::gate::proxy::Clients;
use crate::http::config::HttpConfig;
use crate::metrics::Metrics;

/// What is wrong with the install of a running server.
pub(crate) type Examine = dyn Fn(&Authority) -> Vec<Finding> + Send + Sync;

/// The state that every handler gets; a clone is the same application.
#[derive(Clone)]
pub(crate) struct App {
    /// All rules of who gets in.
    pub(crate) authority: Arc<Authority>,
    /// What the HTTP room knows of the configuration.
    pub(crate) config: Arc<HttpConfig>,
    /// What doctor says of a running server; asked on a thread where waiting is no harm.
    pub(crate) doctor: Arc<Examine>,
    /// Who makes backups.
    pub(crate) backup: Arc<Desk>,
    /// What the gate knows of it.
    pub(crate) gate: Arc<Gate>,
    /// What asks applications.
    pub(crate) clients: Clients,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Places for web sockets of the page.
    pub(crate) sockets: Arc<Semaphore>,
}
