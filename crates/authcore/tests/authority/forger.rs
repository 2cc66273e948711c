//! The forger (A2 of the threat model): has the file and the field password, so every stored hash and the real signing key; and
//! makes nothing that is accepted. The same forger's tokens pass the rules of the reference model, which is the control.

use std::collections::BTreeSet;
use std::time::Duration;

use authcore::{
    ActConfirmed, Client, GateCookie, Operation, RefreshCredential, RefreshToken, Remember, Scope, Scopes,
    SigninTokenAuthority,
};
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::house::{Held, House, browser};
use crate::reference_model;
use crate::stolen::Stolen;

/// Longest hash chains that are tried: a stored hash as the secret, its own hash, and so on.
const DEPTH: usize = 2;

/// Labels of hashing as the source has them, which is public.
const LABELS: [&str; 6] = [
    "session-secret",
    "ses",
    "turn-secret",
    "refresh-nonce",
    "signin",
    "access-key",
];

pub(crate) struct Forger {
    loot: Stolen,
    key: SigningKey,
    /// 32 bytes each: all that could be taken for a secret, and what is computed from it.
    guesses: BTreeSet<[u8; 32]>,
}

impl Forger {
    pub(crate) fn of(house: &House) -> Self {
        let loot = Stolen::from(house.folder.path());
        let mut guesses: BTreeSet<[u8; 32]> = loot.values().into_iter().collect();
        guesses.extend([[0; 32], [7; 32]]);
        for _ in 0..DEPTH {
            let computed: Vec<[u8; 32]> = guesses.iter().flat_map(|bytes| hashes(&loot, bytes)).collect();
            guesses.extend(computed);
        }
        Self {
            key: SigningKey::from_bytes(&loot.seed()),
            loot,
            guesses,
        }
    }

    fn texts(&self) -> impl Iterator<Item = String> {
        self.guesses.iter().map(|bytes| BASE64URL_NOPAD.encode(bytes))
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let head = format!("{}.{}", part(header), part(claims));
        let signature = BASE64URL_NOPAD.encode(&self.key.sign(head.as_bytes()).to_bytes());
        format!("{head}.{signature}")
    }
}

/// What a thief computes from a value in the file: fast hashes, and the server's own under its key.
fn hashes(stolen: &Stolen, bytes: &[u8; 32]) -> Vec<[u8; 32]> {
    let keyed = LABELS.iter().map(|label| {
        let mut mac =
            <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&stolen.hash_key()).expect("any length");
        mac.update(format!("postern/v1/token/{label}\0").as_bytes());
        mac.update(bytes);
        mac.finalize().into_bytes().into()
    });
    keyed.chain([Sha256::digest(bytes).into()]).collect()
}

fn head(typ: &str, stolen: &Stolen) -> Value {
    json!({ "typ": typ, "alg": "EdDSA", "kid": stolen.kid() })
}

/// What the text of a good token says: header and claims.
fn read(token: &str) -> (Value, Value) {
    let part = |text: &str| {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let mut parts = token.split('.').map(part);
    (parts.next().expect("a header"), parts.next().expect("claims"))
}

#[tokio::test]
async fn a_forger_with_the_real_keys_makes_no_token_that_is_accepted() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let forger = Forger::of(&house);
    let authority = &house.authority;
    let (header, mut claims) = read(tokens.access_token.expose_str());
    claims["jti"] = json!("00".repeat(16));
    let accepted = |claims: &Value| authority.authenticate(&forger.signed(&header, claims)).is_ok();
    assert!(
        accepted(&claims),
        "control: with what only the client has, the forger's signature is a good one"
    );
    for ses in forger.texts().chain(["", "x"].map(str::to_owned)) {
        claims["ses"] = json!(ses);
        assert!(!accepted(&claims), "a made-up ses was accepted");
    }
    claims["fam"] = json!("temporary");
    assert!(!accepted(&claims));
    claims.as_object_mut().expect("an object").remove("ses");
    assert!(!accepted(&claims), "a token without ses was accepted");
}

#[tokio::test]
async fn a_forger_makes_no_operation_token_that_is_accepted() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let forger = Forger::of(&house);
    let owner = house
        .authority
        .authenticate(tokens.access_token.expose_str())
        .expect("good");
    let operations = house.authority.operation_tokens();
    let real = operations
        .issue(&owner, Operation::Backup, Some(&ActConfirmed::by_operator()))
        .expect("issued");
    let (header, mut claims) = read(real.expose_str());
    claims["jti"] = json!("00".repeat(16));
    let genuine = claims["ses"].clone();
    for ses in forger.texts() {
        claims["ses"] = json!(ses);
        let made = forger.signed(&header, &claims);
        assert!(operations.spend(&made, Operation::Backup).await.is_err());
    }
    claims["ses"] = genuine;
    let control = operations
        .spend(&forger.signed(&header, &claims), Operation::Backup)
        .await;
    assert!(control.is_ok(), "control: with the client's ses");
}

