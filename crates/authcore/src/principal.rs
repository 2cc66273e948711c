//! Who asks, once a credential was checked, and what they may do.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::gate::{self, GateScope, GateScopeError};
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// `api`: read and change over the API, but no passwords, keys or tokens.
    Api,
    /// `api:read`: read over the API.
    ApiRead,
    /// `metrics`: read the metrics.
    Metrics,
    /// `gate:…`: pass the gate to one host.
    Gate(GateScope),
}

/// A text that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// No scope begins like that.
    #[error("the scopes are api, api:read, metrics and gate:HOST")]
    Unknown,
    /// It is of the gate, and not well-formed.
    #[error(transparent)]
    Gate(#[from] GateScopeError),
}

impl Scope {
    /// Every scope of this server's own API.
    pub const OF_THE_API: [Self; 3] = [Self::Api, Self::ApiRead, Self::Metrics];

    /// The name, as written in requests and lists.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Api => "api",
            Self::ApiRead => "api:read",
            Self::Metrics => "metrics",
            Self::Gate(scope) => return Cow::Owned(scope.to_string()),
        })
    }

    /// The scope of that name.
    ///
    /// # Errors
    /// See [`ScopeError`].
    pub fn from_name(name: &str) -> Result<Self, ScopeError> {
        if name.starts_with(gate::SCOPE_PREFIX) {
            return Ok(Self::Gate(GateScope::parse(name)?));
        }
        Self::OF_THE_API
            .into_iter()
            .find(|scope| scope.name() == name)
            .ok_or(ScopeError::Unknown)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).map_err(serde::de::Error::custom)
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
            | (Scope::Metrics, Permission::Read | Permission::Write)
            | (Scope::Gate(_), Permission::Read | Permission::Write | Permission::Metrics) => false,
        })
    }

    /// Whether one of them covers a request at the gate; none of the API's does.
    pub(crate) fn pass_the_gate(&self, host: &str, path: &str, method: &str) -> bool {
        self.0.iter().any(|scope| match scope {
            Scope::Gate(gate) => gate.covers(host, path, method),
            Scope::Api | Scope::ApiRead | Scope::Metrics => false,
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
            (
                Scope::from_name("gate:app.example.org").expect("a scope"),
                [false, false, false],
            ),
        ];
        for (scope, expected) in table {
            let allowed = [Permission::Read, Permission::Write, Permission::Metrics]
                .map(|what| script(scope.clone()).may(what));
            assert_eq!(allowed, expected, "{scope:?}");
        }
    }

    #[test]
    fn a_name_reads_back_and_an_unknown_one_does_not() {
        let gate = Scope::from_name("gate:app.example.org/api:GET").expect("a scope");
        for scope in Scope::OF_THE_API.into_iter().chain([gate]) {
            assert_eq!(Scope::from_name(&scope.name()), Ok(scope.clone()));
            let json = serde_json::to_string(&scope).expect("JSON");
            assert_eq!(serde_json::from_str::<Scope>(&json).expect("reads back"), scope);
        }
        assert_eq!(Scope::from_name("API"), Err(ScopeError::Unknown));
    }
}
