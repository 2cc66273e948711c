//! The path of a request as rules see it: decoded once, and told apart from one that two readers could read differently.
//!
//! Proxies and applications disagree on encoded slashes, doubled slashes, parameters behind semicolons and text that is encoded
//! twice; each disagreement has let somebody around a rule (Traefik CVE-2026-40912, oauth2-proxy GHSA-pxq7-h93f-9jrg,
//! CVE-2025-54576). Honest clients send them too (`/projects/group%2Fname`), so such a path is *ambiguous*: it passes where
//! nothing depends on how it is read. What honest clients never send is no target at all: dot segments in any reading,
//! backslashes, control characters, bytes that are no UTF-8, and another spelling of our own folder.

use std::borrow::Cow;

use super::OUR_FOLDER;

/// Longest path and query, in bytes; below what `http/limits.rs` takes for all headers together.
const TARGET_MAX: usize = 8 * 1024;

/// How often a path may be encoded. Honest clients do it once or twice; each time costs a pass over all of it, and without an end a
/// path of 8 KiB would cost four thousand.
const DECODINGS_MAX: usize = 8;

/// A target in origin form (RFC 9112, section 3.2.1), split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// As it came, with its query.
    pub(crate) text: &'a str,
    /// The path as it came.
    pub(crate) raw: &'a str,
    /// The path, decoded once; as it came where it is ambiguous.
    pub(crate) path: Cow<'a, str>,
    /// Two readers could read two paths in it: no rule may depend on it.
    pub(crate) ambiguous: bool,
}

impl<'a> Target<'a> {
    /// Reads a path with or without a query; `None` for what no honest client sends.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        // A fragment is the browser's own; a raw one in a request is a trick. Everything else outside visible ASCII is encoded.
        let plain = text.len() <= TARGET_MAX && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !plain || !text.starts_with('/') {
            return None;
        }
        let raw = text.split_once('?').map_or(text, |(path, _)| path);
        if !every_escape_is_one(raw) {
            return None;
        }
        let path = decode(raw)?;
        // What somebody could see who decodes as often as there is something to decode.
        let mut deepest = path.clone();
        let mut decodings = 1;
        while let Cow::Owned(deeper) = decode(&deepest)? {
            decodings += 1;
            if decodings > DECODINGS_MAX {
                return None;
            }
            deepest = Cow::Owned(deeper);
        }
        if deepest.contains('\\') || deepest.bytes().any(|b| b.is_ascii_control()) {
            return None;
        }
        // Parameters are cut off a segment by some (Tomcat's `/..;/`), queries and fragments off a path by some.
        let names = |ends: &'static [char]| deepest.split(ends).map(before_parameters);
        let all = [names(&['/']), names(&['/', '?', '#'])];
        if all
            .clone()
            .into_iter()
            .flatten()
            .any(|name| matches!(name, "." | ".."))
        {
            return None;
        }
        let structure = |text: &str| text.matches(['/', ';', '?', '#']).count();
        let empty = |path: &str| path.contains("//");
        let ambiguous =
            deepest != path || path.contains(';') || empty(&path) || structure(raw) != structure(&path);
        let as_it_came = |first| raw.strip_prefix('/').is_some_and(|rest| rest.starts_with(first));
        for mut names in all {
            let first = names.find(|name| !name.is_empty()).unwrap_or_default();
            if is_like_our_folder(first) && (ambiguous || !as_it_came(first)) {
                return None;
            }
        }
        Some(Self {
            text,
            raw,
            path: if ambiguous { Cow::Borrowed(raw) } else { path },
            ambiguous,
        })
    }

    /// What rules and scopes are asked about: the path decoded, and as it came. Of an ambiguous path it is the root alone, which
    /// a rule or scope for everything covers and no other does.
    pub(crate) fn readings(&self) -> [&str; 2] {
        if self.ambiguous {
            ["/", "/"]
        } else {
            [&self.path, self.raw]
        }
    }

    /// Whether a browser that is sent to this on its own host arrives there: `//name/` names another (RFC 3986, section 4.2).
    pub(crate) fn stays_on_its_host(&self) -> bool {
        !self.raw.starts_with("//")
    }
}

fn before_parameters(segment: &str) -> &str {
    segment.split_once(';').map_or(segment, |(name, _)| name)
}

/// Longer names too: who cuts at some character that nobody thought of here must not arrive in the folder.
fn is_like_our_folder(segment: &str) -> bool {
    let ours = OUR_FOLDER.trim_matches('/');
    segment
        .get(..ours.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(ours))
}

fn every_escape_is_one(raw: &str) -> bool {
    let mut escapes = raw.split('%');
    escapes.next();
    let is_hex =
        |escape: &str| matches!(escape.as_bytes(), [high, low, ..] if hex(*high).and(hex(*low)).is_some());
    escapes.all(is_hex)
}

