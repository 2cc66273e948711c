//! What a browser keeps of a sign-in.

use serde_json::{Value, json};

use crate::{Answer, Postern, send};

/// What a browser keeps of a sign-in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Held {
    /// The refresh cookie: name and value.
    pub cookie: String,
    /// The refresh nonce.
    pub nonce: String,
    /// The access token.
    pub access_token: String,
}

impl Held {
    /// Of the answer to a sign-in or a refresh, which must be one.
    #[must_use]
    #[track_caller]
    pub fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self {
            cookie: answer.cookie.clone().expect("a cookie"),
            nonce: answer.text("RefreshNonce"),
            access_token: answer.text("AccessToken"),
        }
    }

    /// The same at a server that listens on another port, after which the cookie is named.
    #[must_use]
    pub fn carried_to(&self, postern: &Postern) -> Self {
        self.carried_to_base(&postern.base)
    }

    /// The same, by its address.
    #[must_use]
    pub fn carried_to_base(&self, base: &str) -> Self {
        let (_, value) = self.cookie.split_once('=').expect("name and value");
        let (_, port) = base.rsplit_once(':').expect("a port");
        Self {
            cookie: format!("RefreshToken_{port}={value}"),
            ..self.clone()
        }
    }

    /// Refreshes; `None` when no whole answer came.
    #[must_use]
    pub fn try_refresh(&self, base: &str) -> Option<Answer> {
        let body = json!({ "Nonce": self.nonce });
        send(
            base,
            "POST",
            "/api/v1/auth/refresh",
            &[("cookie", &self.cookie)],
            &body,
        )
    }

    /// Refreshes.
    #[must_use]
    pub fn refresh(&self, postern: &Postern) -> Answer {
        self.try_refresh(&postern.base).expect("an answer")
    }

    /// Signs out; `None` when no whole answer came.
    #[must_use]
    pub fn try_sign_out(&self, base: &str) -> Option<Answer> {
        send(
            base,
            "POST",
            "/api/v1/auth/refresh/logout",
            &[("cookie", &self.cookie)],
            &Value::Null,
        )
    }

    /// The header that shows the access token.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.access_token)
    }

    /// Asks for something that only the signed-in get; `None` when no whole answer came.
    #[must_use]
    pub fn try_verify(&self, base: &str) -> Option<Answer> {
        let bearer = self.bearer();
        send(
            base,
            "GET",
            "/api/v1/sessions",
            &[("authorization", &bearer)],
            &Value::Null,
        )
    }

    /// Whether the access token is good.
    #[must_use]
    #[track_caller]
    pub fn is_good(&self, postern: &Postern) -> bool {
        let answer = self.try_verify(&postern.base).expect("an answer");
        assert!(matches!(answer.status, 200 | 401), "{}", answer.status);
        answer.status == 200
    }
}
