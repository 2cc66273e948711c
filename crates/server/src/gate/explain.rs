//! What the gate would make of an address: which application and rule, what a browser, a script and a socket would be told, and
//! whose address the client's would be.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::Gate;
use super::application::{Access, Ambiguous};
use super::decision::{self, Forbidden, GateDecision, Passing};
use super::path::Target;
use super::request::{Asker, Form, GateRequest, split_url};
use super::trusted_proxy::Derivation;
use crate::http::config::Scheme;

/// A request to explain.
pub(crate) struct Question<'a> {
    pub(crate) url: &'a str,
    pub(crate) method: &'a str,
    /// The peer of the connection.
    pub(crate) peer: IpAddr,
    pub(crate) headers: &'a [String],
}

/// The explanation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Explanation {
    application: Option<String>,
    path: String,
    rule: String,
    to_browser: String,
    to_script: String,
    to_socket: String,
    to_owner: String,
    client: String,
    client_derivation: &'static str,
}

/// Explains.
///
/// # Errors
/// In words, when the question is none.
pub(crate) fn explain(gate: &Gate, sign_in: Scheme, question: &Question<'_>) -> Result<Explanation, String> {
    let (scheme, host, target) = split_url(question.url).ok_or_else(|| {
        format!(
            "{} is not an address such as https://app.example.org/path",
            question.url
        )
    })?;
    let target = Target::parse(target)
        .ok_or("no client sends such a path (dot segments, backslashes, broken escapes): it gets 400, signed in or not")?;
    let headers = read_headers(question.headers)?;
    let (client, how) = gate.trusted.client(question.peer, &headers);
    let request = |asker| GateRequest {
        form: Form::Forwarded,
        method: question.method,
        scheme,
        host: host.clone(),
        target: target.clone(),
        asker,
    };
    let application = gate.applications.of(&host);
    let told = |asker| {
        let request = request(asker);
        in_words(decision::decide(&request, sign_in, application, None))
    };
    let owner = authcore::Visitor::Owner {
        session: authcore::SessionId::from_bytes([0; 16]),
    };
    let to_owner = decision::decide(&request(Asker::Page), sign_in, application, Some(&owner));
    Ok(Explanation {
        application: application.map(|application| application.name.clone()),
        path: target.path.to_string(),
        rule: match application.map(|application| application.access(question.method, &target)) {
            None => "none: no application has this host".to_owned(),
            Some(Err(Ambiguous)) => {
                "the path could be read in two ways, and one of them may be closed".to_owned()
            }
            Some(Ok(Access::Open(rule))) => format!("open: {rule}"),
            Some(Ok(Access::Closed(rule))) => format!("closed: {rule}"),
            Some(Ok(Access::SignedIn)) => "none of open and closed: for who is signed in".to_owned(),
        },
        to_browser: told(Asker::Page),
        to_script: told(Asker::Script),
        to_socket: told(Asker::Socket),
        to_owner: in_words(to_owner),
        client: client.to_string(),
        client_derivation: match how {
            Derivation::Peer => {
                "the peer itself: it is not in trusted_proxies, and what it says is not believed"
            }
            Derivation::Forwarded => "the last address in X-Forwarded-For that is no listed proxy",
            Derivation::Unnamed => "the last listed proxy: it named no client",
        },
    })
}

impl Explanation {
    /// The same in lines.
    pub(crate) fn text(&self) -> String {
        [
            ("application", self.application.as_deref().unwrap_or("-")),
            ("path", &self.path),
            ("rule", &self.rule),
            ("a browser gets", &self.to_browser),
            ("a script gets", &self.to_script),
            ("a socket gets", &self.to_socket),
            ("who is signed in", &self.to_owner),
            ("client", &self.client),
            ("because", self.client_derivation),
        ]
        .map(|(name, value)| format!("{name:18}{value}"))
        .join("\n")
    }
}

/// What whoever asks is told.
pub(super) fn in_words(decision: GateDecision) -> String {
    match decision {
        GateDecision::Allow(Passing::Visitor) => "200, passes",
        GateDecision::Allow(Passing::Anonymous) => "200, passes as anonymous",
        GateDecision::Challenge(Asker::Page) => "302 to sign-in (nginx: 401 with Postern-Location)",
        GateDecision::Challenge(Asker::Script | Asker::Socket) => "401",
        GateDecision::Forbid(Forbidden::NoApplication) => "401: no application has this host name and port",
        GateDecision::Forbid(Forbidden::PlainHttp) => {
            "401: the sign-in host is reached over https, and this is http"
        }
        GateDecision::Forbid(Forbidden::ClosedPath) => "401: the path is closed",
        GateDecision::Forbid(Forbidden::AmbiguousPath) => "400: the path could be read in two ways",
        GateDecision::Forbid(Forbidden::OutOfScope) => "401: out of the key's scope",
    }
    .to_owned()
}

fn read_headers(texts: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for text in texts {
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| format!("{text} is not a header such as 'X-Forwarded-For: 192.0.2.7'"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        let value = HeaderValue::from_str(value.trim());
        match (name, value) {
            (Ok(name), Ok(value)) => headers.append(name, value),
            _ => {
                return Err(format!(
                    "{text} is not a header such as 'X-Forwarded-For: 192.0.2.7'"
                ));
            }
        };
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::application::Applications;
    use crate::gate::application::tests::application;
    use crate::gate::trusted_proxy::TrustedProxies;

    fn ask(url: &str, headers: &[&str]) -> Result<Explanation, String> {
        let gate = Gate {
            applications: Applications(vec![application(&["GET /open"], &["/closed"])]),
            trusted: TrustedProxies::new(&["127.0.0.1"]).expect("networks"),
            sign_in: "https://door.example.org".to_owned(),
        };
        let headers: Vec<_> = headers.iter().map(|&text| text.to_owned()).collect();
        let question = Question {
            url,
            method: "GET",
            peer: "127.0.0.1".parse().expect("an address"),
            headers: &headers,
        };
        explain(&gate, Scheme::Https, &question)
    }

    #[test]
    fn each_answer_is_the_one_that_would_be_given() {
        let asked = ask("https://app.example.org/x?y", &["X-Forwarded-For: 192.0.2.7"]).expect("explained");
        assert_eq!(asked.application.as_deref(), Some("app"));
        assert!(asked.to_browser.starts_with("302") && asked.to_script == "401" && asked.to_socket == "401");
        assert_eq!(
            (asked.to_owner.as_str(), asked.client.as_str()),
            ("200, passes", "192.0.2.7")
        );
        let open = ask("https://app.example.org/open", &[]).expect("explained");
        assert_eq!(
            (open.rule.as_str(), open.to_script.as_str()),
            ("open: GET /open", "200, passes as anonymous")
        );
        let closed = ask("https://app.example.org/closed", &[]).expect("explained");
        assert!(closed.to_owner.contains("closed"), "{}", closed.text());
        let nowhere = ask("https://other.example.org/", &[]).expect("explained");
        assert!(
            nowhere.to_browser.contains("no application"),
            "{}",
            nowhere.text()
        );
        assert!(ask("https://app.example.org/a/../b", &[]).is_err_and(|said| said.contains("400")));
        assert!(ask("app.example.org", &[]).is_err() && ask("https://app.example.org/", &["x"]).is_err());
    }
}
