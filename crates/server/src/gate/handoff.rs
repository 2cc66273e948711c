//! The sign-in host's half of a challenge: `GET /gate/handoff`, where a browser arrives, and `POST /api/v1/gate/handoff`,
//! with which the page there sends it on.
//!
//! Who signed in for another application before has a gate cookie of the sign-in host, which is good for this one path, and is
//! sent on at once. Else the page finds its session (the refresh cookie needs the script's half), or asks for the password.
//! Where it sends the browser is made here, of configured hosts only: a page that begins this for somebody else gains
//! nothing, since the code works only in the browser that was challenged.

use authcore::{BrowserStateMark, GateCookie, HandoffError, SessionId, Visitor};
use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ACCEPT_PATH;
use super::decision::is_plain_beside_tls;
use super::path::Target;
use super::request::{split_url, url};
use crate::app::App;
use crate::http::cookies::gate::{self, Form};
use crate::http::error::{Credential, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::extract::bearer::Owner;
use crate::http::extract::client_address::RequestClient;
use crate::http::extract::json::{Json as Body, required};
use crate::http::extract::query::Query;
use crate::http::headers::PageContent;
use crate::http::host::{Host, RequestHost};

const PAGE: &str = include_str!("assets/handoff.html");
const SCRIPT: &str = include_str!("assets/handoff.js");
const STYLE: &str = include_str!("assets/handoff.css");

/// Where a browser wants to go on to.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HandoffBody {
    /// The address it was challenged at, `to` of this page's own.
    #[schema(required, value_type = String)]
    to: Option<String>,
    /// `state` of this page's own address.
    #[schema(required, value_type = String)]
    state: Option<String>,
}

/// Where it is to go.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HandoffAnswer {
    /// Once, within a minute, in the browser that was challenged.
    location: String,
}

/// Send a browser on to an application, as the session that asks. Sets a cookie with which the next one needs no page.
#[utoipa::path(
    post, path = "/api/v1/gate/handoff", tag = "gate", security(("bearerAuth" = [])), request_body = HandoffBody,
    responses(
        (status = 200, description = "Where to send the browser", body = HandoffAnswer),
        (status = 400, description = "No application has that address", body = ErrorBody),
        (status = 403, description = "Not for access keys", body = ErrorBody),
    ),
)]
pub(crate) async fn hand_off(
    State(app): State<App>,
    Owner { session }: Owner,
    RequestHost(host): RequestHost,
    RequestClient(client): RequestClient,
    Body(body): Body<HandoffBody>,
) -> Result<Response, HttpError> {
    let (to, state) = (required(body.to, "To")?, required(body.state, "State")?);
    let location = way_on(&app, session, &to, &state)?;
    let form = own_form(&app, &host);
    let (cookie, max_age) = app
        .authority
        .gate()
        .grant(session, &own_host(&host), &client)
        .await
        .map_err(refused)?;
    let cookie = form.write_cookie(&cookie.expose_text(), max_age)?;
    Ok(([(SET_COOKIE, cookie)], Json(HandoffAnswer { location })).into_response())
}

/// Where a browser arrives that is to sign in for an application.
#[utoipa::path(
    get, path = "/gate/handoff", tag = "gate", security(()),
    params(
        ("to" = String, Query, description = "The address it was challenged at"),
        ("state" = String, Query, description = "What it was challenged with"),
    ),
    responses(
        (status = 200, description = "A page that signs in", body = String, content_type = "text/html"),
        (status = 302, description = "To the application, for who signed in before"),
        (status = 400, description = "No application has that address", body = ErrorBody),
    ),
)]
pub(crate) async fn page(
    State(app): State<App>,
    method: Method,
    RequestHost(host): RequestHost,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let (to, state) = (
        query.value("to").unwrap_or_default(),
        query.value("state").unwrap_or_default(),
    );
    let destination = destination(&app, to)?;
    mark(state)?;
    let form = own_form(&app, &host);
    let cookie = gate::read(&headers, &form.cookie_name()).ok().flatten();
    let known = cookie
        .and_then(GateCookie::parse)
        .and_then(|cookie| app.authority.gate().enter(&cookie, &own_host(&host)));
    if let (Some(Visitor::Owner { session }), Method::GET) = (known, method) {
        let location = way_on(&app, session, to, state)?;
        let location = HeaderValue::from_str(&location).map_err(|_| HttpError::Internal)?;
        return Ok((StatusCode::FOUND, [(LOCATION, location)]).into_response());
    }
    // A host name: letters, digits, dots, hyphens, brackets, colons. Nothing to escape.
    let page = PAGE.replace("{application}", &destination.host.to_string());
    let mut response = Html(page).into_response();
    response.extensions_mut().insert(PageContent);
    Ok(response)
}

/// The page's script.
pub(crate) async fn script() -> Response {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response()
}

/// The page's style.
pub(crate) async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// An address of an application, taken apart.
struct Destination {
    scheme: crate::http::config::Scheme,
    host: Host,
    target: String,
}

/// `400` for every address that is not one of a configured application, in the spelling this server writes itself: whatever
/// a browser makes of `//evil`, `/\evil` or `https:evil` is none (oauth2-proxy CVE-2020-4037, CVE-2020-5233). Nor is one in clear
/// text beside TLS.
fn destination(app: &App, to: &str) -> Result<Destination, HttpError> {
    let malformed = || HttpError::malformed("that is no address of an application behind this gate");
    let (scheme, host, target) = split_url(to).ok_or_else(malformed)?;
    let target = Target::parse(target)
        .filter(Target::stays_on_its_host)
        .ok_or_else(malformed)?;
    app.gate.applications.of(&host).ok_or_else(malformed)?;
    if is_plain_beside_tls(scheme, app.config.scheme) {
        return Err(malformed());
    }
    Ok(Destination {
        scheme,
        target: target.text.to_owned(),
        host,
    })
}

fn mark(text: &str) -> Result<BrowserStateMark, HttpError> {
    BrowserStateMark::parse(text)
        .ok_or_else(|| HttpError::malformed("the state is not one that a challenge was made with"))
}

/// A code, in the address that takes it.
fn way_on(app: &App, session: SessionId, to: &str, state: &str) -> Result<String, HttpError> {
    let to = destination(app, to)?;
    let code = app
        .authority
        .gate()
        .hand_off(
            session,
            &to.host.to_string(),
            mark(state)?,
            &url(to.scheme, &to.host, &to.target),
        )
        .map_err(refused)?;
    let code = code.expose_text();
    Ok(url(
        to.scheme,
        &to.host,
        &format!("{ACCEPT_PATH}?code={}", &*code),
    ))
}

fn refused(error: HandoffError) -> HttpError {
    match error {
        HandoffError::Refused => HttpError::Refused(Credential::Bearer),
        HandoffError::TooMany => HttpError::Busy {
            retry_after: std::time::Duration::from_secs(1),
        },
        HandoffError::Store(error) => error.into(),
    }
}

fn own_form(app: &App, host: &Host) -> Form {
    Form::of(app.config.scheme, host)
}

fn own_host(host: &Host) -> String {
    host.to_string()
}
