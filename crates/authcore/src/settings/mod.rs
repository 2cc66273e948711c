//! Settings the owner changes while the server runs: typed, every value sealed, sensitive ones written but never read out.

mod registry;

pub use registry::{SettingKind, SettingSpec};

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::client::Client;
use crate::clock::Clock;
use crate::live::Live;
use crate::store::change::{Change, Outcome, Request};
use crate::store::{Store, StoreError};

/// The service of settings.
pub struct Settings {
    pub(crate) store: Arc<Store>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Clock,
}

/// A setting was not read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// There is none of that name.
    #[error("there is no setting {key}")]
    Unknown {
        /// The name asked for.
        key: String,
    },
    /// The value is not of its kind.
    #[error("the setting {key} takes {expected}")]
    WrongValue {
        /// The setting.
        key: String,
        /// What it takes.
        expected: String,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One setting, as it is listed.
#[derive(Clone, Debug)]
pub struct SettingView {
    /// Its key.
    pub key: String,
    /// What it takes and means.
    pub spec: &'static SettingSpec,
    /// Its value; `None` for a sensitive one, whatever it is.
    pub value: Option<Value>,
    /// Whether it was changed from its default.
    pub set: bool,
}

impl Settings {
    /// Every setting, and every secret that was set, by key.
    #[must_use]
    pub fn list(&self) -> Vec<SettingView> {
        let values = self.live.settings();
        let named = registry::NAMED.iter().map(|spec| view(spec.key, spec, &values));
        let secrets = values.0.keys().filter(|key| registry::is_secret(key));
        named
            .chain(secrets.map(|key| view(key, &registry::SECRET, &values)))
            .collect()
    }

    /// One setting.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn one(&self, key: &str) -> Result<SettingView, SettingError> {
        Ok(view(
            key,
            registry::find(key).ok_or_else(|| unknown(key))?,
            &self.live.settings(),
        ))
    }

    /// The value of a setting, sensitive or not: for the operator, who can open the database anyway.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn reveal(&self, key: &str) -> Result<Option<Value>, SettingError> {
        let spec = registry::find(key).ok_or_else(|| unknown(key))?;
        Ok(self
            .live
            .settings()
            .0
            .get(key)
            .cloned()
            .or_else(|| spec.default_value()))
    }

    /// Changes settings, each on its own; all are checked before the first is changed.
    ///
    /// # Errors
    /// See [`SettingError`].
    pub async fn set(&self, changes: Vec<(String, Value)>, client: &Client) -> Result<(), SettingError> {
        for (key, value) in &changes {
            let spec = registry::find(key).ok_or_else(|| unknown(key))?;
            if !spec.accepts(value) {
                return Err(SettingError::WrongValue {
                    key: key.clone(),
                    expected: spec.kind.takes(),
                });
            }
        }
        for (key, value) in changes {
            self.write(
                Change::SetSetting {
                    key,
                    value: Some(value),
                },
                client,
            )
            .await?;
        }
        Ok(())
    }

    /// Puts a setting back to its default. Says whether it was changed.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn unset(&self, key: &str, client: &Client) -> Result<bool, SettingError> {
        registry::find(key).ok_or_else(|| unknown(key))?;
        let outcome = self
            .write(
                Change::SetSetting {
                    key: key.to_owned(),
                    value: None,
                },
                client,
            )
            .await?;
        Ok(outcome == Outcome::Done)
    }

    async fn write(&self, change: Change, client: &Client) -> Result<Outcome, StoreError> {
        self.store
            .write(Request {
                change,
                client: client.clone(),
                now: self.clock.now(),
            })
            .await
    }
}

fn unknown(key: &str) -> SettingError {
    SettingError::Unknown { key: key.to_owned() }
}

fn view(key: &str, spec: &'static SettingSpec, values: &SettingValues) -> SettingView {
    let stored = values.0.get(key);
    let value = if spec.sensitive {
        None
    } else {
        stored.cloned().or_else(|| spec.default_value())
    };
    SettingView {
        key: key.to_owned(),
        spec,
        value,
        set: stored.is_some(),
    }
}

/// The values that were changed, by key.
pub(crate) struct SettingValues(BTreeMap<String, Value>);

impl SettingValues {
    pub(crate) const fn new(values: BTreeMap<String, Value>) -> Self {
        Self(values)
    }

    pub(crate) fn signin_tokens(&self) -> bool {
        self.0
            .get(registry::SIGNIN_TOKENS)
            .and_then(Value::as_bool)
            .unwrap_or(true)
    }

    pub(crate) fn allow_forever_token(&self) -> bool {
        self.0
            .get(registry::ALLOW_FOREVER_TOKEN)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    pub(crate) fn max_sessions(&self) -> usize {
        let stored = self.0.get(registry::MAX_SESSIONS).and_then(Value::as_u64);
        stored
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(registry::MAX_SESSIONS_DEFAULT)
    }
}
