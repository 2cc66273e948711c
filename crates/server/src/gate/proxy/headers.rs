//! Which headers pass, in both directions. What holds for one hop stays on it, and what tells who asks is written here.

use std::net::IpAddr;

use axum::http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    VIA,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::gate::application::Application;
use crate::gate::request::{GateRequest, is_told_by_proxies, scheme_name};
use crate::gate::trusted_proxy::X_FORWARDED_FOR;
use crate::http::cookies::gate;
use crate::http::error::HttpError;

/// How this server names itself on a request's way (RFC 9110, section 7.6.3).
const PSEUDONYM: &str = "postern";

/// Of one hop, named by `Connection` or not (RFC 9110, section 7.6.1).
const OF_ONE_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Where a client shows who it is: judged, and put there anew without what is the gate's.
const CREDENTIALS: [&str; 3] = ["cookie", "authorization", "x-api-key"];

/// The protocol that a request or an answer changes to; only where `Connection` says so too.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let says = named_by_connection(headers).any(|name| name.eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| says).cloned()
}

fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all(CONNECTION).into_iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(str::trim)
}

fn without_one_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = named_by_connection(headers)
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        // These frame the message, or say where it goes; a client has no say in whether they are there.
        .filter(|name| ![HOST, CONTENT_LENGTH].contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in OF_ONE_HOP {
        headers.remove(name);
    }
}

/// Makes a client's headers the application's. `told` is what the gate answers, as a proxy would hear it.
///
/// # Errors
/// When the request went through here before.
pub(super) fn to_application(
    headers: &mut HeaderMap,
    request: &GateRequest<'_>,
    application: &Application,
    told: HeaderMap,
    (peer, is_believed): (IpAddr, bool),
) -> Result<(), HttpError> {
    if went_through_here(headers) {
        return Err(HttpError::Loop);
    }
    let trailers = headers
        .get_all(TE)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"));
    let upgrade = upgrade(headers);
    let came_for = if is_believed {
        chain(headers)
    } else {
        String::new()
    };
    without_one_hop(headers);
    // The client gets its 100 from this server, when the application's side begins to take the body.
    headers.remove(EXPECT);
    let removed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_told(name.as_str(), application))
        .cloned()
        .collect();
    for name in removed {
        headers.remove(name);
    }
    for name in CREDENTIALS {
        headers.remove(name);
    }
    announce_what_may_follow(headers, application)?;
    for (name, value) in told {
        if let Some(name) = name.filter(|name| application.gets(name.as_str())) {
            headers.insert(name, value);
        }
    }
    let host = request.host.to_string();
    let proto = scheme_name(request.scheme);
    let node = match peer.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    for (name, value) in [
        (HOST, host.clone()),
        (X_FORWARDED_FOR, format!("{came_for}{}", peer.to_canonical())),
        (HeaderName::from_static("x-forwarded-proto"), proto.to_owned()),
        (HeaderName::from_static("x-forwarded-host"), host.clone()),
        // RFC 7239, section 4.
        (FORWARDED, format!("for={node};host=\"{host}\";proto={proto}")),
    ] {
        headers.insert(name, text(&value)?);
    }
    headers.append(VIA, HeaderValue::from_static("1.1 postern"));
    if let Some(upgrade) = upgrade {
        headers.insert(UPGRADE, upgrade);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    Ok(())
}

/// Whether an application hears a header of that name from this server and from nobody else.
fn is_told(name: &str, application: &Application) -> bool {
    // Some applications read one spelling for the other.
    is_told_by_proxies(&name.to_ascii_lowercase().replace('_', "-")) || application.is_given(name)
}

/// Fields after the body are sent if they are announced here, and no others are. Some applications read them as if they stood
/// before it (RFC 9110, section 6.5.1): what is not taken from a client there is not announced.
fn announce_what_may_follow(headers: &mut HeaderMap, application: &Application) -> Result<(), HttpError> {
    let fields = headers.get_all(TRAILER).into_iter();
    let may_follow: Vec<&str> = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(str::trim)
        .filter(|name| {
            let spelled = name.to_ascii_lowercase().replace('_', "-");
            let is_ours = CREDENTIALS.contains(&spelled.as_str()) || OF_ONE_HOP.contains(&spelled.as_str());
            !is_ours && !is_told(name, application)
        })
        .collect();
    let announced = text(&may_follow.join(", "))?;
    headers.remove(TRAILER);
    if !announced.is_empty() {
        headers.insert(TRAILER, announced);
    }
    Ok(())
}

/// A body whose length is not known is sent in chunks, whatever the method.
pub(super) fn frame(headers: &mut HeaderMap, has_body: bool) {
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Makes an application's headers the client's.
pub(super) fn to_client(headers: &mut HeaderMap, changes_to: Option<HeaderValue>) {
    without_one_hop(headers);
    let theirs: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|field| !gate::is_ours(field.as_bytes().trim_ascii_start()))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for field in theirs {
        headers.append(SET_COOKIE, field);
    }
    if let Some(protocol) = changes_to {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

fn went_through_here(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(VIA).into_iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .any(|hop| hop.split_ascii_whitespace().nth(1) == Some(PSEUDONYM))
}

/// Whom a listed proxy names, before its own address.
fn chain(headers: &HeaderMap) -> String {
    let fields = headers.get_all(X_FORWARDED_FOR).into_iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| [field, ", "])
        .collect()
}

fn text(value: &str) -> Result<HeaderValue, HttpError> {
    HeaderValue::from_str(value).map_err(|_| HttpError::Internal)
}
