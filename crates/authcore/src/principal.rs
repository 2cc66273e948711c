//! Who asks, once a credential was checked, and what they may do.

use serde::{Deserialize, Serialize};

use crate::ids::{AccessKeyId, SessionId};
use crate::token::access::SessionProof;

/// Who asks (NIST SP 800-63: the subscriber, by one of their authenticators).
#[derive(Clone)]
pub enum Principal {
    /// The owner, with an access token of a live session.
    Owner {
        /// The session the token belongs to.
        session: SessionId,
        /// The `ses` claim the owner presented; an operation token is made from it.
        proof: SessionProof,
    },
    /// A script, with an access key.
    Script {
        /// The key.
        access_key: AccessKeyId,
        /// What the key is good for.
        scopes: Scopes,
    },
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// See settings, sessions, keys, events.
    Read,
    /// Change settings, end sessions.
    Write,
    /// Read the metrics.
    Metrics,
}

impl Principal {
    /// Whether this principal may do `what`. The owner may do everything.
    #[must_use]
    pub fn may(&self, what: Permission) -> bool {
        match self {
            Self::Owner { .. } => true,
            Self::Script { scopes, .. } => scopes.allow(what),
        }
    }
}

/// One thing an access key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// `api`: read and change over the API, but no passwords, keys or tokens.
    #[serde(rename = "api")]
    Api,
    /// `api:read`: read over the API.
    #[serde(rename = "api:read")]
    ApiRead,
    /// `metrics`: read the metrics.
    #[serde(rename = "metrics")]
    Metrics,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 3] = [Self::Api, Self::ApiRead, Self::Metrics];

    /// The name, as written in requests and lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::ApiRead => "api:read",
            Self::Metrics => "metrics",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// What an access key is good for; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// These scopes, each once; `None` when there is none.
    #[must_use]
    pub fn new(mut scopes: Vec<Scope>) -> Option<Self> {
        scopes.sort_unstable();
        scopes.dedup();
        (!scopes.is_empty()).then_some(Self(scopes))
    }

    /// The scopes, in a fixed order.
    #[must_use]
    pub fn as_slice(&self) -> &[Scope] {
        &self.0
    }

    fn allow(&self, what: Permission) -> bool {
        self.0.iter().any(|scope| match (scope, what) {
            (Scope::Api, Permission::Read | Permission::Write)
            | (Scope::ApiRead, Permission::Read)
            | (Scope::Metrics, Permission::Metrics) => true,
            (Scope::Api, Permission::Metrics)
            | (Scope::ApiRead, Permission::Write | Permission::Metrics)
            | (Scope::Metrics, Permission::Read | Permission::Write) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_allows_what_it_names_and_nothing_else() {
        let script = |scope| Principal::Script {
            access_key: AccessKeyId::from_bytes([0; 6]),
            scopes: Scopes::new(vec![scope]).expect("one scope"),
        };
        let table = [
            (Scope::Api, [true, true, false]),
            (Scope::ApiRead, [true, false, false]),
            (Scope::Metrics, [false, false, true]),
        ];
        for (scope, expected) in table {
            let allowed = [Permission::Read, Permission::Write, Permission::Metrics]
                .map(|what| script(scope).may(what));
            assert_eq!(allowed, expected, "{scope:?}");
        }
    }

    #[test]
    fn a_name_reads_back_and_an_unknown_one_does_not() {
        for scope in Scope::ALL {
            assert_eq!(Scope::from_name(scope.name()), Some(scope));
        }
        assert_eq!(Scope::from_name("API"), None);
    }
}
