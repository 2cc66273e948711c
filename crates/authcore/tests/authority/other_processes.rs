//! What the command line does beside a running server.

use authcore::{Authority, ChangeAuthority, Client, Remember, SignInError};
use fieldcrypt::SlotSecret;

use crate::house::{FIELD, Held, House, PASSWORD, browser, options, password, verify};

#[tokio::test]
async fn a_revocation_by_another_process_is_taken_in() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let operator = Authority::open(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password(FIELD),
    );
    let operator = operator.expect("opens beside the server");
    assert_eq!(
        operator
            .sessions()
            .end_all(None, &Client::local())
            .await
            .expect("committed"),
        1
    );
    // The next commit takes it in before anything else; a refresh of a session that is gone must not bring it back.
    assert!(house.refresh(&Held::of(&tokens)).await.is_err());
    assert!(!house.is_good(&tokens));
}

/// A proof of a password that another process has changed meanwhile is worth nothing, however soon it is presented.
#[tokio::test]
async fn a_password_changed_by_another_process_makes_an_earlier_proof_worthless() {
    let house = House::new();
    let operator = Authority::open(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password(FIELD),
    );
    let operator = operator.expect("opens beside the server");
    let set = async |text: &str| {
        let by = ChangeAuthority::LocalOperator { keep_sessions: true };
        let client = Client::local();
        let changed = operator.passwords().change(by, password(text), &client);
        changed.await.expect("committed");
    };
    set(PASSWORD).await;
    let proof = verify(&house.authority, PASSWORD)
        .await
        .map_err(|error| error.to_string());
    let proof = proof.expect("the server has taken the new password in");
    set("another horse altogether").await;
    let sessions = house.authority.sessions();
    let started = sessions
        .start(proof, Remember::ThisBrowserSession, &browser())
        .await;
    assert!(matches!(started, Err(SignInError::Refused)));
}
