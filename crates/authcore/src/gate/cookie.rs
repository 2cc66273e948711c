//! The texts of the gate: a cookie for an application's host, the state of a browser that was challenged, and the code that
//! brings both together; and what is stored of a cookie.

use data_encoding::BASE64URL_NOPAD;
use fieldcrypt::random::RandomError;
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use crate::ids::SessionId;
use crate::token::hashed::{HashedToken, PlainToken};

/// Cookies of one host at once: several tabs may be signed in at the same moment, and the browser keeps the one that
/// comes last, whichever that is.
const GRANTS_OF_A_HOST: usize = 4;

/// Cookies of one session at once, over all hosts; a bound on the session's record.
const GRANTS_OF_A_SESSION: usize = 64;

/// Makes a leaked code easy to find.
const CODE_PREFIX: &str = "pst_hc_";

/// All that is stored of a gate cookie, in its session's sealed record.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct GateGrant {
    /// The only host it is good on.
    pub(crate) host: String,
    pub(crate) hash: HashedToken,
}

/// Adds a grant; the oldest go where there are too many.
pub(super) fn add(grants: &mut Vec<GateGrant>, fresh: GateGrant) {
    let of_this_host = |grants: &[GateGrant]| grants.iter().filter(|grant| grant.host == fresh.host).count();
    while of_this_host(grants) >= GRANTS_OF_A_HOST
        && let Some(oldest) = grants.iter().position(|grant| grant.host == fresh.host)
    {
        grants.remove(oldest);
    }
    grants.drain(..(grants.len() + 1).saturating_sub(GRANTS_OF_A_SESSION));
    grants.push(fresh);
}

/// What a signed-in browser shows on one application's host: `<session id>.<secret>`. Wiped on drop.
pub struct GateCookie {
    pub(super) session: SessionId,
    pub(super) secret: PlainToken,
}

impl GateCookie {
    /// Reads a cookie value; only the one canonical spelling of each part.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (session, secret) = text.split_once('.')?;
        Some(Self {
            session: SessionId::parse(session)?,
            secret: PlainToken::parse(secret)?,
        })
    }

    /// The cookie value: 76 characters, all of them cookie-safe (RFC 6265 section 4.1.1).
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}.{}", self.session, &*self.secret.expose_text()))
    }
}

/// What an unknown browser is given when it is challenged, and shows when it comes back: 256 random bits. Wiped on drop.
pub struct BrowserState(pub(super) PlainToken);

impl BrowserState {
    /// A new one from the operating system's random source.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, RandomError> {
        PlainToken::random().map(Self)
    }

    /// Reads a cookie value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        PlainToken::parse(text).map(Self)
    }

    /// The cookie value, 43 characters of base64url.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        self.0.expose_text()
    }
}

/// The keyed hash of a browser's state: it may stand in an address.
pub struct BrowserStateMark(pub(super) HashedToken);

impl BrowserStateMark {
    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        HashedToken::parse(text).map(Self)
    }

    /// The text, 43 characters of base64url.
    #[must_use]
    pub fn to_text(&self) -> String {
        BASE64URL_NOPAD.encode(self.0.as_bytes())
    }
}

/// What a browser brings from the sign-in host to an application's: good once, on one host, in one browser. Wiped on drop.
pub struct HandoffCode(pub(super) PlainToken);

impl HandoffCode {
    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        PlainToken::parse(text.strip_prefix(CODE_PREFIX)?).map(Self)
    }

    /// The text, for an address.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{CODE_PREFIX}{}", &*self.0.expose_text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::hashed::{TokenHasher, TokenUse};
    use fieldcrypt::SecretKey;
    use proptest::prelude::*;
    use static_assertions::assert_not_impl_any;
    use std::fmt::{Debug, Display};

    assert_not_impl_any!(GateCookie: Debug, Display, Clone, Default, PartialEq, Serialize);
    assert_not_impl_any!(BrowserState: Debug, Display, Clone, Default, PartialEq, Serialize);
    assert_not_impl_any!(HandoffCode: Debug, Display, Clone, Default, PartialEq, Serialize);

    fn grant(host: &str, number: u8) -> GateGrant {
        let hasher = TokenHasher::new(&SecretKey::from_bytes(&[7; 32]));
        GateGrant {
            host: host.to_owned(),
            hash: hasher.hash(TokenUse::GateCookie, &PlainToken::from_bytes(&[number; 32])),
        }
    }

    #[test]
    fn a_host_keeps_its_last_four_and_a_session_its_last_64() {
        let mut grants = vec![grant("other", 0)];
        for number in 1..=6 {
            add(&mut grants, grant("app", number));
        }
        assert_eq!(grants.len(), 5, "the other host keeps its own");
        assert!(grants[1].hash.matches(&grant("app", 3).hash), "the oldest went");
        for number in 0..100 {
            add(&mut grants, grant(&format!("host{number}"), number));
        }
        assert_eq!(grants.len(), GRANTS_OF_A_SESSION);
        assert_eq!(grants.last().map(|grant| grant.host.as_str()), Some("host99"));
    }

    #[test]
    fn each_text_reads_back_and_no_other_spelling_does() {
        let cookie = GateCookie {
            session: SessionId::from_bytes([1; 16]),
            secret: PlainToken::from_bytes(&[2; 32]),
        };
        let text = cookie.expose_text();
        assert_eq!(text.len(), 76);
        assert!(GateCookie::parse(&text).is_some());
        for bad in [
            format!("{}.", &*text),
            format!(" {}", &*text),
            text.replace('.', ".."),
            format!("{}=", &*text),
        ] {
            assert!(GateCookie::parse(&bad).is_none(), "{bad}");
        }
        let code = HandoffCode(PlainToken::from_bytes(&[3; 32])).expose_text();
        assert!(HandoffCode::parse(&code).is_some());
        assert!(HandoffCode::parse(&code.to_uppercase()).is_none());
        assert!(HandoffCode::parse(&format!("{} ", &*code)).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = GateCookie::parse(&text);
            let _ = BrowserState::parse(&text);
            let _ = BrowserStateMark::parse(&text);
            let _ = HandoffCode::parse(&text);
        }
    }
}