/// Decodes each `%XX` once, borrowed where there is none; any other `%` is a percent sign. `None` when the bytes are no UTF-8.
fn decode(raw: &str) -> Option<Cow<'_, str>> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    let mut found = false;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%'
            && let Some((&[high, low], after)) = after.split_first_chunk::<2>()
            && let (Some(high), Some(low)) = (hex(high), hex(low))
        {
            bytes.push(high << 4 | low);
            rest = after;
            found = true;
        } else {
            bytes.push(first);
        }
    }
    if !found {
        return Some(Cow::Borrowed(raw));
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_honest_path_is_decoded_once_and_its_query_left_alone() {
        for (text, path) in [
            ("/", "/"),
            ("/a/b/", "/a/b/"),
            ("/a%20b", "/a b"),
            ("/%C3%A4", "/\u{e4}"),
            ("/a?b=/../%2e%2e;\\", "/a"),
            ("/a?//x", "/a"),
            ("/100%25", "/100%"),
            ("/100%25.txt", "/100%.txt"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a,b:c@d!$&'()*+=~-._", "/a,b:c@d!$&'()*+=~-._"),
            ("/%41", "/A"),
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!(target.path, path, "{text}");
            assert_eq!(target.text, text);
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_ambiguous() {
        for text in [
            "//",
            "//evil.example/",
            "/a//b",
            "/a/b//",
            "/projects/group%2Fname",
            "/a%2fb",
            "/a;b",
            "/a;x=y/b",
            "/a%3bb",
            "/a%3fb",
            "/a%23/public",
            "/a%252fb",
            "/a%2541",
            "/%2525",
            "/a/;.postern/",
        ] {
            let target = Target::parse(text).expect(text);
            assert!(target.ambiguous, "{text}");
            assert_eq!((target.raw, &*target.path, target.text), (text, text, text));
        }
        for (text, stays) in [
            ("/a//b", true),
            ("/%2fevil", true),
            ("//evil", false),
            ("/", true),
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!(target.stays_on_its_host(), stays, "{text}");
        }
    }

    #[test]
    fn what_no_honest_client_sends_is_refused() {
        for text in [
            "",
            "a",
            "*",
            "http://app/",
            "?x",
            "/./a",
            "/a/.",
            "/a/..",
            "/../a",
            "/a/../b",
            "/a//../b",
            "/%2e%2e/a",
            "/.%2E/a",
            "/a/%2e",
            "/a/..;/b",
            "/a/.;x=y/b",
            "/a/..%3bx/b",
            "/a/..%2fb",
            "/a%2f..%2fb",
            "/a/%252e%252e/b",
            "/a/..%252fb",
            "/a/%25252e%25252e",
            "/a/..%3f",
            "/a/..%23",
            "/a%5cb",
            "/a%255cb",
            "/a\\b",
            "/a%00b",
            "/a%2500b",
            "/a%0d%0ab",
            "/a%7f",
            "/a#b",
            "/a%zz",
            "/a%",
            "/a%2",
            "/a%ff",
            "/a%c0%af",
            "/a%25c0%25af",
            "/a b",
            "/a\tb",
            "/\u{e4}",
            // Another spelling of our own folder: a proxy that merges and decodes would pass it to this server.
            "//.postern/accept",
            "/%2f.postern/accept",
            "/.postern//accept",
            "/.postern;x/accept",
            "/.postern%2faccept",
            "/%252epostern/accept",
            "/%2epostern/accept",
            "/.%70ostern/accept",
            "/;/.postern/accept",
            "//.POSTERN/accept",
            "/.postern%3f",
            "/%3b%3fa/.postern",
            "//.postern-verify",
        ] {
            assert_eq!(Target::parse(text), None, "{text:?}");
        }
        assert_eq!(Target::parse(&format!("/{}", "a".repeat(TARGET_MAX))), None);
    }

    #[test]
    fn a_path_is_encoded_eight_times_at_most() {
        let encoded = |times: usize| format!("/a%{}41", "25".repeat(times - 1));
        for times in 1..=DECODINGS_MAX {
            assert!(Target::parse(&encoded(times)).is_some(), "{times}");
        }
        assert_eq!(Target::parse(&encoded(DECODINGS_MAX + 1)), None);
        assert_eq!(Target::parse(&encoded(TARGET_MAX / 2 - 2)), None);
    }

    /// What a reader makes of a path who decodes up to so many times, cuts parameters off or not, and merges slashes or not.
    fn read(raw: &str, decodings: usize, cuts: bool, merges: bool) -> Option<Vec<String>> {
        let mut path = raw.to_owned();
        for _ in 0..decodings {
            path = decode(&path)?.into_owned();
        }
        let names = path.split('/').skip(1).map(|name| {
            let name = if cuts { before_parameters(name) } else { name };
            name.to_owned()
        });
        Some(names.filter(|name| !merges || !name.is_empty()).collect())
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "/?\\PC{0,60}") {
            let _either = Target::parse(&text);
        }

        /// Whoever decodes, cuts and merges however often sees the same path, or it is called ambiguous; and nobody ever sees a
        /// dot segment or, in another spelling, our own folder.
        #[test]
        fn what_is_accepted_has_one_reading_or_is_ambiguous(text in "/(\\.postern|[a./;]|%2[5efF]|%3[bf]|%25){0,8}") {
            if let Some(target) = Target::parse(&text) {
                let mut readings = Vec::new();
                for decodings in 1..=4 {
                    for (cuts, merges) in [(false, false), (false, true), (true, false), (true, true)] {
                        readings.extend(read(target.raw, decodings, cuts, merges));
                    }
                }
                prop_assert!(readings.iter().flatten().all(|name| name != ".." && name != "."));
                if target.ambiguous {
                    prop_assert!(readings.iter().all(|names| names.first().is_none_or(|name| name != ".postern")));
                } else {
                    let plain = |names: &[String]| names.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>();
                    let first = readings.first().map(|names| plain(names));
                    prop_assert!(readings.iter().all(|names| Some(plain(names)) == first));
                }
            }
        }
    }
}
