//! Refreshing: every row of the rules, races, restarts, clocks, limits.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use authcore::{AuditQuery, Authority, Client, Clock, REFRESH_GRACE, RefreshToken, WallTime};
use fieldcrypt::SlotSecret;
use fieldcrypt::sqlite::{OpenMode, open_connection};
use rusqlite::TransactionBehavior;

use crate::house::{FIELD, Held, House, NOON, browser, good, options};

#[tokio::test]
async fn the_previous_pair_within_the_grace_gets_the_same_successor() {
    let house = House::new();
    let first = Held::of(&house.sign_in().await);
    let second = good(house.refresh(&first).await);
    house.clock.advance(REFRESH_GRACE);
    let again = good(house.refresh(&first).await);
    assert!(Held::of(&again) == Held::of(&second));
    assert_eq!(again.access_token.expose_str(), second.access_token.expose_str());
    good(house.refresh(&Held::of(&again)).await);
}

#[tokio::test]
async fn a_replay_after_the_grace_ends_the_session_and_all_its_tokens() {
    let house = House::new();
    let first = Held::of(&house.sign_in().await);
    let second = good(house.refresh(&first).await);
    house.clock.advance(REFRESH_GRACE + Duration::from_millis(1));
    assert!(house.is_good(&second), "control: alive until the replay");
    assert!(house.refresh(&first).await.is_err());
    assert!(!house.is_good(&second) && house.refresh(&Held::of(&second)).await.is_err());
    let events = house
        .authority
        .audit()
        .page(&AuditQuery {
            since: None,
            before: None,
            kinds: None,
            limit: 5,
        })
        .expect("read");
    let told = serde_json::to_string(&events.first().expect("an event").entry).expect("JSON");
    assert!(told.contains("RefreshTokenReused"), "{told}");
}

#[tokio::test]
async fn a_pair_older_than_the_previous_is_theft_even_within_the_grace() {
    let house = House::new();
    let first = Held::of(&house.sign_in().await);
    let second = Held::of(&good(house.refresh(&first).await));
    let third = good(house.refresh(&second).await);
    assert!(house.refresh(&first).await.is_err());
    assert!(!house.is_good(&third));
}

#[tokio::test]
async fn a_clock_set_back_does_not_widen_the_grace() {
    let house = House::new();
    let first = Held::of(&house.sign_in().await);
    good(house.refresh(&first).await);
    house.clock.advance(Duration::from_secs(31));
    house.clock.set_wall(WallTime::from_unix_ms(0));
    assert!(house.refresh(&first).await.is_err());
}

#[tokio::test]
async fn after_a_restart_the_last_and_the_previous_pair_still_refresh() {
    let house = House::new();
    let first = Held::of(&house.sign_in().await);
    let second = Held::of(&good(house.refresh(&first).await));
    let house = house.restarted();
    let third = Held::of(&good(house.refresh(&first).await));
    let same = Held::of(&good(house.refresh(&second).await));
    assert!(third == same, "two tabs ended with different pairs");
    let house = house.restarted();
    good(house.refresh(&third).await);
    let house = house.restarted();
    house.clock.advance(Duration::from_secs(31));
    assert!(
        house.refresh(&second).await.is_err(),
        "a replay after restart and grace"
    );
    assert!(house.authority.sessions().list().is_empty());
}

#[tokio::test]
async fn after_a_restart_it_does_not_matter_which_tab_comes_first() {
    let house = House::new();
    let first = Held::of(&house.sign_in().await);
    let second = Held::of(&good(house.refresh(&first).await));
    let house = house.restarted();
    let third = Held::of(&good(house.refresh(&second).await));
    let same = Held::of(&good(house.refresh(&first).await));
    assert!(third == same, "two tabs ended with different pairs");
    house.clock.advance(REFRESH_GRACE + Duration::from_millis(1));
    assert!(house.refresh(&first).await.is_err(), "a replay after the grace");
    assert!(house.authority.sessions().list().is_empty());
}

#[tokio::test]
async fn ten_wrong_nonces_end_the_session_and_an_absent_one_is_no_guess() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let held = Held::of(&tokens);
    let wrong = "A".repeat(43);
    let sessions = house.authority.sessions();
    for _ in 0..20 {
        assert!(sessions.refresh(held.with_nonce(None), &browser()).await.is_err());
    }
    for guess in 0..9 {
        assert!(
            sessions
                .refresh(held.with_nonce(Some(&wrong)), &browser())
                .await
                .is_err()
        );
        assert!(house.is_good(&tokens), "after guess {guess}");
    }
    assert!(
        sessions
            .refresh(held.with_nonce(Some("not even a nonce")), &browser())
            .await
            .is_err()
    );
    assert!(!house.is_good(&tokens));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_clients_at_once_all_end_with_the_same_live_pair() {
    let house = Arc::new(House::new());
    let mut held = Held::of(&house.sign_in().await);
    for round in 0..1000 {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (house, held) = (Arc::clone(&house), held.clone());
                tokio::spawn(async move { Held::of(&good(house.refresh(&held).await)) })
            })
            .collect();
        let mut pairs = HashSet::new();
        for task in tasks {
            pairs.insert(task.await.expect("no panic"));
        }
        assert_eq!(pairs.len(), 1, "round {round}");
        held = pairs.into_iter().next().expect("one");
    }
    assert_eq!(house.authority.sessions().list().len(), 1);
}

