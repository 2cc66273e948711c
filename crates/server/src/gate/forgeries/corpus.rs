//! The corpus. In the templates `{open}` is a path that anybody may open, `{kept}` one that is for who is signed in, `{leaf}` the
//! same without its first slash; `{elsewhere}` one that anybody may open on `{other}`; `{o}{pen}` and `{op}{en}` are the open one in pieces, for spellings that are the same to some.

use super::Kind;

/// Malformed addresses.
pub(super) const MALFORMED: &str = "Authelia CVE-2021-32637";
/// Aliases of headers with underscores.
const UNDERSCORES: &str = "oauth2-proxy CVE-2025-64484, Traefik CVE-2026-39858, Caddy CVE-2026-52845";
/// Headers taken away hop by hop.
const TAKEN_AWAY: &str = "Traefik CVE-2024-45410, Fabio CVE-2025-48865";
/// The client's own word on where it goes.
const OWN_WORD: &str = "oauth2-proxy CVE-2026-40575";
/// The client's own address.
const OWN_ADDRESS: &str = "authentik CVE-2023-36456";
/// Malformed credentials.
const NO_CREDENTIAL: &str = "Authelia #8519, authentik CVE-2026-25748";

/// Sent with GET and with POST; a space between two.
pub(super) const TARGETS: [(&str, &str); 10] = [
    (
        MALFORMED,
        "/%zz /% /%2 // /{open} //{open} /%00 {open}%00 /%ff%fe /a%c0%af",
    ),
    (
        "oauth2-proxy GHSA-pxq7-h93f-9jrg",
        "{kept}%23{open} {kept}#{open}",
    ),
    (
        "Traefik CVE-2025-32431",
        "{open}/../{leaf} {open}/./../{leaf} {open}/.. {open}/.",
    ),
    (
        "Traefik CVE-2025-47952",
        "{open}/%2e%2e/{leaf} {open}/%2e%2e%2f{leaf} /%2e%2e{open}",
    ),
    (
        "Traefik CVE-2025-66490",
        "{open}/..%2f{leaf} {open}%2f..%2f{leaf} {open}\\..\\{leaf} {open}/..%5c{leaf}",
    ),
    (
        "Apache httpd CVE-2021-42013",
        "{open}/..%255c{leaf} {open}%252f..%252f{leaf} /%252e%252e/{leaf}",
    ),
    (
        "F5 BIG-IP CVE-2020-5902",
        "{open}/..;/{leaf} {open};x=y/../{leaf} {kept};x={open}",
    ),
    (
        "oauth2-proxy CVE-2025-54576",
        "{kept}?x={open} /?{open} {kept}?..{open} {kept}?x=%2fpublic",
    ),
    ("Traefik CVE-2026-40912", "/{o%}{pen} /{O%}{pen} /{op%}{en}/x"),
    (
        "ingress-nginx #8644, Malcolm #1081",
        "/{O}{pen} {OPEN}/x {open}x {open}. /x{o}{pen} /.postern-verify /.postern /.postern/../{leaf}",
    ),
];

/// Missing authorization: what is often exempted in a proxy.
pub(super) const UNASKED: (&str, &str) = (
    "CWE-862",
    "/favicon.ico /robots.txt /.well-known/postern-check /.git/config /api/postern-check /static/postern-check.css \
     /assets/postern-check.js /postern-check.png /index.php /metrics",
);

/// Trusting the method of a request. What gets through must do no harm: only what does not exist is deleted, and nothing is put.
pub(super) const METHODS: (&str, [(&str, &str); 6]) = (
    "CWE-650",
    [
        ("POST", "{kept}"),
        ("OPTIONS", "{kept}"),
        ("PROPFIND", "{kept}"),
        ("REPORT", "{kept}"),
        ("PATCH", "/postern-check"),
        ("DELETE", "/postern-check"),
    ],
);

pub(super) type Fields = &'static [(&'static str, &'static str)];

