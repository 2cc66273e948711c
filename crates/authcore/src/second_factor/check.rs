//! The check of a one-time code: under the permit of a try of the password, and used up on disk before anybody is told that it was
//! right.

use std::sync::Arc;

use super::code::OneTimeCode;
use crate::audit::event::PasswordUse;
use crate::client::Client;
use crate::clock::Clock;
use crate::live::Live;
use crate::store::change::{Change, Outcome, Request};
use crate::store::{Store, StoreError};
use crate::throttle::Admission;
use crate::token::hashed::TokenHasher;

/// Checks one-time codes.
pub(crate) struct CodeCheck {
    pub(crate) store: Arc<Store>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Clock,
    pub(crate) hasher: Arc<TokenHasher>,
}

/// No code was taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodeRefused {
    #[error("a one-time code is needed")]
    Needed,
    #[error("the one-time code is wrong, or was used before")]
    Wrong,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CodeCheck {
    /// Whether a code is asked for.
    pub(crate) fn is_on(&self) -> bool {
        self.live.second_factor().is_some()
    }

    /// Takes a code, once, where one is asked for. A wrong one is written down and counted, as a wrong password is.
    pub(crate) async fn check(
        &self,
        admission: &Admission,
        given: Option<&OneTimeCode>,
        purpose: PasswordUse,
        client: &Client,
    ) -> Result<(), CodeRefused> {
        let Some(factor) = self.live.second_factor() else {
            return Ok(());
        };
        let given = given.ok_or(CodeRefused::Needed)?;
        let now = self.clock.now();
        let request = |change| Request {
            change,
            client: client.clone(),
            now,
        };
        if let Some(spent) = factor.judge(given, now.wall, &self.hasher) {
            let change = Change::SpendOneTimeCode { factor, spent };
            match self.store.write(request(change)).await? {
                Outcome::Done => return Ok(()),
                // Used by somebody else meanwhile, or of a factor that is no more.
                Outcome::Taken
                | Outcome::Stale
                | Outcome::NotFound
                | Outcome::Expired
                | Outcome::Ended(_) => {}
            }
        }
        // `deploy/fail2ban` looks for these words.
        tracing::warn!(address = %client.address_text(), "the one-time code was refused");
        let throttle = Box::new(self.live.throttle().failed(admission));
        let change = Change::RefuseOneTimeCode { purpose, throttle };
        self.store.write(request(change)).await?;
        Err(CodeRefused::Wrong)
    }
}
