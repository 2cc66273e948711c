//! Applications behind the gate: what each is called, which of its paths have rules of their own, and what it is told.

use std::fmt;
use std::path::PathBuf;

use axum::http::{HeaderName, HeaderValue};

use super::path::Target;
use crate::http::host::Host;

/// A header that tells an application who stands before it. Every answer that lets somebody pass has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IdentityHeader {
    /// `admin`, or `anonymous` on an open path.
    RemoteUser,
    /// The session's id, `key-…` for an access key, or `none`.
    PosternSession,
    /// A JWT for this host, or `none`.
    PosternAssertion,
}

impl IdentityHeader {
    pub(crate) const ALL: [Self; 3] = [Self::RemoteUser, Self::PosternSession, Self::PosternAssertion];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RemoteUser => "Remote-User",
            Self::PosternSession => "Postern-Session",
            Self::PosternAssertion => "Postern-Assertion",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|header| header.name().eq_ignore_ascii_case(name))
    }
}

/// A path and all below it, perhaps for some methods only: `/share`, `GET,POST /api`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathRule {
    methods: Vec<String>,
    /// Begins with a slash; ends with none, and so the root is empty.
    path: String,
}

impl PathRule {
    /// Reads the text form.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (methods, path) = match text.split_once(' ') {
            Some((methods, path)) => (methods.split(',').map(str::to_owned).collect(), path),
            None => (Vec::new(), text),
        };
        let methods: Vec<String> = methods;
        let sound = |method: &String| !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
        if !methods.iter().all(sound) {
            return Err("methods are in capitals, with commas between them and one space after them");
        }
        let target = Target::parse(path)
            .filter(|target| !target.ambiguous && target.raw == target.text && target.raw == target.path);
        let path = target
            .ok_or("it is a path such as /share, without a query, escapes or dot segments")?
            .raw;
        Ok(Self {
            methods,
            path: path.strip_suffix('/').unwrap_or(path).to_owned(),
        })
    }

    /// Whether it makes a difference which path a request has.
    const fn reads_paths(&self) -> bool {
        !self.path.is_empty()
    }

    /// The path, without a slash at its end.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn names(&self, method: &str) -> bool {
        // HEAD is GET without the body (RFC 9110, section 9.3.2).
        let same = |known: &String| known == method || (known == "GET" && method == "HEAD");
        self.methods.is_empty() || self.methods.iter().any(same)
    }

    fn holds(&self, path: &str, case: Case) -> bool {
        let Some((head, rest)) = path.split_at_checked(self.path.len()) else {
            return false;
        };
        let same = match case {
            Case::Exact => head == self.path,
            Case::Any => head.eq_ignore_ascii_case(&self.path),
        };
        same && (rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods.join(","))?;
        }
        f.write_str(if self.path.is_empty() { "/" } else { &self.path })
    }
}

/// How a rule's path is compared. Some applications take `/ADMIN` for `/admin`: what opens must be exactly what was written,
/// what closes closes every spelling.
#[derive(Clone, Copy)]
enum Case {
    Exact,
    Any,
}

/// What the rules of an application say of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access<'a> {
    /// Anybody passes.
    Open(&'a PathRule),
    /// Nobody passes.
    Closed(&'a PathRule),
    /// Who is signed in passes.
    SignedIn,
}

/// The rules say one thing of the path as it came and another of the path decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// A header that an application gets besides, whose value may be made of sealed settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddedHeader {
    pub(crate) name: HeaderName,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The key of a sealed setting, `secret.…`.
    Secret(String),
}

