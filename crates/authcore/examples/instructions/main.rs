//! Does one thing so many times and nothing else, for `benches/instructions` to count what it costs: `instructions WHAT TIMES`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that fails says so"
)]

mod house;

use std::hint::black_box;
use std::path::Path;

use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{ColumnRegistry, NewVault, RowKey, SealedColumn, SlotSecret, Vault};
use house::House;

const COLUMN: SealedColumn = SealedColumn::new("people", "name");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, times] = arguments.as_slice() else {
        panic!("instructions seal|open|verify|first-sight|refresh TIMES");
    };
    let times: usize = times.parse().expect("a number");
    let folder = tempfile::tempdir().expect("a folder");
    let house = || House::new(folder.path());
    match what.as_str() {
        "seal" => with_a_vault(folder.path(), |vault, key| {
            for _ in 0..times {
                black_box(vault.seal(COLUMN, key, &[7; 200]).expect("seals"));
            }
        }),
        "open" => with_a_vault(folder.path(), |vault, key| {
            let sealed = vault.seal(COLUMN, key, &[7; 200]).expect("seals");
            for _ in 0..times {
                black_box(vault.open(COLUMN, key, black_box(&sealed)).expect("opens"));
            }
        }),
        "verify" => {
            let house = house();
            for token in house.tokens(1) {
                for _ in 0..times {
                    black_box(house.authority.authenticate(&token).expect("is good"));
                }
            }
        }
        // Less what `refresh` costs, which makes the tokens.
        "first-sight" => {
            let house = house();
            for _ in 0..times {
                for token in house.tokens(1) {
                    black_box(house.authority.authenticate(&token).expect("is good"));
                }
            }
        }
        "refresh" => {
            let house = house();
            for _ in 0..times {
                house.refresh();
            }
        }
        _ => panic!("there is no {what}"),
    }
}

fn with_a_vault(folder: &Path, act: impl FnOnce(&Vault, &RowKey<'_>)) {
    let file = folder.join("vault.sqlite");
    let mut connection = open_connection(&file, OpenMode::CreateNew).expect("made");
    let columns = ColumnRegistry::new(&[COLUMN]).expect("one");
    let secret = SlotSecret::key_file(vec![1; 32]).expect("long enough");
    let vault = Vault::create(&mut connection, columns, &secret, &NewVault::first(0)).expect("made");
    act(&vault, &RowKey::Integer(7));
}