#[tokio::test]
async fn a_forger_makes_no_refresh_token_and_no_gate_cookie_that_is_accepted() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let forger = Forger::of(&house);
    let id = forger.loot.session();
    assert_eq!(id, tokens.session.to_string(), "the right session");
    let sessions = house.authority.sessions();
    for secret in forger.texts() {
        // The stored hashes of the pair are the best that a thief has for the other two parts.
        for turn in [secret.clone(), BASE64URL_NOPAD.encode(&[0; 32])] {
            let cookie = RefreshToken::parse(&format!("{id}.{secret}.{turn}")).expect("well-formed");
            let credential = RefreshCredential::new(cookie, Some(&secret));
            assert!(sessions.refresh(credential, &browser()).await.is_err());
        }
        let cookie = GateCookie::parse(&format!("{id}.{secret}")).expect("well-formed");
        assert!(house.authority.gate().enter(&cookie, "app.example.org").is_none());
    }
    let held = Held::of(&tokens);
    assert!(
        house.refresh(&held).await.is_ok(),
        "control: the owner's own is good, after all that"
    );
}

#[tokio::test]
async fn a_forger_makes_no_signin_token_and_no_access_key_that_is_accepted() {
    let house = House::new();
    let (operator, owner) = (Client::local(), browser());
    let by = SigninTokenAuthority::LocalOperator;
    let link = house
        .authority
        .signin_tokens()
        .issue(by, Duration::from_secs(300), &operator);
    let link = link.await.expect("issued");
    let (confirmed, keys) = (ActConfirmed::by_operator(), house.authority.access_keys());
    let scopes = Scopes::new(vec![Scope::Api]).expect("one");
    let key = keys.create(&confirmed, "script", scopes, Duration::from_secs(86_400), &owner);
    let key = key.await.expect("made").secret.expose_text().to_string();
    let forger = Forger::of(&house);
    let id = forger.loot.access_key();
    let key_text = |secret: &str| {
        let digest = Sha256::digest(format!("{id}_{secret}"));
        let check = BASE32_NOPAD.encode(&digest).to_ascii_lowercase();
        format!("pst_ak_{id}_{secret}{}", &check[..6])
    };
    let (_, genuine) = key
        .trim_start_matches("pst_ak_")
        .split_once('_')
        .expect("two parts");
    assert_eq!(
        key_text(&genuine[..43]),
        key,
        "control: with the secret, the forger spells it right"
    );
    let sessions = house.authority.sessions();
    let start = async |text: &str| {
        sessions
            .start_with_signin_token(text, Remember::Remembered, &browser())
            .await
    };
    for secret in forger.texts() {
        assert!(house.authority.authenticate(&key_text(&secret)).is_err());
        assert!(start(&format!("pst_si_{secret}")).await.is_err());
    }
    assert!(
        house.authority.authenticate(&key).is_ok(),
        "control: the real key"
    );
    assert!(start(&link.expose_text()).await.is_ok(), "control: the real link");
}

/// The same file and keys under the reference model's rules: the forger is in, with either kind of token.
#[tokio::test]
async fn the_same_forger_is_let_in_by_the_rules_of_the_reference_model() {
    let house = House::new();
    let _tokens = house.sign_in().await;
    let forger = Forger::of(&house);
    let server = reference_model::Server {
        key: forger.key.verifying_key(),
        families: vec![reference_model::Family {
            id: forger.loot.session(),
            counter: forger.loot.revision(),
        }],
    };
    let exp = house.clock.now().wall.unix_seconds() + 900;
    let header = head("JWT", &forger.loot);
    let access = json!({ "typ": "AccessToken", "sub": "admin", "fam": "temporary", "exp": exp });
    let refresh = json!({
        "typ": "RefreshToken", "sub": "admin", "fam": forger.loot.session(), "cnt": forger.loot.revision(), "exp": exp
    });
    let now = exp - 900;
    assert!(server.accepts_access(&forger.signed(&header, &access), now));
    assert!(server.accepts_refresh(&forger.signed(&header, &refresh), None, now));
    let stranger = Forger {
        key: SigningKey::from_bytes(&[7; 32]),
        ..Forger::of(&house)
    };
    assert!(
        !server.accepts_access(&stranger.signed(&header, &access), now),
        "without the key it is not"
    );
    assert!(!server.accepts_refresh(&stranger.signed(&header, &refresh), None, now));
    for (typ, claims) in [
        ("JWT", &access),
        ("at+jwt", &access),
        ("JWT", &refresh),
        ("at+jwt", &refresh),
    ] {
        let made = forger.signed(&head(typ, &forger.loot), claims);
        assert!(
            house.authority.authenticate(&made).is_err(),
            "and here it is not, with it"
        );
        assert!(RefreshToken::parse(&made).is_none());
    }
}
