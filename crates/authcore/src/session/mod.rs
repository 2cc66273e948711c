//! Sessions (token families): one a sign-in; every refresh and access token belongs to one; ending it ends them all.

pub(crate) mod refresh;
pub(crate) mod state;
pub(crate) mod successor;
mod view;

pub use refresh::RefuseReason;
pub use state::{
    BROWSER_SESSION_IDLE, REFRESH_GRACE, REMEMBERED_SESSION_IDLE, RefreshCredential, RefreshNonce,
    RefreshToken, Remember, SESSION_ABSOLUTE, SignInWay, TokenSet, WRONG_NONCES_MAX,
};
pub use view::SessionView;

use std::sync::Arc;
use std::time::Duration;

use crate::audit::event::SessionEnd;
use crate::client::Client;
use crate::clock::{Clock, Moment};
use crate::ids::{SessionId, TokenId};
use crate::live::{Live, LiveSession};
use crate::password::PasswordVerified;
use crate::store::change::{Change, Outcome, Request};
use crate::store::{Store, StoreError};
use crate::token::access::{self, AccessToken, SessionProof};
use crate::token::hashed::{PlainToken, TokenHasher, TokenUse};
use crate::token::signin::SigninToken;
use refresh::{LeadOn, RefreshDecision};
use state::{Session, Turn, hashed_proof};
use successor::Successor;

/// How often a refresh is decided anew when others were first. Each time one of them has moved on.
const ATTEMPTS: usize = 64;

/// The service of sessions.
pub struct Sessions {
    pub(crate) store: Arc<Store>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Clock,
    pub(crate) hasher: Arc<TokenHasher>,
    pub(crate) issuer: Arc<str>,
    pub(crate) access_token_life: Duration,
}

/// A sign-in did not make a session.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The password was changed between the check and now, or the signin token is unknown or spent.
    #[error("the credential is not good (any more)")]
    Refused,
    /// The signin token's time is over.
    #[error("the signin token has expired")]
    Expired,
    /// Signin tokens are switched off.
    #[error("signin tokens are disabled")]
    Disabled,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A refresh gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// For the log only; the caller is told no more than that it failed.
    #[error("refused: {0}")]
    Refused(RefuseReason),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A new session before it is committed: what is stored, and what the client gets.
struct Fresh {
    id: SessionId,
    session: Box<Session>,
    tokens: TokenSet,
}

impl Sessions {
    /// Makes a session for who gave the right password.
    ///
    /// # Errors
    /// [`SignInError::Refused`] when the password was changed since it was checked.
    pub async fn start(
        &self,
        proof: PasswordVerified,
        remember: Remember,
        client: &Client,
    ) -> Result<TokenSet, SignInError> {
        let now = self.clock.now();
        let Fresh { id, session, tokens } = self.fresh(remember, SignInWay::Password, client, now)?;
        let max_sessions = self.live.settings().max_sessions();
        let change = Change::StartSession {
            id,
            session,
            password_generation: proof.generation(),
            max_sessions,
        };
        match self.write(change, client, now).await? {
            Outcome::Done => Ok(tokens),
            Outcome::Stale | Outcome::NotFound | Outcome::Taken | Outcome::Expired | Outcome::Ended(_) => {
                Err(SignInError::Refused)
            }
        }
    }

