//! The gate: a cookie is good on its own host for as long as its session lives, a code once, in one browser, for a minute.

use std::time::Duration;

use authcore::{
    ASSERTION_LIFE, ActConfirmed, BROWSER_SESSION_IDLE, BrowserState, Client, Entered, GateCookie,
    HANDOFF_CODE_LIFE, HandoffCode, HandoffError, Remember, SESSION_ABSOLUTE, Scope, Scopes, SessionId,
    SigninTokenAuthority, TokenSet, Visitor,
};

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};

use crate::house::{Held, House, browser, good};

const APP: &str = "app.example.org";
const OTHER: &str = "other.example.net";

impl House {
    fn code(&self, session: SessionId, state: &BrowserState) -> HandoffCode {
        let gate = self.authority.gate();
        gate.hand_off(session, APP, gate.mark(state), "https://app.example.org/there")
            .expect("alive")
    }

    async fn accepted(&self, code: &HandoffCode, host: &str, state: &BrowserState) -> Option<Entered> {
        match self.authority.gate().accept(code, host, state, &browser()).await {
            Ok(entered) => Some(entered),
            Err(HandoffError::Refused) => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn cookie(&self, session: SessionId) -> String {
        let state = state();
        let entered = self
            .accepted(&self.code(session, &state), APP, &state)
            .await
            .expect("good");
        assert_eq!(entered.destination, "https://app.example.org/there");
        entered.cookie.expose_text().to_string()
    }

    fn enters(&self, cookie: &str, host: &str) -> bool {
        let cookie = GateCookie::parse(cookie).expect("a cookie");
        self.authority.gate().enter(&cookie, host).is_some()
    }

    async fn sign_in_for_now(&self) -> TokenSet {
        let token = self
            .authority
            .signin_tokens()
            .issue(
                SigninTokenAuthority::LocalOperator,
                Duration::from_secs(60),
                &Client::local(),
            )
            .await
            .expect("issued");
        let sessions = self.authority.sessions();
        sessions
            .start_with_signin_token(&token.expose_text(), Remember::ThisBrowserSession, &browser())
            .await
            .expect("signed in")
    }
}

fn state() -> BrowserState {
    BrowserState::random().expect("random")
}

#[tokio::test]
async fn a_cookie_is_good_on_its_host_alone_and_survives_refreshes_and_restarts() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let cookie = house.cookie(tokens.session).await;
    assert!(house.enters(&cookie, APP));
    for host in [
        OTHER,
        "example.org",
        "app.example.org:8443",
        "APP.example.org",
        "",
    ] {
        assert!(!house.enters(&cookie, host), "{host}");
    }
    let tokens = good(house.refresh(&Held::of(&tokens)).await);
    assert!(house.enters(&cookie, APP), "a refresh took it away");
    let house = house.restarted();
    assert!(house.enters(&cookie, APP), "a restart took it away");
    let refreshed = good(house.refresh(&Held::of(&tokens)).await);
    assert!(house.enters(&cookie, APP));
    let wrong = format!("{}.{}", refreshed.session, "A".repeat(43));
    assert!(!house.enters(&wrong, APP));
}

#[tokio::test]
async fn ending_the_session_closes_every_application_at_once_and_for_good() {
    let house = House::new();
    let (one, two) = (house.sign_in().await, house.sign_in().await);
    let (first, second) = (house.cookie(one.session).await, house.cookie(two.session).await);
    let sessions = house.authority.sessions();
    sessions
        .sign_out(&one.refresh_token, &browser())
        .await
        .expect("committed");
    assert!(!house.enters(&first, APP));
    assert!(house.enters(&second, APP), "another session is untouched");
    let sessions = house.authority.sessions();
    sessions.end_all(None, &browser()).await.expect("committed");
    assert!(!house.enters(&second, APP));
    let house = house.restarted();
    assert!(!house.enters(&first, APP) && !house.enters(&second, APP));
}

#[tokio::test]
async fn a_code_is_good_once_on_its_host_in_its_browser_for_a_minute() {
    let house = House::new();
    let session = house.sign_in().await.session;
    let (mine, theirs) = (state(), state());
    let code = house.code(session, &mine);
    assert!(house.accepted(&code, APP, &mine).await.is_some(), "control");
    assert!(house.accepted(&code, APP, &mine).await.is_none(), "a second time");
    let code = house.code(session, &mine);
    assert!(
        house.accepted(&code, APP, &theirs).await.is_none(),
        "another browser"
    );
    assert!(
        house.accepted(&code, APP, &mine).await.is_none(),
        "spent by a try in another browser"
    );
    let code = house.code(session, &mine);
    assert!(
        house.accepted(&code, OTHER, &mine).await.is_none(),
        "another host"
    );
    let code = house.code(session, &mine);
    house.clock.advance(HANDOFF_CODE_LIFE);
    assert!(house.accepted(&code, APP, &mine).await.is_none(), "too late");
    let code = house.code(session, &mine);
    house
        .authority
        .sessions()
        .end(session, &browser())
        .await
        .expect("committed");
    assert!(house.accepted(&code, APP, &mine).await.is_none(), "signed out");
    let gate = house.authority.gate();
    assert!(gate.hand_off(session, APP, gate.mark(&mine), "x").is_err());
}

/// tinyauth CVE-2026-33544: state of one request in the place of another's.
#[tokio::test(flavor = "multi_thread")]
async fn flows_at_the_same_time_never_get_each_others_session() {
    let house = std::sync::Arc::new(House::new());
    let mut flows = Vec::new();
    for number in 0..64 {
        let house = std::sync::Arc::clone(&house);
        flows.push(tokio::spawn(async move {
            let session = house.sign_in().await.session;
            for _ in 0..4 {
                let cookie = house.cookie(session).await;
                let cookie = GateCookie::parse(&cookie).expect("a cookie");
                let visitor = house.authority.gate().enter(&cookie, APP).expect("alive");
                assert_eq!(visitor.session_label(), session.to_string(), "flow {number}");
                let assertion = house.authority.gate().assertion(&visitor, APP).expect("signed");
                assert_eq!(claims(&assertion)["sid"], session.to_string(), "flow {number}");
            }
        }));
    }
    for flow in flows {
        flow.await.expect("no flow failed");
    }
}

#[tokio::test]
async fn who_works_in_an_application_is_not_idle_but_no_session_is_for_ever() {
    let house = House::new();
    let session = house.sign_in_for_now().await.session;
    let cookie = house.cookie(session).await;
    let idle = House::new();
    let idle_cookie = idle.cookie(idle.sign_in_for_now().await.session).await;
    idle.clock.advance(BROWSER_SESSION_IDLE);
    assert!(
        !idle.enters(&idle_cookie, APP),
        "control: nobody came for two hours"
    );

    let step = Duration::from_secs(3600);
    let mut house = house;
    for hour in 1..30_u32 {
        house.clock.advance(step);
        assert!(house.enters(&cookie, APP), "hour {hour}");
        // The writer takes changes in order: what follows is committed after the note of the use.
        let other = house.sign_in().await.session;
        house
            .authority
            .sessions()
            .end(other, &browser())
            .await
            .expect("committed");
        if hour % 10 == 0 {
            house = house.restarted();
        }
    }
    house.clock.advance(SESSION_ABSOLUTE);
    assert!(!house.enters(&cookie, APP));
}

#[tokio::test]
async fn an_assertion_is_for_one_host_for_a_minute_and_opens_nothing_here() {
    let house = House::new();
    let session = house.sign_in().await.session;
    let visitor = Visitor::Owner { session };
    let gate = house.authority.gate();
    let assertion = gate.assertion(&visitor, APP).expect("signed");
    let claims = claims(&assertion);
    assert_eq!(claims["aud"], APP);
    assert_eq!(claims["sub"], "admin");
    assert_eq!(claims["sid"], session.to_string());
    assert_eq!(claims.get("ses"), None);
    let life = claims["exp"].as_u64().expect("a time") - claims["iat"].as_u64().expect("a time");
    assert_eq!(life, ASSERTION_LIFE.as_secs());
    assert!(house.authority.authenticate(&assertion).is_err());
    assert!(house.authority.visitor_with_key(&assertion).is_err());
    assert_ne!(gate.assertion(&visitor, OTHER).expect("signed"), assertion);
    assert_eq!(gate.assertion(&visitor, APP).expect("signed"), assertion, "kept");
    house.clock.advance(Duration::from_secs(30));
    let renewed = gate.assertion(&visitor, APP).expect("signed");
    assert_ne!(renewed, assertion, "at least half a minute is left");
    house
        .authority
        .signing_keys()
        .rotate(&ActConfirmed::by_operator(), &browser())
        .await
        .expect("rotated");
    assert_ne!(
        gate.assertion(&visitor, APP).expect("signed"),
        renewed,
        "a new key"
    );
}

/// What an application does that trusts no proxy: RFC 7515 section 5.2 with a key of the published set.
#[tokio::test]
async fn an_assertion_is_checked_with_the_published_keys_and_an_altered_one_fails() {
    let house = House::new();
    let session = house.sign_in().await.session;
    let visitor = Visitor::Owner { session };
    let assertion = house.authority.gate().assertion(&visitor, APP).expect("signed");
    let jwks = house.authority.signing_keys().jwks();
    let holds = |token: &str| {
        let (input, signature) = token.rsplit_once('.').expect("three parts");
        let header: serde_json::Value = part(token, 0);
        assert_eq!(
            (&header["alg"], &header["typ"]),
            (&"EdDSA".into(), &"gate+jwt".into())
        );
        let keys = jwks["keys"].as_array().expect("keys");
        let key = keys
            .iter()
            .find(|key| key["kid"] == header["kid"])
            .expect("published");
        let x = BASE64URL_NOPAD
            .decode(key["x"].as_str().expect("x").as_bytes())
            .expect("base64url");
        let key = VerifyingKey::from_bytes(&x.try_into().expect("32 bytes")).expect("a key");
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).expect("base64url");
        let signature = Signature::from_slice(&signature).expect("64 bytes");
        key.verify_strict(input.as_bytes(), &signature).is_ok()
    };
    assert!(holds(&assertion));
    let mut claims: serde_json::Value = part(&assertion, 1);
    claims["aud"] = OTHER.into();
    let altered = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    let parts: Vec<&str> = assertion.split('.').collect();
    assert!(!holds(&[parts[0], &altered, parts[2]].join(".")));
}

