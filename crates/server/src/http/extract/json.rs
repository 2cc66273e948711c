//! JSON bodies as the contract reads them: member names in any case, unknown members ignored, `null` the same as
//! absent, a member given twice refused, and nothing of what was sent repeated in an error.

use std::cell::Cell;
use std::fmt;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor,
};
use serde_json::Value;

use crate::http::error::HttpError;
use crate::http::limits::BODY_MAX;

const EMPTY: &str = "the body is empty; a JSON object belongs there";
const NOT_JSON: &str = "the body is not well-formed JSON";
const NOT_UTF8: &str = "the body is not UTF-8";
const NOT_AN_OBJECT: &str = "the body is not a JSON object with the members of this call";

/// A body that must be there: a JSON object, read into a struct whose members are all `Option`s.
pub(crate) struct Json<T>(pub(crate) T);

/// A body that may be left out: then, as for a lone `null`, every member is absent.
pub(crate) struct OptionalJson<T>(pub(crate) T);

/// A JSON object whose names are data, not members: each at most once, `null` the same as absent.
pub(crate) struct JsonEntries(pub(crate) Vec<(String, Value)>);

/// The members of a body that has none (`–` in the contract's table).
#[derive(Default, Deserialize)]
pub(crate) struct NoMembers {}

/// The value of a member that must be there.
///
/// # Errors
/// `400` naming the member.
pub(crate) fn required<T>(member: Option<T>, name: &'static str) -> Result<T, HttpError> {
    member.ok_or_else(|| HttpError::malformed(format!("the member {name} is missing")))
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, HttpError> {
        match read(request).await? {
            Some(body) => Ok(Self(parse(&body)?)),
            None => Err(HttpError::malformed(
                "the body is empty; a JSON object belongs there",
            )),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, HttpError> {
        match read(request).await? {
            Some(body) if body.trim_ascii() != b"null" => Ok(Self(parse(&body)?)),
            Some(_) | None => Ok(Self(T::default())),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonEntries {
    type Rejection = HttpError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, HttpError> {
        match read(request).await? {
            Some(body) => Ok(Self(parse_entries(&body)?)),
            None => Err(HttpError::malformed(EMPTY)),
        }
    }
}

/// The bytes of a body that says it is JSON; `None` when there are none.
async fn read(request: Request) -> Result<Option<axum::body::Bytes>, HttpError> {
    let (parts, body) = request.into_parts();
    // The body layer has read it within its bounds already; the limit here holds without that layer too.
    let body = to_bytes(body, BODY_MAX)
        .await
        .map_err(|_| HttpError::BodyTooLarge)?;
    if body.is_empty() {
        return Ok(None);
    }
    if says_json(&parts.headers) {
        Ok(Some(body))
    } else {
        Err(HttpError::UnsupportedMediaType)
    }
}

/// One `Content-Type`: `application/json` or `application/…+json`, in UTF-8 if it says so (RFC 8259, section 8.1).
///
/// Also a defence: a page of another origin can send no such type without asking first (Fetch, CORS-safelisted).
fn says_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = match essence.strip_prefix("application/") {
        Some("json") => true,
        Some(subtype) => subtype
            .strip_suffix("+json")
            .is_some_and(|prefix| !prefix.is_empty() && prefix.bytes().all(is_token)),
        None => false,
    };
    json && parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
            charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        Some(_) | None => true,
    })
}

/// The characters of a media type's name that occur in practice (a part of RFC 6838, section 4.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+')
}

/// Reads one JSON object into `T`, a struct with named fields.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, HttpError> {
    let text = std::str::from_utf8(body).map_err(|_| HttpError::malformed(NOT_UTF8))?;
    let found = Cell::new(Fault::NotAnObject);
    // Nesting is bounded by serde_json's own limit of 128.
    let mut json = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Folded {
        inner: &mut json,
        fault: &found,
    });
    // The library's own message may quote the value, which may be a password: only its category is used.
    value
        .and_then(|value| json.end().map(|()| value))
        .map_err(|error| {
            let malformed = !error.is_data();
            match found.get() {
                Fault::Doubled(member) => HttpError::malformed(format!("the member {member} is there twice")),
                Fault::NotAnObject | Fault::Member(_) if malformed => HttpError::malformed(NOT_JSON),
                Fault::Member(member) => {
                    HttpError::malformed(format!("the member {member} has the wrong type"))
                }
                Fault::NotAnObject => HttpError::malformed(NOT_AN_OBJECT),
            }
        })
}

