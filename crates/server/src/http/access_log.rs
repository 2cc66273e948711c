//! One line per request at debug level: number, method, path, status. Never a query, a header or a body, where
//! credentials are.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

/// Longest path in the log, in characters.
const PATH_MAX: usize = 128;

/// Layer: numbers the request, so that every line logged on its way can be told from those of its neighbours.
pub(crate) async fn log_request(request: Request, next: Next) -> Response {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    // No client of ours sends other characters as they are, but the HTTP library takes them, and U+009B steers a terminal.
    let visible = |letter: char| if letter.is_ascii_graphic() { letter } else { '?' };
    let path: String = request.uri().path().chars().take(PATH_MAX).map(visible).collect();
    // An error span, so that the number is on error lines even when debug is off.
    let span = tracing::error_span!("request", id);
    async {
        let method = request.method().clone();
        let response = next.run(request).await;
        tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await
}
