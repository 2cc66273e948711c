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
mod trust;

pub(crate) use trust::{Clients, TrustError};

use std::io;
use std::sync::Arc;
use std::time::Duration;

use authcore::Authority;
use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::uri::{Authority as UriAuthority, PathAndQuery, Scheme as UriScheme};
use axum::http::{Method, StatusCode, Uri, Version};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::ResponseFuture;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::sync::Semaphore;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use self::leash::{Flow, Followed, Passer};
use super::application::Application;
use super::forward_auth::{Judged, Peer, judge};
use super::request::{Asker, GateRequest};
use crate::app::App;
use crate::causes::with_causes;
use crate::http::config::Scheme;
use crate::http::error::{GateRefusal, HttpError};
use crate::http::headers as our_headers;
use crate::http::host::the_one_host;
use crate::http::{access_log, layers, limits};
use crate::listener::{CONNECTIONS_MAX, Line};

/// How long an application may take to begin its answer, from the last byte of the request that it took.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Requests of nobody in particular, on open paths, at a time: half of all connections, so that strangers shut nobody out.
const STRANGERS_MAX: usize = CONNECTIONS_MAX / 2;

const STRANGERS_WAIT: Duration = Duration::from_secs(1);

/// Bytes that a tunnel carries at once, at most.
const PIECE: usize = 8 * 1024;

#[derive(Clone)]
struct Passing {
    app: App,
    strangers: Arc<Semaphore>,
}

impl Passing {
    fn a_stranger(&self) -> Result<Passer, HttpError> {
        match Arc::clone(&self.strangers).try_acquire_owned() {
            Ok(place) => Ok(Passer::Stranger(place)),
            Err(_) => Err(HttpError::Busy {
                retry_after: STRANGERS_WAIT,
            }),
        }
    }
}

/// What answers on hosts of applications with an upstream.
pub(crate) fn router(app: &App) -> Router {
    let passing = Passing {
        app: app.clone(),
        strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
    };
    Router::new().fallback(answer).with_state(passing).layer(
        ServiceBuilder::new()
            .layer(from_fn(access_log::log_request))
            .layer(CatchPanicLayer::custom(layers::after_a_panic))
            .layer(from_fn_with_state(
                limits::HEAD_OF_APPLICATIONS,
                limits::bounded_head,
            )),
    )
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
    let app = &passing.app;
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
    let client = app.clients.to(application).ok_or(HttpError::Internal)?;
    headers::to_application(
        &mut parts.headers,
        &asked,
        application,
        passed.headers,
        (peer, app.gate.trusted.contains(peer)),
    )?;
    headers::frame(&mut parts.headers, !body.is_end_stream());
    let changes_to = headers::upgrade(&parts.headers);

    let who = match passed.visitor {
        Some(visitor) => Passer::Visitor(visitor),
        None => passing.a_stranger()?,
    };
    let body = Followed::request(body, parts.version, who.pace());
    let sent = body.flow();
    let mut outgoing = Request::new(Body::new(body));
    *outgoing.method_mut() = parts.method.clone();
    *outgoing.uri_mut() = address(upstream, target.clone()).ok_or(HttpError::Internal)?;
    *outgoing.version_mut() = Version::HTTP_11;
    *outgoing.headers_mut() = parts.headers;

    let mut response = match answer_of(
        application,
        client.request(outgoing),
        &sent,
        who.unwelcome(&app.authority),
    )
    .await
    {
        Ok(response) => response,
        Err(error @ (HttpError::Unreachable { .. } | HttpError::UpstreamSlow { .. })) => {
            return Ok(Answered::Here(to_asker(&asked, error)));
        }
        Err(error) => return Err(error),
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
        line.spawn(tunnel(
            client_side,
            upstream_side,
            Arc::clone(&app.authority),
            who,
        ));
        headers::to_client(response.headers_mut(), Some(protocol));
        return Ok(Answered::Application(response));
    }
    headers::to_client(response.headers_mut(), None);
    *response.version_mut() = Version::HTTP_11;
    Ok(Answered::Application(if response.body().is_end_stream() {
        response
    } else {
        response.map(|body| Body::new(Followed::response(body, &app.authority, who, line)))
    }))
}

/// Waits for the head of an application's answer; not for ever, and not when the visitor's welcome has `ended`.
async fn answer_of(
    application: &Application,
    response: ResponseFuture,
    sent: &Flow,
    ended: impl Future<Output = ()>,
) -> Result<Response, HttpError> {
    let mut response = std::pin::pin!(response);
    let mut ended = std::pin::pin!(ended);
    let name = &application.name;
    let mut seen = 0;
    let response = loop {
        tokio::select! {
            response = response.as_mut() => break response,
            () = ended.as_mut() => {
                return Err(HttpError::Gate { refusal: GateRefusal::SignIn, offers_basic: false });
            }
            () = tokio::time::sleep(ANSWER_TIME) => {
                let now = sent.passed();
                if now == seen {
                    tracing::warn!(application = %name, "an application did not answer in time");
                    return Err(HttpError::UpstreamSlow { application: name.clone() });
                }
                seen = now;
            }
        }
    };
    match response {
        Ok(response) => Ok(response.map(Body::new)),
        Err(_) if sent.came_too_late() => Err(HttpError::BodyTooSlow),
        Err(_) if sent.broke() => Err(HttpError::malformed("the body could not be read to its end")),
        Err(error) => {
            let cause = with_causes(&error);
            tracing::warn!(application = %name, cause, "an application cannot be reached");
            Err(HttpError::Unreachable {
                application: name.clone(),
            })
        }
    }
}

fn address(upstream: &str, target: PathAndQuery) -> Option<Uri> {
    let (scheme, authority) = upstream.split_once("://")?;
    Uri::builder()
        .scheme(UriScheme::try_from(scheme).ok()?)
        .authority(UriAuthority::try_from(authority).ok()?)
        .path_and_query(target)
        .build()
        .ok()
}

/// Bytes both ways, until one side ends or the visitor is no longer welcome. Where it is nobody in particular, silence of both
/// sides is an end too.
async fn tunnel<Side: hyper::rt::Read + hyper::rt::Write + Unpin>(
    client: impl Future<Output = hyper::Result<Side>>,
    upstream: impl Future<Output = hyper::Result<Side>>,
    authority: Arc<Authority>,
    who: Passer,
) {
    let flow = Flow::default();
    let copying = async {
        let (client, upstream) = tokio::try_join!(client, upstream).ok()?;
        let (from_client, to_client) = split(TokioIo::new(client));
        let (from_upstream, to_upstream) = split(TokioIo::new(upstream));
        tokio::try_join!(
            carry(from_client, to_upstream, &flow),
            carry(from_upstream, to_client, &flow)
        )
        .ok()
    };
    tokio::select! {
        _ = copying => {}
        () = who.unwelcome(&authority) => tracing::debug!("a tunnel was cut: its session or key has ended"),
        () = flow.stalled(), if who.is_stranger() => tracing::debug!("a tunnel was cut: nothing passed for too long"),
    }
}

/// Bytes one way. What was read has passed when the other side has taken it.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    flow: &Flow,
) -> io::Result<()> {
    let mut piece = Vec::with_capacity(PIECE);
    while from.read_buf(&mut piece).await? > 0 {
        to.write_all(&piece).await?;
        to.flush().await?;
        flow.passes();
        piece.clear();
    }
    to.shutdown().await
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

#[cfg(test)]
mod tests;
