//! Postern passes requests on itself: for an application with an `upstream`, what may pass goes there, and nothing else does.
//!
//! ```text
//! request ─▶ GateRequest::direct ─▶ forward_auth::judge ─▶ headers::to_application ─▶ upstream
//!                                   the same rules                                      │
//! client  ◀─ headers::to_client ◀─ leash: cut when the visitor is welcome no longer ◀───┘
//! ```
//!
//! Bodies are passed on as they come, in both directions; nothing is kept of them.

mod headers;
mod leash;

use std::sync::atomic::Ordering;
use std::time::Duration;

use authcore::Visitor;
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::uri::{Authority, PathAndQuery, Scheme as UriScheme};
use axum::http::{Method, StatusCode, Uri, Version};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tower_http::catch_panic::CatchPanicLayer;

use self::leash::{Leash, Leashed};
use super::forward_auth::{Judged, Peer, judge};
use super::request::{Asker, GateRequest};
use crate::app::App;
use crate::causes::with_causes;
use crate::http::config::Scheme;
use crate::http::error::{GateRefusal, HttpError};
use crate::http::headers as our_headers;
use crate::http::host::the_one_host;
use crate::http::{access_log, layers, limits};
use crate::listener::Line;

/// How long an application may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an application may take to begin its answer, from the last byte of the request that it took.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// How long an unused connection to an application is kept; shorter than the 5 s after which many servers close theirs.
const KEPT_TIME: Duration = Duration::from_secs(4);

/// Unused connections kept for each application.
const KEPT_MAX: usize = 32;

#[derive(Clone)]
struct Passing {
    app: App,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

/// What answers on hosts of applications with an upstream.
pub(crate) fn router(app: &App) -> Router {
    let passing = Passing {
        app: app.clone(),
        client: client(),
    };
    Router::new()
        .fallback(answer)
        .with_state(passing)
        .layer(from_fn_with_state(
            limits::HEAD_OF_APPLICATIONS,
            limits::bounded_head,
        ))
        .layer(CatchPanicLayer::custom(layers::after_a_panic))
        .layer(from_fn(access_log::log_request))
}

/// Certificates are those that this machine trusts; one that is not ends the connection.
fn client() -> Client<HttpsConnector<HttpConnector>, Body> {
    let mut trusted = rustls::RootCertStore::empty();
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIME));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT_TIME)
        .pool_max_idle_per_host(KEPT_MAX)
        .build(connector)
}

/// An answer of this server's own carries this server's own headers; an application's carries the application's.
async fn answer(State(passing): State<Passing>, peer: Peer, request: Request) -> Response {
    let scheme = passing.app.config.scheme;
    match pass_on(&passing, peer, request).await {
        Ok(Answered::Application(response)) => response,
        Ok(Answered::Here(mut response)) => {
            our_headers::put(response.headers_mut(), scheme);
            response
        }
        Err(error) => {
            let mut response = error.into_response();
            our_headers::put(response.headers_mut(), scheme);
            response
        }
    }
}

enum Answered {
    Application(Response),
    Here(Response),
}

