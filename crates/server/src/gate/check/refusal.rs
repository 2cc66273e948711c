//! Which answers are a refusal. What is not recognised got through: the check fails closed.

use serde_json::Value;

use super::Asked;
use super::answer::Answer;
use crate::gate::HANDOFF_PATH;
use crate::gate::forgeries::Kind;
use crate::http::error::{GateRefusal, HttpError};

/// Statuses by which a proxy refuses what is no sound request (RFC 9110, section 15.5; 431 is of RFC 6585).
const UNSOUND: [u16; 10] = [400, 408, 411, 413, 414, 417, 421, 431, 501, 505];

/// How this address says no.
#[derive(Debug)]
pub(super) struct Refusals {
    /// How the address of every way to sign in begins.
    handoff: String,
    /// What was answered to requests that nobody lets pass.
    known: Vec<Print>,
    /// What the proxy's own error pages look like.
    form: Option<Form>,
    /// What answers for a host that nobody has.
    elsewhere: Option<Print>,
}

impl Refusals {
    /// Those of the gate itself, whose sign-in host browsers reach at `sign_in`.
    pub(super) fn of_the_gate(sign_in: &str) -> Self {
        Self {
            handoff: format!("{sign_in}{HANDOFF_PATH}?"),
            known: Vec::new(),
            form: None,
            elsewhere: None,
        }
    }

    /// Takes the answer to a request that cannot have passed as a refusal, if it has one of these statuses.
    pub(super) fn learn(&mut self, asked: &Asked, answers: &[Answer], statuses: &[u16]) {
        let new = answers.iter().filter(|answer| statuses.contains(&answer.status));
        self.known.extend(new.map(|answer| Print::of(answer, asked)));
    }

    /// Takes the answer to what is no HTTP at all: it is the proxy's own.
    pub(super) fn learn_form(&mut self, answers: &[Answer]) {
        let refused = answers.first().filter(|answer| answer.status >= 400);
        self.form = refused.and_then(Form::of);
    }

    /// Takes the answer for a host that nobody has: another site of the proxy, or none.
    pub(super) fn learn_elsewhere(&mut self, asked: &Asked, answer: &Answer) {
        self.elsewhere = Some(Print::of(answer, asked));
    }

    /// The first answer that is no refusal.
    pub(super) fn passed<'a>(
        &self,
        kind: Option<Kind>,
        asked: &Asked,
        answers: &'a [Answer],
    ) -> Option<&'a Answer> {
        answers
            .iter()
            .find(|answer| !self.is_refusal(kind, asked, answer))
    }

    /// Whether a person is sent to sign in.
    pub(super) fn is_challenge(&self, answer: &Answer) -> bool {
        answer.status == 302
            && answer
                .one("location")
                .is_some_and(|place| place.starts_with(&self.handoff))
    }

    fn is_refusal(&self, kind: Option<Kind>, asked: &Asked, answer: &Answer) -> bool {
        let print = Print::of(answer, asked);
        let foreign = matches!(kind, Some(Kind::Host | Kind::Framing));
        self.is_challenge(answer)
            || error_of_the_gate(answer).is_some()
            || self.known.contains(&print)
            || (foreign && self.elsewhere.as_ref() == Some(&print))
            || self.is_the_proxys_own(asked, answer)
            || is_of_our_folder(asked, answer, self.looks_own(answer))
            // It asks about the server, no path of it: Go's, and so Caddy's and Traefik's, answers by itself (RFC 9110, section 9.3.7).
            || (asked.is("OPTIONS", "*") && answer.status == 200 && answer.body.is_empty())
    }

    fn is_the_proxys_own(&self, asked: &Asked, answer: &Answer) -> bool {
        let strange = ["TRACE", "CONNECT"].contains(&asked.method.as_str())
            || asked.method.bytes().any(|b| b.is_ascii_lowercase());
        let unsound = UNSOUND.contains(&answer.status) || (strange && answer.status == 405);
        unsound && self.looks_own(answer)
    }

    fn looks_own(&self, answer: &Answer) -> bool {
        match (self.form, Form::of(answer)) {
            (None, _) | (_, None) => false,
            // What a recipe says no to itself has no page.
            (Some(Form::Haproxy | Form::Go), Some(Form::Bare)) => true,
            (Some(known), Some(form)) => known == form,
        }
    }
}

