//! What verifying costs within the process: a password, and an access token on first sight.

use std::hint::black_box;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::block_api::compress256;

use crate::house::House;
use crate::{Row, median, seconds};

const ROUNDS: usize = 15;
const ITERATIONS: u32 = 600_000;
/// Tokens seen for the first time in a round.
const TOKENS: usize = 300;

pub fn all() -> Vec<Row> {
    vec![password(), first_sight()]
}

/// Seconds of one key derivation, as at every start.
pub fn derivation() -> f64 {
    seconds(|| {
        let mut out = [0; 32];
        pbkdf2::pbkdf2_hmac::<sha2::Sha256>(b"a password of some length", &[7; 32], ITERATIONS, &mut out);
        black_box(out);
    })
}

/// PBKDF2-HMAC-SHA-256 as the password is hashed, beside the two compressions of an iteration alone: what RFC 8018 cannot
/// be done with less.
fn password() -> Row {
    let compress = || {
        let mut state = [0x6a09_e667_u32; 8];
        let mut block = [0x5c_u8; 64];
        for _ in 0..2 * ITERATIONS {
            // Each compression waits for the one before it, as in an iteration.
            block[..4].copy_from_slice(&state[0].to_be_bytes());
            compress256(&mut state, &[block]);
        }
        black_box(state);
    };
    let pairs: Vec<(f64, f64)> = (0..ROUNDS).map(|_| (derivation(), seconds(compress))).collect();
    let ratio = median(pairs.iter().map(|(derive, compress)| derive / compress).collect());
    let of = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect()) * 1e3;
    Row {
        what: "PBKDF2 of 600,000 iterations, against their SHA-256 compressions alone",
        goal: "≤ 1.25×",
        measured: format!("{ratio:.2}× ({:.1} ms against {:.1} ms)", of(|p| p.0), of(|p| p.1)),
        met: ratio <= 1.25,
    }
}

/// An access token that this process has not seen, beside the strict verification of as long a text by Ed25519 alone
/// (RFC 8032; both with the key unpacked before).
fn first_sight() -> Row {
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::new(folder.path());
    let mut ratios = Vec::new();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let tokens = house.tokens(TOKENS);
        let key = SigningKey::from_bytes(&[5; 32]);
        let verifying: VerifyingKey = key.verifying_key();
        let signed: Vec<(&[u8], Signature)> = tokens
            .iter()
            .map(|token| token.rsplit_once('.').expect("a JWT").0.as_bytes())
            .map(|text| (text, key.sign(text)))
            .collect();
        let alone = seconds(|| {
            for (text, signature) in &signed {
                verifying.verify_strict(text, black_box(signature)).expect("verifies");
            }
        });
        let whole = seconds(|| {
            for token in &tokens {
                black_box(house.authority.authenticate(token).expect("is good"));
            }
        });
        ratios.push(whole / alone);
        ours.push(whole / TOKENS as f64 * 1e6);
        bare.push(alone / TOKENS as f64 * 1e6);
    }
    let ratio = median(ratios);
    Row {
        what: "an access token on first sight, against strict Ed25519 verification alone",
        goal: "≤ 1.2×",
        measured: format!("{ratio:.2}× ({:.1} µs against {:.1} µs)", median(ours), median(bare)),
        met: ratio <= 1.2,
    }
}
