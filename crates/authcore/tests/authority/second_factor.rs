//! One-time codes: set up, asked for, good once, counted with the passwords.

use std::time::Duration;

use authcore::audit::event::{AuditEvent, PasswordUse};
use authcore::{
    ActConfirmed, AuditQuery, Authority, ChangeAuthority, Client, ConfirmError, ENROLMENT_LIFE, KeyRotation,
    NotNow, OneTimeCode, OneUseError, Operation, PasswordVerified, Principal, RotationProgress, SetUpError,
    VerifyError, WallTime,
};
use data_encoding::BASE32_NOPAD;
use fieldcrypt::SlotSecret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::house::{FIELD, House, PASSWORD, browser, options, password, verify};

const STEP: Duration = Duration::from_secs(30);

/// The owner's telephone.
struct Telephone(Vec<u8>);

impl Telephone {
    fn at(&self, now: WallTime) -> String {
        let step = u64::try_from(now.unix_seconds()).expect("after 1970") / 30;
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("any length");
        mac.update(&step.to_be_bytes());
        let sum = mac.finalize().into_bytes();
        let offset = usize::from(sum.last().expect("20 bytes") & 15);
        let four = sum.get(offset..offset + 4).expect("within");
        let number = u32::from_be_bytes(four.try_into().expect("four")) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }

    fn now(&self, house: &House) -> String {
        self.at(house.clock.now().wall)
    }
}

/// A house whose owner has set a password.
async fn with_password() -> House {
    let house = House::new();
    let by = ChangeAuthority::LocalOperator { keep_sessions: true };
    let set = house
        .authority
        .passwords()
        .change(by, password(PASSWORD), &Client::local())
        .await;
    set.expect("set");
    house
}

/// The same with the second factor on; a step later, so that there is a fresh code.
async fn switched_on() -> (House, Telephone, Vec<String>) {
    let house = with_password().await;
    let session = house.sign_in().await.session;
    let proof = verify(&house.authority, PASSWORD)
        .await
        .map_err(|e| e.to_string());
    let factors = house.authority.second_factors();
    let enrolment = factors
        .begin(&proof.expect("right"), session)
        .map_err(|e| e.to_string());
    let secret = enrolment.expect("begun").expose_secret();
    let telephone = Telephone(BASE32_NOPAD.decode(secret.as_bytes()).expect("base32"));
    let code = telephone.now(&house);
    let codes = factors
        .confirm(session, &OneTimeCode::read(&code), &browser())
        .await;
    let codes = codes.map_err(|error| error.to_string()).expect("on");
    let codes = codes.iter().map(|code| code.expose_text().to_string()).collect();
    house.clock.advance(STEP);
    (house, telephone, codes)
}

async fn signs_in(house: &House, code: Option<&str>) -> Result<PasswordVerified, VerifyError> {
    gives(house, PASSWORD, code).await
}

async fn gives(house: &House, text: &str, code: Option<&str>) -> Result<PasswordVerified, VerifyError> {
    let passwords = house.authority.passwords();
    let permit = passwords.reserve(&browser(), None).expect("not slowed");
    let code = code.map(OneTimeCode::read);
    passwords
        .verify(permit, password(text), code, PasswordUse::SignIn, &browser())
        .await
}

fn events(authority: &Authority) -> Vec<AuditEvent> {
    let page = authority.audit().page(&AuditQuery {
        since: None,
        before: None,
        kinds: None,
        limit: 100,
    });
    page.expect("read")
        .into_iter()
        .map(|record| record.entry.event)
        .collect()
}

#[tokio::test]
async fn a_code_is_asked_for_once_the_app_has_shown_a_right_one() {
    let house = with_password().await;
    let (mine, other) = (house.sign_in().await.session, house.sign_in().await.session);
    let factors = house.authority.second_factors();
    let proof = async || verify(&house.authority, PASSWORD).await.expect("right");
    let begun = factors.begin(&proof().await, mine).expect("begun");
    assert!(signs_in(&house, None).await.is_ok(), "nothing is on yet");
    let telephone = Telephone(
        BASE32_NOPAD
            .decode(begun.expose_secret().as_bytes())
            .expect("base32"),
    );
    let confirm = async |session, code: &str| {
        let code = OneTimeCode::read(code);
        factors
            .confirm(session, &code, &browser())
            .await
            .map(|codes| codes.len())
    };
    let wrong = telephone.at(WallTime::from_unix_ms(0));
    assert!(matches!(confirm(mine, &wrong).await, Err(SetUpError::WrongCode)));
    let code = telephone.now(&house);
    assert!(
        matches!(confirm(other, &code).await, Err(SetUpError::NotBegun)),
        "another session"
    );
    assert!(matches!(confirm(mine, &code).await, Ok(10)));
    assert!(matches!(
        factors.begin(&proof_with(&house, &telephone).await, mine),
        Err(SetUpError::AlreadyOn)
    ));
    assert!(matches!(
        gives(&house, "wrong wrong wrong wrong", None).await,
        Err(VerifyError::Wrong)
    ));
    assert!(
        matches!(
            gives(&house, "wrong wrong wrong wrong", Some(&telephone.now(&house))).await,
            Err(VerifyError::Wrong)
        ),
        "of a wrong password no more is told, and the code is not used up"
    );
    assert!(matches!(
        signs_in(&house, None).await,
        Err(VerifyError::CodeNeeded)
    ));
    assert!(matches!(
        signs_in(&house, Some("000 00")).await,
        Err(VerifyError::CodeWrong)
    ));
    let kinds: Vec<_> = events(&house.authority).iter().map(AuditEvent::kind).collect();
    assert!(
        kinds.contains(&"SecondFactorOn") && kinds.contains(&"OneTimeCodeRefused"),
        "{kinds:?}"
    );
}

