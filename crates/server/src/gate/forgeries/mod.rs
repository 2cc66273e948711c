//! What an outsider forges to get around the gate: requests that were past vulnerabilities of others, each with its name.
//!
//! Self-contained, since the tests send the same through proxies of their own (`tests/promises/gate`) that `postern gate check`
//! sends through one that is in use.

mod corpus;

use corpus::{BYTES, Fields, HEADERS, HOSTS, MALFORMED, METHODS, SPELLINGS, TARGETS, UNASKED, UPGRADES};

/// What a forgery plays on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Paths that two readers could read differently, or that look like an open one to one of them.
    Path,
    /// Paths that proxies are often told to serve without asking.
    Unasked,
    /// Methods that proxies are often told to let pass.
    Method,
    /// Headers that say where the request goes or comes from.
    Forwarded,
    /// Headers that say who asks.
    Identity,
    /// Headers that take others away on their way.
    HopByHop,
    /// Changes to another protocol, in which nobody is asked.
    Upgrade,
    /// Credentials that are none.
    Credential,
    /// Hosts that are not the application's, or another spelling of it.
    Host,
    /// Requests that no client sends: framing, line ends, versions.
    Framing,
}

/// What the templates are filled with.
pub(crate) struct Names<'a> {
    /// `https`
    pub(crate) scheme: &'a str,
    /// As browsers send it, with a port where it is not the scheme's own.
    pub(crate) host: &'a str,
    /// A path that anybody may open, without a slash at its end; where there is none, one that does not exist.
    pub(crate) open: &'a str,
    /// A path for who is signed in.
    pub(crate) kept: &'a str,
    /// The host of another application, if there is one, and a path that anybody may open there, or as good as any.
    pub(crate) other: Option<(&'a str, &'a str)>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Forgery {
    pub(crate) kind: Kind,
    /// The vulnerability it stands for; a weakness (CWE) or a section of the standard where it has no name of its own.
    pub(crate) after: &'static str,
    pub(crate) sent: Sent,
}

#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// A request with these headers besides a browser's own.
    Request {
        method: &'static str,
        target: String,
        host: String,
        forged: Vec<(&'static str, String)>,
    },
    /// What is no request of HTTP/1.1, or hardly one.
    Bytes(Vec<u8>),
}

/// What a browser says of itself when a person opens an address: then a refusal is the way to sign in, and nothing looks like it.
pub(crate) const BROWSER: [(&str, &str); 4] = [
    ("Accept", "text/html,application/xhtml+xml"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Dest", "document"),
    ("User-Agent", "postern gate check"),
];

/// All of them: fewer than two hundred.
pub(crate) fn forgeries(names: &Names<'_>) -> Vec<Forgery> {
    let fills = fills(names);
    let fill = |template: &str| {
        fills
            .iter()
            .fold(template.to_owned(), |text, (key, value)| text.replace(key, value))
    };
    let mut all = Vec::new();
    let mut add = |kind, after, method, target: &str, host: &str, fields: Fields| {
        let sent = Sent::Request {
            method,
            target: fill(target),
            host: fill(host),
            forged: fields.iter().map(|(name, value)| (*name, fill(value))).collect(),
        };
        all.push(Forgery { kind, after, sent });
    };
    for (after, targets) in TARGETS {
        for target in targets.split(' ') {
            add(Kind::Path, after, "GET", target, "{host}", &[]);
            add(Kind::Path, after, "POST", target, "{host}", &[]);
        }
    }
    for target in UNASKED.1.split(' ') {
        add(Kind::Unasked, UNASKED.0, "GET", target, "{host}", &[]);
    }
    for (method, target) in METHODS.1 {
        add(Kind::Method, METHODS.0, method, target, "{host}", &[]);
    }
    for (kind, after, forged) in HEADERS {
        for fields in forged {
            add(kind, after, "GET", "{kept}", "{host}", fields);
        }
    }
    for fields in UPGRADES.1 {
        add(Kind::Upgrade, UPGRADES.0, "GET", "{open}", "{host}", fields);
    }
    for host in HOSTS {
        add(Kind::Host, "CWE-644", "GET", "{open}", host, &[]);
    }
    if names.other.is_some() {
        add(Kind::Host, "CWE-644", "GET", "{elsewhere}", "{other}", &[]);
    }
    for host in SPELLINGS.1 {
        add(Kind::Host, SPELLINGS.0, "GET", "{kept}", host, &[]);
    }
    let bytes = BYTES.map(|(kind, after, text)| (kind, after, fill(text).into_bytes()));
    // 64 KiB of path; bytes that are no text.
    let long = fill("GET /{long} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        .replace("{long}", &"a".repeat(65_536));
    let odd = [
        b"GET /\xff\xfe".as_slice(),
        fill(" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
    ]
    .concat();
    let odd_ones = [long.into_bytes(), odd].map(|bytes| (Kind::Framing, MALFORMED, bytes));
    all.extend(
        bytes
            .into_iter()
            .chain(odd_ones)
            .map(|(kind, after, bytes)| Forgery {
                kind,
                after,
                sent: Sent::Bytes(bytes),
            }),
    );
    all
}

fn fills(names: &Names<'_>) -> Vec<(&'static str, String)> {
    let name = names.host.rsplit_once(':').map_or(names.host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            names.host
        }
    });
    // The open path in pieces: `o`, `p` and what comes behind them, for spellings that are another's to one reader.
    let (first, pen) = names
        .open
        .get(1..)
        .unwrap_or_default()
        .split_at_checked(1)
        .unwrap_or(("", ""));
    let (second, en) = pen.split_at_checked(1).unwrap_or(("", ""));
    let escaped = |text: &str| {
        text.bytes()
            .next()
            .map_or_else(String::new, |b| format!("%{b:02x}"))
    };
    let (other, elsewhere) = names.other.unwrap_or(("evil.example", names.open));
    let capital = first.to_ascii_uppercase();
    vec![
        ("{o%}", escaped(first)),
        ("{O%}", escaped(&capital)),
        ("{op%}", format!("{first}{}", escaped(second))),
        ("{o}", first.to_owned()),
        ("{O}", capital),
        ("{pen}", pen.to_owned()),
        ("{en}", en.to_owned()),
        ("{OPEN}", names.open.to_ascii_uppercase()),
        ("{open}", names.open.to_owned()),
        ("{leaf}", names.kept.trim_start_matches('/').to_owned()),
        ("{kept}", names.kept.to_owned()),
        ("{url}", format!("{}://{}", names.scheme, names.host)),
        ("{scheme}", names.scheme.to_owned()),
        ("{NAME}", name.to_ascii_uppercase()),
        ("{name}", name.to_owned()),
        ("{host}", names.host.to_owned()),
        ("{other}", other.to_owned()),
        ("{elsewhere}", elsewhere.to_owned()),
    ]
}

impl Sent {
    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Sent::Bytes(bytes) => bytes.clone(),
            Sent::Request {
                method,
                target,
                host,
                forged,
            } => {
                let forged: Vec<_> = forged
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                request(method, target, host, &forged)
            }
        }
    }
}

/// A browser's request, with these headers besides or in the place of its own.
pub(crate) fn request(method: &str, target: &str, host: &str, forged: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    let length = Some(("Content-Length", "0")).filter(|_| method != "GET");
    let own = BROWSER.into_iter().chain([("Connection", "close")]).chain(length);
    let own = own.filter(|(name, _)| !forged.iter().any(|(known, _)| known == name));
    for (name, value) in own.chain(forged.iter().copied()) {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.into_bytes()
}