/// Reads one JSON object as a list of its entries.
pub(crate) fn parse_entries(body: &[u8]) -> Result<Vec<(String, Value)>, HttpError> {
    let text = std::str::from_utf8(body).map_err(|_| HttpError::malformed(NOT_UTF8))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let entries = json.deserialize_map(Entries);
    let entries = entries.and_then(|entries| json.end().map(|()| entries));
    let entries = entries
        .map_err(|error| HttpError::malformed(if error.is_data() { NOT_AN_OBJECT } else { NOT_JSON }))?;
    let mut names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.is_sorted_by(|a, b| a < b) {
        Ok(entries
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect())
    } else {
        Err(HttpError::malformed("a name is there twice"))
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// How far the reading had come when it failed.
#[derive(Clone, Copy)]
enum Fault {
    NotAnObject,
    Member(&'static str),
    Doubled(&'static str),
}

/// A deserializer of one object whose member names are matched without regard to ASCII case.
///
/// Serde's own struct visitor would also take an array, in the order of the fields; this one does not.
struct Folded<'a, D> {
    inner: D,
    fault: &'a Cell<Fault>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Folded<'_, D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(FoldedVisitor {
            fields,
            visitor,
            fault: self.fault,
        })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, D::Error> {
        Err(D::Error::custom("a body is a struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct FoldedVisitor<'a, V> {
    fields: &'static [&'static str],
    visitor: V,
    fault: &'a Cell<Fault>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for FoldedVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let fields = self.fields;
        self.visitor.visit_map(FoldedMembers {
            fields,
            inner,
            seen: Vec::new(),
            fault: self.fault,
        })
    }
}

struct FoldedMembers<'a, A> {
    fields: &'static [&'static str],
    inner: A,
    seen: Vec<&'static str>,
    fault: &'a Cell<Fault>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for FoldedMembers<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.inner.next_key::<String>()? {
            let Some(field) = self
                .fields
                .iter()
                .copied()
                .find(|field| field.eq_ignore_ascii_case(&name))
            else {
                self.inner.next_value::<IgnoredAny>()?;
                continue;
            };
            // Which of two counts is where two readers differ; neither does.
            if self.seen.contains(&field) {
                self.fault.set(Fault::Doubled(field));
                return Err(A::Error::custom("doubled member"));
            }
            self.seen.push(field);
            self.fault.set(Fault::Member(field));
            return seed.deserialize(BorrowedStrDeserializer::new(field)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Login {
        password: Option<String>,
        remember_me: Option<bool>,
    }

    fn login(json: &str) -> Result<Login, String> {
        parse(json.as_bytes()).map_err(|error| error.to_string())
    }

    #[expect(clippy::unnecessary_wraps, reason = "compared with a result")]
    fn member(password: &str, remember_me: Option<bool>) -> Result<Login, String> {
        Ok(Login {
            password: Some(password.to_owned()),
            remember_me,
        })
    }

    #[test]
    fn members_are_found_in_any_case_and_unknown_ones_are_not_looked_at() {
        assert_eq!(
            login(r#"{"PASSWORD":"x","rememberme":true}"#),
            member("x", Some(true))
        );
        assert_eq!(
            login(r#"{"other":{"password":1},"password":"x","other":[]}"#),
            member("x", None)
        );
        assert_eq!(login(r#" {"\u0050assword":"x"} "#), member("x", None));
        assert_eq!(login("{}"), Ok(Login::default()));
    }

    #[test]
    fn null_is_absent() {
        assert_eq!(login(r#"{"Password":"x","RememberMe":null}"#), member("x", None));
    }

    #[test]
    fn a_doubled_member_is_refused_in_whatever_spelling() {
        for json in [
            r#"{"Password":"a","Password":"a"}"#,
            r#"{"Password":"a","password":"b"}"#,
            r#"{"Password":null,"pAssword":"b"}"#,
            r#"{"Password":"a","\u0070assword":"b"}"#,
        ] {
            assert_eq!(
                login(json),
                Err("the member Password is there twice".to_owned()),
                "{json}"
            );
        }
    }

    #[test]
    fn a_wrong_type_names_the_member_and_repeats_no_value() {
        for json in [
            r#"{"RememberMe":"hunter2"}"#,
            r#"{"RememberMe":1}"#,
            r#"{"rememberMe":[true]}"#,
        ] {
            assert_eq!(
                login(json),
                Err("the member RememberMe has the wrong type".to_owned()),
                "{json}"
            );
        }
        assert_eq!(
            login(r#"{"Password":17}"#),
            Err("the member Password has the wrong type".to_owned())
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for json in ["null", "[]", r#"["x",true]"#, "17", r#""x""#, "true"] {
            assert!(login(json).is_err(), "{json}");
        }
        for json in [
            "",
            "{",
            r#"{"Password":"x""#,
            r#"{"Password":"x"}}"#,
            r#"{"Password":"x"} {}"#,
            "{'a':1}",
            "\u{feff}{}",
        ] {
            assert_eq!(
                login(json),
                Err("the body is not well-formed JSON".to_owned()),
                "{json}"
            );
        }
        assert!(parse::<Login>(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn entries_are_data_each_once_and_null_is_absent() {
        let entries = |json: &str| parse_entries(json.as_bytes()).map_err(|error| error.to_string());
        let expected = vec![
            ("a".to_owned(), Value::from(1)),
            ("A".to_owned(), Value::from("x")),
        ];
        assert_eq!(entries(r#"{"a":1,"b":null,"A":"x"}"#), Ok(expected));
        assert_eq!(entries("{}"), Ok(Vec::new()));
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":null}"#,
            "[]",
            "1",
            "{",
            "{} x",
            "null",
        ] {
            assert!(entries(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_or_skipped_but_never_overflows() {
        let deep = format!("{{\"Password\":{}", "[".repeat(60_000));
        assert!(login(&deep).is_err());
        let unknown = format!("{{\"x\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        let _either = login(&unknown);
    }

    #[test]
    fn only_json_says_json() {
        let says = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
            }
            says_json(&headers)
        };
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/problem+json",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(says(&[good]), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "text/json",
            "application/json-patch",
            "application/+json",
            "application/x json",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/x-www-form-urlencoded",
            "application/json, text/plain",
        ] {
            assert!(!says(&[bad]), "{bad}");
        }
        assert!(!says(&[]));
        assert!(!says(&["application/json", "application/json"]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _either = parse::<Login>(&bytes);
        }

        #[test]
        fn any_spelling_of_a_name_is_that_member(
            flips in proptest::collection::vec(any::<bool>(), 8), value in "[a-z\\\\\"\u{e4}]{0,12}",
        ) {
            let name: String = "password".chars().zip(flips)
                .map(|(c, upper)| if upper { c.to_ascii_uppercase() } else { c }).collect();
            let json = serde_json::json!({ name: value }).to_string();
            prop_assert_eq!(login(&json), member(&value, None));
        }

        #[test]
        fn an_error_never_repeats_what_was_sent(secret in "[a-z]{16}") {
            for json in [
                format!(r#"{{"RememberMe":"{secret}"}}"#),
                format!(r#"{{"Password":"x","RememberMe":{{"{secret}":1}}}}"#),
                format!(r#"{{"{secret}" "#),
                format!(r#""{secret}""#),
            ] {
                let error = login(&json).expect_err("refused");
                prop_assert!(!error.contains(&secret));
            }
        }
    }
}
