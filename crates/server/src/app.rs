//! What a request may touch. The same in tests.

use std::sync::Arc;

use authcore::Authority;

use crate::backup::Desk;
use crate::http::config::HttpConfig;

/// The state that every handler gets; a clone is the same application.
#[derive(Clone)]
pub(crate) struct App {
    /// All rules of who gets in.
    pub(crate) authority: Arc<Authority>,
    /// What the HTTP room knows of the configuration.
    pub(crate) config: Arc<HttpConfig>,
    /// Who makes backups.
    pub(crate) backup: Arc<Desk>,
}
