//! The gate's half of getting in: who may pass to an application, on a host that shares no cookie with the sign-in host.
//!
//! ```text
//! signed in ──hand_off──▶ HandoffCode, one use, 60 s, for one host and one browser
//!             accept ──▶ GateCookie, good on that host, ends with its session
//!             enter  ──▶ Visitor                    memory only, on every request
//! access key ──key──▶ Visitor, within its gate scopes
//! Visitor ──assertion──▶ a JWT for exactly that host, for the application
//! ```
//!
//! A gate cookie is 256 random bits of which the session's record holds the keyed hash, so that whoever has the file and
//! its password can make none, and that it dies with the session. A [`Visitor`] is no [`Principal`](crate::Principal):
//! what opens an application opens nothing of this server's API.

mod codes;
mod cookie;
mod scope;

pub use cookie::{BrowserState, BrowserStateMark, GateCookie, HandoffCode};
pub use scope::{GateScope, GateScopeError};

pub(crate) use cookie::GateGrant;
pub(crate) use scope::SCOPE_PREFIX;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::audit::event::AuditEvent;
use crate::client::Client;
use crate::clock::{Clock, Moment, WallTime};
use crate::ids::{AccessKeyId, SessionId, SigningKeyId, TokenId};
use crate::live::{Live, LiveSession};
use crate::principal::Scopes;
use crate::session::state::Session;
use crate::store::change::{Change, Outcome, Request};
use crate::store::{Store, StoreError};
use crate::token::assertion::{self, ASSERTION_RENEWED_AFTER};
use crate::token::hashed::{HashedToken, PlainToken, TokenHasher, TokenUse};
use codes::{Codes, Promised};

/// How long a handoff code is good: the browser brings it back at once.
pub const HANDOFF_CODE_LIFE: Duration = Duration::from_secs(60);

/// A use of a gate cookie counts for the session's idle limit; it is written down this long after the one before, so that
/// looking at requests stays off the disk.
const TOUCH_EVERY: Duration = Duration::from_secs(600);

/// Assertions kept, so that signing is not paid for on every request. One costs about 700 bytes.
const ASSERTIONS: usize = 4096;

/// How often a grant is decided anew when a refresh was first.
const ATTEMPTS: usize = 64;

/// Who wants to pass, once a credential was found good.
#[derive(Clone, Debug)]
pub enum Visitor {
    /// The owner, by a gate cookie.
    Owner {
        /// The session that the cookie belongs to.
        session: SessionId,
    },
    /// A script, by an access key.
    Script {
        /// The key.
        access_key: AccessKeyId,
        /// What the key is good for.
        scopes: Scopes,
    },
}

impl Visitor {
    /// Whether this visitor may send that request at all; the rules of the application come on top.
    #[must_use]
    pub fn may_pass(&self, host: &str, path: &str, method: &str) -> bool {
        match self {
            Self::Owner { .. } => true,
            Self::Script { scopes, .. } => scopes.pass_the_gate(host, path, method),
        }
    }

    /// What an application may know the visitor's session by: `<session id>`, or `key-<access key id>`.
    #[must_use]
    pub fn session_label(&self) -> String {
        match self {
            Self::Owner { session } => session.to_string(),
            Self::Script { access_key, .. } => format!("key-{access_key}"),
        }
    }
}

/// What came of a sign-in on an application's host.
pub struct Entered {
    /// For the browser, on this host alone.
    pub cookie: GateCookie,
    /// How long the browser may keep it; `None`: until it closes.
    pub cookie_max_age: Option<Duration>,
    /// Where the browser was going when it was challenged.
    pub destination: String,
}

/// A handoff came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandoffError {
    /// The code is unknown, used, too old, for another host or another browser, or its session is over.
    #[error("the handoff code is not good here (any more)")]
    Refused,
    /// Too many are on their way at once.
    #[error("too many handoffs at once")]
    TooMany,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An assertion as it is kept until it is renewed.
struct KeptAssertion {
    text: Arc<str>,
    kid: SigningKeyId,
    made: WallTime,
}

/// The service of the gate.
pub struct Gate {
    store: Arc<Store>,
    live: Arc<Live>,
    clock: Clock,
    hasher: Arc<TokenHasher>,
    issuer: Arc<str>,
    codes: Mutex<Codes>,
    assertions: Cache<String, Arc<KeptAssertion>>,
}

impl Gate {
    pub(crate) fn new(
        store: Arc<Store>,
        live: Arc<Live>,
        clock: Clock,
        hasher: Arc<TokenHasher>,
        issuer: Arc<str>,
    ) -> Self {
        Self {
            store,
            live,
            clock,
            hasher,
            issuer,
            codes: Mutex::new(Codes::default()),
            assertions: Cache::new(ASSERTIONS),
        }
    }

    /// What may travel of a browser's state through addresses: nobody can make the state from it.
    #[must_use]
    pub fn mark(&self, state: &BrowserState) -> BrowserStateMark {
        BrowserStateMark(self.hasher.hash(TokenUse::BrowserState, &state.0))
    }

