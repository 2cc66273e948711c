//! `postern gate check`: forged requests through the proxy that is in use, as an outsider sends them, and what got through.
//!
//! ```text
//! place.rs     the address in the configuration; decide() says what of it is for anybody
//! line.rs      bytes to the proxy, over TCP or TLS, and answer.rs: what comes back
//! refusal.rs   how this address says no, partly learned from it; what is not recognised got through
//! identity.rs  whether the application is told what a client says of itself
//! report.rs    what is told
//! ```

pub(crate) mod answer;
mod identity;
mod line;
mod place;
mod refusal;
mod report;

use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;

use self::answer::Answer;
use self::line::Line;
pub(crate) use self::line::LineError;
use self::place::Place;
pub(crate) use self::place::PlaceError;
use self::refusal::{Refusals, error_of_the_gate};
pub(crate) use self::report::Report;
use self::report::{Leak, Outcome};
use super::Gate;
use super::forgeries::{forgeries, request};
use crate::http::config::Scheme;

/// A host that nobody has (RFC 2606, section 2).
const NOBODYS_HOST: &str = "postern-check.invalid";

/// Where an access key stands, so that an application's own credentials are not in its way.
const KEY: &str = "X-Api-Key";

/// No HTTP, and so no request to pass on.
const NO_HTTP: &[u8] = b"NONSENSE\r\n\r\n";

/// What to check.
pub(crate) struct Question<'a> {
    /// An address of an application that is for who is signed in.
    pub(crate) url: &'a str,
    pub(crate) gate: &'a Gate,
    /// How browsers reach the sign-in host.
    pub(crate) sign_in: Scheme,
    /// The proxy, where the host's name does not lead there.
    pub(crate) connect: Option<SocketAddr>,
    /// Whose certificates are taken.
    pub(crate) trusted: Vec<CertificateDer<'static>>,
    /// An access key that is good for the address.
    pub(crate) key: Option<&'a str>,
}

/// Why nothing was found out, or everything at the first request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Line(#[from] LineError),
    /// The plain request, of nobody, got an answer that is not Postern's.
    #[error("{url} is not guarded by Postern: nobody signed in, and the answer was {answer}")]
    NotGuarded { url: String, answer: String },
    /// Postern refuses, and sends nobody to sign in.
    #[error("Postern lets nobody in at {url}: {text}")]
    Refused { url: String, text: String },
    /// The proxy has nobody to ask.
    #[error("what answers at {url} gave status {status}, and nothing of Postern's")]
    Fault { url: String, status: u16 },
    /// Something listens and says nothing, or closes the connection.
    #[error("what listens at {url} gave no answer")]
    NoAnswer { url: String },
    /// The access key opens nothing there.
    #[error("the access key does not open {url}: the answer was {answer}")]
    KeyRefused { url: String, answer: String },
}

/// One request, as whoever reads it honestly takes it.
#[derive(Debug)]
struct Asked {
    method: String,
    target: String,
    host: String,
}

impl Asked {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        Self {
            method: word(),
            target: word(),
            host: lines
                .find_map(|line| line.strip_prefix("Host: "))
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn is(&self, method: &str, target: &str) -> bool {
        self.method == method && self.target == target
    }
}

/// A check under way.
struct Check<'a> {
    place: Place<'a>,
    line: Line,
    refusals: Refusals,
    report: Report,
}

