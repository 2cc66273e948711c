//! The integrity seal over a rotation: written once a batch, and yet it fits after each, whatever else happens in it.

use fieldcrypt::{IntegrityError, IntegritySeal, Phase, ProtectedTable, Rotation};
use rusqlite::TransactionBehavior;

use super::support::{Fixture, everything_opens};
use super::{BATCH, FIELDS, begin, filled, finish, open, step};

const PROTECTED: [ProtectedTable; 2] = [ProtectedTable::new("people"), ProtectedTable::new("notes")];

/// Keys below and above zero, and texts of several lengths: encoded, they do not stand in the order of the keys.
fn sealed(schema: &str) -> (Fixture, IntegritySeal) {
    let f = filled();
    f.connection.execute_batch(schema).expect("schema");
    let seal = f.vault.integrity_seal(&PROTECTED).expect("has a key");
    seal.rebuild(&f.connection, 0).expect("sealed");
    seal.attach(&f.connection).expect("attached");
    (f, seal)
}

fn fits(f: &Fixture, seal: &IntegritySeal) {
    assert!(seal.verify(&f.connection).expect("nothing was altered").complete);
}

#[test]
fn the_integrity_seal_fits_after_every_batch_of_any_size() {
    let (mut f, seal) = sealed("");
    for batch in [1, BATCH, 1000] {
        begin(&mut f.connection, &f.vault);
        fits(&f, &seal);
        loop {
            let before = seal.counter(&f.connection).expect("counter");
            let transaction = f
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .expect("begins");
            let at = Rotation::step(&transaction, &f.vault, batch)
                .expect("steps")
                .expect("is under way");
            transaction.commit().expect("commits");
            f.vault.reload_if_changed(&f.connection).expect("reloads");
            fits(&f, &seal);
            if at.phase == Phase::Purging {
                break;
            }
            let rises = seal.counter(&f.connection).expect("counter") - before;
            // Three columns, and the keyring's rows with the uses of the keys.
            assert!(rises <= 6, "once a column of a batch, not {rises} times");
        }
        finish(&mut f.connection, &f.vault);
        fits(&f, &seal);
        assert_eq!(everything_opens(&f.connection, &f.vault), FIELDS);
    }
}

#[test]
fn a_batch_that_is_rolled_back_leaves_nothing_behind_in_the_seal() {
    let (mut f, seal) = sealed("");
    begin(&mut f.connection, &f.vault);
    step(&mut f.connection, &f.vault);
    let counter = seal.counter(&f.connection).expect("counter");
    let transaction = f
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .expect("begins");
    Rotation::step(&transaction, &f.vault, BATCH)
        .expect("steps")
        .expect("is under way");
    assert!(seal.counter(&transaction).expect("counter") > counter);
    transaction.rollback().expect("rolled back");
    assert_eq!(seal.counter(&f.connection).expect("counter"), counter);
    fits(&f, &seal);
    // And nothing is held any more: a change by anybody is written at once.
    f.connection
        .execute("UPDATE people SET plain = 'changed' WHERE id = 1", [])
        .expect("changed");
    assert!(seal.counter(&f.connection).expect("counter") > counter);
    fits(&f, &seal);
}

#[test]
fn what_the_programs_own_triggers_change_in_a_batch_is_in_the_seal() {
    let (mut f, seal) = sealed(
        "CREATE TABLE log (id INTEGER NOT NULL PRIMARY KEY, what TEXT) STRICT;
         CREATE TRIGGER own AFTER UPDATE OF name ON people BEGIN
             UPDATE people SET plain = 'touched' WHERE id = NEW.id;
             UPDATE people SET plain = plain || '!' WHERE id = NEW.id - 3;
             INSERT INTO people (id, plain) VALUES (NEW.id + 1000, 'added');
             UPDATE people SET id = id + 1000 WHERE id = NEW.id + 1000;
             UPDATE notes SET renamed = NULL WHERE owner = 'Ada' AND nr = x'00FF';
             DELETE FROM people WHERE id = NEW.id + 2000;
         END;",
    );
    begin(&mut f.connection, &f.vault);
    while step(&mut f.connection, &f.vault).phase != Phase::Purging {
        fits(&f, &seal);
    }
    fits(&f, &seal);
    let touched: i64 = f
        .connection
        .query_row(
            "SELECT count(*) FROM people WHERE plain LIKE 'touched%'",
            [],
            |row| row.get(0),
        )
        .expect("counts");
    assert_eq!(touched, 40, "control: the trigger ran");
}

/// The twin: it is the triggers of the connection that keep the seal, also in a sweep.
#[test]
fn a_rotation_on_a_connection_without_the_seal_breaks_it() {
    let (f, seal) = sealed("");
    let mut other = open(&f.path);
    begin(&mut other, &f.vault);
    step(&mut other, &f.vault);
    assert!(matches!(
        seal.verify(&f.connection),
        Err(IntegrityError::Tampered(_))
    ));
}
