//! The promises of the authority, over a real database file, with time moved by hand.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use authcore::audit::event::PasswordUse;
use authcore::{
    AccessPassword, AuditQuery, Authority, AuthorityOptions, ChangeAuthority, ChangeError, Client, Clock,
    OneUseError, OpenError, Operation, Permission, Principal, REFRESH_GRACE, RefreshCredential, RefreshError,
    RefreshToken, Remember, Scope, Scopes, SignInError, SigninTokenAuthority, TokenSet, VerifyError,
    WallTime,
};
use fieldcrypt::SlotSecret;

const NOON: WallTime = WallTime::from_unix_ms(1_800_000_000_000);
const FIELD: &str = "the field password of the tests";
const PASSWORD: &str = "correct horse battery staple";

struct House {
    folder: tempfile::TempDir,
    clock: Clock,
    authority: Authority,
}

fn options(folder: &Path, clock: &Clock) -> AuthorityOptions {
    AuthorityOptions {
        clock: clock.clone(),
        ..AuthorityOptions::new(folder.join("postern.sqlite"))
    }
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let clock = Clock::manual(NOON);
        let authority = Authority::create(&options(folder.path(), &clock), &SlotSecret::password(FIELD));
        Self {
            authority: authority.expect("made"),
            folder,
            clock,
        }
    }

    /// The same database in a new process, whose monotonic clock begins anew.
    fn restarted(self) -> Self {
        let wall = self.clock.now().wall;
        self.authority.shutdown();
        drop(self.authority);
        let clock = Clock::manual(wall);
        let authority = Authority::open(&options(self.folder.path(), &clock), &SlotSecret::password(FIELD));
        Self {
            folder: self.folder,
            clock,
            authority: authority.expect("opens"),
        }
    }

    /// Signs in as the operator's link does.
    async fn sign_in(&self) -> TokenSet {
        let link = self.authority.signin_tokens();
        let token = link
            .issue(
                SigninTokenAuthority::LocalOperator,
                Duration::from_secs(120),
                &Client::local(),
            )
            .await;
        let token = token
            .map_err(|error| error.to_string())
            .expect("issued")
            .expose_text()
            .to_string();
        let sessions = self.authority.sessions();
        sessions
            .start_with_signin_token(&token, Remember::Remembered, &browser())
            .await
            .unwrap_or_else(|e| panic!("{e}"))
    }

    async fn refresh(&self, held: &Held) -> Result<TokenSet, RefreshError> {
        self.authority
            .sessions()
            .refresh(held.credential(), &browser())
            .await
    }

    fn is_good(&self, tokens: &TokenSet) -> bool {
        self.authority
            .authenticate(tokens.access_token.expose_str())
            .is_ok()
    }
}

fn browser() -> Client {
    Client::new("192.0.2.7".parse().ok(), "a browser")
}

/// What a browser keeps: text.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Held {
    cookie: String,
    nonce: String,
}

impl Held {
    fn of(tokens: &TokenSet) -> Self {
        Self {
            cookie: tokens.refresh_token.expose_text().to_string(),
            nonce: tokens.refresh_nonce.expose_text().to_string(),
        }
    }

    fn credential(&self) -> RefreshCredential {
        RefreshCredential::new(
            RefreshToken::parse(&self.cookie).expect("ours"),
            Some(&self.nonce),
        )
    }

    fn with_nonce(&self, nonce: Option<&str>) -> RefreshCredential {
        RefreshCredential::new(RefreshToken::parse(&self.cookie).expect("ours"), nonce)
    }
}