    /// A code with which the browser of that mark enters that host as this session, once.
    ///
    /// # Errors
    /// [`HandoffError::Refused`] when the session is over.
    pub fn hand_off(
        &self,
        session: SessionId,
        host: &str,
        browser: BrowserStateMark,
        destination: &str,
    ) -> Result<HandoffCode, HandoffError> {
        let now = self.clock.now();
        self.alive(session, now).ok_or(HandoffError::Refused)?;
        let code = HandoffCode(PlainToken::random().map_err(StoreError::from)?);
        let promised = Promised {
            session,
            host: host.to_owned(),
            browser: browser.0,
            destination: destination.to_owned(),
            made: now.monotonic,
        };
        let hash = self.hasher.hash(TokenUse::HandoffCode, &code.0);
        if self.codes().add(&hash, promised, now.monotonic) {
            Ok(code)
        } else {
            Err(HandoffError::TooMany)
        }
    }

    /// Spends a code on the host and in the browser it was made for. Whatever comes of it, the code is good no more.
    ///
    /// # Errors
    /// See [`HandoffError`].
    pub async fn accept(
        &self,
        code: &HandoffCode,
        host: &str,
        state: &BrowserState,
        client: &Client,
    ) -> Result<Entered, HandoffError> {
        let now = self.clock.now();
        let hash = self.hasher.hash(TokenUse::HandoffCode, &code.0);
        let promised = self.codes().take(&hash, now.monotonic);
        let promised = promised.ok_or(HandoffError::Refused)?;
        if promised.host != host || !promised.browser.matches(&self.mark(state).0) {
            return Err(HandoffError::Refused);
        }
        let (cookie, cookie_max_age) = self.grant(promised.session, host, client).await?;
        Ok(Entered {
            cookie,
            cookie_max_age,
            destination: promised.destination,
        })
    }

    /// A gate cookie of that session for one host, committed before this returns.
    ///
    /// # Errors
    /// [`HandoffError::Refused`] when the session is over.
    pub async fn grant(
        &self,
        session: SessionId,
        host: &str,
        client: &Client,
    ) -> Result<(GateCookie, Option<Duration>), HandoffError> {
        let secret = PlainToken::random().map_err(StoreError::from)?;
        let hash = self.hasher.hash(TokenUse::GateCookie, &secret);
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let live = self.alive(session, now).ok_or(HandoffError::Refused)?;
            let changed = with_grant(&live.session, host, hash.clone(), now);
            let cookie_max_age = changed.cookie_max_age(now.wall);
            let change = Change::OpenGate {
                id: session,
                expected_revision: live.revision,
                session: Box::new(changed),
                successor: live.successor.clone(),
                event: AuditEvent::GateOpened {
                    session,
                    host: host.to_owned(),
                },
            };
            let request = Request {
                change,
                client: client.clone(),
                now,
            };
            match self.store.write(request).await? {
                Outcome::Done => return Ok((GateCookie { session, secret }, cookie_max_age)),
                Outcome::Stale
                | Outcome::NotFound
                | Outcome::Taken
                | Outcome::Expired
                | Outcome::Ended(_) => {}
            }
        }
        Err(HandoffError::Store(StoreError::Busy))
    }

    /// Who comes with this cookie, on this host. Memory only.
    #[must_use]
    pub fn enter(&self, cookie: &GateCookie, host: &str) -> Option<Visitor> {
        let now = self.clock.now();
        let live = self.alive(cookie.session, now)?;
        let hash = self.hasher.hash(TokenUse::GateCookie, &cookie.secret);
        let granted = live
            .session
            .gate
            .iter()
            .any(|grant| grant.host == host && grant.hash.matches(&hash));
        if !granted {
            return None;
        }
        live.saw(now.wall);
        self.note_use(cookie.session, &live, now);
        Some(Visitor::Owner {
            session: cookie.session,
        })
    }

    /// The assertion that this visitor, or nobody else, stands before that host: good for a minute, and for at least half of
    /// it when it is handed out.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn assertion(&self, visitor: &Visitor, host: &str) -> Result<Arc<str>, StoreError> {
        let now = self.clock.now().wall;
        let key = format!("{} {host}", visitor.session_label());
        let keys = self.live.signing_keys();
        let signing = keys.signing();
        let kept = self.assertions.get(&key).filter(|kept| {
            kept.kid == signing.kid
                && now
                    .since(kept.made)
                    .is_some_and(|age| age < ASSERTION_RENEWED_AFTER)
        });
        if let Some(kept) = kept {
            return Ok(Arc::clone(&kept.text));
        }
        let text: Arc<str> =
            assertion::sign(signing, &self.issuer, visitor, host, TokenId::random()?, now)?.into();
        let kept = KeptAssertion {
            text: Arc::clone(&text),
            kid: signing.kid.clone(),
            made: now,
        };
        self.assertions.insert(key, Arc::new(kept));
        Ok(text)
    }

    fn alive(&self, session: SessionId, now: Moment) -> Option<Arc<LiveSession>> {
        self.live
            .session(session)
            .filter(|live| !live.session.is_over(now.wall))
    }

    fn note_use(&self, id: SessionId, live: &LiveSession, now: Moment) {
        if live.touched(now.wall, TOUCH_EVERY) {
            let change = Change::TouchSession { id, used: now.wall };
            self.store.write_later(Request {
                change,
                client: Client::local(),
                now,
            });
        }
    }

    fn codes(&self) -> std::sync::MutexGuard<'_, Codes> {
        // Each change of the table is one call that leaves it whole.
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_grant(session: &Session, host: &str, hash: HashedToken, now: Moment) -> Session {
    let mut changed = session.clone();
    cookie::add(
        &mut changed.gate,
        GateGrant {
            host: host.to_owned(),
            hash,
        },
    );
    changed.gate_used = Some(now.wall);
    changed
}
