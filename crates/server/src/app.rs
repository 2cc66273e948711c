//! What a request may touch.

use std::sync::Arc;

use authcore::Authority;

use crate::http::config::HttpConfig;

/// The services and the configuration, shared by every request.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) authority: Arc<Authority>,
    pub(crate) config: Arc<HttpConfig>,
}
