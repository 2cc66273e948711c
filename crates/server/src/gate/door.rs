//! The hosts of applications, as far as they are ours: the folder `/.postern/`, and nothing of the sign-in host. A request that
//! a proxy hands on from there never reaches the API, whatever its path.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower::ServiceExt as _;

use super::{ACCEPT_PATH, Gate, accept};
use crate::app::App;
use crate::http::config::HttpConfig;
use crate::http::error::HttpError;
use crate::http::host::{HostNames, the_one_host};
use crate::http::{layers, limits};

/// The applications, and what answers on their hosts.
#[derive(Clone)]
pub(crate) struct Doors {
    gate: Arc<Gate>,
    router: Router,
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
        }
    }
}

/// Layer, the outermost: a request to the host of an application goes to its door.
pub(crate) async fn to_their_doors(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    let is_theirs = the_one_host(&request).is_ok_and(|host| {
        let applications = doors.gate.applications.0.iter();
        applications
            .flat_map(|application| &application.hosts)
            .any(|known| known.name() == host.name())
    });
    if is_theirs {
        match doors.router.oneshot(request).await {
            Ok(response) => response.into_response(),
            Err(never) => match never {},
        }
    } else {
        next.run(request).await
    }
}
