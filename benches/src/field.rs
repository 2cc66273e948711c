//! Sealing and opening 200 bytes: against the bare cipher, against libraries that people use for it, and against a field
//! encrypted as AES Crypt does a file.

use std::hint::black_box;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{ColumnRegistry, NewVault, RowKey, SealedColumn, SlotSecret, Vault};

use crate::peer::Peer;
use crate::{Row, aes_crypt, median, seconds};

const COLUMN: SealedColumn = SealedColumn::new("people", "name");
const TURNS: usize = 20_000;
/// Of AES Crypt, whose turn takes milliseconds.
const SLOW_TURNS: usize = 20;
const ROUNDS: usize = 15;

#[derive(Clone, Copy)]
struct Round {
    bare: f64,
    ours: f64,
    cloak: f64,
    sqlalchemy: f64,
    aes_crypt: f64,
}

/// `peers` is the folder of the scripts, `python` the interpreter that has SQLAlchemy-Utils.
pub fn all(peers: &str, python: &str) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut connection =
        open_connection(&folder.path().join("vault.sqlite"), OpenMode::CreateNew).expect("made");
    let vault = Vault::create(
        &mut connection,
        ColumnRegistry::new(&[COLUMN]).expect("one"),
        &SlotSecret::password("a field password"),
        &NewVault::first(0),
    )
    .expect("made");
    let mut cloak = Peer::start("node", &format!("{peers}/field.mjs"));
    let mut sqlalchemy = Peer::start(python, &format!("{peers}/field.py"));
    // Seconds of one turn.
    let each = |turns: usize, seconds: f64| seconds / turns as f64;
    let mut round = || Round {
        bare: each(TURNS, seconds(bare)),
        ours: each(TURNS, seconds(|| ours(&vault))),
        cloak: each(TURNS / 10, cloak.seconds(TURNS / 10)),
        sqlalchemy: each(TURNS / 10, sqlalchemy.seconds(TURNS / 10)),
        aes_crypt: each(SLOW_TURNS, seconds(|| (0..SLOW_TURNS).for_each(|_| aes_crypt::turn(&[7; 200])))),
    };
    round();
    let rounds: Vec<Round> = (0..ROUNDS).map(|_| round()).collect();
    let of = |pick: &dyn Fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
    let ours = of(&|r| r.ours) * 1e9;
    let against = |what: &'static str, goal: &'static str, least: f64, pick: fn(&Round) -> f64| {
        let ratio = of(&|r| pick(r) / r.ours);
        Row {
            what,
            goal,
            measured: format!("{ratio:.0}× as fast ({ours:.0} ns against {:.1} µs)", of(&|r| pick(r)) * 1e6),
            met: ratio >= least,
        }
    };
    let ratio = of(&|r| r.ours / r.bare);
    vec![
        Row {
            what: "seal + open 200 bytes, against the bare cipher",
            goal: "≤ 1.5×",
            measured: format!("{ratio:.2}× ({ours:.0} ns against {:.0} ns)", of(&|r| r.bare) * 1e9),
            met: ratio <= 1.5,
        },
        against("the same, against `@47ng/cloak` on Node.js", "≥ 5×", 5.0, |r| r.cloak),
        against("the same, against SQLAlchemy-Utils' `AesGcmEngine`", "≥ 5×", 5.0, |r| r.sqlalchemy),
        against("the same, against a field in the manner of AES Crypt v2", "≥ 1,000×", 1000.0, |r| r.aes_crypt),
    ]
}

/// The cipher with a fixed nonce, additional data as long as ours, and the same copies of the plaintext.
fn bare() {
    let cipher = Aes256Gcm::new(&[9; 32].into());
    let (aad, nonce) = ([5_u8; 72], [3_u8; 12].into());
    for _ in 0..TURNS {
        let mut bytes = [7_u8; 200].to_vec();
        let tag =
            cipher.encrypt_inout_detached(&nonce, &aad, bytes.as_mut_slice().into()).expect("encrypts");
        let mut opened = black_box(bytes).clone();
        cipher
            .decrypt_inout_detached(&nonce, &aad, opened.as_mut_slice().into(), &tag)
            .expect("decrypts");
        black_box(opened);
    }
}

fn ours(vault: &Vault) {
    for row in 0..TURNS {
        let key = RowKey::Integer(row as i64);
        let sealed = vault.seal(COLUMN, &key, &[7; 200]).expect("seals");
        black_box(vault.open(COLUMN, &key, black_box(&sealed)).expect("opens"));
    }
}
