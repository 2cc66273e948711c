//! The owner of an install, signed in: what their browser keeps, and what they do with it.

use e2e_support::{Answer, Postern, send};
use serde_json::{Value, json};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// What a browser keeps of a sign-in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Held {
    pub(crate) cookie: String,
    pub(crate) nonce: String,
    pub(crate) access_token: String,
}

impl Held {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self {
            cookie: answer.cookie.clone().expect("a cookie"),
            nonce: answer.text("RefreshNonce"),
            access_token: answer.text("AccessToken"),
        }
    }

    /// Refreshes; `None` when no whole answer came.
    pub(crate) fn try_refresh(&self, base: &str) -> Option<Answer> {
        let body = json!({ "Nonce": self.nonce });
        send(
            base,
            "POST",
            "/api/v1/auth/refresh",
            &[("cookie", &self.cookie)],
            &body,
        )
    }

    pub(crate) fn refresh(&self, postern: &Postern) -> Answer {
        self.try_refresh(&postern.base).expect("an answer")
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.access_token)
    }

    pub(crate) fn is_good(&self, postern: &Postern) -> bool {
        let headers = [("authorization", self.bearer())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = postern.send("GET", "/api/v1/sessions", &headers, &Value::Null);
        assert!(matches!(answer.status, 200 | 401), "{}", answer.status);
        answer.status == 200
    }
}

/// Whether the long sweeps are run whole, and not a sample of them.
#[expect(clippy::disallowed_methods, reason = "a test asks how much it is to do")]
pub(crate) fn hard() -> bool {
    std::env::var_os("POSTERN_TEST_HARD").is_some_and(|value| value == "1")
}

pub(crate) fn start() -> Postern {
    Postern::start(env!("CARGO_BIN_EXE_postern"))
}

/// Sets the access password as the operator does.
pub(crate) fn set_password(postern: &Postern, password: &str) {
    let output = postern.run_fed(&["password", "set", "--password-file", "-"], password);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

pub(crate) fn login(base: &str, password: &str) -> Option<Answer> {
    let body = json!({ "Password": password, "RememberMe": true });
    send(base, "POST", "/api/v1/auth/login", &[], &body)
}

/// A server whose password is set, and its owner signed in.
pub(crate) fn signed_in() -> (Postern, Held) {
    let postern = start();
    set_password(&postern, PASSWORD);
    let held = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    (postern, held)
}

/// A command that failed with that exit code, and whose complaint holds that word.
#[track_caller]
pub(crate) fn refused(output: &std::process::Output, code: i32, word: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(word), "{said}");
}