async fn pass_on(passing: &Passing, Peer(peer): Peer, mut request: Request) -> Result<Answered, HttpError> {
    let Passing { app, client } = passing;
    // The one would make this server a tunnel to anywhere; the other sends back what the application is told.
    if [Method::CONNECT, Method::TRACE].contains(request.method()) {
        return Err(HttpError::MethodNotAllowed);
    }
    let line = request.extensions().get::<Line>().cloned();
    let line = line.ok_or(HttpError::Internal)?;
    let host = the_one_host(&request)?;
    let spoken = if line.tls { Scheme::Https } else { Scheme::Http };
    let client_upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (mut parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().cloned();
    let target = target.unwrap_or_else(|| PathAndQuery::from_static("/"));

    let came_with = parts.headers.clone();
    let asked = GateRequest::direct(
        peer,
        &app.gate.trusted,
        (spoken, host),
        (parts.method.as_str(), target.as_str()),
        &came_with,
    )
    .map_err(|unreadable| unreadable.into_error(&came_with))?;
    let passed = match judge(app, &asked, &came_with)? {
        Judged::SignsIn(response) => return Ok(Answered::Here(response)),
        Judged::Passes(passed) => passed,
    };
    let application = passed.application;
    let upstream = application.upstream.as_deref().ok_or(HttpError::NoSuchPath)?;
    headers::to_application(
        &mut parts.headers,
        &asked,
        application,
        passed.headers,
        (peer, app.gate.trusted.contains(peer)),
    )?;
    headers::frame(&mut parts.headers, !body.is_end_stream());
    let changes_to = headers::upgrade(&parts.headers);

    let leash = |visitor: Option<Visitor>| Leash::new(&app.authority, visitor);
    let body = Leashed::new(body, leash(passed.visitor.clone()), line.busy());
    let progress = body.progress();
    let mut outgoing = Request::new(Body::new(body));
    *outgoing.method_mut() = parts.method.clone();
    *outgoing.uri_mut() = address(upstream, target.clone()).ok_or(HttpError::Internal)?;
    *outgoing.version_mut() = Version::HTTP_11;
    *outgoing.headers_mut() = parts.headers;

    let mut response = std::pin::pin!(client.request(outgoing));
    let mut watched = leash(passed.visitor.clone());
    let mut seen = 0;
    let response = loop {
        tokio::select! {
            response = response.as_mut() => break response,
            () = watched.end() => return Err(HttpError::Gate { refusal: GateRefusal::SignIn, offers_basic: false }),
            () = tokio::time::sleep(ANSWER_TIME) => {
                let now = progress.load(Ordering::Relaxed);
                if now == seen {
                    tracing::warn!(application = %application.name, "an application did not answer in time");
                    let error = HttpError::UpstreamSlow { application: application.name.clone() };
                    return Ok(Answered::Here(to_asker(&asked, error)));
                }
                seen = now;
            }
        }
    };
    let mut response = match response {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            let cause = with_causes(&error);
            tracing::warn!(application = %application.name, cause, "an application cannot be reached");
            let error = HttpError::Unreachable {
                application: application.name.clone(),
            };
            return Ok(Answered::Here(to_asker(&asked, error)));
        }
    };
    let protocol = headers::upgrade(response.headers());
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let (Some(_), Some(protocol), Some(client_side)) = (changes_to, protocol, client_upgrade) else {
            tracing::warn!(application = %application.name, "an application changes to a protocol nobody asked for");
            return Err(HttpError::Unreachable {
                application: application.name.clone(),
            });
        };
        let upstream_side = hyper::upgrade::on(&mut response);
        line.spawn(tunnel(client_side, upstream_side, leash(passed.visitor)));
        headers::to_client(response.headers_mut(), Some(protocol));
        return Ok(Answered::Application(response));
    }
    headers::to_client(response.headers_mut(), None);
    *response.version_mut() = Version::HTTP_11;
    let leash = leash(passed.visitor);
    Ok(Answered::Application(
        response.map(|body| Body::new(Leashed::new(body, leash, line.busy()))),
    ))
}

fn address(upstream: &str, target: PathAndQuery) -> Option<Uri> {
    let (scheme, authority) = upstream.split_once("://")?;
    Uri::builder()
        .scheme(UriScheme::try_from(scheme).ok()?)
        .authority(Authority::try_from(authority).ok()?)
        .path_and_query(target)
        .build()
        .ok()
}

/// Bytes both ways, until one side ends or the visitor is no longer welcome.
async fn tunnel(client: OnUpgrade, upstream: OnUpgrade, mut leash: Leash) {
    let copying = async {
        let (client, upstream) = tokio::try_join!(client, upstream).ok()?;
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        tokio::io::copy_bidirectional(&mut client, &mut upstream)
            .await
            .ok()
    };
    tokio::select! {
        _ = copying => {}
        () = leash.end() => tracing::debug!("a tunnel was cut: its session or key has ended"),
    }
}

/// A person gets a page, a program the one shape of errors.
fn to_asker(asked: &GateRequest<'_>, error: HttpError) -> Response {
    match asked.asker {
        Asker::Script | Asker::Socket => error.into_response(),
        Asker::Page => {
            // The text names the application, whose name is of small letters, digits, - and _ only.
            let page = format!(
                "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
                 <meta name=\"viewport\" content=\"width=device-width\">\n<title>Not now</title>\n\
                 <h1>{error}</h1>\n<p>You are signed in; the application is what is missing. Try again in a moment.\n</html>\n"
            );
            (error.into_response().status(), Html(page)).into_response()
        }
    }
}
