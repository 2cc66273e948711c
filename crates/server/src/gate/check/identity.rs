//! Whether the application is told what a client says of itself. Only an application that shows what it gets can tell.

use super::answer::Answer;
use super::report::Leak;
use super::{Asked, Check, CheckError, KEY};
use crate::gate::application::IdentityHeader;

/// A header that proxies pass on, and what an application that shows what it gets shows of it.
const PLAIN: (&str, &str) = ("X-Postern-Check", "plain-word-of-the-gate-check");

/// What no application is to be told.
const FORGED: &str = "forged-word-of-the-gate-check";

impl Check<'_> {
    /// Looks for the client's own identity in what the application shows: with a key, or where anybody passes.
    pub(super) fn identity(&mut self, key: Option<&str>) -> Result<(), CheckError> {
        let open = self.place.open().filter(|path| {
            let (method, target) = ("GET".to_owned(), (*path).to_owned());
            let host = self.place.host.to_string();
            self.place.is_for_anybody(&Asked { method, target, host })
        });
        let (target, credential) = match (key, open) {
            (Some(key), _) => (self.place.kept, Some((KEY, key))),
            (None, Some(open)) => (open, None),
            (None, None) => {
                let text = "whether the application is told what a client says of itself: no path is open, and there was no access key";
                self.report.not_checked.push(text.to_owned());
                return Ok(());
            }
        };
        if self.shows(target, credential, PLAIN)?.is_none() {
            let text =
                "whether the application is told what a client says of itself: it does not show what it gets";
            self.report.not_checked.push(text.to_owned());
            return Ok(());
        }
        let added = self
            .place
            .application
            .headers
            .iter()
            .map(|header| header.name.to_string());
        let names: Vec<String> = IdentityHeader::ALL
            .into_iter()
            .map(|header| header.name().to_owned())
            .chain(added.filter(|name| !name.eq_ignore_ascii_case(KEY)))
            .flat_map(|name| [name.replace('-', "_"), name])
            .collect();
        for name in names {
            if let Some((asked, answer)) = self.shows(target, credential, (&name, FORGED))? {
                self.report.leaks.push(Leak::of_identity(&asked, &name, &answer));
            }
        }
        Ok(())
    }

    /// The answer, if it has the header's value in it.
    fn shows(
        &mut self,
        target: &str,
        credential: Option<(&str, &str)>,
        header: (&str, &str),
    ) -> Result<Option<(Asked, Answer)>, CheckError> {
        let headers: Vec<_> = credential.into_iter().chain([header]).collect();
        let host = self.place.host.to_string();
        let (asked, answers) = self.asks(("GET", target, &host), &headers)?;
        let shown = answers
            .unwrap_or_default()
            .into_iter()
            .find(|answer| answer.body.contains(header.1));
        Ok(shown.map(|answer| (asked, answer)))
    }
}