fn good(result: Result<TokenSet, RefreshError>) -> TokenSet {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn password(text: &str) -> AccessPassword {
    AccessPassword::parse(text.to_owned()).expect("short")
}

async fn verify(authority: &Authority, text: &str) -> Result<authcore::PasswordVerified, VerifyError> {
    let permit = authority.passwords().reserve().expect("free");
    authority
        .passwords()
        .verify(permit, password(text), PasswordUse::SignIn, &browser())
        .await
}

#[tokio::test]
async fn a_refresh_rotates_and_both_access_tokens_are_good() {
    let house = House::new();
    let first = house.sign_in().await;
    let second = good(house.refresh(&Held::of(&first)).await);
    assert!(Held::of(&first) != Held::of(&second));
    assert!(house.is_good(&first) && house.is_good(&second));
}

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
        .page(AuditQuery {
            since: None,
            before: None,
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
    for round in 0..250 {
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

#[tokio::test]
async fn an_operation_token_is_good_once_for_its_operation_only() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let owner = house
        .authority
        .authenticate(tokens.access_token.expose_str())
        .expect("good");
    let operations = house.authority.operation_tokens();
    let token = operations.issue(&owner, Operation::Backup).expect("issued");
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
    let late = operations.issue(&owner, Operation::Backup).expect("issued");
    house.clock.advance(Duration::from_secs(60));
    assert!(
        operations
            .spend(late.expose_str(), Operation::Backup)
            .await
            .is_err()
    );
}

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

#[tokio::test]
async fn an_access_key_is_good_within_its_scope_until_it_is_revoked_or_expires() {
    let house = House::new();
    let keys = house.authority.access_keys();
    let scopes = || Scopes::new(vec![Scope::ApiRead]).expect("one");
    let life = Duration::from_secs(3600);
    let created = keys
        .create("backup script", scopes(), life, &browser())
        .await
        .expect("made");
    assert!(
        keys.create("backup script", scopes(), life, &browser())
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
            .issue(&who, Operation::Backup)
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
        .create("another", scopes(), life, &browser())
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
        .rotate(&Client::local())
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

#[tokio::test]
async fn a_wrong_field_password_opens_nothing_and_changes_no_byte() {
    let house = House::new();
    house.authority.shutdown();
    let database = house.folder.path().join("postern.sqlite");
    let before = std::fs::read(&database).expect("reads");
    let opened = Authority::open(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password("not this one at all"),
    );
    assert!(matches!(
        opened,
        Err(OpenError::Unlock(fieldcrypt::UnlockError::WrongSecret))
    ));
    assert_eq!(std::fs::read(&database).expect("reads"), before);
}

/// Every secret that a day of use brings up, in every form it could be stored in.
#[tokio::test]
async fn a_thief_finds_no_secret_in_any_file() {
    let house = House::new();
    let mut secrets = vec![
        FIELD.to_owned(),
        PASSWORD.to_owned(),
        "hidden header value".to_owned(),
    ];
    let authority = &house.authority;
    let by = ChangeAuthority::LocalOperator { keep_sessions: true };
    authority
        .passwords()
        .change(by, password(PASSWORD), &Client::local())
        .await
        .expect("set");
    let changes = vec![(
        "secret.header".to_owned(),
        serde_json::json!("hidden header value"),
    )];
    authority.settings().set(changes, &browser()).await.expect("set");
    let scopes = Scopes::new(vec![Scope::Api]).expect("one");
    let key = authority
        .access_keys()
        .create("script", scopes, Duration::from_secs(86_400), &browser())
        .await;
    let key = key.expect("made").secret.expose_text().to_string();
    secrets.extend(key.split('_').map(str::to_owned).filter(|part| part.len() > 20));
    let mut held = Held::of(&house.sign_in().await);
    for _ in 0..96 {
        house.clock.advance(Duration::from_secs(900));
        let tokens = good(house.refresh(&held).await);
        held = Held::of(&tokens);
        secrets.extend(held.cookie.split('.').skip(1).map(str::to_owned));
        secrets.push(held.nonce.clone());
        secrets.extend(tokens.access_token.expose_str().split('.').map(str::to_owned));
    }
    secrets.push("192.0.2.7".to_owned());
    let scan = |needle: &[u8]| {
        std::fs::read_dir(house.folder.path())
            .expect("lists")
            .any(|file| {
                let bytes = std::fs::read(file.expect("entry").path()).expect("reads");
                bytes.windows(needle.len()).any(|window| window == needle)
            })
    };
    std::fs::write(house.folder.path().join("control"), format!("x{}x", held.nonce)).expect("planted");
    assert!(scan(held.nonce.as_bytes()), "the scan would find nothing");
    std::fs::remove_file(house.folder.path().join("control")).expect("removed");
    for secret in &secrets {
        use sha2::{Digest, Sha256};
        assert!(
            !scan(secret.as_bytes()),
            "in the clear: a secret of {} characters",
            secret.len()
        );
        assert!(!scan(&Sha256::digest(secret)), "under a fast hash");
        if let Ok(bytes) = data_encoding::BASE64URL_NOPAD.decode(secret.as_bytes()) {
            assert!(!scan(&bytes) && !scan(&Sha256::digest(&bytes)), "as bytes");
        }
    }
}
