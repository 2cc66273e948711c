//! What is told of a check.

use std::fmt::Write as _;

use serde::Serialize;

use super::Asked;
use super::answer::Answer;
use crate::gate::forgeries::{Forgery, Kind, Sent};

const KINDS: [Kind; 10] = [
    Kind::Path,
    Kind::Unasked,
    Kind::Method,
    Kind::Forwarded,
    Kind::Identity,
    Kind::HopByHop,
    Kind::Upgrade,
    Kind::Credential,
    Kind::Host,
    Kind::Framing,
];

/// Longest target that is shown, in characters.
const SHOWN_MAX: usize = 80;

/// What came of a check.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Report {
    pub(crate) url: String,
    pub(crate) application: String,
    /// Requests that were sent.
    pub(crate) sent: usize,
    pub(crate) groups: Vec<Group>,
    pub(crate) leaks: Vec<Leak>,
    /// In words.
    pub(crate) not_checked: Vec<String>,
}

/// Forgeries of one kind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Group {
    name: &'static str,
    tried: usize,
    refused: usize,
    /// The configuration lets anybody do that.
    open: usize,
    got_through: usize,
}

/// One forgery that got through.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Leak {
    group: &'static str,
    /// Method and target.
    request: String,
    /// Forged headers.
    headers: Vec<String>,
    /// The status, or in words what came.
    answer: String,
    resembles: String,
    pub(crate) mend: &'static str,
}

/// What became of one forgery.
pub(super) enum Outcome {
    Refused,
    Open,
    GotThrough,
}

impl Report {
    pub(super) fn new(url: &str, application: &str) -> Self {
        let group = |kind| Group {
            name: name(kind),
            tried: 0,
            refused: 0,
            open: 0,
            got_through: 0,
        };
        Self {
            url: url.to_owned(),
            application: application.to_owned(),
            sent: 0,
            groups: KINDS.into_iter().map(group).collect(),
            leaks: Vec::new(),
            not_checked: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, kind: Kind, outcome: &Outcome) {
        for group in self.groups.iter_mut().filter(|group| group.name == name(kind)) {
            group.tried += 1;
            match outcome {
                Outcome::Refused => group.refused += 1,
                Outcome::Open => group.open += 1,
                Outcome::GotThrough => group.got_through += 1,
            }
        }
    }
}

impl Leak {
    pub(super) fn of(forgery: &Forgery, asked: &Asked, answer: Option<&Answer>) -> Self {
        let forged = match &forgery.sent {
            Sent::Request { forged, .. } => forged.as_slice(),
            Sent::Bytes(_) => &[],
        };
        let mut headers: Vec<String> = forged.iter().map(|(name, _)| (*name).to_owned()).collect();
        if forgery.kind == Kind::Host {
            headers.push(format!("Host: {}", asked.host));
        }
        Self {
            group: name(forgery.kind),
            request: asked.shown(),
            headers,
            answer: in_words(answer),
            resembles: forgery.after.to_owned(),
            mend: mend(forgery.kind),
        }
    }

    /// The application was told what a client said of itself.
    pub(super) fn of_identity(asked: &Asked, header: &str, answer: &Answer) -> Self {
        Self {
            group: name(Kind::Identity),
            request: asked.shown(),
            headers: vec![header.to_owned()],
            answer: format!("{}, and the application was told so", answer.status),
            resembles: "Caddy CVE-2026-30851".to_owned(),
            mend: "the proxy hands the client's own identity headers to the application: take each away, or write it over \
                   with what Postern answers, as postern gate recipe does",
        }
    }
}

impl Asked {
    fn shown(&self) -> String {
        let mut text = format!("{} ", self.method);
        let shown: String = self.target.chars().take(SHOWN_MAX).collect();
        let _ = write!(text, "{}", shown.escape_default());
        if self.target.chars().count() > SHOWN_MAX {
            text.push_str("...");
        }
        text
    }
}

pub(super) fn in_words(answer: Option<&Answer>) -> String {
    match answer {
        None => "none in five seconds".to_owned(),
        Some(answer) if answer.status == 0 => "no HTTP".to_owned(),
        Some(answer) => match answer.one("location") {
            Some(place) => format!(
                "{} to {}",
                answer.status,
                place
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(SHOWN_MAX)
                    .collect::<String>()
            ),
            None => answer.status.to_string(),
        },
    }
}

const fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Path => "paths with two readings",
        Kind::Unasked => "paths often exempted",
        Kind::Method => "methods",
        Kind::Forwarded => "where it goes and comes from",
        Kind::Identity => "who asks",
        Kind::HopByHop => "headers that take others away",
        Kind::Upgrade => "other protocols",
        Kind::Credential => "credentials that are none",
        Kind::Host => "hosts",
        Kind::Framing => "framing",
    }
}

const fn mend(kind: Kind) -> &'static str {
    match kind {
        Kind::Path | Kind::Unasked => {
            "the proxy serves these without asking Postern: every location (nginx: auth_request), route (Caddy), router \
             (Traefik: forwardAuth) and frontend (HAProxy: lua.postern) of the host asks; what anybody may open stands in \
             `open` of Postern's configuration"
        }
        Kind::Method => {
            "the proxy lets this method pass without asking Postern: take the exception away (nginx: limit_except)"
        }
        Kind::Forwarded => {
            "the proxy passes the client's own word on to Postern: write every X-Original- and X-Forwarded- header over, as \
             postern gate recipe does"
        }
        Kind::Identity => {
            "the proxy lets somebody pass who says who they are: take the exception away, and the client's own identity \
             headers too"
        }
        Kind::HopByHop => {
            "the proxy lets the client take headers away that Postern goes by: update it, and compare with postern gate recipe"
        }
        Kind::Upgrade => {
            "the proxy lets the client speak another protocol to the application, in which Postern is asked nothing: pass Upgrade on \
             to Postern, or none but websocket to the application, as postern gate recipe does"
        }
        Kind::Credential => "something before Postern takes these credentials: let Postern alone decide",
        Kind::Host => {
            "the application answers to a host that is not its own: let every server block or site that leads to it ask Postern \
             and take no Host but the application's, as postern gate recipe does, and let what the proxy does for unknown \
             hosts be no application"
        }
        Kind::Framing => {
            "the proxy takes what is no sound HTTP: update it, and compare with postern gate recipe"
        }
    }
}
