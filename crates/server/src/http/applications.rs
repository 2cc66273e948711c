//! `GET /api/v1/applications`: what stands behind the gate, as the configuration has it. It is changed there only.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::gate::application::Application;
use crate::http::config::Scheme;
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::Reader;

/// All applications, in the order of their names.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ApplicationList {
    applications: Vec<ApplicationView>,
}

/// One application.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ApplicationView {
    /// As in the configuration: `[application.NAME]`.
    name: String,
    /// Where a browser finds it, one address for each of its hosts.
    addresses: Vec<String>,
    /// Where it listens, where the configuration says that.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
    /// Paths that anybody may see, perhaps with methods before them.
    open: Vec<String>,
    /// Paths that nobody may see.
    closed: Vec<String>,
    /// The headers that tell it who stands before it.
    identity: Vec<&'static str>,
    /// The names of the headers that it gets besides; never their values.
    headers: Vec<String>,
}

impl ApplicationView {
    fn of(application: &Application, sign_in: Scheme) -> Self {
        let texts = |rules: &[_]| rules.iter().map(ToString::to_string).collect();
        let scheme = match sign_in {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        Self {
            name: application.name.clone(),
            addresses: application
                .hosts
                .iter()
                .map(|host| format!("{scheme}://{host}/"))
                .collect(),
            upstream: application.upstream.clone(),
            open: texts(&application.open),
            closed: texts(&application.closed),
            identity: application.identity.iter().map(|header| header.name()).collect(),
            headers: application
                .headers
                .iter()
                .map(|header| header.name.to_string())
                .collect(),
        }
    }
}

/// List the applications behind the gate.
#[utoipa::path(
    get, path = "/api/v1/applications", tag = "gate",
    security(("bearerAuth" = []), ("accessKey" = ["api"]), ("accessKey" = ["api:read"])),
    responses(
        (status = 200, description = "The applications", body = ApplicationList),
        (status = 403, description = "Not for this access key", body = ErrorBody),
    ),
)]
pub(crate) async fn list(State(app): State<App>, _reader: Reader) -> Json<ApplicationList> {
    let all = app.gate.applications.0.iter();
    let applications = all.map(|application| ApplicationView::of(application, app.config.scheme));
    Json(ApplicationList {
        applications: applications.collect(),
    })
}
