//! An install to be hurt, what is known of it, and the checker after the fault.

use e2e_support::{Held, Install, Known, Postern};
use serde_json::json;

use crate::owner::{PASSWORD, login, signed_in};

/// Where the field password is.
pub(super) const FIELD_PASSWORD: &str = "config/postern/field-password";

/// What the password is changed to.
pub(super) const OTHER: &str = "another horse altogether";

/// An install with two sessions that go on and one that was ended, and no server on it.
pub(super) fn scene() -> (Install, Known) {
    let (postern, first) = signed_in();
    let second = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    let gone = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    assert_eq!(gone.try_sign_out(&postern.base).expect("an answer").status, 200);
    let install = postern.stopped();
    let secret = std::fs::read_to_string(install.field_password()).expect("there");
    let known = Known {
        password: PASSWORD.to_owned(),
        signed_in: vec![first, second],
        ended: vec![gone],
        secrets: vec![
            PASSWORD.to_owned(),
            OTHER.to_owned(),
            secret.trim_end().to_owned(),
        ],
    };
    (install, known)
}

/// I1 to I5 of what a server left that is gone. Gives the next one, on the same install.
#[track_caller]
pub(super) fn holds_after(known: &mut Known, install: Install, when: &str) -> Postern {
    let opens = known.holds_on_disk(&install, &[FIELD_PASSWORD], when);
    assert_eq!(opens, FIELD_PASSWORD, "{when}");
    let postern = install.serve();
    known.holds_when_served(&postern, when);
    postern
}

/// Whether that password signs in; nothing else may be answered than yes and no.
#[track_caller]
pub(super) fn signs_in(postern: &Postern, password: &str) -> bool {
    let body = json!({ "Password": password });
    let answer = postern.send("POST", "/api/v1/auth/login", &[], &body);
    assert!(
        matches!(answer.status, 200 | 401),
        "{} {}",
        answer.status,
        answer.body
    );
    answer.status == 200
}