/// Sent with GET for `{kept}`.
pub(super) const HEADERS: [(Kind, &str, &[Fields]); 10] = [
    (
        Kind::Forwarded,
        OWN_WORD,
        &[
            &[("X-Forwarded-Uri", "{open}")],
            &[("X-Forwarded-Uri", "{open}"), ("X-Forwarded-Uri", "{open}")],
            &[("X-Forwarded-Method", "GET")],
            &[("X-Forwarded-Method", "OPTIONS")],
            &[("X-Forwarded-Host", "evil.example")],
            &[("X-Forwarded-Host", "{host}, evil.example")],
            &[("X-Forwarded-Host", "127.0.0.1")],
            &[("X-Forwarded-Proto", "https")],
            &[("X-Original-URL", "{url}{open}")],
            &[("X-Original-URL", "{open}")],
            &[("X-Original-URL", "{url}{open}"), ("X-Original-Method", "GET")],
            &[("X-Original-URI", "{open}")],
            &[("X-Original-Method", "GET")],
            &[("X-Rewrite-URL", "{open}")],
            &[("Forwarded", "for=127.0.0.1;host={host};proto=https")],
        ],
    ),
    (
        Kind::Forwarded,
        OWN_ADDRESS,
        &[
            &[("X-Forwarded-For", "127.0.0.1")],
            &[("X-Real-IP", "127.0.0.1")],
            &[("X-Forwarded-For", "127.0.0.1, 127.0.0.1")],
            &[("True-Client-IP", "127.0.0.1")],
            &[("CF-Connecting-IP", "127.0.0.1")],
        ],
    ),
    (
        Kind::Forwarded,
        "Traefik GHSA-6384-m2mw-rf54",
        &[&[("X-Forwarded-Prefix", "{open}")]],
    ),
    (
        Kind::Identity,
        "CWE-290",
        &[
            &[("Remote-User", "admin")],
            &[("X-Remote-User", "admin")],
            &[("X-Forwarded-User", "admin")],
            &[("Postern-Session", "0123456789abcdef0123456789abcdef")],
            &[("Postern-Assertion", "a.b.c")],
        ],
    ),
    (
        Kind::Identity,
        UNDERSCORES,
        &[
            &[("Remote_User", "admin")],
            &[("REMOTE_USER", "admin")],
            &[("X_Forwarded_User", "admin")],
            &[("Postern_Session", "x")],
            &[("Postern_Assertion", "a.b.c")],
        ],
    ),
    (
        Kind::Forwarded,
        UNDERSCORES,
        &[
            &[("X_Forwarded_Uri", "{open}")],
            &[("X-Forwarded_Uri", "{open}")],
            &[("X_Original_URL", "{url}{open}")],
            &[("X_Forwarded_Host", "evil.example")],
            &[("X_Api_Key", "x")],
        ],
    ),
    (
        Kind::HopByHop,
        TAKEN_AWAY,
        &[
            &[("Connection", "close, X-Forwarded-Host")],
            &[("Connection", "close, X-Forwarded-Uri, X-Forwarded-Method")],
            &[("Connection", "close, Remote-User")],
            &[("Connection", "close, X-Original-URL")],
        ],
    ),
    (
        Kind::Identity,
        "oauth2-proxy GHSA-5hvv-m4w4-gf6v",
        &[
            &[("User-Agent", "GoogleHC/1.0")],
            &[("User-Agent", "kube-probe/1.30")],
            &[("User-Agent", "ELB-HealthChecker/2.0")],
        ],
    ),
    (
        Kind::Credential,
        NO_CREDENTIAL,
        &[
            &[("Authorization", "Basic")],
            &[("Authorization", "Basic %%%")],
            &[("Authorization", "Bearer")],
            &[("Authorization", "Bearer pst_ak_")],
            &[("Authorization", "Basic YWRtaW46YWRtaW4=")],
            &[("Authorization", "Bearer a"), ("Authorization", "Bearer b")],
            &[("X-Api-Key", "pst_ak_000000000000_AAAA")],
            &[("Cookie", "postern-gate=")],
            &[("Cookie", "postern-gate=x.y")],
            &[("Cookie", "postern-gate")],
            &[("Cookie", "postern-gate=\"\"; postern-gate=\"\"")],
            &[("Cookie", "$Version=1; postern-gate=x")],
            &[("Cookie", "=postern-gate=x")],
        ],
    ),
    (
        Kind::Method,
        "hyper RUSTSEC-2020-0008",
        &[&[("Content-Length", "0"), ("Expect", "100-continue")]],
    ),
];

