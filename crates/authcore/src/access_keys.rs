//! Access keys: long-lived secrets for scripts, named, limited, listed, revocable; only a keyed hash is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::clock::{Clock, WallTime};
use crate::ids::AccessKeyId;
use crate::live::{Live, LiveAccessKey};
use crate::principal::{Principal, Scope, Scopes};
use crate::second_factor::ActConfirmed;
use crate::store::change::{Change, Outcome, Request};
use crate::store::{Store, StoreError};
use crate::token::access_key::AccessKeySecret;
use crate::token::hashed::{HashedToken, PlainToken, TokenHasher, TokenUse};

/// Life of a key when its maker names none.
pub const ACCESS_KEY_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// Longest life of a key.
pub const ACCESS_KEY_LIFE_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Most keys at once.
const KEYS_MAX: usize = 1000;

/// A use is written down this long after the one before; lists show the exact one from memory.
const TOUCH_EVERY: Duration = Duration::from_secs(600);

/// All that is stored of an access key, sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AccessKeyRecord {
    pub(crate) name: String,
    pub(crate) hash: HashedToken,
    pub(crate) scopes: Scopes,
    pub(crate) created: WallTime,
    pub(crate) expires: WallTime,
    pub(crate) last_used: Option<WallTime>,
}

/// A key, as it is listed.
#[derive(Clone, Debug)]
pub struct AccessKeyView {
    /// Its id, part of its text.
    pub id: AccessKeyId,
    /// Its name.
    pub name: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// When it was made.
    pub created: WallTime,
    /// When it ends.
    pub expires: WallTime,
    /// When it was used last.
    pub last_used: Option<WallTime>,
}

/// A key just made; its text is shown this once.
pub struct CreatedAccessKey {
    /// How it is listed from now on.
    pub view: AccessKeyView,
    /// The secret.
    pub secret: AccessKeySecret,
}

/// A key was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateAccessKeyError {
    /// Names are 1 to 64 characters without control characters or surrounding spaces.
    #[error(
        "the name of an access key has 1 to 64 characters, no control characters and no spaces around it"
    )]
    BadName,
    /// Another key has it.
    #[error("there is an access key of the name {name} already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// It would never, or too late, expire.
    #[error("an access key lives for at most 366 days and at least a minute")]
    BadLife,
    /// There are too many.
    #[error("there are {KEYS_MAX} access keys already")]
    TooMany,
    /// Forever tokens are switched off.
    #[error("forever tokens are disabled")]
    Disabled,
    /// One was issued since the server started.
    #[error("a forever token was issued already since the server started")]
    AlreadyIssued,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The service of access keys.
pub struct AccessKeys {
    pub(crate) store: Arc<Store>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Clock,
    pub(crate) hasher: Arc<TokenHasher>,
    pub(crate) forever_issued: AtomicBool,
}

impl AccessKeys {
    /// Makes a key.
    ///
    /// # Errors
    /// See [`CreateAccessKeyError`].
    pub async fn create(
        &self,
        _confirmed: &ActConfirmed,
        name: &str,
        scopes: Scopes,
        life: Duration,
        client: &Client,
    ) -> Result<CreatedAccessKey, CreateAccessKeyError> {
        let characters = name.chars().count();
        if !(1..=64).contains(&characters) || name.chars().any(char::is_control) || name.trim() != name {
            return Err(CreateAccessKeyError::BadName);
        }
        if !(Duration::from_secs(60)..=ACCESS_KEY_LIFE_MAX).contains(&life) {
            return Err(CreateAccessKeyError::BadLife);
        }
        if self.live.access_keys().len() >= KEYS_MAX {
            return Err(CreateAccessKeyError::TooMany);
        }
        let id = AccessKeyId::random().map_err(StoreError::from)?;
        let secret = AccessKeySecret {
            id,
            secret: PlainToken::random().map_err(StoreError::from)?,
        };
        let now = self.clock.now();
        let record = AccessKeyRecord {
            name: name.to_owned(),
            hash: self.hasher.hash(TokenUse::AccessKey, &secret.secret),
            scopes,
            created: now.wall,
            expires: now.wall.plus(life),
            last_used: None,
        };
        let view = view(id, &record, None);
        let change = Change::AddAccessKey {
            id,
            record: Box::new(record),
        };
        match self
            .store
            .write(Request {
                change,
                client: client.clone(),
                now,
            })
            .await?
        {
            Outcome::Done => Ok(CreatedAccessKey { view, secret }),
            Outcome::Taken | Outcome::Stale | Outcome::NotFound | Outcome::Expired | Outcome::Ended(_) => {
                Err(CreateAccessKeyError::NameTaken {
                    name: name.to_owned(),
                })
            }
        }
    }

