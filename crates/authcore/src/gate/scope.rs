//! The scope of an access key at the gate: one host, perhaps a part of its paths, perhaps some methods.
//!
//! ```text
//! gate:HOST[/PREFIX][:METHOD,METHOD]      gate:photos.example.org    gate:git.example.org/team/app:GET,POST
//! ```

use std::fmt;

/// Longest text, in bytes.
const TEXT_MAX: usize = 512;

/// What the text begins with.
pub(crate) const SCOPE_PREFIX: &str = "gate:";

/// One host that a key may pass to, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GateScope {
    host: String,
    /// Begins with a slash and ends without one; empty for every path.
    path: String,
    /// In a fixed order, each once; empty for every method.
    methods: Vec<String>,
}

/// A text that is no scope of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateScopeError {
    /// It has another shape.
    #[error("a scope of the gate is gate:HOST, gate:HOST/PATH or gate:HOST/PATH:GET,POST")]
    Shape,
    /// No host name in lower case.
    #[error("the host of a gate scope is a name in lower case, without a port")]
    Host,
    /// A path that two readers could read differently.
    #[error(
        "the path of a gate scope has letters, digits and -._~!$&'()*+,=:@ between single slashes, and no dot segments"
    )]
    Path,
    /// No methods.
    #[error("the methods of a gate scope are names in capitals with commas between them")]
    Methods,
}

impl GateScope {
    /// Reads the text form.
    ///
    /// # Errors
    /// See [`GateScopeError`].
    pub fn parse(text: &str) -> Result<Self, GateScopeError> {
        let rest = text
            .strip_prefix(SCOPE_PREFIX)
            .filter(|_| text.len() <= TEXT_MAX)
            .ok_or(GateScopeError::Shape)?;
        // Paths may hold colons; what follows the last one is methods only if it looks like some.
        let (place, methods) = match rest.rsplit_once(':') {
            Some((place, methods)) if !methods.contains('/') => (place, Some(methods)),
            Some(_) | None => (rest, None),
        };
        let (host, path) = match place.split_once('/') {
            Some((host, path)) => (host, path.strip_suffix('/').unwrap_or(path)),
            None => (place, ""),
        };
        if !is_host(host) {
            return Err(GateScopeError::Host);
        }
        if !(path.is_empty() || path.split('/').all(is_segment)) {
            return Err(GateScopeError::Path);
        }
        let mut methods: Vec<String> = match methods {
            None => Vec::new(),
            Some(list) => list
                .split(',')
                .map(|method| is_method(method).then(|| method.to_owned()))
                .collect::<Option<_>>()
                .ok_or(GateScopeError::Methods)?,
        };
        methods.sort_unstable();
        methods.dedup();
        Ok(Self {
            host: host.to_owned(),
            path: if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            },
            methods,
        })
    }

    /// Whether it covers a request. `host` is a name without a port, `path` a decoded one without dot segments.
    #[must_use]
    pub fn covers(&self, host: &str, path: &str, method: &str) -> bool {
        let below = path
            .strip_prefix(self.path.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let same_method = |known: &String| known == method || (known == "GET" && method == "HEAD");
        self.host == host && below && (self.methods.is_empty() || self.methods.iter().any(same_method))
    }
}

impl fmt::Display for GateScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCOPE_PREFIX}{}{}", self.host, self.path)?;
        if self.methods.is_empty() {
            // A colon in the last segment would be read as the one before methods.
            let last = self.path.rsplit('/').next().unwrap_or_default();
            f.write_str(if last.contains(':') { "/" } else { "" })
        } else {
            write!(f, ":{}", self.methods.join(","))
        }
    }
}

/// RFC 1123, section 2.1, in lower case; underscores are in use.
fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        })
}

/// The `pchar` of RFC 3986, section 3.3, without escapes and semicolons.
fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b))
}

/// A method of capitals; every one in use is (RFC 9110, section 9.1).
fn is_method(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scope(text: &str) -> GateScope {
        GateScope::parse(text).expect(text)
    }

    #[test]
    fn a_scope_covers_its_host_its_paths_and_its_methods() {
        let all = scope("gate:app.example.org");
        let some = scope("gate:app.example.org/api/v1:GET,POST");
        for (request, by_all, by_some) in [
            (("app.example.org", "/", "GET"), true, false),
            (("app.example.org", "/api/v1", "GET"), true, true),
            (("app.example.org", "/api/v1/", "HEAD"), true, true),
            (("app.example.org", "/api/v1/x", "POST"), true, true),
            (("app.example.org", "/api/v1/x", "DELETE"), true, false),
            (("app.example.org", "/api/v10", "GET"), true, false),
            (("app.example.org", "/API/v1", "GET"), true, false),
            (("app.example.org", "/api/v1", "get"), true, false),
            (("app.example.org.evil.example", "/api/v1", "GET"), false, false),
            (("example.org", "/api/v1", "GET"), false, false),
        ] {
            let (host, path, method) = request;
            assert_eq!(all.covers(host, path, method), by_all, "{request:?}");
            assert_eq!(some.covers(host, path, method), by_some, "{request:?}");
        }
        assert!(!scope("gate:a:POST").covers("a", "/", "HEAD"));
    }

    #[test]
    fn one_scope_has_one_spelling() {
        for (text, shown) in [
            ("gate:a", "gate:a"),
            ("gate:a/", "gate:a"),
            ("gate:a:POST,GET,POST", "gate:a:GET,POST"),
            ("gate:a/b/:GET", "gate:a/b:GET"),
            ("gate:a/b:c/d", "gate:a/b:c/d"),
        ] {
            assert_eq!(scope(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for text in [
            "",
            "gate",
            "gate:",
            "gate:/x",
            "gate:A.example",
            "gate:a b",
            "gate:*",
            "gate:a..b",
            "gate:a//b",
            "gate:a/../b",
            "gate:a/%2e",
            "gate:a/b;c",
            "gate:a:",
            "gate:a:get",
            "gate:a:GET,",
            "gate:a:8080/x",
            "GATE:a",
            "api",
        ] {
            assert!(GateScope::parse(text).is_err(), "{text}");
        }
        assert!(GateScope::parse(&format!("gate:a/{}", "b".repeat(600))).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_shown_and_read_again_as_the_same(text in "gate:[a-z./:,A-Z%]{0,40}") {
            if let Ok(scope) = GateScope::parse(&text) {
                prop_assert_eq!(GateScope::parse(&scope.to_string()), Ok(scope));
            }
        }
    }
}