#[tokio::test]
async fn idle_and_absolute_limits_hold_at_their_exact_boundaries() {
    let house = House::new();
    let mut tokens = house.sign_in().await;
    let day = Duration::from_secs(24 * 3600);
    house.clock.advance(Duration::from_millis(30 * 86_400_000 - 1));
    tokens = good(house.refresh(&Held::of(&tokens)).await);
    house.clock.advance(30 * day);
    assert!(house.refresh(&Held::of(&tokens)).await.is_err(), "idle");
    let mut tokens = house.sign_in().await;
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(29 * 24 * 3600));
        tokens = good(house.refresh(&Held::of(&tokens)).await);
    }
    assert_eq!(tokens.cookie_max_age, Some(3 * day));
    house.clock.advance(3 * day);
    assert!(house.refresh(&Held::of(&tokens)).await.is_err(), "absolute");
}

#[tokio::test]
async fn a_refresh_token_with_a_guessed_session_secret_neither_refreshes_nor_signs_out() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let held = Held::of(&tokens);
    let parts: Vec<&str> = held.cookie.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], "A".repeat(43), parts[2]);
    let forged = Held {
        cookie: forged,
        nonce: held.nonce.clone(),
    };
    assert!(house.refresh(&forged).await.is_err());
    let token = RefreshToken::parse(&forged.cookie).expect("well formed");
    house
        .authority
        .sessions()
        .sign_out(&token, &browser())
        .await
        .expect("no error");
    assert!(house.is_good(&tokens));
}

#[tokio::test]
async fn a_crowded_house_ends_the_session_unused_for_longest() {
    let house = House::new();
    let changes = vec![("max_sessions".to_owned(), serde_json::json!(2))];
    house
        .authority
        .settings()
        .set(changes, &Client::local())
        .await
        .expect("set");
    let oldest = house.sign_in().await;
    house.clock.advance(Duration::from_secs(1));
    let second = house.sign_in().await;
    house.clock.advance(Duration::from_secs(1));
    let third = house.sign_in().await;
    assert!(!house.is_good(&oldest) && house.is_good(&second) && house.is_good(&third));
}

/// L-08: however often somebody signs in, the table of sessions has so many rows and no more.
#[tokio::test]
async fn sessions_never_outgrow_their_number() {
    const MOST: usize = 20;
    let house = House::new();
    let changes = vec![("max_sessions".to_owned(), serde_json::json!(MOST))];
    let settings = house.authority.settings();
    settings.set(changes, &Client::local()).await.expect("set");
    for _ in 0..10 * MOST {
        let _tokens = house.sign_in().await;
        assert!(house.authority.sessions().list().len() <= MOST);
    }
    let house = house.restarted();
    assert_eq!(house.authority.sessions().list().len(), MOST, "on disk too");
}

/// Those who waited for another process's lock come in one commit, of which the view knows nothing yet.
#[tokio::test]
async fn sessions_that_come_in_one_commit_do_not_outgrow_their_number_either() {
    const MOST: usize = 2;
    let house = House::new();
    let changes = vec![("max_sessions".to_owned(), serde_json::json!(MOST))];
    let settings = house.authority.settings();
    settings.set(changes, &Client::local()).await.expect("set");
    for _ in 0..MOST {
        let _tokens = house.sign_in().await;
    }
    let mut links = Vec::new();
    for _ in 0..4 {
        links.push(house.link().await);
    }
    let [first, second, third, fourth] = &links[..] else {
        panic!("four");
    };
    let file = house.folder.path().join("postern.sqlite");
    let mut other = open_connection(&file, OpenMode::Existing).expect("opens");
    let lock = other
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .expect("the lock");
    let mut waiting = Box::pin(async {
        tokio::join!(
            house.sign_in_with(first),
            house.sign_in_with(second),
            house.sign_in_with(third),
            house.sign_in_with(fourth),
        )
    });
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("they wait for the lock"),
        () = std::future::ready(()) => {}
    }
    drop(lock);
    let _tokens = waiting.await;
    assert_eq!(house.authority.sessions().list().len(), MOST);
    let house = house.restarted();
    assert_eq!(house.authority.sessions().list().len(), MOST, "on disk too");
}

#[tokio::test]
async fn a_clock_set_back_revives_nothing_not_even_over_a_restart() {
    let house = House::new();
    let tokens = house.sign_in().await;
    house.clock.advance(SESSION_ENDS);
    assert!(!house.is_good(&tokens));
    house.clock.set_wall(NOON);
    assert!(!house.is_good(&tokens) && house.refresh(&Held::of(&tokens)).await.is_err());
    house.authority.shutdown();
    let clock = Clock::manual(NOON);
    let authority = Authority::open(
        &options(house.folder.path(), &clock),
        &SlotSecret::password(FIELD),
    )
    .expect("opens");
    assert!(authority.authenticate(tokens.access_token.expose_str()).is_err());
    assert!(
        authority
            .sessions()
            .refresh(Held::of(&tokens).credential(), &browser())
            .await
            .is_err()
    );
}

/// A remembered session is over by then.
const SESSION_ENDS: Duration = Duration::from_secs(30 * 24 * 3600);

/// Another process holds the lock of writers for longer than a browser waits.
#[tokio::test]
async fn a_refresh_that_waited_for_too_long_is_not_made_and_strands_nobody() {
    for (waited, made) in [(Duration::from_secs(20), true), (Duration::from_secs(21), false)] {
        let house = House::new();
        let held = Held::of(&house.sign_in().await);
        let file = house.folder.path().join("postern.sqlite");
        let mut other = open_connection(&file, OpenMode::Existing).expect("opens");
        let lock = other
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .expect("the lock");
        let mut waiting = std::pin::pin!(house.refresh(&held));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("it waits for the lock"),
            () = std::future::ready(()) => {}
        }
        house.clock.advance(waited);
        drop(lock);
        assert_eq!(waiting.await.is_ok(), made, "{waited:?}");
        // The browser did not hear of it, and comes again when the grace of what it asked is over.
        house.clock.advance(Duration::from_secs(10));
        let next = good(house.refresh(&held).await);
        assert!(house.is_good(&next));
    }
}
