//! Every answer of a server under test passes here, and each is held against what all of them promise: headers, cookies, redirects.
//!
//! Not looked over: answers on applications' hosts, which may be the applications'; and the two bare refusals of the HTTP library, which
//! reads no further and knows no header of ours. A yes of `/gate/verify` goes to a proxy and to no browser: only that it is not kept
//! counts.

use std::collections::BTreeSet;
use std::sync::Mutex;

/// Addresses of servers that run, of this process.
static RUNNING: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// On every answer (OWASP ASVS 5.0: 3.4.3 to 3.4.8, 3.5.8), whatever it is.
const ALWAYS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// Of a document that loads its own files.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// What may be kept: public keys for minutes, and files under an address that holds their digest for good.
const KEPT: [&str; 2] = ["public, max-age=300", "public, max-age=31536000, immutable"];

/// Longest cookie that every browser keeps, in bytes (RFC 6265, section 6.1).
const COOKIE_MAX: usize = 4096;

/// An answer, as far as this looks at it.
pub struct Seen<'a> {
    /// Whether it came over TLS.
    pub tls: bool,
    /// What was asked for.
    pub target: &'a str,
    /// The `Host` that was asked, empty for none.
    pub host: &'a str,
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
}

/// From here on answers of that address are looked over.
pub(crate) fn runs(address: &str) {
    running().insert(address.to_owned());
}

/// Its port may be somebody else's from here on.
pub(crate) fn ended(address: &str) {
    running().remove(address);
}

fn running() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    // A test that failed elsewhere leaves the list whole.
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Looks over an answer of that address, if it is a server's under test.
///
/// # Panics
/// When something is missing or amiss.
#[track_caller]
pub fn look_over(address: &str, seen: &Seen<'_>) {
    if running().contains(address)
        && let Some(fault) = fault(seen)
    {
        panic!("{} of {:?} {fault}: {:?}", seen.status, seen.target, seen.headers);
    }
}

/// What an answer lacks or has too much, in words.
#[must_use]
pub fn fault(seen: &Seen<'_>) -> Option<String> {
    if is_not_looked_over(seen) {
        return None;
    }
    if seen.target.starts_with("/gate/verify") && seen.status < 300 {
        return may_be_kept(seen);
    }
    headers_at_fault(seen)
        .or_else(|| content_at_fault(seen))
        .or_else(|| {
            seen.all("set-cookie")
                .find_map(|cookie| cookie_at_fault(seen, cookie))
        })
}

fn is_not_looked_over(seen: &Seen<'_>) -> bool {
    let host = seen.host.rsplit_once(':').map_or(seen.host, |(name, _)| name);
    let ours = matches!(host, "" | "127.0.0.1" | "localhost") || seen.status == 421;
    let bare = matches!(seen.status, 400 | 431)
        && seen.one("content-length") == Some("0")
        && seen.one("connection") == Some("close")
        && seen.headers.len() <= 3;
    !ours || seen.status < 200 || bare
}

impl Seen<'_> {
    fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let fields = self.headers.iter().filter(move |(known, _)| known == name);
        fields.map(|(_, value)| value.as_str())
    }

    /// The one field of that name.
    fn one<'s>(&'s self, name: &'s str) -> Option<&'s str> {
        let mut fields = self.all(name);
        fields.next().filter(|_| fields.next().is_none())
    }
}

fn headers_at_fault(seen: &Seen<'_>) -> Option<String> {
    for (name, value) in ALWAYS {
        if seen.one(name) != Some(value) {
            return Some(format!("lacks {name}: {value}"));
        }
    }
    let html = seen
        .one("content-type")
        .is_some_and(|kind| kind.starts_with("text/html"));
    let policy = if html { PAGE_POLICY } else { POLICY };
    if seen.one("content-security-policy") != Some(policy) {
        return Some("has another content-security-policy".to_owned());
    }
    let kept = seen.one("cache-control");
    let is_for_keeping = seen.status == 200 && kept.is_some_and(|kept| KEPT.contains(&kept));
    if !is_for_keeping && let Some(fault) = may_be_kept(seen) {
        return Some(fault);
    }
    let stays = seen.one("strict-transport-security");
    if stays != seen.tls.then_some("max-age=31536000") {
        return Some("says the wrong thing of TLS".to_owned());
    }
    let mut others = [
        "server",
        "x-powered-by",
        "access-control-allow-origin",
        "access-control-allow-credentials",
    ]
    .into_iter();
    if let Some(other) = others.find(|other| seen.all(other).next().is_some()) {
        return Some(format!("has {other}"));
    }
    let redirects = (300..400).contains(&seen.status) && seen.status != 304;
    if redirects && !matches!(seen.status, 302 | 303) {
        // After credentials only a 303 does not send them on (RFC 9700, section 4.12).
        return Some("is a redirect of another kind".to_owned());
    }
    None
}

fn may_be_kept(seen: &Seen<'_>) -> Option<String> {
    (seen.one("cache-control") != Some("no-store")).then(|| "may be kept".to_owned())
}

fn content_at_fault(seen: &Seen<'_>) -> Option<String> {
    let chunked = seen.one("transfer-encoding").is_some();
    let length: u64 = seen
        .one("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    if !chunked && length == 0 {
        return None;
    }
    let Some(kind) = seen.one("content-type") else {
        return Some("has a body of no kind".to_owned());
    };
    let is_text = kind.starts_with("text/") || kind.contains("javascript");
    (is_text && !kind.to_ascii_lowercase().contains("charset=utf-8"))
        .then(|| "has text in no charset".to_owned())
}

