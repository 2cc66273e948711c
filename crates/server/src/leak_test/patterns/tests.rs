use std::sync::LazyLock;

use super::*;
use proptest::prelude::*;

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| Patterns::new().expect("they compile"));

fn found(text: &[u8]) -> Vec<Form> {
    PATTERNS.find(text).map(|found| found.form).collect()
}

/// An access key and the tokens of the reference, put together here so that no scanner of sources finds them.
fn joined(parts: &[&str]) -> String {
    parts.concat()
}

#[test]
fn every_known_form_is_found_among_other_bytes() {
    let x = |count: usize| "x9".repeat(count.div_ceil(2))[..count].to_owned();
    let ours = "A".repeat(43);
    let id = "0123456789abcdef".repeat(2);
    let jwt = joined(&[
        "eyJhbGciOiJFZERTQSJ9",
        ".",
        "eyJzdWIiOiJhIn0",
        ".",
        "c2lnbmF0dXJl",
    ]);
    for (kind, secret) in [
        ("sign-in token of Postern", joined(&["pst_si_", &ours])),
        (
            "refresh cookie of Postern",
            joined(&[&id, ".", &ours, ".", &ours]),
        ),
        ("JWT", jwt),
        (
            "private key (PEM)",
            joined(&["-----BEGIN ", "PRIVATE KEY-----\nMC4CAQAw"]),
        ),
        (
            "private key (PEM)",
            joined(&["-----BEGIN ", "OPENSSH PRIVATE KEY-----\nb3Blbn"]),
        ),
        ("PGP message", joined(&["-----BEGIN ", "PGP MESSAGE-----\n"])),
        ("PEM block", joined(&["-----BEGIN ", "SECRET THING-----\n"])),
        ("OpenSSH private key", "openssh-key-v1\0\0\0\0".to_owned()),
        ("age secret key", joined(&["AGE-SECRET-KEY-1", &"Q".repeat(58)])),
        ("private part of a JWK", joined(&["\"d\": \"", &ours, "\""])),
        (
            "password in an address",
            "postgres://anna:s3cret@db.example/x".to_owned(),
        ),
        ("GitHub token", joined(&["ghp_", &x(36)])),
        ("GitLab token", joined(&["glpat-", &x(20)])),
        ("AWS access key", joined(&["AKIA", "IOSFODNN7EXAMPLE"])),
        ("Slack token", joined(&["xoxb-", &x(24)])),
        ("Stripe key", joined(&["sk_live_", &x(24)])),
        ("Google API key", joined(&["AIza", &x(35)])),
        ("npm token", joined(&["npm_", &x(36)])),
        ("SendGrid key", joined(&["SG.", &x(22), ".", &x(43)])),
        ("DigitalOcean token", joined(&["dop_v1_", &"a1".repeat(32)])),
        ("Docker token", joined(&["dckr_pat_", &x(27)])),
        ("Vault token", joined(&["hvs.", &x(24)])),
        (
            "fast password hash (MD5 or SHA-1)",
            joined(&["$1$", "saltsalt$", &x(22)]),
        ),
    ] {
        for (before, after) in [
            ("", ""),
            ("\0\u{1}", "\0"),
            ("{\"t\":\"", "\"}"),
            ("abc\n", "\n"),
            ("  ", " "),
        ] {
            let text = joined(&[before, &secret, after]);
            let kinds = found(text.as_bytes());
            assert_eq!(kinds, [Form::Exposed(kind)], "{text:?}");
        }
        assert!(
            !found(&secret.as_bytes()[..secret.len() / 2]).contains(&Form::Exposed(kind))
                || kind.contains("PEM")
                || kind.contains("PGP"),
            "half of it is none: {kind}"
        );
    }
}

#[test]
fn der_of_a_private_key_is_found_and_of_a_public_one_not() {
    // PKCS #8 and SubjectPublicKeyInfo of Ed25519 (RFC 8410, section 10).
    let private = [
        &[
            0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
        ][..],
        &[7; 32],
    ]
    .concat();
    let public = [
        &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..],
        &[7; 32],
    ]
    .concat();
    assert_eq!(found(&private), [Form::Exposed("private key (PKCS #8)")]);
    assert_eq!(found(&public), []);
}

#[test]
fn what_only_looks_like_a_secret_is_left_alone() {
    for text in [
        "",
        "550e8400-e29b-41d4-a716-446655440000",
        "The prefix pst_si_ marks a sign-in token, pst_ak_ an access key.",
        "#1e90ff",
        "/usr/share/doc/postern/README.md",
        "2026-11-25T22:25:41Z",
        "https://example.org:8420/path@2x.png",
        "mailto:anna@example.org",
        "-----BEGIN CERTIFICATE-----\nMIIB",
        "-----BEGIN PUBLIC KEY-----\nMCow",
        "eyJrIjoxfQ.eyJzdWIiOiJhIn0.c2ln",
        "\"d\": \"2026-11-25\"",
        "awk '{print $1$2}'",
    ] {
        assert_eq!(found(text.as_bytes()), [], "{text}");
    }
    let wrong_check = joined(&["pst_ak_", "0123456789ab_", &"A".repeat(43), "aaaaaa"]);
    assert_eq!(
        found(wrong_check.as_bytes()),
        [],
        "its check characters do not fit"
    );
}

#[test]
fn what_only_looks_like_one_hides_none_that_begins_within_it() {
    let token = joined(&["ghp_", &"x9".repeat(18)]);
    let text = format!("eyJrIjoxfQ.eyJzdWIiOiJhIn0.{token}");
    assert_eq!(found(text.as_bytes()), [Form::Exposed("GitHub token")]);
}

#[test]
fn a_slow_hash_is_one() {
    let hash = format!("$pbkdf2-sha256$i=600000,l=32${}${}", "c2FsdHNhbHQ", "aGFzaGhhc2g");
    assert_eq!(found(hash.as_bytes()), [Form::SlowHash("PBKDF2")]);
}

proptest! {
    #[test]
    fn any_bytes_are_looked_at_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in "\\PC*") {
        for haystack in [bytes.as_slice(), text.as_bytes()] {
            for found in PATTERNS.find(haystack) {
                prop_assert!(haystack.get(found.start..found.end).is_some());
            }
        }
    }
}
