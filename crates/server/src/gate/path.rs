//! The path of a request as rules see it: decoded once, and refused where two readers could read it differently.
//!
//! Proxies and applications disagree on encoded slashes, dot segments, doubled slashes, backslashes, parameters behind
//! semicolons and text that is encoded twice; each disagreement has let somebody around a rule (Traefik CVE-2026-40912,
//! oauth2-proxy GHSA-pxq7-h93f-9jrg, CVE-2025-54576). None of them is in the path of an honest client.

use std::borrow::Cow;

/// Longest path and query, in bytes; below what `http/limits.rs` takes for all headers together.
const TARGET_MAX: usize = 8 * 1024;

/// A target in origin form (RFC 9112, section 3.2.1), split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// As it came, with its query.
    pub(crate) text: &'a str,
    /// The path as it came.
    pub(crate) raw: &'a str,
    /// The path, decoded once.
    pub(crate) path: Cow<'a, str>,
}

impl<'a> Target<'a> {
    /// Reads a path with or without a query; `None` where two readers could see two paths.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        // A fragment is the browser's own; a raw one in a request is a trick. Everything else outside visible ASCII is encoded.
        let plain = text.len() <= TARGET_MAX && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !plain || !text.starts_with('/') {
            return None;
        }
        let raw = text.split_once('?').map_or(text, |(path, _)| path);
        let path = decode(raw)?;
        let mut segments = path.split('/');
        // The first is what stands before the leading slash: nothing. Only the last may be empty too.
        segments.next();
        let mut segments = segments.peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            if matches!(segment, "." | "..") || (segment.is_empty() && !is_last) {
                return None;
            }
        }
        Some(Self { text, raw, path })
    }
}

/// Decodes each `%XX` once; `None` for one that decodes to a character that structures a path, or not to UTF-8.
fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if raw.bytes().any(|b| matches!(b, b'\\' | b';')) {
        return None;
    }
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (&[high, low], after) = after.split_first_chunk::<2>()?;
        let byte = hex(high)? << 4 | hex(low)?;
        let structures = matches!(byte, b'/' | b'\\' | b';' | b'?' | b'#') || byte.is_ascii_control();
        // `%2541` is `%41` to one reader and `A` to one that decodes twice.
        let twice = byte == b'%' && matches!(after, [a, b, ..] if hex(*a).is_some() && hex(*b).is_some());
        if structures || twice {
            return None;
        }
        bytes.push(byte);
        rest = after;
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
    fn what_two_readers_could_read_differently_is_refused() {
        for text in [
            "",
            "a",
            "*",
            "http://app/",
            "?x",
            "//",
            "//evil.example/",
            "/a//b",
            "/./a",
            "/a/.",
            "/a/..",
            "/../a",
            "/a/../b",
            "/%2e%2e/a",
            "/.%2E/a",
            "/a/%2e",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/a;x=y/b",
            "/a%3bb",
            "/a%00b",
            "/a%0d%0ab",
            "/a%7f",
            "/a%23/public",
            "/a#b",
            "/a%3fb",
            "/a%252fb",
            "/a%2541",
            "/a%zz",
            "/a%",
            "/a%2",
            "/a%ff",
            "/a%c0%af",
            "/a b",
            "/a\tb",
            "/\u{e4}",
        ] {
            assert_eq!(Target::parse(text), None, "{text:?}");
        }
        assert_eq!(Target::parse(&format!("/{}", "a".repeat(TARGET_MAX))), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "/?\\PC{0,60}") {
            let _either = Target::parse(&text);
        }

        /// What is accepted stays what it is to who decodes it again, or again and again.
        #[test]
        fn an_accepted_path_has_no_structure_hidden_in_it(text in "/[a-c./%25F\\\\;?#]{0,12}") {
            if let Some(target) = Target::parse(&text) {
                let slashes = |text: &str| text.matches('/').count();
                prop_assert_eq!(slashes(target.raw), slashes(&target.path));
                prop_assert!(!target.path.split('/').any(|segment| segment == ".."));
                prop_assert!(!target.path.contains(['\\', ';', '#', '?', '\0']));
            }
        }
    }
}