/// What the gate says to requests that it does not read; its other refusals are a type. The application may answer in JSON of the
/// same shape, so the words count.
const UNREADABLE: [&str; 18] = [
    "the path has dot segments, backslashes or other things that no client sends",
    "the path could be read in two ways, and one of them may be closed",
    "the request does not name exactly one host",
    "X-Original-URL is not an address that has one reading",
    "X-Original-Method and X-Original-URL come together",
    "X-Forwarded-Proto is http or https",
    "X-Forwarded-Host is not one host",
    "the forwarded method is none",
    "the proxy names no method, scheme, host and path; see postern gate recipe",
    "the X-Forwarded and the X-Original headers say different things",
    "a forwarded header is not plain text",
    "a forwarded header is there twice",
    "a header comes with underscores in its name, which some applications read as another",
    "the Connection header takes forwarded headers away",
    "the request is to become another protocol, and only a web socket may",
    "two access keys came at once",
    "the gate's cookie is there twice",
    "a header with a credential is there twice",
];

/// The text of a refusal of this server, which every proxy but nginx hands on.
pub(super) fn error_of_the_gate(answer: &Answer) -> Option<String> {
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    let text = body.get("Error")?.as_str()?;
    let front = [
        HttpError::NoSuchPath,
        HttpError::MethodNotAllowed,
        HttpError::TargetTooLong,
        HttpError::HeadersTooLarge,
        HttpError::UnknownHost,
    ];
    let ours = GateRefusal::ALL.iter().any(|refusal| refusal.text() == text)
        || front.iter().any(|error| error.text() == text)
        || UNREADABLE.contains(&text);
    let same = body.get("Code").and_then(Value::as_u64) == Some(answer.status.into());
    (ours && same && answer.status >= 400).then(|| text.to_owned())
}

/// What is ours on every host: the recipe's own location, which no client may ask, and nginx's way to the folder.
fn is_of_our_folder(asked: &Asked, answer: &Answer, looks_own: bool) -> bool {
    let to_the_folder = |place: &str| place.ends_with("/.postern/");
    asked.target.starts_with("/.postern")
        && ((answer.status == 404 && looks_own)
            || (answer.status == 301 && answer.one("location").is_some_and(to_the_folder)))
}

/// Whether two answers are the same, but for what was asked.
pub(super) fn is_same((asked, answer): (&Asked, &Answer), (other, its): (&Asked, &Answer)) -> bool {
    Print::of(answer, asked) == Print::of(its, other)
}

/// What is the same in two refusals of one sort.
#[derive(Debug, PartialEq, Eq)]
struct Print {
    status: u16,
    location: Option<String>,
    /// An application that asks for a password of its own offers it in its own words.
    offer: Option<String>,
    body: String,
}

impl Print {
    fn of(answer: &Answer, asked: &Asked) -> Self {
        // A redirect repeats what was asked for.
        let plain = |text: &str| {
            let text = if asked.target.len() > 1 {
                text.replace(&asked.target, "{target}")
            } else {
                text.to_owned()
            };
            if asked.host.is_empty() {
                text
            } else {
                text.replace(&asked.host, "{host}")
            }
        };
        Self {
            status: answer.status,
            location: answer.one("location").map(plain),
            offer: answer.one("www-authenticate").map(str::to_owned),
            body: plain(&answer.body),
        }
    }
}

/// How a proxy's own error pages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Nginx,
    Haproxy,
    /// Caddy, Traefik.
    Go,
    /// Without a page: this server's own front.
    Bare,
}

impl Form {
    fn of(answer: &Answer) -> Option<Self> {
        let Answer { status, body, .. } = answer;
        if body.is_empty() {
            Some(Self::Bare)
        } else if body.starts_with(&format!("<html>\r\n<head><title>{status} "))
            && body.contains("<hr><center>")
        {
            Some(Self::Nginx)
        } else if body.starts_with(&format!("<html><body><h1>{status} ")) {
            Some(Self::Haproxy)
        } else if (body.starts_with(&format!("{status} ")) && !body.trim_end().contains('\n'))
            || (*status == 501 && body == "Unsupported transfer encoding")
        {
            Some(Self::Go)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
