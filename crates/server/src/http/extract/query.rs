//! Query parameters, for paging only. No credential is ever read from one.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::error::HttpError;

/// The parameters of the query, decoded; each name at most once.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// The value of a parameter; names that nobody asks for are not looked at.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads what comes after the `?`.
    ///
    /// # Errors
    /// `400` when it is not well-formed, or has a name twice.
    pub(crate) fn parse(query: &str) -> Result<Self, HttpError> {
        let malformed = || HttpError::malformed("the query is not well-formed");
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(malformed)?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(HttpError::malformed("a query parameter is there twice"));
            }
            parameters.push((name, decode(value).ok_or_else(malformed)?));
        }
        Ok(Self(parameters))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, HttpError> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

/// Percent-decoding into UTF-8. A `+` stays one: RFC 3339 offsets have it, and no value here has spaces.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (&[high, low], after) = after.split_first_chunk::<2>()?;
            let digit = |b: u8| {
                char::from(b)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            };
            bytes.push(digit(high)? << 4 | digit(low)?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_comes_through_encoded_or_not() {
        for query in [
            "since=2026-01-02T03:04:05+01:00",
            "since=2026-01-02T03%3A04%3a05%2B01:00&x",
            "&since=2026-01-02T03:04:05+01:00&",
        ] {
            let query = Query::parse(query).expect("sound");
            assert_eq!(query.value("since"), Some("2026-01-02T03:04:05+01:00"));
            assert_eq!(query.value("before"), None);
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for query in ["a=1&a=1", "a=1&%61=2", "a=%", "a=%2", "a=%zz", "a=%+1", "a=%ff"] {
            assert!(Query::parse(query).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_the_reader_panic(query in "\\PC{0,60}") {
            let _either = Query::parse(&query);
        }
    }
}
