//! The authority: opens the store, hands out the services, checks bearers, shuts down in order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use fieldcrypt::{KeyInfo, SecretKey, SlotSecret};

use crate::access_keys::AccessKeys;
use crate::audit::AuditLog;
use crate::audit::head::AuditHead;
use crate::backups::Backups;
use crate::clock::Clock;
use crate::figures::Figures;
use crate::gate::{Gate, Visitor};
use crate::live::{Live, SeenToken};
use crate::one_use::{OperationTokens, SigninTokens};
use crate::password::{PASSWORD_ITERATIONS_MIN, PasswordPolicy, PasswordRecord, Passwords};
use crate::principal::Principal;
use crate::rotations::Rotations;
use crate::second_factor::SecondFactors;
use crate::session::Sessions;
use crate::session::state::hashed_proof;
use crate::settings::Settings;
use crate::signing_keys::{NewSigningKey, SigningKeys};
use crate::store::{
    self, AuditVerification, Inspection, IntegrityOptions, OpenError, Opened, Store, StoreError, Verification,
};
use crate::tls_keys::TlsKeys;
use crate::token::access::{ACCESS_TOKEN_LIFE, SessionProof};
use crate::token::access_key::{AccessKeySecret, PREFIX};
use crate::token::hashed::TokenHasher;
use crate::token::jwt::{self, TokenType};

/// How an authority is opened.
#[derive(Clone, Debug)]
pub struct AuthorityOptions {
    /// The database file.
    pub database: PathBuf,
    /// The source of time.
    pub clock: Clock,
    /// PBKDF2 iterations of the access password; an older hash is upgraded at the next sign-in.
    pub password_iterations: u32,
    /// Fewest characters of a new access password. 15 for a password that is the only factor (NIST SP 800-63B-4
    /// section 3.1.1.2).
    pub minimum_password_length: usize,
    /// Names that a password must not consist of: the host names of this server.
    pub own_names: Vec<String>,
    /// How tampering with the file is looked for, and what of it is accepted.
    pub integrity: IntegrityOptions,
    /// The age at which a signing key is replaced by itself; `None`: never.
    pub rotate_signing_after: Option<Duration>,
    /// How long an access token is good; more than [`ACCESS_TOKEN_LIFE`] counts as that.
    pub access_token_life: Duration,
}

impl AuthorityOptions {
    /// The defaults, over that database file.
    #[must_use]
    pub fn new(database: PathBuf) -> Self {
        Self {
            database,
            clock: Clock::system(),
            password_iterations: PASSWORD_ITERATIONS_MIN,
            minimum_password_length: 15,
            own_names: Vec::new(),
            integrity: IntegrityOptions::default(),
            rotate_signing_after: None,
            access_token_life: ACCESS_TOKEN_LIFE,
        }
    }
}

/// A bearer was refused; for the log, never for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorized {
    /// The token does not verify.
    #[error("the access token is refused: {0}")]
    Token(#[from] jwt::Refused),
    /// Its session is over.
    #[error("the session of the access token is over")]
    SessionOver,
    /// It was not made for the session's client: made by whoever has the signing key.
    #[error("the access token does not carry its session's proof")]
    WrongProof,
    /// No such access key, or expired.
    #[error("the access key is unknown, wrong or expired")]
    AccessKey,
}

/// Everything that decides who gets in, over one database.
pub struct Authority {
    passwords: Passwords,
    second_factors: SecondFactors,
    sessions: Sessions,
    signin_tokens: SigninTokens,
    operation_tokens: OperationTokens,
    access_keys: AccessKeys,
    signing_keys: SigningKeys,
    settings: Settings,
    audit: AuditLog,
    tls_keys: TlsKeys,
    rotations: Rotations,
    backups: Backups,
    gate: Gate,
    store: Arc<Store>,
    live: Arc<Live>,
    clock: Clock,
    hasher: Arc<TokenHasher>,
    issuer: Arc<str>,
}

