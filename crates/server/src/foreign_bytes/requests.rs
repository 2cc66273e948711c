//! What comes over the network: headers, paths, queries and bodies of anybody, and answers of a proxy that is looked at.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::gate::application::{Application, PathRule};
use crate::gate::check::answer;
use crate::gate::credential;
use crate::gate::decision::{self, GateDecision, Passing};
use crate::gate::path::Target;
use crate::gate::request::GateRequest;
use crate::gate::trusted_proxy::TrustedProxies;
use crate::http::auth::login::LoginBody;
use crate::http::config::{HttpConfig, RefreshCookieForm, Scheme};
use crate::http::cookies::{self, gate as gate_cookies};
use crate::http::extract::bearer::bearer;
use crate::http::extract::json as bodies;
use crate::http::extract::query::Query;
use crate::http::extract::same_origin::is_same_origin;
use crate::http::host::{Host, HostNames};

/// The proxy that the seeds come from.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

static TRUSTED: LazyLock<TrustedProxies> =
    LazyLock::new(|| TrustedProxies::new(&["10.0.0.0/8"]).unwrap_or_default());

/// Everything below `/share` is open, but nothing below `/share/private`.
static APPLICATION: LazyLock<Application> = LazyLock::new(|| Application {
    name: "app".to_owned(),
    hosts: Host::parse("app.example.org").into_iter().collect(),
    upstream: None,
    upstream_ca: None,
    open: PathRule::parse("/share").into_iter().collect(),
    closed: PathRule::parse("/share/private").into_iter().collect(),
    identity: Vec::new(),
    headers: Vec::new(),
});

/// One header a line; what a server's library takes for none is left out.
fn header_map(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// Whether some reader could see that folder in a path: decoded as often as there is something to decode, slashes and
/// parameters taken as each of them is by somebody.
fn could_be_in(path: &str, folder: &str) -> bool {
    let mut reading = path.as_bytes().to_vec();
    loop {
        let text = String::from_utf8_lossy(&reading).to_ascii_lowercase();
        let names: Vec<&str> = text
            .split(['/', '\\'])
            .map(|name| name.split(';').next().unwrap_or_default())
            .filter(|name| !name.is_empty() && *name != ".")
            .collect();
        let looked_for: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
        if names.starts_with(&looked_for) || names.contains(&"..") {
            return true;
        }
        let decoded = decoded_once(&reading);
        if decoded == reading {
            return false;
        }
        reading = decoded;
    }
}

fn decoded_once(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let escape = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let escape = escape.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match escape.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if first == b'%' => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => decoded.push(first),
        }
    }
    decoded
}

/// What a proxy forwards, the credentials in it, and the decision for somebody unknown.
pub(super) fn gate(bytes: &[u8]) -> bool {
    let headers = header_map(bytes);
    let (client, _) = TRUSTED.client(PROXY, &headers);
    let _ = client.to_string();
    let Ok(request) = GateRequest::read(PROXY, &TRUSTED, &headers) else {
        return false;
    };
    let of_host = APPLICATION.hosts.contains(&request.host).then_some(&*APPLICATION);
    if decision::decide(&request, Scheme::Https, of_host, None) == GateDecision::Allow(Passing::Anonymous) {
        assert!(
            could_be_in(request.target.raw, "/share"),
            "what no rule opens is open"
        );
        assert!(
            !could_be_in(request.target.raw, "/share/private"),
            "what a rule closes is open"
        );
        assert_eq!(request.scheme, Scheme::Https);
    }
    if let Ok((_, handed_on)) = credential::sort(&request, &headers) {
        for (name, value) in &handed_on.0 {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            let ours = name == "cookie"
                && text
                    .split(';')
                    .any(|pair| gate_cookies::is_ours(pair.trim().as_bytes()));
            assert!(!ours, "a cookie of ours is handed on");
            assert!(!text.trim().starts_with("bearer pst_ak_"), "a key is handed on");
        }
    }
    let again = Host::parse(&request.host.to_string());
    assert_eq!(again.as_ref(), Some(&request.host), "a second spelling of a host");
    true
}

