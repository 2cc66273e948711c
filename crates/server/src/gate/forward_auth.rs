//! `/gate/verify`: a proxy asks whether a request may pass. `200` with every identity header, `401`, `302`, or `400` for what
//! is malformed; never anything else.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use authcore::{BrowserState, Visitor};
use axum::Extension;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXUPPER;

use super::application::{Application, IdentityHeader};
use super::credential::{self, Credential, HandedOn, X_API_KEY};
use super::decision::{self, Forbidden, GateDecision, Passing};
use super::request::{Asker, Form, GateRequest, Unreadable, url};
use super::{Gate, HANDOFF_PATH};
use crate::app::App;
use crate::http::cookies::gate;
use crate::http::error::{GateRefusal, HttpError};
use crate::http::error_body::ErrorBody;
use crate::http::headers::ForAProxy;
use crate::listener::PeerAddress;

/// For nginx, which knows only yes and no: where a browser is to be sent.
const POSTERN_LOCATION: HeaderName = HeaderName::from_static("postern-location");

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Longest address that goes to the sign-in page and back; a longer one comes back to the application's start. Encoded it
/// must fit what `http/limits.rs` takes.
const DESTINATION_MAX: usize = 1024;

/// The peer of this request; nobody's address where there is none, as in tests without a connection.
pub(crate) struct Peer(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<PeerAddress>().map(|peer| peer.0);
        Ok(Self(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

/// Ask whether a request may pass to an application. For listed proxies only: see `postern gate recipe`.
#[utoipa::path(
    method(get, head, post, put, patch, delete, options), path = "/gate/verify", tag = "gate",
    security(("gateCookie" = []), ("accessKey" = ["gate"])),
    responses(
        (status = 200, description = "It may; with Remote-User, Postern-Session, Postern-Assertion, and the Cookie, Authorization \
            and X-Api-Key that the application gets"),
        (status = 302, description = "A person is to sign in there"),
        (status = 400, description = "The forwarded request could be read in two ways", body = ErrorBody),
        (status = 401, description = "It may not", body = ErrorBody),
    ),
)]
pub(crate) async fn verify(
    State(app): State<App>,
    Peer(peer): Peer,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let request = GateRequest::read(peer, &app.gate.trusted, &headers).map_err(|unreadable| {
        if unreadable == Unreadable::NotListed {
            warn_once(peer);
        }
        unreadable.into_error(&headers)
    })?;
    match judge(&app, &request, &headers)? {
        Judged::Passes(passed) => Ok((StatusCode::OK, passed.headers, Extension(ForAProxy)).into_response()),
        Judged::SignsIn(response) => Ok(response),
    }
}

/// What came of a request that is not refused.
pub(crate) enum Judged<'a> {
    /// It passes.
    Passes(Passed<'a>),
    /// A person is sent to sign in.
    SignsIn(Response),
}

/// A request that may pass.
pub(crate) struct Passed<'a> {
    /// To which application.
    pub(crate) application: &'a Application,
    /// As whom; nobody on an open path.
    pub(crate) visitor: Option<Visitor>,
    /// What the application gets, if it [wants](Application::gets) it: every identity header, its own cookies and credentials, and with
    /// a visitor the headers it is configured to get.
    pub(crate) headers: HeaderMap,
}

fn refused(refusal: GateRefusal, headers: &HeaderMap) -> HttpError {
    HttpError::Gate {
        refusal,
        offers_basic: !headers.contains_key(SEC_FETCH_MODE),
    }
}

impl Unreadable {
    /// What whoever asked is told.
    pub(crate) fn into_error(self, headers: &HeaderMap) -> HttpError {
        match self {
            Self::NotListed => refused(GateRefusal::NotListed, headers),
            Self::Malformed(text) => HttpError::malformed(text),
        }
    }
}

/// The one judgement of a request with these headers, whoever passes it on: a proxy that asks, or this server.
///
/// # Errors
/// When it may not pass.
pub(crate) fn judge<'a>(
    app: &'a App,
    request: &GateRequest<'_>,
    headers: &HeaderMap,
) -> Result<Judged<'a>, HttpError> {
    let refused = |refusal| refused(refusal, headers);
    let (credential, handed_on) =
        credential::sort(request, headers).map_err(|unreadable| unreadable.into_error(headers))?;
    let application = app.gate.applications.of(&request.host);
    let is_twin = |name: &HeaderName| {
        name.as_str().contains('_')
            && application.is_some_and(|application| application.is_given(name.as_str()))
    };
    if headers.keys().any(is_twin) {
        return Err(HttpError::malformed(
            "a header comes with underscores in its name, which some applications read as another",
        ));
    }
    let visitor = credential.and_then(|credential| visitor(app, credential, request));
    let decision = decision::decide(request, app.config.scheme, application, visitor.as_ref());
    app.metrics
        .decided(application.map(|application| application.name.as_str()), decision);
    match (decision, application) {
        (GateDecision::Allow(passing), Some(application)) => {
            let visitor = match passing {
                Passing::Visitor => visitor,
                Passing::Anonymous => None,
            };
            let headers = handed_to(app, application, request, visitor.as_ref(), handed_on)
                .map_err(|NotFilled| refused(GateRefusal::NotFilled))?;
            Ok(Judged::Passes(Passed {
                application,
                visitor,
                headers,
            }))
        }
        (GateDecision::Challenge(Asker::Page), _) => {
            challenge(app, request, headers, refused(GateRefusal::SignIn)).map(Judged::SignsIn)
        }
        (GateDecision::Challenge(Asker::Script | Asker::Socket), _) => Err(refused(GateRefusal::SignIn)),
        (GateDecision::Forbid(Forbidden::AmbiguousPath), _) => Err(HttpError::malformed(
            "the path could be read in two ways, and one of them may be closed",
        )),
        (GateDecision::Forbid(forbidden), _) => {
            tracing::debug!(?forbidden, "not let through the gate");
            Err(refused(match forbidden {
                Forbidden::ClosedPath => GateRefusal::ClosedPath,
                Forbidden::OutOfScope => GateRefusal::OutOfScope,
                Forbidden::PlainHttp => GateRefusal::PlainHttp,
                Forbidden::NoApplication | Forbidden::AmbiguousPath => GateRefusal::NoApplication,
            }))
        }
        (GateDecision::Allow(_), None) => Err(refused(GateRefusal::NoApplication)),
    }
}

