//! The gate's rule, pure: a request, its application, and who comes with it, to one of three answers.
//!
//! ```text
//! no application ─▶ Forbid        plain HTTP where sign-in is over TLS ─▶ Forbid
//! closed path    ─▶ Forbid        an ambiguous path that a rule could close ─▶ Forbid (400)
//! a visitor      ─▶ Allow, or Forbid where the access key's scopes do not cover it
//! nobody         ─▶ Allow on an open path, else Challenge
//! ```

use authcore::Visitor;

use super::application::{Access, Ambiguous, Application};
use super::request::{Asker, GateRequest};
use crate::http::config::Scheme;

/// What the gate answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GateDecision {
    /// The request may pass.
    Allow(Passing),
    /// Whoever asks is to sign in first.
    Challenge(Asker),
    /// It does not pass, signed in or not.
    Forbid(Forbidden),
}

/// As whom a request passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// As the visitor.
    Visitor,
    /// As nobody, on an open path.
    Anonymous,
}

/// Why a request never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// No application has this host.
    NoApplication,
    /// The sign-in host is reached over TLS, and this application without.
    PlainHttp,
    /// A rule closes the path.
    ClosedPath,
    /// The path could be read in two ways, and a rule could close one of them.
    AmbiguousPath,
    /// The access key is good, but not for this.
    OutOfScope,
}

/// Whether an application is reached in clear text where the sign-in host is not: no request passes there, and no code goes there,
/// since whoever is on the way would have it.
pub(crate) const fn is_plain_beside_tls(application: Scheme, sign_in: Scheme) -> bool {
    matches!((application, sign_in), (Scheme::Http, Scheme::Https))
}

