//! `GET /api/v1/audit`: what happened, newest first, in pages.

use std::sync::Arc;

use authcore::{AuditEventId, AuditQuery, WallTime};
use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::http::error::HttpError;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::Reader;
use crate::http::extract::query::Query;
use crate::shapes::audit::AuditPage;

/// Events of a page when the caller does not say.
const PAGE: usize = 100;

/// List events.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    params(
        ("since" = Option<String>, Query, description = "Only events at or after this time (RFC 3339)"),
        ("before" = Option<i64>, Query, description = "Only events with a lower number: the next page"),
        ("kind" = Option<String>, Query, description = "Only events of these kinds, with commas between them"),
        ("limit" = Option<u32>, Query, description = "At most this many, 1 to 500; absent: 100"),
    ),
    responses(
        (status = 200, description = "Events", body = AuditPage),
        (status = 400, description = "A parameter is not well-formed", body = ErrorBody),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    _reader: Reader,
    query: Query,
) -> Result<Json<AuditPage>, HttpError> {
    let query = read(&query)?;
    let authority = Arc::clone(&app.authority);
    // Reads from disk: on a thread where waiting is no harm.
    let limit = query.limit;
    let page = tokio::task::spawn_blocking(move || authority.audit().page(&query)).await;
    let records = page.map_err(|_| HttpError::Internal)??;
    let page = AuditPage::of(&records, limit).map_err(|_| HttpError::Internal)?;
    Ok(Json(page))
}

fn read(query: &Query) -> Result<AuditQuery, HttpError> {
    let since = query.value("since").map(|text| {
        WallTime::parse_rfc3339(text).ok_or_else(|| HttpError::malformed("since is not an RFC 3339 time"))
    });
    let before = query.value("before").map(|text| {
        let id = text.parse().map(AuditEventId);
        id.map_err(|_| HttpError::malformed("before is not the number of an event"))
    });
    let limit = query.value("limit").map(|text| {
        let limit = text
            .parse()
            .ok()
            .filter(|limit| (1..=authcore::audit::PAGE_MAX).contains(limit));
        limit.ok_or_else(|| HttpError::malformed("limit is not a number from 1 to 500"))
    });
    let kinds = query
        .value("kind")
        .map(|text| text.split(',').map(str::to_owned).collect());
    Ok(AuditQuery {
        kinds,
        since: since.transpose()?,
        before: before.transpose()?,
        limit: limit.transpose()?.unwrap_or(PAGE),
    })
}