    /// What the wire calls a forever token: an access key of one year, once per start, while the setting allows it.
    ///
    /// # Errors
    /// See [`CreateAccessKeyError`].
    pub async fn issue_forever(
        &self,
        confirmed: &ActConfirmed,
        client: &Client,
    ) -> Result<CreatedAccessKey, CreateAccessKeyError> {
        if !self.live.settings().allow_forever_token() {
            return Err(CreateAccessKeyError::Disabled);
        }
        if self.forever_issued.swap(true, Ordering::AcqRel) {
            return Err(CreateAccessKeyError::AlreadyIssued);
        }
        let name = format!("forever token {}", self.clock.now().wall.to_rfc3339());
        let scopes = Scopes::new(vec![Scope::Api]).ok_or(CreateAccessKeyError::BadName)?;
        let created = self
            .create(
                confirmed,
                &name,
                scopes,
                Duration::from_secs(365 * 24 * 3600),
                client,
            )
            .await;
        if created.is_err() {
            self.forever_issued.store(false, Ordering::Release);
        }
        created
    }

    /// Every key, by name, expired ones too.
    #[must_use]
    pub fn list(&self) -> Vec<AccessKeyView> {
        let keys = self.live.access_keys().into_iter();
        let mut views: Vec<_> = keys
            .map(|(id, key)| view(id, &key.record, key.last_used()))
            .collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        views
    }

    /// Revokes the key of that id or name. Says whether there was one.
    ///
    /// # Errors
    /// When it could not be committed: then the key still works.
    pub async fn revoke(&self, id_or_name: &str, client: &Client) -> Result<bool, StoreError> {
        let id = AccessKeyId::parse(id_or_name)
            .filter(|id| self.live.access_key(*id).is_some())
            .or_else(|| {
                let keys = self.live.access_keys();
                keys.into_iter()
                    .find(|(_, key)| key.record.name == id_or_name)
                    .map(|(id, _)| id)
            });
        let Some(id) = id else { return Ok(false) };
        let change = Change::RevokeAccessKey { id };
        let request = Request {
            change,
            client: client.clone(),
            now: self.clock.now(),
        };
        Ok(self.store.write(request).await? == Outcome::Done)
    }

    /// Who presents this key, if it is one of ours and alive.
    pub(crate) fn authenticate(&self, key: &AccessKeySecret) -> Option<Principal> {
        let live = self.live.access_key(key.id)?;
        let now = self.clock.now();
        let right = live
            .record
            .hash
            .matches(&self.hasher.hash(TokenUse::AccessKey, &key.secret));
        if !right || now.wall >= live.record.expires {
            return None;
        }
        self.note_use(key.id, &live);
        Some(Principal::Script {
            access_key: key.id,
            scopes: live.record.scopes.clone(),
        })
    }

    fn note_use(&self, id: AccessKeyId, live: &LiveAccessKey) {
        let now = self.clock.now();
        let before = live.used(now.wall);
        if now.wall.since(before).is_some_and(|age| age >= TOUCH_EVERY) {
            let change = Change::TouchAccessKey { id, used: now.wall };
            self.store.write_later(Request {
                change,
                client: Client::local(),
                now,
            });
        }
    }
}

fn view(id: AccessKeyId, record: &AccessKeyRecord, last_used: Option<WallTime>) -> AccessKeyView {
    AccessKeyView {
        id,
        name: record.name.clone(),
        scopes: record.scopes.clone(),
        created: record.created,
        expires: record.expires,
        last_used,
    }
}