/// Decides. `sign_in` is how browsers reach the sign-in host.
pub(crate) fn decide(
    request: &GateRequest<'_>,
    sign_in: Scheme,
    application: Option<&Application>,
    visitor: Option<&Visitor>,
) -> GateDecision {
    let Some(application) = application else {
        return GateDecision::Forbid(Forbidden::NoApplication);
    };
    if is_plain_beside_tls(request.scheme, sign_in) {
        return GateDecision::Forbid(Forbidden::PlainHttp);
    }
    let access = match application.access(request.method, &request.target) {
        Err(Ambiguous) => return GateDecision::Forbid(Forbidden::AmbiguousPath),
        Ok(Access::Closed(_)) => return GateDecision::Forbid(Forbidden::ClosedPath),
        Ok(access @ (Access::Open(_) | Access::SignedIn)) => access,
    };
    let covers = |visitor: &Visitor| {
        let name = request.host.name();
        let readings = request.target.readings();
        readings
            .iter()
            .all(|path| visitor.may_pass(name, path, request.method))
    };
    match (visitor, access) {
        (Some(visitor), _) if covers(visitor) => GateDecision::Allow(Passing::Visitor),
        (_, Access::Open(_)) => GateDecision::Allow(Passing::Anonymous),
        (Some(_), Access::SignedIn | Access::Closed(_)) => GateDecision::Forbid(Forbidden::OutOfScope),
        (None, Access::SignedIn | Access::Closed(_)) => GateDecision::Challenge(request.asker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::application::tests::application;
    use crate::gate::path::Target;
    use crate::gate::request::Form;
    use crate::http::host::Host;
    use authcore::{AccessKeyId, Scope, Scopes, SessionId};

    fn request(
        scheme: Scheme,
        method: &'static str,
        target: &'static str,
        asker: Asker,
    ) -> GateRequest<'static> {
        GateRequest {
            form: Form::Forwarded,
            method,
            scheme,
            host: Host::parse("app.example.org").expect("a host"),
            target: Target::parse(target).expect("a path"),
            asker,
        }
    }

    fn key(scope: &str) -> Visitor {
        Visitor::Script {
            access_key: AccessKeyId::from_bytes([0; 6]),
            scopes: Scopes::new(vec![Scope::from_name(scope).expect("a scope")]).expect("one"),
        }
    }

    #[test]
    fn an_ambiguous_path_passes_where_nothing_depends_on_its_reading() {
        use GateDecision::{Allow, Challenge, Forbid};
        let app = application(&["GET /open"], &[]);
        let owner = Visitor::Owner {
            session: SessionId::from_bytes([1; 16]),
        };
        let (whole, part) = (key("gate:app.example.org"), key("gate:app.example.org/open"));
        let reading = key("gate:app.example.org:GET");
        for path in ["/projects/group%2Fname", "/open//x", "/open;x", "/open%2f"] {
            for (method, visitor, expected) in [
                ("PUT", Some(&owner), Allow(Passing::Visitor)),
                ("PUT", Some(&whole), Allow(Passing::Visitor)),
                ("GET", Some(&reading), Allow(Passing::Visitor)),
                ("PUT", Some(&reading), Forbid(Forbidden::OutOfScope)),
                ("GET", Some(&part), Forbid(Forbidden::OutOfScope)),
                ("GET", None, Challenge(Asker::Script)),
            ] {
                let request = request(Scheme::Https, method, path, Asker::Script);
                let decided = decide(&request, Scheme::Https, Some(&app), visitor);
                assert_eq!(decided, expected, "{method} {path} {visitor:?}");
            }
        }
    }

    #[test]
    fn every_request_gets_its_answer() {
        use GateDecision::{Allow, Challenge, Forbid};
        let app = application(&["GET /open"], &["/closed"]);
        let owner = Visitor::Owner {
            session: SessionId::from_bytes([1; 16]),
        };
        let some = key("gate:app.example.org/api:GET");
        let api = key("api");
        let (page, script) = (Asker::Page, Asker::Script);
        for (method, path, asker, visitor, expected) in [
            ("GET", "/", page, None, Challenge(page)),
            ("GET", "/", script, None, Challenge(script)),
            ("GET", "/", Asker::Socket, None, Challenge(Asker::Socket)),
            ("GET", "/", page, Some(&owner), Allow(Passing::Visitor)),
            ("GET", "/open", page, None, Allow(Passing::Anonymous)),
            ("POST", "/open", page, None, Challenge(page)),
            ("GET", "/open", page, Some(&owner), Allow(Passing::Visitor)),
            ("GET", "/closed", page, None, Forbid(Forbidden::ClosedPath)),
            (
                "GET",
                "/closed/x",
                page,
                Some(&owner),
                Forbid(Forbidden::ClosedPath),
            ),
            (
                "GET",
                "/%63losed",
                page,
                Some(&owner),
                Forbid(Forbidden::AmbiguousPath),
            ),
            ("GET", "/%6fpen", page, None, Forbid(Forbidden::AmbiguousPath)),
            (
                "GET",
                "/a%2fb",
                page,
                Some(&owner),
                Forbid(Forbidden::AmbiguousPath),
            ),
            // GHSA-7rh7-c77v-6434 (CVE-2025-54576): a rule that matched the query.
            ("GET", "/x?/open", page, None, Challenge(page)),
            ("GET", "/api/x", script, Some(&some), Allow(Passing::Visitor)),
            (
                "POST",
                "/api/x",
                script,
                Some(&some),
                Forbid(Forbidden::OutOfScope),
            ),
            ("GET", "/", script, Some(&some), Forbid(Forbidden::OutOfScope)),
            (
                "GET",
                "/%61pi/x",
                script,
                Some(&some),
                Forbid(Forbidden::OutOfScope),
            ),
            ("GET", "/open", script, Some(&some), Allow(Passing::Anonymous)),
            ("GET", "/api/x", script, Some(&api), Forbid(Forbidden::OutOfScope)),
        ] {
            let request = request(Scheme::Https, method, path, asker);
            let decided = decide(&request, Scheme::Https, Some(&app), visitor);
            assert_eq!(decided, expected, "{method} {path} {visitor:?}");
            let nowhere = decide(&request, Scheme::Https, None, visitor);
            assert_eq!(nowhere, Forbid(Forbidden::NoApplication));
            let plain = GateRequest {
                scheme: Scheme::Http,
                ..request
            };
            assert_eq!(
                decide(&plain, Scheme::Https, Some(&app), visitor),
                Forbid(Forbidden::PlainHttp)
            );
        }
    }
}