    /// Spends a signin token and makes a session, in one transaction. A second use ends what the first one made.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn start_with_signin_token(
        &self,
        text: &str,
        remember: Remember,
        client: &Client,
    ) -> Result<TokenSet, SignInError> {
        let settings = self.live.settings();
        if !settings.signin_tokens() {
            return Err(SignInError::Disabled);
        }
        let token = SigninToken::parse(text).ok_or(SignInError::Refused)?;
        let hash = self.hasher.hash(TokenUse::SigninToken, &token.0);
        let now = self.clock.now();
        let Fresh { id, session, tokens } = self.fresh(remember, SignInWay::SigninToken, client, now)?;
        let max_sessions = settings.max_sessions();
        match self
            .write(
                Change::SpendSigninToken {
                    hash,
                    id,
                    session,
                    max_sessions,
                },
                client,
                now,
            )
            .await?
        {
            Outcome::Done => Ok(tokens),
            Outcome::Expired => Err(SignInError::Expired),
            Outcome::Stale | Outcome::NotFound | Outcome::Taken | Outcome::Ended(_) => {
                Err(SignInError::Refused)
            }
        }
    }

    /// One refresh, by the rule of [`refresh::decide`]: decided on what is in memory, committed only if that is still so.
    ///
    /// # Errors
    /// [`RefreshError::Refused`] whatever was wrong with the credential.
    pub async fn refresh(
        &self,
        credential: RefreshCredential,
        client: &Client,
    ) -> Result<TokenSet, RefreshError> {
        let id = credential.token.session;
        let hashed = credential.hashed(&self.hasher);
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let live = self
                .live
                .session(id)
                .ok_or(RefreshError::Refused(RefuseReason::NoSession))?;
            let successor_since = live.successor.as_ref().map(|successor| successor.made);
            match refresh::decide(&live.session, successor_since, &hashed, now) {
                RefreshDecision::Rotate(lead_on) => {
                    if let Some(tokens) = self.rotate(&credential, &live, lead_on, client, now).await? {
                        return Ok(tokens);
                    }
                }
                RefreshDecision::SameSuccessor => return Self::successor(&credential, &live, now),
                RefreshDecision::CountWrongNonce => {
                    let wrong_nonces = live.session.wrong_nonces.saturating_add(1);
                    let session = Session {
                        wrong_nonces,
                        ..live.session.clone()
                    };
                    if self
                        .replace(id, &live, session, live.successor.clone(), client, now)
                        .await?
                    {
                        return Err(RefreshError::Refused(RefuseReason::WrongNonce));
                    }
                }
                RefreshDecision::End(reason) => {
                    self.write(Change::EndSession { id, reason }, client, now).await?;
                    return Err(RefreshError::Refused(match reason {
                        SessionEnd::WrongNonces => RefuseReason::WrongNonce,
                        _ => RefuseReason::Reused,
                    }));
                }
                RefreshDecision::Refuse(reason) => return Err(RefreshError::Refused(reason)),
            }
        }
        Err(RefreshError::Store(StoreError::Busy))
    }

    /// Ends the session of a refresh token, with no or a wrong nonce too. A token of no live session is no error: the
    /// session is over, which is what was asked for. A token whose session secret is wrong ends nothing.
    ///
    /// # Errors
    /// When the end could not be committed: then nobody is told that they are signed out.
    pub async fn sign_out(&self, token: &RefreshToken, client: &Client) -> Result<(), StoreError> {
        let Some(live) = self.live.session(token.session) else {
            return Ok(());
        };
        if !live
            .session
            .secret
            .matches(&self.hasher.hash(TokenUse::SessionSecret, &token.secret))
        {
            return Ok(());
        }
        let change = Change::EndSession {
            id: token.session,
            reason: SessionEnd::SignedOut,
        };
        self.write(change, client, self.clock.now()).await.map(drop)
    }

    /// Every live session, the one used last first.
    #[must_use]
    pub fn list(&self) -> Vec<SessionView> {
        let now = self.clock.now().wall;
        let sessions = self
            .live
            .sessions()
            .into_iter()
            .filter(|(_, live)| !live.session.is_over(now));
        let mut views: Vec<SessionView> = sessions
            .map(|(id, live)| SessionView::new(id, &live.session, live.last_seen()))
            .collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.last_used));
        views
    }

    /// Ends one session. Says whether there was one.
    ///
    /// # Errors
    /// When the end could not be committed.
    pub async fn end(&self, id: SessionId, client: &Client) -> Result<bool, StoreError> {
        let change = Change::EndSession {
            id,
            reason: SessionEnd::Revoked,
        };
        Ok(self.write(change, client, self.clock.now()).await? != Outcome::NotFound)
    }

    /// Ends every session but `keep`, or every one. Says how many.
    ///
    /// # Errors
    /// When the end could not be committed.
    pub async fn end_all(&self, keep: Option<SessionId>, client: &Client) -> Result<usize, StoreError> {
        let change = Change::EndSessions {
            keep,
            reason: SessionEnd::Revoked,
        };
        match self.write(change, client, self.clock.now()).await? {
            Outcome::Ended(count) => Ok(count),
            Outcome::Done | Outcome::Stale | Outcome::NotFound | Outcome::Taken | Outcome::Expired => Ok(0),
        }
    }

    fn fresh(
        &self,
        remember: Remember,
        way: SignInWay,
        client: &Client,
        now: Moment,
    ) -> Result<Fresh, StoreError> {
        let id = SessionId::random()?;
        let secret = PlainToken::random()?;
        let turn = Turn::random()?;
        let proof = SessionProof::of(&secret);
        let session = Box::new(Session {
            secret: self.hasher.hash(TokenUse::SessionSecret, &secret),
            ses: hashed_proof(&self.hasher, &proof),
            current: turn.hashed(&self.hasher),
            previous: Vec::new(),
            rotated: now.wall,
            created: now.wall,
            remember,
            way,
            wrong_nonces: 0,
            client: client.clone(),
            gate: Vec::new(),
            gate_used: None,
        });
        let access_token = self.access_token(id, &proof, now)?;
        let tokens = token_set(id, secret, turn, access_token, &session, now);
        Ok(Fresh { id, session, tokens })
    }

    /// `None` when somebody else was first.
    async fn rotate(
        &self,
        credential: &RefreshCredential,
        live: &LiveSession,
        lead_on: LeadOn,
        client: &Client,
        now: Moment,
    ) -> Result<Option<TokenSet>, StoreError> {
        let id = credential.token.session;
        let secret = PlainToken::from_bytes(credential.token.secret.expose_bytes());
        let turn = Turn::random()?;
        let session = refresh::rotated(&live.session, lead_on, turn.hashed(&self.hasher), now);
        let session = Session {
            client: client.clone(),
            ..session
        };
        let access_token = self.access_token(id, &SessionProof::of(&secret), now)?;
        let successor = Successor::seal(&secret, &turn, &access_token, now.monotonic)?;
        let tokens = token_set(id, secret, turn, access_token, &session, now);
        Ok(self
            .replace(id, live, session, Some(successor), client, now)
            .await?
            .then_some(tokens))
    }

    fn successor(
        credential: &RefreshCredential,
        live: &LiveSession,
        now: Moment,
    ) -> Result<TokenSet, RefreshError> {
        let refused = RefreshError::Refused(RefuseReason::Reused);
        let Some(successor) = &live.successor else {
            return Err(refused);
        };
        let secret = PlainToken::from_bytes(credential.token.secret.expose_bytes());
        let opened = successor.open(&secret).map_err(|_| refused)?;
        Ok(token_set(
            credential.token.session,
            secret,
            opened.turn,
            opened.access_token,
            &live.session,
            now,
        ))
    }

    async fn replace(
        &self,
        id: SessionId,
        live: &LiveSession,
        session: Session,
        successor: Option<Successor>,
        client: &Client,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let session = Box::new(session);
        let change = Change::ReplaceSession {
            id,
            expected_revision: live.revision,
            session,
            successor,
        };
        Ok(self.write(change, client, now).await? == Outcome::Done)
    }

    fn access_token(
        &self,
        id: SessionId,
        proof: &SessionProof,
        now: Moment,
    ) -> Result<AccessToken, StoreError> {
        let keys = self.live.signing_keys();
        Ok(access::sign(
            keys.signing(),
            &self.issuer,
            id,
            proof,
            TokenId::random()?,
            now.wall,
            self.access_token_life,
        )?)
    }

    async fn write(&self, change: Change, client: &Client, now: Moment) -> Result<Outcome, StoreError> {
        self.store
            .write(Request {
                change,
                client: client.clone(),
                now,
            })
            .await
    }
}

fn token_set(
    id: SessionId,
    secret: PlainToken,
    turn: Turn,
    access_token: AccessToken,
    session: &Session,
    now: Moment,
) -> TokenSet {
    TokenSet {
        access_token,
        refresh_token: RefreshToken {
            session: id,
            secret,
            turn: turn.turn,
        },
        refresh_nonce: RefreshNonce(turn.nonce),
        session: id,
        cookie_max_age: session.cookie_max_age(now.wall),
    }
}