#[tokio::test]
async fn an_access_key_passes_the_gate_within_its_scope_and_opens_no_api() {
    let house = House::new();
    let make = async |name: &str, scope: &str| {
        let scopes = Scopes::new(vec![Scope::from_name(scope).expect("a scope")]).expect("one");
        let life = Duration::from_secs(3600);
        let keys = house.authority.access_keys();
        let created = keys
            .create(&ActConfirmed::by_operator(), name, scopes, life, &browser())
            .await
            .expect("made");
        created.secret.expose_text().to_string()
    };
    let gate = make("gate", "gate:app.example.org/api:GET").await;
    let visitor = house.authority.visitor_with_key(&gate).expect("good");
    assert!(visitor.may_pass(APP, "/api/x", "GET") && !visitor.may_pass(APP, "/api/x", "POST"));
    assert!(!visitor.may_pass(OTHER, "/api/x", "GET"));
    let principal = house.authority.authenticate(&gate).expect("a key");
    assert!(!principal.may(authcore::Permission::Read), "no API");
    let api = make("api", "api").await;
    let visitor = house.authority.visitor_with_key(&api).expect("good");
    assert!(!visitor.may_pass(APP, "/", "GET"), "no gate");
    let house = house.restarted();
    assert!(house.authority.visitor_with_key(&gate).is_ok(), "reads back");
}

fn claims(token: &str) -> serde_json::Value {
    part(token, 1)
}

fn part(token: &str, place: usize) -> serde_json::Value {
    let text = token.split('.').nth(place).expect("three parts");
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}
