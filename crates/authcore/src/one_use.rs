//! Tokens of one use: signin tokens, which stand in for the password, and operation tokens, which stand in for an access
//! token where that must not travel.

use std::sync::Arc;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;

use crate::client::Client;
use crate::clock::Clock;
use crate::ids::{SessionId, TokenId};
use crate::live::Live;
use crate::password::PasswordVerified;
use crate::principal::Principal;
use crate::second_factor::ActConfirmed;
use crate::session::state::hashed_proof;
use crate::store::change::{Change, Outcome, Request};
use crate::store::{Store, StoreError};
use crate::token::access::SessionProof;
use crate::token::hashed::{PlainToken, TokenHasher, TokenUse};
use crate::token::jwt::{self, Claims, TokenType};
use crate::token::operation::{OPERATION_TOKEN_LIFE, Operation, OperationToken};
use crate::token::signin::{SIGNIN_TOKEN_LIFE_MAX, SigninToken, SigninTokenRecord};

/// On whose word a signin token is made.
pub enum SigninTokenAuthority {
    /// The password was given.
    Password(PasswordVerified),
    /// The operator, who can open the database.
    LocalOperator,
}

/// A one-use token was not made or not accepted.
#[derive(Debug, thiserror::Error)]
pub enum OneUseError {
    /// Signin tokens are switched off.
    #[error("signin tokens are disabled")]
    Disabled,
    /// The token is not good here, or was used before.
    #[error("the token is not good here, or was used before")]
    Refused,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The service of signin tokens. They are spent by [`crate::session::Sessions::start_with_signin_token`].
pub struct SigninTokens {
    pub(crate) store: Arc<Store>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Clock,
    pub(crate) hasher: Arc<TokenHasher>,
}

impl SigninTokens {
    /// Makes a token good for `life`, at most five minutes.
    ///
    /// # Errors
    /// [`OneUseError::Disabled`] when the setting `signin_tokens` is off, for the operator too.
    pub async fn issue(
        &self,
        by: SigninTokenAuthority,
        life: Duration,
        client: &Client,
    ) -> Result<SigninToken, OneUseError> {
        if !self.live.settings().signin_tokens() {
            return Err(OneUseError::Disabled);
        }
        let password_generation = match &by {
            SigninTokenAuthority::Password(proof) => Some(proof.generation()),
            SigninTokenAuthority::LocalOperator => None,
        };
        let token = SigninToken(PlainToken::random().map_err(StoreError::from)?);
        let now = self.clock.now();
        let hash = self.hasher.hash(TokenUse::SigninToken, &token.0);
        let record = SigninTokenRecord {
            expires: now.wall.plus(life.min(SIGNIN_TOKEN_LIFE_MAX)),
            spent_by: None,
            password_generation,
        };
        let change = Change::AddSigninToken { hash, record };
        let request = Request {
            change,
            client: client.clone(),
            now,
        };
        match self.store.write(request).await? {
            Outcome::Done => Ok(token),
            Outcome::Stale | Outcome::NotFound | Outcome::Taken | Outcome::Expired | Outcome::Ended(_) => {
                Err(OneUseError::Refused)
            }
        }
    }
}

/// The service of operation tokens.
pub struct OperationTokens {
    pub(crate) store: Arc<Store>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Clock,
    pub(crate) hasher: Arc<TokenHasher>,
    pub(crate) issuer: Arc<str>,
}

impl OperationTokens {
    /// Makes a token for one operation of the owner. A script gets none: an access key travels where it is needed.
    ///
    /// # Errors
    /// [`OneUseError::Refused`] for a script, and for an operation that is to be confirmed and was not.
    pub fn issue(
        &self,
        owner: &Principal,
        operation: Operation,
        confirmed: Option<&ActConfirmed>,
    ) -> Result<OperationToken, OneUseError> {
        if operation.is_to_be_confirmed() && confirmed.is_none() {
            return Err(OneUseError::Refused);
        }
        let Principal::Owner { session, proof } = owner else {
            return Err(OneUseError::Refused);
        };
        let jti = TokenId::random().map_err(StoreError::from)?;
        let ses = proof.token().expose_text();
        let now = self.clock.now().wall;
        let mut claims = Claims::new(
            &self.issuer,
            *session,
            &ses,
            jti,
            now,
            OPERATION_TOKEN_LIFE.as_secs(),
        );
        claims.op = Some(operation.name().to_owned());
        let keys = self.live.signing_keys();
        let signed = keys
            .signing()
            .sign(TokenType::Operation, &claims)
            .map_err(StoreError::from)?;
        Ok(OperationToken(Zeroizing::new(signed)))
    }

    /// Spends a token for that operation: once, committed before this returns. Says whose session it is.
    ///
    /// # Errors
    /// [`OneUseError::Refused`] when it is not good for this operation, its session is over, or it was spent before.
    pub async fn spend(&self, token: &str, operation: Operation) -> Result<SessionId, OneUseError> {
        let now = self.clock.now();
        let keys = self.live.signing_keys();
        let find = |kid: &str| keys.verifying(kid, now.wall);
        let claims = jwt::verify(token, TokenType::Operation, &self.issuer, now.wall, find)
            .map_err(|_| OneUseError::Refused)?;
        let live = self.live.session(claims.sid).ok_or(OneUseError::Refused)?;
        let proof = SessionProof::parse(&claims.ses).ok_or(OneUseError::Refused)?;
        let is_ours = live.session.ses.matches(&hashed_proof(&self.hasher, &proof));
        if !is_ours || live.session.is_over(now.wall) || claims.op.as_deref() != Some(operation.name()) {
            return Err(OneUseError::Refused);
        }
        let forget_at = now.wall.plus(OPERATION_TOKEN_LIFE);
        let change = Change::SpendOperationToken {
            jti: claims.jti,
            forget_at,
        };
        match self
            .store
            .write(Request {
                change,
                client: Client::local(),
                now,
            })
            .await?
        {
            Outcome::Done => Ok(claims.sid),
            Outcome::Stale | Outcome::NotFound | Outcome::Taken | Outcome::Expired | Outcome::Ended(_) => {
                Err(OneUseError::Refused)
            }
        }
    }
}
