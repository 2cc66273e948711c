//! Each kind of token: good where it belongs, once or for its time, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use authcore::{
    ActConfirmed, AuditQuery, Authority, AuthorityOptions, Client, OneUseError, Operation, Permission,
    Principal, Remember, Scope, Scopes, SignInError, SigninTokenAuthority,
};

use fieldcrypt::SlotSecret;

use crate::house::{FIELD, Held, House, PASSWORD, browser, good, options, verify};

#[tokio::test]
async fn a_refresh_rotates_and_both_access_tokens_are_good() {
    let house = House::new();
    let first = house.sign_in().await;
    let second = good(house.refresh(&Held::of(&first)).await);
    assert!(Held::of(&first) != Held::of(&second));
    assert!(house.is_good(&first) && house.is_good(&second));
}

#[tokio::test]
async fn an_access_token_lives_as_long_as_is_configured_and_never_longer_than_a_retired_key_verifies() {
    for (configured, seconds) in [(2, 2), (3600, 900)] {
        let house = House::new().reopened(|options| {
            options.access_token_life = Duration::from_secs(configured);
        });
        let tokens = house.sign_in().await;
        house.clock.advance(Duration::from_secs(seconds - 1));
        assert!(house.is_good(&tokens), "{configured}");
        house.clock.advance(Duration::from_secs(1));
        assert!(!house.is_good(&tokens), "{configured}");
    }
}

#[tokio::test]
async fn an_access_token_ends_after_15_minutes_and_with_its_session() {
    let house = House::new();
    let tokens = house.sign_in().await;
    house.clock.advance(Duration::from_secs(899));
    assert!(house.is_good(&tokens));
    house.clock.advance(Duration::from_secs(1));
    assert!(!house.is_good(&tokens));
    let tokens = good(house.refresh(&Held::of(&tokens)).await);
    assert!(house.is_good(&tokens));
    house
        .authority
        .sessions()
        .sign_out(&tokens.refresh_token, &browser())
        .await
        .expect("committed");
    assert!(!house.is_good(&tokens));
    let house = house.restarted();
    assert!(!house.is_good(&tokens), "revived by a restart");
}

#[tokio::test]
async fn a_signin_token_works_once_and_its_second_use_ends_what_the_first_made() {
    let house = House::new();
    let authority = &house.authority;
    let operator = Client::local();
    let issue = || {
        let by = SigninTokenAuthority::LocalOperator;
        authority
            .signin_tokens()
            .issue(by, Duration::from_secs(900), &operator)
    };
    let token = issue().await.expect("issued").expose_text().to_string();
    let start = |token: String| async move {
        authority
            .sessions()
            .start_with_signin_token(&token, Remember::ThisBrowserSession, &browser())
            .await
    };
    let first = start(token.clone()).await.expect("the first use");
    assert!(house.is_good(&first));
    assert!(matches!(start(token).await, Err(SignInError::Refused)));
    assert!(!house.is_good(&first));
    let late = issue().await.expect("issued").expose_text().to_string();
    house.clock.advance(Duration::from_secs(300));
    assert!(
        matches!(start(late).await, Err(SignInError::Expired)),
        "five minutes at most, whatever was asked for"
    );
    let changes = vec![("signin_tokens".to_owned(), serde_json::json!(false))];
    authority
        .settings()
        .set(changes, &Client::local())
        .await
        .expect("set");
    assert!(matches!(issue().await, Err(OneUseError::Disabled)));
    assert!(matches!(
        start("pst_si_x".to_owned()).await,
        Err(SignInError::Disabled)
    ));
}

/// Of many who bring one link at the same moment one is let in, and at once the others have ended what that one got; the owner is told.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_bring_one_link_at_once_none_keeps_a_session() {
    const ROUNDS: usize = 20;
    let house = Arc::new(House::new());
    for round in 0..ROUNDS {
        let by = SigninTokenAuthority::LocalOperator;
        let (links, operator) = (house.authority.signin_tokens(), Client::local());
        let issued = links.issue(by, Duration::from_secs(60), &operator);
        let token = issued.await.expect("issued").expose_text().to_string();
        let enter = |house: Arc<House>, token: String| async move {
            let sessions = house.authority.sessions();
            sessions
                .start_with_signin_token(&token, Remember::Remembered, &browser())
                .await
                .ok()
        };
        let tries: Vec<_> = (0..8)
            .map(|_| tokio::spawn(enter(house.clone(), token.clone())))
            .collect();
        let mut made = Vec::new();
        for attempt in tries {
            made.extend(attempt.await.expect("no panic"));
        }
        assert_eq!(made.len(), 1, "round {round}");
        assert!(!made.iter().any(|tokens| house.is_good(tokens)), "round {round}");
    }
    assert!(house.authority.sessions().list().is_empty());
    let ended = AuditQuery {
        since: None,
        before: None,
        kinds: Some(vec!["SessionEnded".to_owned()]),
        limit: 100,
    };
    let told = house.authority.audit().page(&ended).expect("read");
    assert_eq!(told.len(), ROUNDS);
    for record in told {
        let event = format!("{:?}", record.entry.event);
        assert!(event.contains("SigninTokenReused"), "{event}");
    }
}