impl Authority {
    /// Makes a new database: vault, schema, first signing key, and a random access password that nobody ever sees.
    ///
    /// # Errors
    /// When there is one already, or it cannot be made.
    pub fn create(options: &AuthorityOptions, secret: &SlotSecret) -> Result<Self, OpenError> {
        let now = options.clock.now().wall;
        let mut opened = store::create(&options.database, secret, &options.integrity, now)?;
        let password = PasswordRecord::initial(options.password_iterations, now)?;
        store::put_first_rows(
            &mut opened,
            &SecretKey::random()?,
            &password,
            &NewSigningKey::random()?,
            now,
        )?;
        Self::start(options, opened)
    }

    /// Opens an existing database. With the wrong secret, no byte of it changes.
    ///
    /// # Errors
    /// When there is none, the secret fits no slot, what is in it is damaged, or it was tampered with.
    pub fn open(options: &AuthorityOptions, secret: &SlotSecret) -> Result<Self, OpenError> {
        Self::start(
            options,
            store::open(&options.database, secret, &options.integrity)?,
        )
    }

    /// Looks at an existing database without changing a byte of it, beside a running server too.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub fn inspect(options: &AuthorityOptions, secret: &SlotSecret) -> Result<Inspection, OpenError> {
        store::inspect(&options.database, secret, &options.integrity)
    }

    /// As [`Authority::inspect`], and opens every sealed field.
    ///
    /// # Errors
    /// As [`Authority::open`]; a field that does not open is in the answer and no error.
    pub fn verify(options: &AuthorityOptions, secret: &SlotSecret) -> Result<Verification, OpenError> {
        store::verify(&options.database, secret, &options.integrity)
    }

    /// Walks the chain of an existing database's audit log, up to a head that was kept elsewhere, without changing a byte of
    /// it, beside a running server too.
    ///
    /// # Errors
    /// As [`Authority::open`]; what is wrong with the log is in the answer and no error.
    pub fn verify_audit(
        options: &AuthorityOptions,
        secret: &SlotSecret,
        kept: Option<&AuditHead>,
    ) -> Result<AuditVerification, OpenError> {
        store::verify_audit(&options.database, secret, &options.integrity, kept)
    }

    /// The head of an existing database's audit log, to be kept elsewhere; `None` while nothing was written into it.
    ///
    /// # Errors
    /// As [`Authority::open`].
    pub fn audit_head(
        options: &AuthorityOptions,
        secret: &SlotSecret,
    ) -> Result<Option<AuditHead>, OpenError> {
        store::audit_head(&options.database, secret, &options.integrity)
    }

    fn start(options: &AuthorityOptions, opened: Opened) -> Result<Self, OpenError> {
        let clock = options.clock.clone();
        let hasher = Arc::new(TokenHasher::new(&store::token_hash_key(&opened)?));
        let (store, live) = Store::start(
            opened,
            &options.database,
            clock.clone(),
            options.rotate_signing_after,
        )?;
        let store = Arc::new(store);
        let issuer: Arc<str> = format!("urn:postern:{}", HEXLOWER.encode(&store.vault().install_id())).into();
        let policy = PasswordPolicy::new(options.minimum_password_length, &options.own_names);
        let passwords = Passwords::new(
            Arc::clone(&store),
            Arc::clone(&live),
            clock.clone(),
            Arc::clone(&hasher),
            policy,
            options.password_iterations,
        )
        .map_err(|error| OpenError::FirstKeys(format!("the password thread did not start: {error}")))?;
        Ok(Self {
            passwords,
            second_factors: SecondFactors::new(
                Arc::clone(&store),
                Arc::clone(&live),
                clock.clone(),
                Arc::clone(&hasher),
            ),
            sessions: Sessions {
                store: Arc::clone(&store),
                live: Arc::clone(&live),
                clock: clock.clone(),
                hasher: Arc::clone(&hasher),
                issuer: Arc::clone(&issuer),
                access_token_life: options.access_token_life,
            },
            signin_tokens: SigninTokens {
                store: Arc::clone(&store),
                live: Arc::clone(&live),
                clock: clock.clone(),
                hasher: Arc::clone(&hasher),
            },
            operation_tokens: OperationTokens {
                store: Arc::clone(&store),
                live: Arc::clone(&live),
                clock: clock.clone(),
                hasher: Arc::clone(&hasher),
                issuer: Arc::clone(&issuer),
            },
            access_keys: AccessKeys {
                store: Arc::clone(&store),
                live: Arc::clone(&live),
                clock: clock.clone(),
                hasher: Arc::clone(&hasher),
                forever_issued: AtomicBool::new(false),
            },
            signing_keys: SigningKeys {
                store: Arc::clone(&store),
                live: Arc::clone(&live),
                clock: clock.clone(),
            },
            settings: Settings {
                store: Arc::clone(&store),
                live: Arc::clone(&live),
                clock: clock.clone(),
            },
            audit: AuditLog {
                store: Arc::clone(&store),
            },
            tls_keys: TlsKeys {
                store: Arc::clone(&store),
                clock: clock.clone(),
            },
            gate: Gate::new(
                Arc::clone(&store),
                Arc::clone(&live),
                clock.clone(),
                Arc::clone(&hasher),
                Arc::clone(&issuer),
            ),
            rotations: Rotations::new(
                Arc::clone(&store),
                options.database.clone(),
                options.integrity.clone(),
                clock.clone(),
            ),
            backups: Backups {
                store: Arc::clone(&store),
                database: options.database.clone(),
                clock: clock.clone(),
            },
            store,
            live,
            clock,
            hasher,
            issuer,
        })
    }

    /// The access password.
    #[must_use]
    pub const fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// The second factor.
    #[must_use]
    pub const fn second_factors(&self) -> &SecondFactors {
        &self.second_factors
    }

    /// Sessions.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Signin tokens.
    #[must_use]
    pub const fn signin_tokens(&self) -> &SigninTokens {
        &self.signin_tokens
    }

    /// Operation tokens.
    #[must_use]
    pub const fn operation_tokens(&self) -> &OperationTokens {
        &self.operation_tokens
    }

    /// Access keys.
    #[must_use]
    pub const fn access_keys(&self) -> &AccessKeys {
        &self.access_keys
    }

    /// Signing keys.
    #[must_use]
    pub const fn signing_keys(&self) -> &SigningKeys {
        &self.signing_keys
    }

    /// Settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The audit log.
    #[must_use]
    pub const fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// The local authority and the certificate it issued.
    #[must_use]
    pub const fn tls_keys(&self) -> &TlsKeys {
        &self.tls_keys
    }

    /// The gate.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Rotations of the data key by this process.
    #[must_use]
    pub const fn rotations(&self) -> &Rotations {
        &self.rotations
    }

    /// Backups by this process.
    #[must_use]
    pub const fn backups(&self) -> &Backups {
        &self.backups
    }

    /// Waits until another process has taken away the slot that this one opened the database with, and says so. Nobody
    /// is let in from then on; what is left to do is to end, and to be started again with a secret that opens.
    pub async fn locked_out(&self) -> StoreError {
        self.store.locked_out().await
    }

    /// The source of time.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The keys that seal fields, without the keys themselves.
    #[must_use]
    pub fn sealing_keys(&self) -> Vec<KeyInfo> {
        self.store.vault().keys()
    }

    /// What this process does, in numbers. Memory only.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            checks_waiting: self.passwords.checks_waiting(),
            sessions: self.live.session_count(),
            access_keys: self.live.access_keys().len(),
            ..self.store.counts().read()
        }
    }

    /// Whether changes can be committed: false after a failed write, until a restart.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.store.is_writable()
    }

    /// Who presents this bearer: an access token of a live session, or an access key. Memory only; a token seen before
    /// costs a hash and two look-ups.
    ///
    /// # Errors
    /// For the log; the caller is told no more than that it failed.
    pub fn authenticate(&self, bearer: &str) -> Result<Principal, Unauthorized> {
        if bearer.starts_with(PREFIX) {
            let key = AccessKeySecret::parse(bearer).ok_or(Unauthorized::AccessKey)?;
            return self.access_keys.authenticate(&key).ok_or(Unauthorized::AccessKey);
        }
        let digest: [u8; 32] = Sha256::digest(bearer).into();
        let now = self.clock.now().wall;
        let seen = match self.live.seen().get(&digest) {
            Some(seen) => seen,
            None => self.first_sight(bearer, digest)?,
        };
        let live = self.live.session(seen.session).ok_or(Unauthorized::SessionOver)?;
        if live.session.is_over(now) {
            return Err(Unauthorized::SessionOver);
        }
        if u64::try_from(now.unix_seconds()).unwrap_or(u64::MAX) >= seen.expires_unix_seconds {
            return Err(Unauthorized::Token(jwt::Refused::Time));
        }
        live.saw(now);
        Ok(Principal::Owner {
            session: seen.session,
            proof: seen.proof.clone(),
        })
    }

    /// Who comes to the gate with this access key. Memory only.
    ///
    /// # Errors
    /// For the log; the caller is told no more than that it failed.
    pub fn visitor_with_key(&self, text: &str) -> Result<Visitor, Unauthorized> {
        let key = AccessKeySecret::parse(text).ok_or(Unauthorized::AccessKey)?;
        match self.access_keys.authenticate(&key) {
            Some(Principal::Script { access_key, scopes }) => Ok(Visitor::Script { access_key, scopes }),
            Some(Principal::Owner { .. }) | None => Err(Unauthorized::AccessKey),
        }
    }

    /// Whether this visitor would still be let in: the session or the access key that opened a connection is alive. Memory
    /// only, and no use that counts for the idle limit; for connections that outlive their first request.
    #[must_use]
    pub fn still_welcome(&self, visitor: &Visitor) -> bool {
        let now = self.clock.now().wall;
        match visitor {
            Visitor::Owner { session } => {
                let live = self.live.session(*session);
                live.is_some_and(|live| !live.session.is_over(now))
            }
            Visitor::Script { access_key, .. } => {
                let live = self.live.access_key(*access_key);
                live.is_some_and(|live| now < live.record.expires)
            }
        }
    }

    /// Says when something is new, by this process or another: sessions, keys, settings, events of the audit log, steps of a
    /// rotation; not refreshes and uses. The number means nothing.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.live.changes()
    }

    fn first_sight(&self, bearer: &str, digest: [u8; 32]) -> Result<Arc<SeenToken>, Unauthorized> {
        let now = self.clock.now().wall;
        let keys = self.live.signing_keys();
        let find = |kid: &str| keys.verifying(kid, now);
        let claims = jwt::verify(bearer, TokenType::Access, &self.issuer, now, find)?;
        let live = self.live.session(claims.sid).ok_or(Unauthorized::SessionOver)?;
        let proof = SessionProof::parse(&claims.ses).ok_or(Unauthorized::WrongProof)?;
        if !live.session.ses.matches(&hashed_proof(&self.hasher, &proof)) {
            return Err(Unauthorized::WrongProof);
        }
        let seen = Arc::new(SeenToken {
            session: claims.sid,
            expires_unix_seconds: claims.exp,
            proof,
        });
        self.live.seen().insert(digest, Arc::clone(&seen));
        Ok(seen)
    }

    /// Finishes what waits, writes the log back into the database file and closes it. Blocks until that is done.
    pub fn shutdown(&self) {
        self.rotations.stop();
        self.store.shutdown();
    }
}
