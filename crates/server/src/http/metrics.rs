//! `GET /metrics`: how the server does, for Prometheus.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::extract::bearer::MetricsReader;
use crate::metrics::http::HttpCounts;
use crate::metrics::page;

/// The text format's name and version, as scrapers know it.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics, in the text format of Prometheus; docs/metrics.md lists them.
#[utoipa::path(
    get, path = "/metrics", tag = "metrics",
    security(("bearerAuth" = []), ("accessKey" = ["metrics"])),
    responses((status = 200, description = "Every metric", body = String, content_type = "text/plain")),
)]
pub(crate) async fn metrics(
    State(app): State<App>,
    _reader: MetricsReader,
    Extension(http): Extension<Arc<HttpCounts>>,
) -> Result<Response, HttpError> {
    // Reads from disk: on a thread where waiting is no harm.
    let text = tokio::task::spawn_blocking(move || page::text(&app, &http)).await;
    let text = text.ok().and_then(Result::ok).ok_or(HttpError::Internal)?;
    Ok(([(CONTENT_TYPE, FORMAT)], text).into_response())
}
