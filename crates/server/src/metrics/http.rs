//! Requests by route: how many, with what kind of answer, how long they took.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use authcore::Clock;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use super::Count;

/// Upper ends of the times that are told apart, in seconds. A verification takes well under a millisecond, a sign-in about a
/// hundred, and no request more than thirty seconds.
pub(super) const BUCKETS: [f64; 10] = [
    0.0005,
    0.001,
    0.0025,
    0.01,
    0.05,
    0.1,
    0.25,
    1.0,
    5.0,
    f64::INFINITY,
];

/// The classes of an answer, as labels.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What is known of the requests of one route.
#[derive(Default)]
pub(crate) struct RouteCounts {
    pub(super) classes: [Count; CLASSES.len()],
    pub(super) buckets: [Count; BUCKETS.len()],
    micros: AtomicU64,
    /// What sign-in and refreshing are told apart by: 401, 429.
    pub(super) unauthorized: Count,
    pub(super) too_many: Count,
}

impl RouteCounts {
    fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(class) = self.classes.get(class) {
            class.add();
        }
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|end| seconds <= *end);
        if let Some(bucket) = bucket.and_then(|bucket| self.buckets.get(bucket)) {
            bucket.add();
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        match status {
            StatusCode::UNAUTHORIZED => self.unauthorized.add(),
            StatusCode::TOO_MANY_REQUESTS => self.too_many.add(),
            _ => {}
        }
    }

    /// How long all of them took, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64()
    }
}

/// Counts for every route there is; the list never grows.
pub(crate) struct HttpCounts {
    routes: HashMap<String, RouteCounts>,
    /// Requests for which there is no route.
    none: RouteCounts,
    clock: Clock,
}

impl HttpCounts {
    /// For these routes.
    pub(crate) fn new(routes: impl Iterator<Item = String>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            routes: routes.map(|route| (route, RouteCounts::default())).collect(),
            none: RouteCounts::default(),
            clock,
        })
    }

    fn of(&self, route: Option<&MatchedPath>) -> &RouteCounts {
        let counts = route.and_then(|route| self.routes.get(route.as_str()));
        counts.unwrap_or(&self.none)
    }

    /// Of that route.
    pub(super) fn route(&self, route: &str) -> Option<&RouteCounts> {
        self.routes.get(route)
    }

    /// Every route in order of its name, and last, without a name, what has none.
    pub(super) fn in_order(&self) -> Vec<(&str, &RouteCounts)> {
        let mut routes: Vec<_> = self
            .routes
            .iter()
            .map(|(route, counts)| (route.as_str(), counts))
            .collect();
        routes.sort_unstable_by_key(|(route, _)| *route);
        routes.push(("", &self.none));
        routes
    }
}

/// Layer: counts the request and its answer.
pub(crate) async fn count_request(
    State(counts): State<Arc<HttpCounts>>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begun = counts.clock.now().monotonic;
    let response = next.run(request).await;
    let took = counts.clock.now().monotonic.since(begun);
    counts.of(route.as_ref()).answered(response.status(), took);
    response
}
