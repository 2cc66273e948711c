//! `[hook.NAME]` of the configuration: who is told of what happens.

use std::net::IpAddr;

use authcore::audit::event::KINDS;
use axum::http::Uri;
use serde::Deserialize;
use toml::{Table, Value};

use super::keys::nearest;
use crate::hooks::Hook;

/// As it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    events: Vec<String>,
    url: String,
    authorization: Option<String>,
}

/// A hook is refused.
#[derive(Debug, thiserror::Error)]
#[error("the hook {name} is refused: {reason}")]
pub(crate) struct HookError {
    name: String,
    reason: String,
}

/// Reads every hook.
pub(super) fn read(table: &Table) -> Result<Vec<Hook>, HookError> {
    table
        .iter()
        .map(|(name, value)| {
            one(name, value).map_err(|reason| HookError {
                name: name.clone(),
                reason,
            })
        })
        .collect()
}

fn one(name: &str, value: &Value) -> Result<Hook, String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
        return Err("its name has 1 to 64 small letters, digits, - and _".to_owned());
    }
    let written: Written = value
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| error.message().to_owned())?;
    let events = written.events.iter().map(|event| kind(event));
    let events: Vec<&'static str> = events.collect::<Result<_, _>>()?;
    if events.is_empty() {
        return Err("events names at least one kind of event".to_owned());
    }
    check_url(&written.url)?;
    if let Some(key) = &written.authorization
        && !(key.starts_with("secret.") && key.len() > "secret.".len())
    {
        return Err(
            "authorization is the name of a sealed setting, secret.NAME, and never the secret".to_owned(),
        );
    }
    Ok(Hook {
        name: name.to_owned(),
        events,
        url: written.url,
        authorization: written.authorization,
    })
}

fn kind(text: &str) -> Result<&'static str, String> {
    KINDS.into_iter().find(|kind| *kind == text).ok_or_else(|| {
        let meant = nearest(text, KINDS.into_iter());
        let meant = meant.map_or_else(String::new, |kind| format!("; did you mean {kind}?"));
        format!("{text} is no kind of event{meant}")
    })
}

/// An event says who came from where: it goes over TLS, or does not leave this machine.
fn check_url(text: &str) -> Result<(), String> {
    let url: Uri = text.parse().map_err(|_| "url is no address".to_owned())?;
    let authority = url
        .authority()
        .ok_or_else(|| "url is a whole address, https://…".to_owned())?;
    if authority.as_str().contains('@') {
        return Err("url holds no name or password; authorization names a sealed setting".to_owned());
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if here => Ok(()),
        _ => Err("url is https, or http to this machine".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Hook>, String> {
        let table: Table = text.parse().expect("TOML");
        let hooks = table.get("hook").and_then(Value::as_table).expect("a table");
        read(hooks).map_err(|error| error.to_string())
    }

    #[test]
    fn a_hook_is_read_whole() {
        let hooks = read_text(
            "[hook.pager]\nevents = [\"PasswordRefused\"]\nurl = \"https://a.example/x\"\nauthorization = \"secret.pager\"",
        )
        .expect("sound");
        let [hook] = hooks.as_slice() else { panic!("one") };
        assert_eq!(
            (hook.name.as_str(), &hook.events[..]),
            ("pager", &["PasswordRefused"][..])
        );
        assert_eq!(hook.authorization.as_deref(), Some("secret.pager"));
        for url in ["http://127.0.0.1:9/x", "http://[::1]:9/", "http://localhost/"] {
            let text = format!("[hook.a]\nevents = [\"SignedIn\"]\nurl = \"{url}\"");
            assert!(read_text(&text).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_hook() {
        let sound = "url = \"https://a.example\"\n";
        for (body, words) in [
            (format!("{sound}events = []"), "at least one"),
            (
                format!("{sound}events = [\"PasswordRefusd\"]"),
                "did you mean PasswordRefused?",
            ),
            (format!("{sound}events = [\"SignedIn\"]\nsecret = 1"), "secret"),
            (
                format!("{sound}events = [\"SignedIn\"]\nauthorization = \"hunter2\""),
                "sealed setting",
            ),
            (
                "url = \"http://a.example\"\nevents = [\"SignedIn\"]".to_owned(),
                "https",
            ),
            (
                "url = \"http://127.0.0.1.a.example\"\nevents = [\"SignedIn\"]".to_owned(),
                "https",
            ),
            (
                "url = \"https://me:pw@a.example\"\nevents = [\"SignedIn\"]".to_owned(),
                "no name or password",
            ),
            (
                "url = \"/x\"\nevents = [\"SignedIn\"]".to_owned(),
                "whole address",
            ),
            ("events = [\"SignedIn\"]".to_owned(), "url"),
        ] {
            let refused = read_text(&format!("[hook.h]\n{body}")).expect_err(&body);
            assert!(
                refused.contains("the hook h") && refused.contains(words),
                "{refused}"
            );
        }
    }
}