/// Checks; tells how far it is.
///
/// # Errors
/// See [`CheckError`].
pub(crate) fn check(
    question: &Question<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, CheckError> {
    let place = Place::find(question.gate, question.sign_in, question.url)?;
    let line = Line::new(
        (place.scheme, &place.host),
        question.connect,
        question.trusted.clone(),
    )?;
    let mut check = Check {
        refusals: Refusals::of_the_gate(&question.gate.sign_in),
        report: Report::new(&place.url(place.kept), &place.application.name),
        place,
        line,
    };
    check.is_guarded()?;
    check.learns_refusals()?;
    let application = question.key.map(|key| check.visits(key)).transpose()?;
    check.learns_elsewhere(application.as_ref())?;
    let forgeries = forgeries(&check.place.names());
    for (done, forgery) in (1..).zip(&forgeries) {
        let bytes = forgery.sent.bytes();
        let asked = Asked::of(&bytes);
        let answers = check.send(&bytes)?;
        let kind = Some(forgery.kind);
        let passed = answers
            .as_deref()
            .map(|answers| check.refusals.passed(kind, &asked, answers));
        // What is open is so to requests, and not to another protocol.
        let is_no_request = passed.flatten().is_some_and(|answer| answer.status == 101);
        let outcome = match passed {
            Some(None) => Outcome::Refused,
            _ if check.place.is_for_anybody(&asked) && !is_no_request => Outcome::Open,
            passed => {
                check
                    .report
                    .leaks
                    .push(Leak::of(forgery, &asked, passed.flatten()));
                Outcome::GotThrough
            }
        };
        check.report.count(forgery.kind, &outcome);
        progress(done, forgeries.len() as u64);
    }
    check.identity(question.key)?;
    Ok(check.report)
}

impl Check<'_> {
    fn send(&mut self, bytes: &[u8]) -> Result<Option<Vec<Answer>>, CheckError> {
        self.report.sent += 1;
        Ok(self.line.send(bytes)?)
    }

    /// Sends a browser's request to the address, with these headers besides.
    fn asks(
        &mut self,
        (method, target, host): (&str, &str, &str),
        headers: &[(&str, &str)],
    ) -> Result<(Asked, Option<Vec<Answer>>), CheckError> {
        let bytes = zeroize::Zeroizing::new(request(method, target, host, headers));
        let answers = self.send(&bytes)?;
        Ok((Asked::of(&bytes), answers))
    }

    /// The control: nobody is let in at the plain address, and it is Postern that says so.
    fn is_guarded(&mut self) -> Result<(), CheckError> {
        let (host, kept) = (self.place.host.to_string(), self.place.kept);
        let (_, answers) = self.asks(("GET", kept, &host), &[])?;
        let answer = answers.as_deref().and_then(<[_]>::first);
        let url = self.place.url(kept);
        match answer {
            Some(answer) if self.refusals.is_challenge(answer) => Ok(()),
            Some(answer) => Err(match (error_of_the_gate(answer), answer.status) {
                (Some(text), _) => CheckError::Refused { url, text },
                (None, status @ 500..) => CheckError::Fault { url, status },
                (None, _) => CheckError::NotGuarded {
                    url,
                    answer: report::in_words(Some(answer)),
                },
            }),
            None => Err(CheckError::NoAnswer { url }),
        }
    }

    /// How this address says no where it does not send anybody to sign in: requests that nobody can let pass.
    fn learns_refusals(&mut self) -> Result<(), CheckError> {
        let answers = self.send(NO_HTTP)?.unwrap_or_default();
        self.refusals.learn_form(&answers);
        let (host, kept) = (self.place.host.to_string(), self.place.kept);
        // What is no page is not sent to sign in. nginx has pages of its own for that.
        let bare = format!("GET {kept} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answers = self.send(bare.as_bytes())?.unwrap_or_default();
        self.refusals.learn(&Asked::of(bare.as_bytes()), &answers, &[401]);
        let (asked, answers) = self.asks(("POST", kept, &host), &[])?;
        self.refusals.learn(&asked, &answers.unwrap_or_default(), &[401]);
        // Refused by Postern in any case, which nginx makes a 500 of.
        let (asked, answers) = self.asks(("GET", &format!("{kept}%5c"), &host), &[])?;
        if !self.place.is_for_anybody(&asked) {
            self.refusals
                .learn(&asked, &answers.unwrap_or_default(), &[400, 500]);
        }
        Ok(())
    }

    /// The other control: whoever has a key that is good for the address gets there.
    fn visits(&mut self, key: &str) -> Result<(Asked, Answer), CheckError> {
        let (host, kept) = (self.place.host.to_string(), self.place.kept);
        let (asked, answers) = self.asks(("GET", kept, &host), &[(KEY, key)])?;
        let answers = answers.unwrap_or_default();
        match self.refusals.passed(None, &asked, &answers) {
            Some(answer) => Ok((asked, answer.clone())),
            None => Err(CheckError::KeyRefused {
                url: self.place.url(kept),
                answer: report::in_words(answers.first()),
            }),
        }
    }

    /// What answers for a host that nobody has is no refusal if it is the application.
    fn learns_elsewhere(&mut self, application: Option<&(Asked, Answer)>) -> Result<(), CheckError> {
        let (asked, answers) = self.asks(("GET", self.place.kept, NOBODYS_HOST), &[])?;
        let Some(answer) = answers.and_then(|answers| answers.into_iter().next()) else {
            return Ok(());
        };
        // Caddy and others of Go answer so where there is no site.
        let is_none = answer.status >= 400 || (answer.status == 200 && answer.body.is_empty());
        match application {
            Some((to, its)) if refusal::is_same((to, its), (&asked, &answer)) => return Ok(()),
            None if !is_none => self.report.not_checked.push(format!(
                "something answers for hosts that nobody has ({}): whether it is the application too only an access key would tell",
                report::in_words(Some(&answer))
            )),
            Some(_) | None => {}
        }
        self.refusals.learn_elsewhere(&asked, &answer);
        Ok(())
    }
}
