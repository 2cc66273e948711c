//! The owner of an install, signed in: what their browser keeps, and what they do with it.

pub(crate) use e2e_support::Held;
use e2e_support::{Answer, Postern, send};
use serde_json::json;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

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
