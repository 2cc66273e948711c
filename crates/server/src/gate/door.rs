//! The hosts of applications: the folder `/.postern/` is ours, everything else is the application's, if it has an upstream, and
//! nothing at all if it has none. No request to there ever reaches the API, whatever its path.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower::ServiceExt as _;

use super::{ACCEPT_PATH, Gate, OUR_FOLDER, accept, proxy};
use crate::app::App;
use crate::http::config::HttpConfig;
use crate::http::error::HttpError;
use crate::http::host::{HostNames, the_one_host};
use crate::http::{layers, limits};

/// The applications, and what answers on their hosts.
#[derive(Clone)]
pub(crate) struct Doors {
    gate: Arc<Gate>,
    /// What is ours.
    router: Router,
    /// What is the application's.
    passing: Router,
}

impl Doors {
    pub(crate) fn new(app: &App) -> Self {
        let hosts = app
            .gate
            .applications
            .0
            .iter()
            .flat_map(|application| &application.hosts);
        let config = Arc::new(HttpConfig {
            hosts: HostNames::of(hosts),
            ..HttpConfig::clone(&app.config)
        });
        let routes = Router::new()
            .route(ACCEPT_PATH, get(accept::accept))
            .fallback(async || HttpError::NoSuchPath)
            .method_not_allowed_fallback(async || HttpError::MethodNotAllowed)
            .with_state(app.clone());
        Self {
            gate: Arc::clone(&app.gate),
            router: layers::around(routes, &config, limits::TIMES),
            passing: proxy::router(app),
        }
    }
}

/// Layer, the outermost: a request to the host of an application goes to its door.
pub(crate) async fn to_their_doors(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    let applications = the_one_host(&request).map(|host| {
        let applications = doors.gate.applications.0.iter();
        applications
            .filter(|application| application.hosts.iter().any(|known| known.name() == host.name()))
            .collect::<Vec<_>>()
    });
    let applications = applications.unwrap_or_default();
    if applications.is_empty() {
        return next.run(request).await;
    }
    let ours = request.uri().path().starts_with(OUR_FOLDER);
    let passes = !ours
        && applications
            .iter()
            .any(|application| application.upstream.is_some());
    let router = if passes { doors.passing } else { doors.router };
    match router.oneshot(request).await {
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    }
}
