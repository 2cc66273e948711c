//! The one mapping of what went wrong to a status and a text: the only place that names a status of 400 or more.
//!
//! What a stranger sees is a fixed text. Which check of a credential failed, and the chain of a storage error, go to
//! the log, once.
#![warn(clippy::wildcard_enum_match_arm)]

mod from_authcore;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::http::error_body::ErrorBody;

/// When a change that could not be written may be tried again (RFC 9110, section 10.2.3): room on a disk or a lock that is given
/// back is noticed with the next change.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(5);

/// Why a request gets no answer of its own.
#[derive(Debug)]
pub(crate) enum HttpError {
    /// `400`: the request is not what the contract says.
    Malformed(Cow<'static, str>),
    /// `400`: plain HTTP where TLS is spoken. Whatever was sent was sent in the clear.
    PlainOnTls,
    /// `401`: a credential was not taken; the text is the endpoint's own.
    Refused(Credential),
    /// `401`: the gate lets a request to an application not through.
    Gate {
        /// Why.
        refusal: GateRefusal,
        /// Whether the client may be asked for a name and a password, which are an access key; a browser would ask a person.
        offers_basic: bool,
    },
    /// `403`: the credential is good, but not for this.
    NotAllowed,
    /// `403`: a page of another origin made the browser send this.
    CrossSite,
    /// `404`: there is no such path.
    NoSuchPath,
    /// `404`: there is no such thing.
    NotFound(&'static str),
    /// `405`: the path is there, the method is not.
    MethodNotAllowed,
    /// `408`: the body did not come in time.
    BodyTooSlow,
    /// `409`: what is there already stands in the way.
    Conflict(&'static str),
    /// `413`.
    BodyTooLarge,
    /// `414`.
    TargetTooLong,
    /// `415`: a body that does not say it is JSON.
    UnsupportedMediaType,
    /// `421`: this server does not answer under that name.
    UnknownHost,
    /// `429`: try again later.
    Busy {
        /// How long to wait.
        retry_after: Duration,
    },
    /// `429`: too many wrong passwords.
    Slowed {
        /// How long to wait.
        retry_after: Duration,
    },
    /// `431`.
    HeadersTooLarge,
    /// `500`: a fault of ours; what it was is in the log.
    Internal,
    /// `502`: the application does not answer, or not as HTTP; the cause is in the log.
    Unreachable {
        /// Its name in the configuration.
        application: String,
    },
    /// `504`: the application did not answer in time.
    UpstreamSlow {
        /// Its name in the configuration.
        application: String,
    },
    /// `508`: the request went through this server already.
    Loop,
    /// `503`: the database cannot take the change now; what is wrong is in the log.
    Unavailable,
    /// `503`: the answer took longer than a client waits.
    TookTooLong,
}

/// Which credential was not taken: decides the text, which is the reference model's own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Credential {
    /// The `Authorization` header: absent, malformed, unknown, expired, of another kind, of an ended session.
    Bearer,
    /// The password at login.
    Login,
    /// The refresh cookie or its nonce.
    Refresh,
    /// No refresh cookie at all.
    MissingCookie,
    /// A sign-in token.
    Signin,
    /// A sign-in token whose time is over.
    SigninExpired,
    /// Any sign-in token, while they are switched off.
    SigninDisabled,
    /// The password where the caller is known otherwise, or a sign-in token is asked for.
    Password,
    /// No one-time code, where the second factor is on. Where a password is asked for too, it was right.
    OneTimeCodeNeeded,
    /// A one-time code that is wrong, or was used before. Where a password is asked for too, it was right.
    OneTimeCodeWrong,
    /// A forever token, while they are switched off.
    ForeverDisabled,
    /// A second forever token of one server start.
    ForeverIssued,
}

/// Why the gate does not let a request through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GateRefusal {
    /// Whoever asks is no listed proxy.
    NotListed,
    /// No application has that host.
    NoApplication,
    /// The sign-in host is under TLS, and the application is not.
    PlainHttp,
    /// Nobody is signed in.
    SignIn,
    /// The path is closed.
    ClosedPath,
    /// The access key is good, but not for this.
    OutOfScope,
    /// What the application is to get cannot be made; why is in the log.
    NotFilled,
}

impl GateRefusal {
    pub(crate) const ALL: [Self; 7] = [
        Self::NotListed,
        Self::NoApplication,
        Self::PlainHttp,
        Self::SignIn,
        Self::ClosedPath,
        Self::OutOfScope,
        Self::NotFilled,
    ];

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NotListed => "the gate answers listed proxies only",
            Self::NoApplication => "no application has this host name",
            Self::PlainHttp => "this application is reached over https only",
            Self::SignIn => "sign in first",
            Self::ClosedPath => "this path is closed",
            Self::OutOfScope => "this access key may not do that here",
            Self::NotFilled => "this application cannot be reached now",
        }
    }

    const fn hint(self) -> &'static str {
        match self {
            Self::NotListed => "add the proxy's address to trusted_proxies in the configuration",
            Self::NoApplication => "postern gate explain tells which application an address belongs to",
            Self::PlainHttp => "open its https address",
            Self::SignIn => "open the address in a browser, or send an access key of the scope gate:HOST",
            Self::ClosedPath => "the configuration of the application closes it",
            Self::OutOfScope => "make a key whose scope names this host, path and method",
            Self::NotFilled => "the server's log says what is missing",
        }
    }
}

