//! Sealing and opening against the bare cipher.

use std::hint::black_box;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::Aes256Gcm;
use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{ColumnRegistry, NewVault, RowKey, SealedColumn, SlotSecret, Vault};

use crate::{Row, median, seconds};

const COLUMN: SealedColumn = SealedColumn::new("people", "name");
const ROUNDS: usize = 20_000;

/// 200 bytes sealed and opened again, nonce and additional data included, beside the bare cipher with a fixed nonce, the
/// same length of additional data, and the same copy of the plaintext.
pub fn seal_and_open() -> Row {
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
    let plain = [7_u8; 200];
    let cipher = Aes256Gcm::new(&[9; 32].into());
    let aad = [5_u8; 72];
    let nonce = [3_u8; 12].into();
    let bare = || {
        for _ in 0..ROUNDS {
            let mut bytes = plain.to_vec();
            let tag = cipher
                .encrypt_inout_detached(&nonce, &aad, bytes.as_mut_slice().into())
                .expect("encrypts");
            let mut opened = black_box(bytes).clone();
            cipher
                .decrypt_inout_detached(&nonce, &aad, opened.as_mut_slice().into(), &tag)
                .expect("decrypts");
            black_box(opened);
        }
    };
    let ours = || {
        for row in 0..ROUNDS {
            let key = RowKey::Integer(row as i64);
            let sealed = vault.seal(COLUMN, &key, &plain).expect("seals");
            black_box(vault.open(COLUMN, &key, black_box(&sealed)).expect("opens"));
        }
    };
    bare();
    ours();
    let pairs: Vec<(f64, f64)> = (0..31).map(|_| (seconds(bare), seconds(ours))).collect();
    let ratio = median(pairs.iter().map(|(bare, ours)| ours / bare).collect());
    let nanoseconds = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect()) / ROUNDS as f64 * 1e9;
    Row {
        what: "seal + open 200 bytes, against the bare cipher",
        goal: "≤ 1.5×",
        measured: format!("{ratio:.2}× ({:.0} ns against {:.0} ns)", nanoseconds(|p| p.1), nanoseconds(|p| p.0)),
        met: ratio <= 1.5,
    }
}
