//! A database in a folder of its own, its authority, and what a browser keeps.

use std::path::Path;
use std::time::Duration;

use authcore::audit::event::PasswordUse;
use authcore::{
    AccessPassword, Authority, AuthorityOptions, Client, Clock, RefreshCredential, RefreshError,
    RefreshToken, Remember, SigninTokenAuthority, TokenSet, VerifyError, WallTime,
};
use fieldcrypt::SlotSecret;

pub(crate) const NOON: WallTime = WallTime::from_unix_ms(1_800_000_000_000);

pub(crate) const FIELD: &str = "the field password of the tests";

pub(crate) const PASSWORD: &str = "correct horse battery staple";

pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Clock,
    pub(crate) authority: Authority,
}

pub(crate) fn options(folder: &Path, clock: &Clock) -> AuthorityOptions {
    AuthorityOptions {
        clock: clock.clone(),
        ..AuthorityOptions::new(folder.join("postern.sqlite"))
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let clock = Clock::manual(NOON);
        let authority = Authority::create(&options(folder.path(), &clock), &SlotSecret::password(FIELD));
        Self {
            authority: authority.expect("made"),
            folder,
            clock,
        }
    }

    /// The same database in a new process, whose monotonic clock begins anew.
    pub(crate) fn restarted(self) -> Self {
        self.reopened(|_| {})
    }

    /// The same, with other options.
    pub(crate) fn reopened(self, change: impl FnOnce(&mut AuthorityOptions)) -> Self {
        let wall = self.clock.now().wall;
        self.authority.shutdown();
        drop(self.authority);
        let clock = Clock::manual(wall);
        let mut options = options(self.folder.path(), &clock);
        change(&mut options);
        let authority = Authority::open(&options, &SlotSecret::password(FIELD));
        Self {
            folder: self.folder,
            clock,
            authority: authority.expect("opens"),
        }
    }

    /// Signs in as the operator's link does.
    pub(crate) async fn sign_in(&self) -> TokenSet {
        self.sign_in_with(&self.link().await).await
    }

    /// The token of a link of the operator's.
    pub(crate) async fn link(&self) -> String {
        let link = self.authority.signin_tokens();
        let token = link
            .issue(
                SigninTokenAuthority::LocalOperator,
                Duration::from_secs(120),
                &Client::local(),
            )
            .await;
        token
            .map_err(|error| error.to_string())
            .expect("issued")
            .expose_text()
            .to_string()
    }

    /// Signs in with the token of a link.
    pub(crate) async fn sign_in_with(&self, token: &str) -> TokenSet {
        let sessions = self.authority.sessions();
        sessions
            .start_with_signin_token(token, Remember::Remembered, &browser())
            .await
            .unwrap_or_else(|e| panic!("{e}"))
    }

    pub(crate) async fn refresh(&self, held: &Held) -> Result<TokenSet, RefreshError> {
        self.authority
            .sessions()
            .refresh(held.credential(), &browser())
            .await
    }

    pub(crate) fn is_good(&self, tokens: &TokenSet) -> bool {
        self.authority
            .authenticate(tokens.access_token.expose_str())
            .is_ok()
    }
}

pub(crate) fn browser() -> Client {
    Client::new("192.0.2.7".parse().ok(), "a browser")
}

/// What a browser keeps: text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) cookie: String,
    pub(crate) nonce: String,
}

impl Held {
    pub(crate) fn of(tokens: &TokenSet) -> Self {
        Self {
            cookie: tokens.refresh_token.expose_text().to_string(),
            nonce: tokens.refresh_nonce.expose_text().to_string(),
        }
    }

    pub(crate) fn credential(&self) -> RefreshCredential {
        RefreshCredential::new(
            RefreshToken::parse(&self.cookie).expect("ours"),
            Some(&self.nonce),
        )
    }

    pub(crate) fn with_nonce(&self, nonce: Option<&str>) -> RefreshCredential {
        RefreshCredential::new(RefreshToken::parse(&self.cookie).expect("ours"), nonce)
    }
}

pub(crate) fn good(result: Result<TokenSet, RefreshError>) -> TokenSet {
    result.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn password(text: &str) -> AccessPassword {
    AccessPassword::parse(text.to_owned()).expect("short")
}

pub(crate) async fn verify(
    authority: &Authority,
    text: &str,
) -> Result<authcore::PasswordVerified, VerifyError> {
    let permit = authority.passwords().reserve(&browser(), None).expect("free");
    authority
        .passwords()
        .verify(permit, password(text), None, PasswordUse::SignIn, &browser())
        .await
}