impl HttpError {
    /// `400` with a text that repeats nothing of a secret.
    pub(crate) fn malformed(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed(text.into())
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::PlainOnTls => StatusCode::BAD_REQUEST,
            Self::Refused(_) | Self::Gate { .. } => StatusCode::UNAUTHORIZED,
            Self::NotAllowed | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NoSuchPath | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Busy { .. } | Self::Slowed { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unreachable { .. } => StatusCode::BAD_GATEWAY,
            Self::UpstreamSlow { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Unavailable | Self::TookTooLong => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(crate) fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Malformed(text) => return text.clone(),
            Self::Conflict(text) => text,
            Self::PlainOnTls => "this port speaks TLS: use https:// in the place of http://",
            Self::Refused(credential) => credential.text(),
            Self::Gate { refusal, .. } => refusal.text(),
            Self::NotAllowed => "Authorization failed",
            Self::CrossSite => "the request comes from another site",
            Self::NoSuchPath => "there is nothing at this path",
            Self::NotFound(what) => return Cow::Owned(format!("there is no such {what}")),
            Self::Unreachable { application } => {
                return Cow::Owned(format!("{application} does not answer now"));
            }
            Self::UpstreamSlow { application } => {
                return Cow::Owned(format!("{application} did not answer in time"));
            }
            Self::Loop => "this request went through this server already",
            Self::MethodNotAllowed => "this path does not take this method",
            Self::BodyTooSlow => "the body did not come in time",
            Self::BodyTooLarge => "the body is larger than 64 KiB",
            Self::TargetTooLong => "the path and query are longer than 4 KiB",
            Self::UnsupportedMediaType => "the body must be JSON",
            Self::UnknownHost => "this server does not answer under that host name",
            Self::Busy { .. } => "too many attempts at once",
            Self::Slowed { .. } => "too many wrong passwords came in",
            Self::HeadersTooLarge => "the request headers are too large",
            Self::Internal => "something went wrong on the server",
            Self::Unavailable => "the server cannot do this now",
            Self::TookTooLong => "the answer took too long",
        })
    }

    fn hint(&self) -> Option<Cow<'static, str>> {
        Some(Cow::Borrowed(match self {
            Self::PlainOnTls => "the request came in the clear: change a password or token that was in it",
            Self::UnknownHost => "add the name with --host, or to hosts in the configuration",
            Self::UnsupportedMediaType => "send Content-Type: application/json",
            Self::NotAllowed => "this access key may not do that; sign in, or use a key with another scope",
            Self::CrossSite => "call from a page of this server, or without Origin and Sec-Fetch-Site",
            Self::Busy { .. } => "wait as many seconds as Retry-After says",
            Self::Slowed { .. } => {
                "wait as many seconds as Retry-After says, sign in from a browser that signed in here before, or with a link made \
                 by `postern signin-link` on the server"
            }
            Self::Unreachable { .. } => "see whether it runs; the server's log says what is wrong",
            Self::Loop => {
                "the upstream of the application is this server; name the application's own address"
            }
            Self::Unavailable => "the server's log says why; GET /ready tells when it is over",
            Self::Refused(credential) => credential.hint()?,
            Self::Gate { refusal, .. } => refusal.hint(),
            Self::Malformed(_)
            | Self::NoSuchPath
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::BodyTooSlow
            | Self::Conflict(_)
            | Self::BodyTooLarge
            | Self::TargetTooLong
            | Self::HeadersTooLarge
            | Self::Internal
            | Self::UpstreamSlow { .. }
            | Self::TookTooLong => return None,
        }))
    }
}