async fn proof_with(house: &House, telephone: &Telephone) -> PasswordVerified {
    house.clock.advance(STEP);
    let proof = signs_in(house, Some(&telephone.now(house))).await;
    house.clock.advance(STEP);
    proof.expect("right")
}

#[tokio::test]
async fn what_was_begun_is_good_for_ten_minutes_and_of_the_password_of_now() {
    let house = with_password().await;
    let session = house.sign_in().await.session;
    let factors = house.authority.second_factors();
    let proof = verify(&house.authority, PASSWORD).await.expect("right");
    let begun = factors.begin(&proof, session).expect("begun");
    let telephone = Telephone(
        BASE32_NOPAD
            .decode(begun.expose_secret().as_bytes())
            .expect("base32"),
    );
    house.clock.advance(ENROLMENT_LIFE);
    let code = OneTimeCode::read(&telephone.now(&house));
    let late = factors.confirm(session, &code, &browser()).await;
    assert!(matches!(late, Err(SetUpError::NotBegun)));
    let by = ChangeAuthority::LocalOperator { keep_sessions: true };
    let change = house
        .authority
        .passwords()
        .change(by, password("another long password"), &browser())
        .await;
    change.expect("changed");
    assert!(matches!(factors.begin(&proof, session), Err(SetUpError::Stale)));
}

/// ASVS 6.5.1; the last step is on disk before anybody is told that the code was right.
#[tokio::test]
async fn a_code_is_good_once_over_a_restart_too() {
    let (house, telephone, _) = switched_on().await;
    let set_up_with = telephone.at(WallTime::from_unix_ms(house.clock.now().wall.unix_ms() - 30_000));
    assert!(
        matches!(
            signs_in(&house, Some(&set_up_with)).await,
            Err(VerifyError::CodeWrong)
        ),
        "the code that switched it on is used up"
    );
    let code = telephone.now(&house);
    assert!(signs_in(&house, Some(&code)).await.is_ok(), "control");
    assert!(matches!(
        signs_in(&house, Some(&code)).await,
        Err(VerifyError::CodeWrong)
    ));
    let house = house.restarted();
    assert!(matches!(
        signs_in(&house, Some(&code)).await,
        Err(VerifyError::CodeWrong)
    ));
    house.clock.advance(STEP);
    let spaced = telephone.now(&house);
    let (left, right) = spaced.split_at(3);
    assert!(
        signs_in(&house, Some(&format!("{left} {right}"))).await.is_ok(),
        "the next one"
    );
}

#[tokio::test]
async fn a_code_of_a_step_beside_the_present_one_is_taken_and_none_further_off() {
    for (off, taken) in [(-2_i64, false), (-1, true), (0, true), (1, true), (2, false)] {
        let (house, telephone, _) = switched_on().await;
        house.clock.advance(4 * STEP);
        let then = WallTime::from_unix_ms(house.clock.now().wall.unix_ms() + off * 30_000);
        let verified = signs_in(&house, Some(&telephone.at(then))).await;
        assert_eq!(verified.is_ok(), taken, "{off}");
    }
}

/// A clock set back brings no code back: the step that was used last is kept.
#[tokio::test]
async fn a_code_does_not_come_back_with_the_clock() {
    let (house, telephone, _) = switched_on().await;
    let then = house.clock.now().wall;
    let code = telephone.at(then);
    assert!(signs_in(&house, Some(&code)).await.is_ok());
    house.clock.advance(20 * STEP);
    assert!(signs_in(&house, Some(&telephone.now(&house))).await.is_ok());
    house.clock.set_wall(then);
    assert!(matches!(
        signs_in(&house, Some(&code)).await,
        Err(VerifyError::CodeWrong)
    ));
}

