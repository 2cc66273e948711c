//! Which settings there are: key, kind, default, meaning.

use serde_json::Value;

pub(super) const SIGNIN_TOKENS: &str = "signin_tokens";
pub(super) const ALLOW_FOREVER_TOKEN: &str = "allow_forever_token";
pub(super) const MAX_SESSIONS: &str = "max_sessions";

/// Sessions kept at once; one more ends the one unused for longest.
pub(super) const MAX_SESSIONS_DEFAULT: usize = 1000;

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number within bounds, both included.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Text of at most 4,096 bytes, not empty.
    Text,
}

impl SettingKind {
    /// What it takes, in words.
    #[must_use]
    pub fn takes(self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Text => "text of 1 to 4096 bytes".to_owned(),
        }
    }
}

/// A setting.
#[derive(Debug)]
pub struct SettingSpec {
    /// Its key; for user-named secrets, what the key begins with.
    pub key: &'static str,
    /// What it takes.
    pub kind: SettingKind,
    /// Whether its value goes in but never comes out.
    pub sensitive: bool,
    /// What it is for.
    pub description: &'static str,
}

pub(super) static NAMED: [SettingSpec; 4] = [
    SettingSpec {
        key: ALLOW_FOREVER_TOKEN,
        kind: SettingKind::Boolean,
        sensitive: false,
        description: "let one long-lived access key be issued over the API per server start",
    },
    SettingSpec {
        key: "instance_name",
        kind: SettingKind::Text,
        sensitive: false,
        description: "the name people see when they sign in",
    },
    SettingSpec {
        key: MAX_SESSIONS,
        kind: SettingKind::Integer {
            min: 1,
            max: 1_000_000,
        },
        sensitive: false,
        description: "sessions kept at once; one more ends the one unused for longest",
    },
    SettingSpec {
        key: SIGNIN_TOKENS,
        kind: SettingKind::Boolean,
        sensitive: false,
        description: "let signin tokens (links) stand in for the password",
    },
];

/// Secrets that the owner names: `secret.<name>`.
pub(super) static SECRET: SettingSpec = SettingSpec {
    key: "secret.",
    kind: SettingKind::Text,
    sensitive: true,
    description: "a secret of your own, for a header that an application gets",
};

impl SettingSpec {
    /// Its default; a secret has none.
    #[must_use]
    pub fn default_value(&self) -> Option<Value> {
        match self.key {
            SIGNIN_TOKENS => Some(Value::Bool(true)),
            ALLOW_FOREVER_TOKEN => Some(Value::Bool(false)),
            MAX_SESSIONS => Some(Value::from(MAX_SESSIONS_DEFAULT)),
            "instance_name" => Some(Value::from("Postern")),
            _ => None,
        }
    }

    pub(super) fn accepts(&self, value: &Value) -> bool {
        match self.kind {
            SettingKind::Boolean => value.is_boolean(),
            SettingKind::Integer { min, max } => value.as_u64().is_some_and(|n| (min..=max).contains(&n)),
            SettingKind::Text => value
                .as_str()
                .is_some_and(|text| (1..=4096).contains(&text.len())),
        }
    }
}

pub(super) fn find(key: &str) -> Option<&'static SettingSpec> {
    NAMED
        .iter()
        .find(|spec| spec.key == key)
        .or_else(|| is_secret(key).then_some(&SECRET))
}

/// `secret.` and 1 to 64 lower-case letters, digits, `-` and `_`.
pub(super) fn is_secret(key: &str) -> bool {
    key.strip_prefix(SECRET.key).is_some_and(|name| {
        (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_default_is_a_value_its_setting_accepts() {
        for spec in &NAMED {
            assert!(
                spec.default_value().is_some_and(|value| spec.accepts(&value)),
                "{}",
                spec.key
            );
        }
    }

    #[test]
    fn wrong_kinds_and_bounds_are_refused() {
        let accepts = |key, value| find(key).expect("known").accepts(&value);
        assert!(!accepts("signin_tokens", json!("true")));
        assert!(!accepts("max_sessions", json!(0)) && !accepts("max_sessions", json!(1.5)));
        assert!(!accepts("secret.x", json!("")) && accepts("secret.x", json!("Bearer abc")));
        for unknown in ["secret.", "secret.A", "nothing", "Signin_Tokens"] {
            assert!(find(unknown).is_none(), "{unknown}");
        }
    }
}