#[tokio::test]
async fn an_operation_token_is_good_once_for_its_operation_only() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let owner = house
        .authority
        .authenticate(tokens.access_token.expose_str())
        .expect("good");
    let operations = house.authority.operation_tokens();
    let token = operations
        .issue(&owner, Operation::Backup, Some(&ActConfirmed::by_operator()))
        .expect("issued");
    assert!(
        house.authority.authenticate(token.expose_str()).is_err(),
        "it is no access token"
    );
    assert!(
        operations
            .spend(tokens.access_token.expose_str(), Operation::Backup)
            .await
            .is_err(),
        "nor the other way"
    );
    assert!(
        operations
            .spend(token.expose_str(), Operation::Export)
            .await
            .is_err()
    );
    assert!(
        operations
            .spend(token.expose_str(), Operation::Backup)
            .await
            .is_ok()
    );
    assert!(
        operations
            .spend(token.expose_str(), Operation::Backup)
            .await
            .is_err()
    );
    let late = operations
        .issue(&owner, Operation::Backup, Some(&ActConfirmed::by_operator()))
        .expect("issued");
    house.clock.advance(Duration::from_secs(60));
    assert!(
        operations
            .spend(late.expose_str(), Operation::Backup)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_access_key_is_good_within_its_scope_until_it_is_revoked_or_expires() {
    let house = House::new();
    let keys = house.authority.access_keys();
    let scopes = || Scopes::new(vec![Scope::ApiRead]).expect("one");
    let life = Duration::from_secs(3600);
    let created = keys
        .create(
            &ActConfirmed::by_operator(),
            "backup script",
            scopes(),
            life,
            &browser(),
        )
        .await
        .expect("made");
    assert!(
        keys.create(
            &ActConfirmed::by_operator(),
            "backup script",
            scopes(),
            life,
            &browser()
        )
        .await
        .is_err(),
        "a name is taken once"
    );
    let text = created.secret.expose_text().to_string();
    let who = house.authority.authenticate(&text).expect("good");
    assert!(who.may(Permission::Read) && !who.may(Permission::Write));
    assert!(
        house
            .authority
            .operation_tokens()
            .issue(&who, Operation::Backup, Some(&ActConfirmed::by_operator()))
            .is_err()
    );
    let house = house.restarted();
    assert!(matches!(
        house.authority.authenticate(&text),
        Ok(Principal::Script { .. })
    ));
    house.clock.advance(life);
    assert!(house.authority.authenticate(&text).is_err(), "expired");
    let keys = house.authority.access_keys();
    let created = keys
        .create(
            &ActConfirmed::by_operator(),
            "another",
            scopes(),
            life,
            &browser(),
        )
        .await
        .expect("made");
    let text = created.secret.expose_text().to_string();
    assert!(house.authority.authenticate(&text).is_ok());
    assert!(keys.revoke("another", &browser()).await.expect("committed"));
    assert!(house.authority.authenticate(&text).is_err());
}

#[tokio::test]
async fn tokens_signed_before_a_rotation_stay_good_and_both_keys_are_published() {
    let house = House::new();
    let before = house.sign_in().await;
    house
        .authority
        .signing_keys()
        .rotate(&ActConfirmed::by_operator(), &Client::local())
        .await
        .expect("rotated");
    assert!(house.is_good(&before));
    assert!(house.is_good(&good(house.refresh(&Held::of(&before)).await)));
    let jwks = house.authority.signing_keys().jwks();
    assert_eq!(
        jwks.get("keys").and_then(|keys| keys.as_array()).map(Vec::len),
        Some(2)
    );
}

#[tokio::test]
async fn a_signing_key_is_replaced_by_itself_at_its_age_and_not_before() {
    const AGE: Duration = Duration::from_secs(90 * 86_400);
    let house = House::new();
    house.authority.shutdown();
    let options = AuthorityOptions {
        rotate_signing_after: Some(AGE),
        ..options(house.folder.path(), &house.clock)
    };
    let authority = Authority::open(&options, &SlotSecret::password(FIELD)).expect("opens");
    let house = House { authority, ..house };
    // A password check waits until the writer has looked after everything that is due.
    let keys = async || {
        drop(verify(&house.authority, PASSWORD).await);
        house.authority.signing_keys().list().len()
    };
    house.clock.advance(AGE.saturating_sub(Duration::from_secs(60)));
    assert_eq!(keys().await, 1);
    let tokens = house.sign_in().await;
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(keys().await, 2, "the old one verifies on");
    assert!(house.is_good(&tokens), "nobody is signed out");
    house.clock.advance(Duration::from_secs(3_600));
    assert_eq!(keys().await, 1, "until the last token it signed has expired");
}
