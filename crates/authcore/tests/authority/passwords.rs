//! The access password: first, changed, upgraded.

use authcore::{Authority, ChangeAuthority, ChangeError, Client, Remember, SignInError, VerifyError};
use fieldcrypt::SlotSecret;

use crate::house::{FIELD, House, PASSWORD, browser, options, password, verify};

#[tokio::test]
async fn the_first_password_needs_no_old_one_and_every_later_one_does() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let other = house.sign_in().await;
    let passwords = house.authority.passwords();
    assert!(passwords.is_initial());
    let first = || ChangeAuthority::First {
        session: tokens.session,
    };
    let short = passwords.change(first(), password("too short"), &browser()).await;
    assert!(matches!(short, Err(ChangeError::Policy(_))));
    passwords
        .change(first(), password(PASSWORD), &browser())
        .await
        .expect("set");
    assert!(!passwords.is_initial());
    assert!(
        house.is_good(&tokens) && !house.is_good(&other),
        "every other session ends"
    );
    let again = passwords
        .change(first(), password("another long password"), &browser())
        .await;
    assert!(matches!(again, Err(ChangeError::NotFirst)));
    assert!(matches!(
        verify(&house.authority, "wrong wrong wrong wrong").await,
        Err(VerifyError::Wrong)
    ));
    let stale = verify(&house.authority, PASSWORD).await.expect("right");
    let proof = verify(&house.authority, PASSWORD).await.expect("right");
    let by = ChangeAuthority::Verified {
        proof,
        session: tokens.session,
    };
    passwords
        .change(by, password("another long password"), &browser())
        .await
        .expect("set");
    let late = house
        .authority
        .sessions()
        .start(stale, Remember::Remembered, &browser())
        .await;
    assert!(
        matches!(late, Err(SignInError::Refused)),
        "a proof of the old password made a session"
    );
    let house = house.restarted();
    assert!(verify(&house.authority, "another long password").await.is_ok());
    assert!(verify(&house.authority, PASSWORD).await.is_err());
}

#[tokio::test]
async fn an_old_hash_is_upgraded_at_the_next_sign_in() {
    let house = House::new();
    let authority = &house.authority;
    let by = ChangeAuthority::LocalOperator { keep_sessions: false };
    authority
        .passwords()
        .change(by, password(PASSWORD), &Client::local())
        .await
        .expect("set");
    authority.shutdown();
    let mut raised = options(house.folder.path(), &house.clock);
    raised.password_iterations = 700_000;
    let authority = Authority::open(&raised, &SlotSecret::password(FIELD)).expect("opens");
    assert!(verify(&authority, PASSWORD).await.is_ok());
    assert!(verify(&authority, PASSWORD).await.is_ok());
    assert!(verify(&authority, "wrong wrong wrong wrong").await.is_err());
}