/// The headers of a request to this server itself.
pub(super) fn headers(bytes: &[u8]) -> bool {
    let headers = header_map(bytes);
    let mut taken = false;
    let Some(host) = Host::parse("127.0.0.1:8420") else {
        return false;
    };
    for scheme in [Scheme::Http, Scheme::Https] {
        for refresh_cookie in [RefreshCookieForm::ByScheme, RefreshCookieForm::Reference] {
            let Ok(hosts) = HostNames::new(HostNames::LOOPBACK) else {
                return false;
            };
            let config = HttpConfig {
                hosts,
                scheme,
                refresh_cookie,
            };
            if let Ok(Some(value)) = cookies::read_refresh(&headers, &host, &config) {
                let clean = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
                assert!(value.bytes().all(clean), "a cookie with other characters");
                taken = true;
            }
        }
        let _ = is_same_origin(&headers, &host, scheme);
        let form = gate_cookies::Form::of(scheme, &host);
        taken |= gate_cookies::read(&headers, &form.cookie_name()).is_ok_and(|value| value.is_some());
    }
    if let Some(rest) = gate_cookies::without_ours(&headers) {
        let mut pairs = rest
            .as_bytes()
            .split(|byte| *byte == b';')
            .map(<[u8]>::trim_ascii);
        assert!(!pairs.any(gate_cookies::is_ours), "a cookie of ours is left");
    }
    let bearer = bearer(&headers);
    assert!(bearer.is_none_or(|text| !text.is_empty() && text.is_ascii()));
    taken || bearer.is_some()
}

/// The path and query of a request.
pub(super) fn target(bytes: &[u8]) -> bool {
    let Some(target) = std::str::from_utf8(bytes).ok().and_then(Target::parse) else {
        return false;
    };
    let [decoded, raw] = target.readings();
    assert!(decoded.starts_with('/') && raw.starts_with('/'));
    assert!(!decoded.split('/').any(|name| matches!(name, "." | "..")));
    assert!(target.text.starts_with(target.raw));
    if !target.ambiguous {
        assert_eq!(decoded.contains("//"), raw.contains("//"));
    }
    let _ = target.stays_on_its_host();
    true
}

/// The value of `Host`.
pub(super) fn host(bytes: &[u8]) -> bool {
    let Some(host) = std::str::from_utf8(bytes).ok().and_then(Host::parse) else {
        return false;
    };
    assert_eq!(
        Host::parse(&host.to_string()),
        Some(host.clone()),
        "a second spelling"
    );
    assert_eq!(host.name(), host.name().to_ascii_lowercase());
    let _ = host.without_port(443);
    true
}

/// A body: as a call with members reads it, and as settings are.
pub(super) fn json(bytes: &[u8]) -> bool {
    let login = bodies::parse::<LoginBody>(bytes);
    let none = bodies::parse::<bodies::NoMembers>(bytes);
    let entries = bodies::parse_entries(bytes);
    if let Ok(entries) = &entries {
        let mut names: Vec<_> = entries.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b), "a name is there twice");
    }
    assert!(
        login.is_err() || none.is_ok(),
        "members are known that are in no object"
    );
    login.is_ok() || entries.is_ok()
}

/// What comes after the `?`.
pub(super) fn query(bytes: &[u8]) -> bool {
    let Some(query) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| Query::parse(text).ok())
    else {
        return false;
    };
    ["limit", "before"].iter().any(|name| query.value(name).is_some())
}

/// What a proxy answers to `postern gate check`.
pub(super) fn proxy_answer(bytes: &[u8]) -> bool {
    let answers = answer::all(bytes);
    let body: usize = answers.iter().map(|answer| answer.body.len()).sum();
    // Each byte that is no UTF-8 becomes three.
    assert!(body <= 3 * bytes.len(), "more came out than went in");
    answer::is_whole(bytes)
}
