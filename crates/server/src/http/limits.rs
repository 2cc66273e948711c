//! What one request may cost: time, header bytes, body bytes. The connection's own bounds are in `listener.rs`.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::http::error::{self, HttpError};

/// Largest body, in bytes (`3-http-contract.md`): every body of the contract fits a hundred times over.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// How long one request may take, in its two parts.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// For the client to send its body; the header has its own limit in `listener.rs`.
    pub(crate) body: Duration,
    /// For the answer in all; `None` where the work has an end of its own. A backstop: the store and the key derivation lane have
    /// bounds of their own.
    pub(crate) answer: Option<Duration>,
    /// That a request waits before it is told to come again later.
    pub(crate) refusal: Duration,
}

/// Ten seconds for at most 64 KiB is slower than any link in use; browsers give up on an answer after 30 s and more.
pub(crate) const TIMES: Times = Times {
    body: Duration::from_secs(10),
    answer: Some(Duration::from_secs(30)),
    refusal: Duration::from_millis(500),
};

/// A backup is made, and read back, before the first byte is sent: that ends with the database, however large it is.
pub(crate) const TIMES_OF_BACKUP: Times = Times {
    answer: None,
    ..TIMES
};

/// How large the head of a request may be. Below what the HTTP library itself allows, so that the refusal is ours and carries our
/// headers.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    /// Names, values, and 4 for each field's `: ` and line end.
    bytes: usize,
    fields: usize,
    /// Of the request target, in bytes.
    target: usize,
}

/// Every path and query of the contract is far shorter.
pub(crate) const HEAD: Head = Head {
    bytes: 16 * 1024,
    fields: 64,
    target: 4 * 1024,
};

/// Applications have cookies of their own, and long queries.
pub(crate) const HEAD_OF_APPLICATIONS: Head = Head {
    bytes: 32 * 1024,
    fields: 100,
    target: 8 * 1024,
};

/// Layer: refuses oversized headers and targets.
pub(crate) async fn bounded_head(
    State(head): State<Head>,
    request: Request,
    next: Next,
) -> Result<Response, HttpError> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > head.target {
        return Err(HttpError::TargetTooLong);
    }
    if !head.holds(request.headers()) {
        return Err(HttpError::HeadersTooLarge);
    }
    Ok(next.run(request).await)
}

/// Layer: a refusal for want of a place takes its time. Each connection of a flood would else come again at once, and
/// verification would get no more than its share of the processor among hundreds that are refused.
pub(crate) async fn unhurried_refusals(State(times): State<Times>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if error::says_come_again_later(&response) {
        tokio::time::sleep(times.refusal).await;
    }
    response
}

impl Head {
    fn holds(self, headers: &HeaderMap) -> bool {
        let bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        headers.len() <= self.fields && bytes <= self.bytes
    }
}

/// Layer: no request waits for ever.
pub(crate) async fn bounded_time(
    State(times): State<Times>,
    request: Request,
    next: Next,
) -> Result<Response, HttpError> {
    let Some(time) = times.answer else {
        return Ok(next.run(request).await);
    };
    match tokio::time::timeout(time, next.run(request)).await {
        Ok(response) => Ok(response),
        Err(_elapsed) => Err(HttpError::TookTooLong),
    }
}

/// Layer: reads the whole body, announced or chunked, within its bounds, before any handler runs.
///
/// Read here and not in the handlers, so that a route that takes no body bounds it too.
pub(crate) async fn bounded_body(
    State(times): State<Times>,
    request: Request,
    next: Next,
) -> Result<Response, HttpError> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > BODY_MAX as u64) {
        return Err(HttpError::BodyTooLarge);
    }
    if request.body().is_end_stream() {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let reading = Limited::new(body, BODY_MAX).collect();
    let body = match tokio::time::timeout(times.body, reading).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(HttpError::BodyTooLarge),
        Ok(Err(_broken)) => return Err(HttpError::malformed("the body could not be read to its end")),
        Err(_elapsed) => return Err(HttpError::BodyTooSlow),
    };
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}
