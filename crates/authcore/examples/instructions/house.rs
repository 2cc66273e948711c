//! A new database with one browser that is signed in, to be measured in this process; `benches` uses it too.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use authcore::{
    Authority, AuthorityOptions, Client, RefreshCredential, RefreshToken, Remember, SigninTokenAuthority,
    TokenSet,
};
use fieldcrypt::SlotSecret;
use tokio::runtime::Runtime;

/// The authority, and what its first browser keeps.
pub(crate) struct House {
    pub(crate) authority: Authority,
    pub(crate) runtime: Runtime,
    held: RefCell<TokenSet>,
}

impl House {
    /// In that folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let authority = Authority::create(&options(folder), &secret()).expect("made");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let held = runtime.block_on(sign_in(&authority));
        Self {
            authority,
            runtime,
            held: held.into(),
        }
    }

    /// The browser refreshes.
    pub(crate) fn refresh(&self) {
        let credential = {
            let held = self.held.borrow();
            let token = RefreshToken::parse(&held.refresh_token.expose_text()).expect("ours");
            RefreshCredential::new(token, Some(&held.refresh_nonce.expose_text()))
        };
        let sessions = self.authority.sessions();
        let next = self
            .runtime
            .block_on(sessions.refresh(credential, &Client::local()));
        *self.held.borrow_mut() = next.expect("refreshes");
    }

    /// As many access tokens that nobody has shown yet.
    pub(crate) fn tokens(&self, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| {
                self.refresh();
                self.held.borrow().access_token.expose_str().to_owned()
            })
            .collect()
    }
}

/// Where it is, and the defaults.
pub(crate) fn options(folder: &Path) -> AuthorityOptions {
    AuthorityOptions::new(folder.join("postern.sqlite"))
}

/// A key file: no derivation, whose cost is none of what is measured.
pub(crate) fn secret() -> SlotSecret {
    SlotSecret::key_file(vec![1; 32]).expect("long enough")
}

/// As the operator's link does.
pub(crate) async fn sign_in(authority: &Authority) -> TokenSet {
    let links = authority.signin_tokens();
    let life = Duration::from_secs(60);
    let link = links
        .issue(SigninTokenAuthority::LocalOperator, life, &Client::local())
        .await;
    let link = link.unwrap_or_else(|error| panic!("{error}"));
    authority
        .sessions()
        .start_with_signin_token(&link.expose_text(), Remember::Remembered, &Client::local())
        .await
        .expect("signs in")
}