fn cookie_at_fault(seen: &Seen<'_>, cookie: &str) -> Option<String> {
    let mut parts = cookie.split(';').map(str::trim);
    let (name, value) = parts.next()?.split_once('=')?;
    let attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    let has = |attribute: &str| attributes.iter().any(|known| known == attribute);
    let says = |what: &str| Some(format!("sets the cookie {name} {what}"));
    if cookie.len() > COOKIE_MAX {
        return says("too long");
    }
    if !has("httponly") {
        return says("within reach of scripts");
    }
    // A browser comes to the gate's two from the sign-in host, which may be another site.
    let from_elsewhere = name.contains("postern-gate") || name.contains("postern-state");
    if !has(if from_elsewhere {
        "samesite=lax"
    } else {
        "samesite=strict"
    }) {
        return says("for other sites");
    }
    if attributes.iter().any(|known| known.starts_with("domain")) {
        return says("for sub-domains");
    }
    let reference = name.starts_with("RefreshToken_");
    if !has(if reference {
        "path=/api/v1/auth/refresh"
    } else {
        "path=/"
    }) {
        return says("on another path");
    }
    if seen.tls != has("secure") && seen.tls {
        return says("without TLS");
    }
    if seen.tls && !reference && !name.starts_with("__Host-") {
        return says("that a sibling can plant");
    }
    let deleted = value.is_empty() && has("max-age=0");
    // An answer that is both a refusal and a token (OpenBao CVE-2026-46405).
    if seen.status >= 400 && !deleted && !from_elsewhere {
        return says("with a refusal");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Vec<(String, String)> {
        let fixed = ALWAYS.into_iter().chain([
            ("content-security-policy", POLICY),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=31536000"),
            ("content-type", "application/json"),
            ("content-length", "2"),
            (
                "set-cookie",
                "__Host-postern-refresh=a.b; HttpOnly; SameSite=Strict; Secure; Path=/",
            ),
        ]);
        fixed
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn seen(status: u16, headers: &[(String, String)]) -> Option<String> {
        fault(&Seen {
            tls: true,
            target: "/api/v1/auth/login",
            host: "localhost",
            status,
            headers,
        })
    }

    #[test]
    fn a_yes_to_a_proxy_is_not_kept_and_needs_no_more() {
        let yes = |headers: &[(String, String)]| {
            fault(&Seen {
                tls: false,
                target: "/gate/verify",
                host: "127.0.0.1:8420",
                status: 200,
                headers,
            })
        };
        let kept = |value: &str| vec![("cache-control".to_owned(), value.to_owned())];
        assert_eq!(yes(&kept("no-store")), None);
        let twice = [kept("no-store"), kept("no-store")].concat();
        for headers in [vec![], kept("public, max-age=300"), twice] {
            assert_eq!(yes(&headers).as_deref(), Some("may be kept"), "{headers:?}");
        }
    }

    /// Control of every test of the suite.
    #[test]
    fn an_answer_that_lacks_a_header_or_bends_a_cookie_fails() {
        assert_eq!(seen(200, &good()), None);
        for at in 0..good().len() {
            let mut headers = good();
            let (name, _) = headers.remove(at);
            let may_lack = ["content-length", "set-cookie"].contains(&name.as_str());
            assert_eq!(seen(200, &headers).is_none(), may_lack, "without {name}");
            headers.extend([good().remove(at), good().remove(at)]);
            let may_be_doubled = ["content-type", "set-cookie", "content-length"].contains(&name.as_str());
            assert!(may_be_doubled || seen(200, &headers).is_some(), "twice {name}");
        }
        for (bent, what) in [
            (
                "postern-refresh=a; HttpOnly; SameSite=Strict; Secure; Path=/",
                "that a sibling can plant",
            ),
            (
                "__Host-x=a; SameSite=Strict; Secure; Path=/",
                "within reach of scripts",
            ),
            (
                "__Host-x=a; HttpOnly; SameSite=Lax; Secure; Path=/",
                "for other sites",
            ),
            ("__Host-x=a; HttpOnly; SameSite=Strict; Path=/", "without TLS"),
            (
                "__Host-x=a; HttpOnly; SameSite=Strict; Secure; Path=/; Domain=example.org",
                "for sub-domains",
            ),
            (
                "__Host-x=a; HttpOnly; SameSite=Strict; Secure; Path=/api",
                "on another path",
            ),
        ] {
            let mut headers = good();
            headers.push(("set-cookie".to_owned(), bent.to_owned()));
            let fault = seen(200, &headers).expect("a fault");
            assert!(fault.ends_with(what), "{fault}");
        }
        assert!(seen(401, &good()).is_some_and(|fault| fault.ends_with("with a refusal")));
        assert!(seen(307, &good()).is_some() && seen(303, &good()).is_none());
        for (name, value) in [("server", "x"), ("access-control-allow-origin", "*")] {
            let mut headers = good();
            headers.push((name.to_owned(), value.to_owned()));
            assert!(seen(200, &headers).is_some(), "{name}");
        }
    }
}