impl Credential {
    const fn text(self) -> &'static str {
        match self {
            Self::Bearer => "Authorization failed",
            Self::Login => "Failed to log in",
            Self::Refresh => "Failed to refresh token",
            Self::MissingCookie => "Authorization failed due to missing cookie.",
            Self::Signin => "Failed to sign in",
            Self::SigninExpired => "Signin token expired",
            Self::SigninDisabled => "Signin tokens are disabled",
            Self::Password => "Incorrect password",
            Self::OneTimeCodeNeeded => "A one-time code is needed",
            Self::OneTimeCodeWrong => "The one-time code is wrong, or was used before",
            Self::ForeverDisabled => "Forever tokens are not enabled",
            Self::ForeverIssued => {
                "Cannot generate multiple forever tokens, restart the server to generate a new one"
            }
        }
    }

    const fn needs(self) -> Option<&'static str> {
        match self {
            Self::OneTimeCodeNeeded | Self::OneTimeCodeWrong => Some("OneTimeCode"),
            Self::Bearer
            | Self::Login
            | Self::Refresh
            | Self::MissingCookie
            | Self::Signin
            | Self::SigninExpired
            | Self::SigninDisabled
            | Self::Password
            | Self::ForeverDisabled
            | Self::ForeverIssued => None,
        }
    }

    const fn hint(self) -> Option<&'static str> {
        match self {
            Self::SigninExpired => Some("make a new link with `postern signin-link`"),
            Self::SigninDisabled => Some("sign in with the password"),
            Self::OneTimeCodeNeeded => {
                Some("send OneTimeCode: the six digits that the authenticator app shows, or a recovery code")
            }
            Self::OneTimeCodeWrong => Some(
                "wait for the next code of the app; if none is taken, its clock or the server's is wrong",
            ),
            Self::ForeverDisabled => Some("switch on the setting allow_forever_token, or make an access key"),
            Self::Bearer
            | Self::Login
            | Self::Refresh
            | Self::MissingCookie
            | Self::Signin
            | Self::Password
            | Self::ForeverIssued => None,
        }
    }
}

impl HttpError {
    fn needs(&self) -> Option<&'static str> {
        if let Self::Refused(credential) = self {
            credential.needs()
        } else {
            None
        }
    }
}

/// What the client sees; the log has more.
impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = ErrorBody {
            error: self.text(),
            code: status.as_u16(),
            hint: self.hint(),
            needs: self.needs(),
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        match self {
            // RFC 9110, section 15.5.2: a 401 names a way to authenticate.
            Self::Refused(_) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Gate { offers_basic, .. } => {
                let offer = if offers_basic { BASIC } else { "Bearer" };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(offer));
            }
            Self::Busy { retry_after } | Self::Slowed { retry_after } => {
                // Whole seconds, rounded up and at least one: a client that obeys does not come too early.
                let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
            }
            Self::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from(UNAVAILABLE_RETRY.as_secs()));
            }
            // Nothing else will be answered on this connection.
            Self::PlainOnTls => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Malformed(_)
            | Self::NotAllowed
            | Self::CrossSite
            | Self::NoSuchPath
            | Self::NotFound(_)
            | Self::MethodNotAllowed
            | Self::BodyTooSlow
            | Self::Conflict(_)
            | Self::BodyTooLarge
            | Self::TargetTooLong
            | Self::UnsupportedMediaType
            | Self::UnknownHost
            | Self::HeadersTooLarge
            | Self::Internal
            | Self::Unreachable { .. }
            | Self::UpstreamSlow { .. }
            | Self::Loop
            | Self::TookTooLong => {}
        }
        response
    }
}

/// Whether the answer tells the client to come again later.
pub(crate) fn says_come_again_later(response: &Response) -> bool {
    response.status() == StatusCode::TOO_MANY_REQUESTS
}

/// The answer to a panic: `500`, nothing else (`2-architecture.md`, decision 4).
pub(crate) fn after_a_panic() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// For programs that send a name and a password only when they are asked: the password is an access key.
const BASIC: &str = "Basic realm=\"Postern: any name, and an access key as the password\"";

/// The status of a page for who brings a handoff code that is not good (any more).
pub(crate) const NOT_GOOD_HERE: StatusCode = StatusCode::BAD_REQUEST;

/// The answer of `/ready` while changes cannot be committed.
pub(crate) const NOT_READY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