impl AddedHeader {
    /// Reads a value such as `Bearer {secret.photos}`.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn parse(name: &str, value: &str) -> Result<Self, &'static str> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "its name is none of a header")?;
        let ours = IdentityHeader::from_name(name.as_str()).is_some();
        if ours || FORBIDDEN.contains(&name.as_str()) || name.as_str().contains('_') {
            return Err("this header is the gate's or the proxy's own");
        }
        let mut parts = Vec::new();
        let mut rest = value;
        while let Some((text, after)) = rest.split_once('{') {
            let (key, after) = after.split_once('}').ok_or("a { has no }")?;
            if !key.starts_with("secret.") {
                return Err("between braces stands the key of a sealed setting, such as {secret.photos}");
            }
            parts.push(Part::Text(text.to_owned()));
            parts.push(Part::Secret(key.to_owned()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        if HeaderValue::from_str(value).is_err() || value.is_empty() {
            return Err("its value is none of a header");
        }
        Ok(Self { name, parts })
    }

    /// The value, with each secret in its place.
    ///
    /// # Errors
    /// The key of a secret that is not set, or that no header can carry.
    pub(crate) fn value(&self, reveal: impl Fn(&str) -> Option<String>) -> Result<HeaderValue, &str> {
        let mut text = zeroize::Zeroizing::new(String::new());
        let mut last = "";
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Secret(key) => {
                    last = key;
                    text.push_str(&zeroize::Zeroizing::new(reveal(key).ok_or(key.as_str())?));
                }
            }
        }
        let mut value = HeaderValue::from_str(&text).map_err(|_| last)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What an application gets is not changed in these: they frame the message, say where it goes, or in an answer to a proxy how that is
/// to take it.
const FORBIDDEN: [&str; 15] = [
    "host",
    "cookie",
    "set-cookie",
    "location",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "forwarded",
    "postern-location",
    "www-authenticate",
    "cache-control",
];

/// One application.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    pub(crate) name: String,
    /// Each in its one spelling; a port only where it is not the scheme's own.
    pub(crate) hosts: Vec<Host>,
    /// Where the proxy finds it; recipes name it.
    pub(crate) upstream: Option<String>,
    /// Whom alone to believe that something is the upstream: authorities in a PEM file, in the place of this machine's.
    pub(crate) upstream_ca: Option<PathBuf>,
    pub(crate) open: Vec<PathRule>,
    pub(crate) closed: Vec<PathRule>,
    pub(crate) identity: Vec<IdentityHeader>,
    pub(crate) headers: Vec<AddedHeader>,
}

impl Application {
    /// What the rules say. Closed wins over open, whatever stands first. An ambiguous path is never one that a rule opens.
    ///
    /// # Errors
    /// When they say different things of the path as it came and decoded, or could close one reading of it: proxy and
    /// application may differ in which they look at.
    pub(crate) fn access(&self, method: &str, target: &Target<'_>) -> Result<Access<'_>, Ambiguous> {
        let [decoded, raw] = target.readings().map(|path| self.access_to(method, path));
        if decoded != raw || (target.ambiguous && self.closed.iter().any(PathRule::reads_paths)) {
            return Err(Ambiguous);
        }
        Ok(decoded)
    }

    /// Whether it gets a header of that name of what the gate answers: of those of identity only what it wants.
    pub(crate) fn gets(&self, name: &str) -> bool {
        IdentityHeader::from_name(name).is_none_or(|header| self.identity.contains(&header))
    }

    /// Whether it is configured to get a header that some applications take for one of that name: to CGI and WSGI hyphens are
    /// underscores.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase().replace('_', "-");
        self.headers.iter().any(|added| added.name.as_str() == name)
    }

    fn access_to(&self, method: &str, path: &str) -> Access<'_> {
        let first = |rules: &'_ [PathRule], case| {
            rules
                .iter()
                .position(|rule| rule.names(method) && rule.holds(path, case))
        };
        if let Some(rule) = first(&self.closed, Case::Any).and_then(|at| self.closed.get(at)) {
            Access::Closed(rule)
        } else if let Some(rule) = first(&self.open, Case::Exact).and_then(|at| self.open.get(at)) {
            Access::Open(rule)
        } else {
            Access::SignedIn
        }
    }
}

/// All applications; no host belongs to two.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applications(pub(crate) Vec<Application>);

impl Applications {
    /// The application of a host, whose port is `None` where it is the scheme's own.
    pub(crate) fn of(&self, host: &Host) -> Option<&Application> {
        self.0.iter().find(|application| application.hosts.contains(host))
    }

