//! The second factor: one-time codes of an authenticator app, and recovery codes for the day on which it is lost.
//!
//! ```text
//! begin ─▶ a secret, in memory only ─▶ confirm with a code ─▶ on: sealed in the database, recovery codes shown once
//! sign-in, dangerous act ─▶ permit ─▶ password ─▶ code: used up on disk, then believed ([`check`])
//! ```
//!
//! Whether it is on, and what was used of it, is one sealed fact of the server's state.

mod check;
mod code;
mod record;
mod totp;

pub(crate) use check::{CodeCheck, CodeRefused};
pub use code::{OneTimeCode, RECOVERY_CODES, RecoveryCode};
pub(crate) use record::{SecondFactor, Spent};
pub(crate) use totp::TotpSecret;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::zeroize::Zeroizing;

use crate::client::Client;
use crate::clock::{Clock, Monotonic, WallTime};
use crate::ids::SessionId;
use crate::live::Live;
use crate::password::PasswordVerified;
use crate::store::change::{Change, Outcome, Request};
use crate::store::{Store, StoreError};
use crate::token::hashed::TokenHasher;
use code::Given;
use totp::{DIGITS, PERIOD};

/// How long the setting up may take: as long as somebody looks for a telephone.
pub const ENROLMENT_LIFE: Duration = Duration::from_secs(600);

/// The service of the second factor.
pub struct SecondFactors {
    store: Arc<Store>,
    live: Arc<Live>,
    clock: Clock,
    hasher: Arc<TokenHasher>,
    /// The one that is being set up, if any. It opens nothing, so it need not outlive the process.
    begun: Mutex<Option<Begun>>,
}

struct Begun {
    session: SessionId,
    secret: TotpSecret,
    at: Monotonic,
}

/// What an authenticator app is given.
pub struct Enrolment(TotpSecret);

/// Whether the second factor is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecondFactorStatus {
    /// Since when; `None`: it is off.
    pub since: Option<WallTime>,
    /// Recovery codes that were not used.
    pub recovery_codes_left: usize,
}

/// That who asks for a dangerous act may do it: it was confirmed with a one-time code, or no second factor is on.
pub struct ActConfirmed(());

impl ActConfirmed {
    pub(crate) const fn new() -> Self {
        Self(())
    }

    /// The operator, who can open the database, is asked for no code.
    #[must_use]
    pub const fn by_operator() -> Self {
        Self(())
    }

    /// A program has no telephone; its access key was made with a code.
    #[must_use]
    pub const fn by_access_key() -> Self {
        Self(())
    }
}

/// The second factor was not set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// It is on.
    #[error("the second factor is on already")]
    AlreadyOn,
    /// The password that was given is another one by now.
    #[error("the password was changed by somebody else meanwhile")]
    Stale,
    /// Nothing was begun in this session, or too long ago.
    #[error("nothing was begun here within the last ten minutes")]
    NotBegun,
    /// The app shows other codes.
    #[error("the one-time code is wrong")]
    WrongCode,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Enrolment {
    /// The address that a QR code holds (the `otpauth` form that the apps share).
    #[must_use]
    pub fn expose_uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let (issuer, account) = (encoded(issuer), encoded(account));
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={PERIOD}",
            *self.0.expose_text()
        ))
    }

    /// For who types it: 32 characters of base32.
    #[must_use]
    pub fn expose_secret(&self) -> Zeroizing<String> {
        self.0.expose_text()
    }
}