fn visitor(app: &App, credential: Credential, request: &GateRequest<'_>) -> Option<Visitor> {
    match credential {
        Credential::Cookie(cookie) => app.authority.gate().enter(&cookie, &request.host.to_string()),
        Credential::Key(text) => {
            let visitor = app.authority.visitor_with_key(&text);
            if let Err(reason) = &visitor {
                tracing::debug!(%reason, "refused at the gate");
            }
            visitor.ok()
        }
    }
}

/// A header of the application could not be filled, or an assertion could not be made; why is in the log.
struct NotFilled;

/// Every identity header, none of them empty: some proxies pass the client's own on where the answer has none (Caddy
/// CVE-2026-30851, authentik CVE-2026-25748).
fn handed_to(
    app: &App,
    application: &Application,
    request: &GateRequest<'_>,
    visitor: Option<&Visitor>,
    handed_on: HandedOn,
) -> Result<HeaderMap, NotFilled> {
    let mut headers = HeaderMap::new();
    for (name, value) in handed_on.0 {
        headers.insert(name, value);
    }
    let settings = app.authority.settings();
    let reveal = |key: &str| {
        let value = settings.reveal(key).ok().flatten()?;
        value.as_str().map(str::to_owned)
    };
    for added in &application.headers {
        // It may be all that an application asks for, and so it is for visitors alone; a client's own is for nobody.
        headers.remove(&added.name);
        if visitor.is_none() {
            continue;
        }
        let value = added.value(reveal).map_err(|key| {
            tracing::error!(application = %application.name, setting = key, "a secret for an application is not set");
            NotFilled
        })?;
        headers.insert(added.name.clone(), value);
    }
    let (user, session, assertion) = match visitor {
        None => ("anonymous", "none".to_owned(), "none".into()),
        Some(visitor) => {
            let host = request.host.to_string();
            let assertion = app.authority.gate().assertion(visitor, &host).map_err(|error| {
                tracing::error!(%error, "an assertion could not be made");
                NotFilled
            })?;
            ("admin", visitor.session_label(), assertion)
        }
    };
    for (header, value) in [
        (IdentityHeader::RemoteUser, user),
        (IdentityHeader::PosternSession, session.as_str()),
        (IdentityHeader::PosternAssertion, &*assertion),
    ] {
        let value = HeaderValue::from_str(value).map_err(|_| NotFilled)?;
        headers.insert(header.name(), value);
    }
    Ok(headers)
}

/// Sends a person to sign in: by a redirect where the proxy hands it on, else in a header of the `401`.
fn challenge(
    app: &App,
    request: &GateRequest<'_>,
    headers: &HeaderMap,
    refusal: HttpError,
) -> Result<Response, HttpError> {
    let form = gate::Form::of(request.scheme, &request.host);
    // A browser that is on its way in another tab keeps its state, or only one of the two would arrive.
    let known = gate::read(headers, &form.state_name()).ok().flatten();
    let state = match known.and_then(BrowserState::parse) {
        Some(state) => state,
        None => BrowserState::random().map_err(|_| HttpError::Internal)?,
    };
    let mark = app.authority.gate().mark(&state).to_text();
    let location = sign_in_address(&app.gate, request, &mark);
    let location = HeaderValue::from_str(&location).map_err(|_| HttpError::Internal)?;
    let cookie = form.write_state(&state.expose_text())?;
    let mut response = match request.form {
        Form::Forwarded => (StatusCode::FOUND, [(LOCATION, location)]).into_response(),
        Form::Original => {
            let mut response = refusal.into_response();
            response.headers_mut().insert(POSTERN_LOCATION, location);
            response
        }
    };
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

fn sign_in_address(gate: &Gate, request: &GateRequest<'_>, mark: &str) -> String {
    let mut destination = request.url();
    if destination.len() > DESTINATION_MAX || !request.target.stays_on_its_host() {
        destination = url(request.scheme, &request.host, "/");
    }
    format!(
        "{}{HANDOFF_PATH}?to={}&state={mark}",
        gate.sign_in,
        encoded(&destination)
    )
}

/// Percent-encodes everything that has a meaning in a query (RFC 3986, section 2.3: all but the unreserved).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3 / 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&HEXUPPER.encode(&[byte]));
        }
    }
    encoded
}

/// Once per process: who floods this path must not fill the log.
fn warn_once(peer: IpAddr) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!(%peer, "a peer that is not in trusted_proxies asks the gate; it is always refused");
    }
}

/// The headers that a recipe hands from the answer to the application, beside those of identity.
pub(crate) fn handed_on_headers(application: &Application) -> Vec<String> {
    let mut all = vec![COOKIE, AUTHORIZATION, X_API_KEY];
    for header in &application.headers {
        if !all.contains(&header.name) {
            all.push(header.name.clone());
        }
    }
    all.iter().map(|name| canonical(name.as_str())).collect()
}

/// `X-Api-Key`, as Caddy and Traefik spell it: they find a header of an answer under no other spelling.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        format!("{}{rest}", first.to_ascii_uppercase())
    });
    words.collect::<Vec<_>>().join("-")
}