#[tokio::test]
async fn of_many_who_bring_one_code_at_once_one_is_let_in() {
    let (house, telephone, codes) = switched_on().await;
    for code in [telephone.now(&house), codes.first().expect("ten").clone()] {
        let (a, b, c) = tokio::join!(
            signs_in(&house, Some(&code)),
            signs_in(&house, Some(&code)),
            signs_in(&house, Some(&code)),
        );
        let let_in = [a, b, c].iter().filter(|tried| tried.is_ok()).count();
        assert_eq!(let_in, 1, "{}", code.len());
    }
    // Without a password to hash, all of them are judged before the first is on disk.
    house.clock.advance(STEP);
    for code in [telephone.now(&house), codes.last().expect("ten").clone()] {
        let client = browser();
        let confirm = || {
            let code = Some(OneTimeCode::read(&code));
            let passwords = house.authority.passwords();
            passwords.confirm(code, PasswordUse::RotateKeys, &client, None)
        };
        let (a, b, c) = tokio::join!(confirm(), confirm(), confirm());
        let let_in = [a, b, c].iter().filter(|tried| tried.is_ok()).count();
        assert_eq!(let_in, 1, "{}", code.len());
    }
}

#[tokio::test]
async fn each_recovery_code_is_good_once_over_a_restart_too() {
    let (house, telephone, codes) = switched_on().await;
    let first = codes.first().expect("ten").to_lowercase();
    assert!(signs_in(&house, Some(&first)).await.is_ok());
    assert!(matches!(
        signs_in(&house, Some(&first)).await,
        Err(VerifyError::CodeWrong)
    ));
    assert_eq!(house.authority.second_factors().status().recovery_codes_left, 9);
    let house = house.restarted();
    assert!(matches!(
        signs_in(&house, Some(&first)).await,
        Err(VerifyError::CodeWrong)
    ));
    assert_eq!(house.authority.second_factors().status().recovery_codes_left, 9);
    for code in codes.iter().skip(1) {
        assert!(signs_in(&house, Some(code)).await.is_ok());
    }
    assert_eq!(house.authority.second_factors().status().recovery_codes_left, 0);
    assert!(
        signs_in(&house, Some(&telephone.now(&house))).await.is_ok(),
        "the app goes on"
    );
    let used = events(&house.authority);
    let used = used
        .iter()
        .filter(|event| event.kind() == "RecoveryCodeUsed")
        .count();
    assert_eq!(used, 10);
}

/// Whoever has the password guesses no codes with it: the right password alone forgives nothing.
#[tokio::test]
async fn wrong_codes_are_counted_with_wrong_passwords() {
    let (house, telephone, _) = switched_on().await;
    let code = telephone.now(&house);
    let try_once = async |house: &House, n: usize| {
        let permit = house.authority.passwords().reserve(&browser(), None)?;
        let given = n.is_multiple_of(2).then(|| OneTimeCode::read("000 000 0"));
        let passwords = house.authority.passwords();
        let tried = passwords
            .verify(permit, password(PASSWORD), given, PasswordUse::SignIn, &browser())
            .await;
        assert!(tried.is_err());
        Ok::<(), NotNow>(())
    };
    let mut tried = 0;
    for n in 0..20 {
        tried += usize::from(try_once(&house, n).await.is_ok());
    }
    assert_eq!(
        tried, 10,
        "ten tries for an address, whatever of the two was wrong"
    );
    assert!(matches!(
        house.authority.passwords().reserve(&browser(), None),
        Err(NotNow::Slowed(_))
    ));
    // Before a dangerous act it is the same count.
    let confirm = async |code: &str| {
        let passwords = house.authority.passwords();
        let code = Some(OneTimeCode::read(code));
        passwords
            .confirm(code, PasswordUse::RotateKeys, &browser(), None)
            .await
    };
    assert!(
        matches!(confirm(&code).await, Err(ConfirmError::NotNow(_))),
        "nor the right one"
    );
    let status = house.authority.passwords().throttle_status();
    assert_eq!(status.in_a_row, 10);
    let house = house.restarted();
    let kept = house.authority.passwords().throttle_status().in_a_row;
    assert_eq!(
        kept, 9,
        "a wrong code is written down; the last try brought none, and was no guess"
    );
    // The right one forgets them, as the right password does without a second factor.
    house.clock.advance(Duration::from_secs(90));
    assert!(signs_in(&house, Some(&telephone.now(&house))).await.is_ok());
    assert_eq!(house.authority.passwords().throttle_status().in_a_row, 0);
}