/// All but the unreserved characters percent-encoded (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl SecondFactors {
    pub(crate) const fn new(
        store: Arc<Store>,
        live: Arc<Live>,
        clock: Clock,
        hasher: Arc<TokenHasher>,
    ) -> Self {
        Self {
            store,
            live,
            clock,
            hasher,
            begun: Mutex::new(None),
        }
    }

    /// Whether it is on.
    #[must_use]
    pub fn status(&self) -> SecondFactorStatus {
        let on = self.live.second_factor();
        SecondFactorStatus {
            since: on.as_ref().map(|factor| factor.since()),
            recovery_codes_left: on.map_or(0, |factor| factor.recovery_codes_left()),
        }
    }

    /// Begins to set it up, in that session, for who gave the password: a session alone, which may be in other hands, cannot shut
    /// its owner out. Nothing is asked for yet. What was begun before is no more.
    ///
    /// # Errors
    /// When it is on: then it is to be switched off first.
    pub fn begin(&self, proof: &PasswordVerified, session: SessionId) -> Result<Enrolment, SetUpError> {
        if self.live.second_factor().is_some() {
            return Err(SetUpError::AlreadyOn);
        }
        if proof.generation() != self.live.password().generation {
            return Err(SetUpError::Stale);
        }
        let secret = TotpSecret::random().map_err(StoreError::from)?;
        let at = self.clock.now().monotonic;
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Begun {
            session,
            secret: secret.clone(),
            at,
        });
        Ok(Enrolment(secret))
    }

    /// Switches it on, for who shows that the app gives the right codes. The recovery codes are handed out this once.
    ///
    /// # Errors
    /// See [`SetUpError`]; after a wrong code the setting up goes on.
    pub async fn confirm(
        &self,
        session: SessionId,
        code: &OneTimeCode,
        client: &Client,
    ) -> Result<Vec<RecoveryCode>, SetUpError> {
        let now = self.clock.now();
        let secret = self
            .begun_in(session, now.monotonic)
            .ok_or(SetUpError::NotBegun)?;
        // Guesses are not counted: who was shown the secret need not guess.
        let last_step = match &code.0 {
            Given::OfApp(code) => secret.step_of(code, now.wall, None),
            Given::Recovery(_) | Given::Neither => None,
        };
        let codes: Vec<RecoveryCode> = (0..RECOVERY_CODES)
            .map(|_| RecoveryCode::random())
            .collect::<Result<_, _>>()
            .map_err(StoreError::from)?;
        let factor = Arc::new(SecondFactor {
            secret,
            since: now.wall,
            last_step: last_step.ok_or(SetUpError::WrongCode)?,
            recovery: codes.iter().map(|code| code.hashed(&self.hasher)).collect(),
        });
        match self
            .write(Change::SwitchOnSecondFactor { factor }, client)
            .await?
        {
            Outcome::Done => {
                *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(codes)
            }
            Outcome::Stale | Outcome::NotFound | Outcome::Taken | Outcome::Expired | Outcome::Ended(_) => {
                Err(SetUpError::AlreadyOn)
            }
        }
    }

    /// Switches it off. Says whether it was on.
    ///
    /// # Errors
    /// When it could not be committed: then codes are asked for as before.
    pub async fn switch_off(&self, _confirmed: &ActConfirmed, client: &Client) -> Result<bool, StoreError> {
        let outcome = self.write(Change::SwitchOffSecondFactor, client).await?;
        Ok(outcome != Outcome::NotFound)
    }

    fn begun_in(&self, session: SessionId, now: Monotonic) -> Option<TotpSecret> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun
            .as_ref()
            .filter(|begun| begun.session == session && now.since(begun.at) < ENROLMENT_LIFE)
            .map(|begun| begun.secret.clone())
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

#[cfg(test)]
mod tests {
    use super::*;
    use static_assertions::assert_not_impl_any;
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(Enrolment: Debug, Display, Clone, Default, PartialEq);
    assert_not_impl_any!(ActConfirmed: Clone, Copy, Default);

    #[test]
    fn the_address_for_the_app_says_all_and_nothing_can_be_added_by_a_name() {
        let enrolment = Enrolment(TotpSecret::random().expect("random"));
        let secret = enrolment.expose_secret();
        assert_eq!(secret.len(), 32);
        assert_eq!(
            *enrolment.expose_uri("My door", "door.example:8420&secret=AAAA"),
            format!(
                "otpauth://totp/My%20door:door.example%3A8420%26secret%3DAAAA?secret={}&issuer=My%20door&algorithm=SHA1&digits=6&period=30",
                *secret
            )
        );
    }
}