    /// The application of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Application> {
        self.0.iter().find(|application| application.name == name)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn application(open: &[&str], closed: &[&str]) -> Application {
        let rules = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| PathRule::parse(text).expect(text))
                .collect()
        };
        Application {
            name: "app".to_owned(),
            hosts: vec![Host::parse("app.example.org").expect("a host")],
            upstream: None,
            upstream_ca: None,
            open: rules(open),
            closed: rules(closed),
            identity: IdentityHeader::ALL.to_vec(),
            headers: Vec::new(),
        }
    }

    #[test]
    fn open_is_exactly_what_was_written_closed_is_every_spelling_and_closed_wins() {
        let application = application(
            &["GET /public", "/share", "/closed/open"],
            &["/admin", "POST /share/new", "/closed"],
        );
        for (method, path, expected) in [
            ("GET", "/public", "open"),
            ("HEAD", "/public/x", "open"),
            ("POST", "/public", "signed in"),
            ("GET", "/publicity", "signed in"),
            ("GET", "/Public", "signed in"),
            ("PUT", "/share/", "open"),
            ("POST", "/share/new", "closed"),
            ("GET", "/share/new", "open"),
            ("GET", "/", "signed in"),
            ("GET", "/admin", "closed"),
            ("GET", "/ADMIN/x", "closed"),
            ("GET", "/administrator", "signed in"),
            ("GET", "/closed/open", "closed"),
            ("GET", "/x/public", "signed in"),
        ] {
            let target = Target::parse(path).expect(path);
            let access = match application.access(method, &target) {
                Ok(Access::Open(_)) => "open",
                Ok(Access::Closed(_)) => "closed",
                Ok(Access::SignedIn) => "signed in",
                Err(Ambiguous) => "ambiguous",
            };
            assert_eq!(access, expected, "{method} {path}");
        }
    }

    /// Traefik CVE-2026-40912: rules on one reading, routing on another.
    #[test]
    fn a_path_that_a_rule_names_in_one_reading_only_is_ambiguous() {
        let application = application(&["/public"], &["/admin"]);
        for path in ["/%70ublic", "/%61dmin", "/public%2ex/../", "/adm%69n/x"] {
            if let Some(target) = Target::parse(path) {
                assert_eq!(application.access("GET", &target), Err(Ambiguous), "{path}");
            }
        }
        // No reading of it is opened; and one could be closed.
        let double = Target::parse("/public//x").expect("honest");
        assert_eq!(application.access("GET", &double), Err(Ambiguous));
        let inside = Target::parse("/public/%61").expect("sound");
        assert!(matches!(application.access("GET", &inside), Ok(Access::Open(_))));
    }

    #[test]
    fn an_ambiguous_path_is_under_the_rules_for_everything_and_is_never_opened() {
        for (open, closed, method, expected) in [
            (&[][..], &[][..], "GET", Ok("signed in")),
            (&["/public"], &[], "GET", Ok("signed in")),
            (&["GET /"], &[], "GET", Ok("open")),
            (&["GET /"], &[], "PUT", Ok("signed in")),
            (&["/"], &["DELETE /"], "DELETE", Ok("closed")),
            (&["/"], &["POST /admin"], "GET", Err(Ambiguous)),
        ] {
            let application = application(open, closed);
            for path in ["/public%2fx", "/public//x", "/public;x", "//public"] {
                let target = Target::parse(path).expect(path);
                let access = application.access(method, &target).map(|access| match access {
                    Access::Open(_) => "open",
                    Access::Closed(_) => "closed",
                    Access::SignedIn => "signed in",
                });
                assert_eq!(access, expected, "{open:?} {closed:?} {method} {path}");
            }
        }
    }

    #[test]
    fn a_rule_has_one_spelling_and_a_trick_is_none() {
        for (text, shown) in [("/", "/"), ("/a/", "/a"), ("GET,POST /a", "GET,POST /a")] {
            assert_eq!(PathRule::parse(text).expect(text).to_string(), shown);
        }
        for text in [
            "",
            "a",
            "get /a",
            "GET, POST /a",
            " /a",
            "/a b",
            "/a?b",
            "/%61",
            "/../a",
            "/a;b",
            "/a//b",
        ] {
            assert!(PathRule::parse(text).is_err(), "{text}");
        }
        let everything = application(&["/"], &[]);
        let target = Target::parse("/any/where").expect("sound");
        assert!(matches!(everything.access("PUT", &target), Ok(Access::Open(_))));
    }

    #[test]
    fn a_header_is_filled_with_secrets_or_not_sent() {
        let header = AddedHeader::parse("Authorization", "Bearer {secret.one}-{secret.two}").expect("sound");
        let reveal = |key: &str| (key != "secret.two").then(|| "s3".to_owned());
        assert_eq!(header.value(reveal), Err("secret.two"));
        let value = header.value(|_| Some("s3".to_owned())).expect("set");
        assert!(value == "Bearer s3-s3" && value.is_sensitive());
        assert!(header.value(|_| Some("a\nb".to_owned())).is_err());
        for (name, value) in [
            ("Remote-User", "x"),
            ("remote_user", "x"),
            ("Cookie", "x"),
            ("Host", "x"),
            ("Cache-Control", "x"),
            ("X-A", "{other}"),
            ("X-A", "{secret.a"),
            ("X-A", ""),
            ("X A", "x"),
            ("X-A", "a\nb"),
        ] {
            assert!(AddedHeader::parse(name, value).is_err(), "{name} {value:?}");
        }
    }
}