#[tokio::test]
async fn a_dangerous_act_asks_for_a_fresh_code() {
    let house = with_password().await;
    let confirm = async |house: &House, code: Option<&str>| {
        let passwords = house.authority.passwords();
        let code = code.map(OneTimeCode::read);
        passwords
            .confirm(code, PasswordUse::TakeBackup, &browser(), None)
            .await
    };
    assert!(
        confirm(&house, None).await.is_ok(),
        "nothing is asked while it is off"
    );
    let (house, telephone, _) = switched_on().await;
    assert!(matches!(
        confirm(&house, None).await,
        Err(ConfirmError::Refused(VerifyError::CodeNeeded))
    ));
    let code = telephone.now(&house);
    assert!(signs_in(&house, Some(&code)).await.is_ok());
    assert!(
        matches!(
            confirm(&house, Some(&code)).await,
            Err(ConfirmError::Refused(VerifyError::CodeWrong))
        ),
        "the one of the sign-in is none"
    );
    house.clock.advance(STEP);
    assert!(confirm(&house, Some(&telephone.now(&house))).await.is_ok());

    let tokens = house.sign_in().await;
    let owner = house.authority.authenticate(tokens.access_token.expose_str());
    let owner: Principal = owner.expect("signed in");
    let operations = house.authority.operation_tokens();
    for operation in [Operation::Backup, Operation::Export] {
        let unconfirmed = operations.issue(&owner, operation, None);
        assert!(matches!(unconfirmed, Err(OneUseError::Refused)));
    }
    assert!(operations.issue(&owner, Operation::WebSocket, None).is_ok());
}

#[tokio::test]
async fn the_operator_switches_it_off_beside_a_running_server() {
    let (house, telephone, codes) = switched_on().await;
    let operator = Authority::open(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password(FIELD),
    );
    let operator = operator.expect("opens beside the server");
    let off = async || {
        let factors = operator.second_factors();
        factors
            .switch_off(&ActConfirmed::by_operator(), &Client::local())
            .await
    };
    assert!(off().await.expect("committed"));
    assert!(!off().await.expect("committed"), "it was off already");
    assert!(signs_in(&house, None).await.is_ok());
    assert!(
        events(&operator)
            .iter()
            .any(|event| event.kind() == "SecondFactorOff")
    );
    // What is set up anew takes nothing of the one before.
    let session = house.sign_in().await.session;
    let proof = verify(&house.authority, PASSWORD).await.expect("right");
    let factors = house.authority.second_factors();
    let begun = factors.begin(&proof, session).expect("begun");
    let new = Telephone(
        BASE32_NOPAD
            .decode(begun.expose_secret().as_bytes())
            .expect("base32"),
    );
    let code = OneTimeCode::read(&new.now(&house));
    assert!(factors.confirm(session, &code, &browser()).await.is_ok());
    house.clock.advance(STEP);
    for old in [&telephone.now(&house), codes.first().expect("ten")] {
        assert!(matches!(
            signs_in(&house, Some(old)).await,
            Err(VerifyError::CodeWrong)
        ));
    }
    assert!(signs_in(&house, Some(&new.now(&house))).await.is_ok(), "control");
}

/// After the theft of a slot's secret too, the password alone does not sign in.
#[tokio::test]
async fn an_emergency_and_new_keys_leave_it_on_and_bring_no_code_back() {
    let (house, telephone, codes) = switched_on().await;
    let code = telephone.now(&house);
    let recovery = codes.first().expect("ten");
    assert!(signs_in(&house, Some(&code)).await.is_ok());
    assert!(signs_in(&house, Some(recovery)).await.is_ok());
    house.authority.shutdown();
    let at = options(house.folder.path(), &house.clock);
    let mut rotation = KeyRotation::open(&at, &SlotSecret::password(FIELD)).expect("opens");
    assert!(rotation.has_second_factor().expect("read"));
    rotation.end_everything(&Client::local()).expect("ended");
    assert!(rotation.begin_data(&Client::local()).expect("begun"));
    while !matches!(
        rotation.advance_data(&Client::local()).expect("goes on"),
        RotationProgress::Done
    ) {}
    drop(rotation);
    let house = house.restarted();
    assert!(matches!(
        signs_in(&house, None).await,
        Err(VerifyError::CodeNeeded)
    ));
    for used in [&code, recovery] {
        assert!(matches!(
            signs_in(&house, Some(used)).await,
            Err(VerifyError::CodeWrong)
        ));
    }
    assert!(signs_in(&house, codes.get(1).map(String::as_str)).await.is_ok());
    house.clock.advance(STEP);
    assert!(signs_in(&house, Some(&telephone.now(&house))).await.is_ok());
}