/// Sent with GET for `{open}`: behind the change nobody would be asked, so that it is open to nobody. The second is for applications
/// that do not mind what is missing, behind proxies that take the rest away.
pub(super) const UPGRADES: (&str, [Fields; 2]) = (
    "h2c smuggling (CWE-444)",
    [
        &[
            ("Connection", "Upgrade, HTTP2-Settings, close"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ],
        &[("Connection", "Upgrade, close"), ("Upgrade", "h2c")],
    ],
);

/// Sent in `Host` with GET for `{open}`: what is open there is open nowhere else.
pub(super) const HOSTS: [&str; 6] = [
    "evil.example",
    "{name}.evil.example",
    "127.0.0.1",
    "",
    "{host}, two",
    "{name}:81",
];

/// Sent in `Host` with GET for `{kept}`: the same host in another spelling.
pub(super) const SPELLINGS: (&str, [&str; 2]) = (
    "Authelia CVE-2026-48794, tinyauth CVE-2026-77560",
    ["{NAME}", "{name}."],
);

/// Sent as they are.
pub(super) const BYTES: [(Kind, &str, &str); 16] = [
    (
        Kind::Framing,
        "RFC 9112, section 3.2",
        "GET {kept} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Host,
        "RFC 9112, section 3.2.2",
        "GET {url}{kept} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Host,
        "RFC 9112, section 3.2.2",
        "GET {scheme}://evil.example{kept} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    ),
    // A proxy that goes by the one host and asks about the other opens here what is open there.
    (
        Kind::Host,
        "RFC 9112, section 3.2.2",
        "GET {url}{elsewhere} HTTP/1.1\r\nHost: {other}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Framing,
        "RFC 9112, section 3.2",
        "GET {kept} HTTP/1.0\r\n\r\n",
    ),
    (
        Kind::Framing,
        "hyper RUSTSEC-2021-0020",
        "GET {kept} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    ),
    (
        Kind::Framing,
        "hyper RUSTSEC-2021-0020",
        "POST {kept} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\nConnection: close\r\n\r\n0\r\n\r\n",
    ),
    (
        Kind::Framing,
        "hyper RUSTSEC-2021-0078",
        "POST {kept} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
    ),
    (
        Kind::Framing,
        "Go CVE-2019-16276",
        "GET {kept} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Uri : {open}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Framing,
        "RFC 9112, section 5.2",
        "GET {kept} HTTP/1.1\r\nHost: {host}\r\nX-A: b\r\n X-Forwarded-Uri: {open}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Framing,
        "RFC 9112, section 2.2",
        "GET {kept} HTTP/1.1\nHost: {host}\nConnection: close\n\n",
    ),
    (
        Kind::Framing,
        "RFC 9110, section 9.3.7",
        "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Framing,
        "RFC 9110, section 9.3.6",
        "CONNECT {name}:80 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Framing,
        "RFC 9110, section 9.3.8",
        "TRACE {open} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Framing,
        "RFC 9110, section 9.1",
        "get {open} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    ),
    (
        Kind::Framing,
        "RFC 9110, section 5.5",
        "GET {kept} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Uri: /pub\0lic\r\nConnection: close\r\n\r\n",
    ),
];
