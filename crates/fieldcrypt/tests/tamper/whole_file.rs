//! A whole database put back from an older copy.

use crate::database::{self, Database};
use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{Vault, Witness, WitnessError};

#[test]
fn a_whole_file_put_back_is_refused_with_the_witness_and_accepted_without() {
    let database = Database::new();
    let elsewhere = tempfile::tempdir().expect("folder");
    let witness_path = elsewhere.path().join("witness");
    let witness = Witness::new(&witness_path, &database.seal);
    let counter = || database.seal.counter(&database.connection).expect("counter");
    witness.replace(counter()).expect("first written");
    let old = database.folder.path().join("old.sqlite");
    database::copy(&database.path, &old);

    database
        .connection
        .execute_batch("DELETE FROM people WHERE id = 2")
        .expect("revoked");
    witness.record(counter()).expect("recorded");
    let seen = witness.counter().expect("reads");
    assert_eq!(seen, counter());
    assert!(witness.check(counter()).is_ok(), "control: the honest database");

    let put_back = open_connection(&old, OpenMode::Existing).expect("opens");
    let vault = Vault::unlock(&put_back, database::registry(), &database::key_file()).expect("unlocks");
    let seal = vault.integrity_seal(&database::PROTECTED).expect("has a key");
    let verified = seal
        .verify(&put_back)
        .expect("without the witness, the old copy is accepted: it is consistent in itself");
    let witness = Witness::new(&witness_path, &seal);
    let refused = witness.check(verified.counter).expect_err("rolled back");
    assert!(
        matches!(refused, WitnessError::RolledBack { database, witness } if database == verified.counter && witness == seen),
        "{refused}"
    );

    // Accepted by the person in charge: the counter goes on above the witness's, so the witness never falls.
    let counter = seal.rebuild(&put_back, seen).expect("accepted");
    assert_eq!(counter, seen + 1);
    witness.replace(counter).expect("written");
    assert!(
        witness
            .check(seal.verify(&put_back).expect("verified").counter)
            .is_ok()
    );
}

#[test]
fn a_commit_the_witness_has_not_seen_is_no_rollback() {
    let database = Database::new();
    let witness = Witness::new(&database.folder.path().join("witness"), &database.seal);
    let counter = database.seal.counter(&database.connection).expect("counter");
    witness.replace(counter).expect("written");
    // Killed after the commit and before the witness is written.
    database
        .connection
        .execute_batch("DELETE FROM notes")
        .expect("writes");
    let verified = database.seal.verify(&database.connection).expect("verified");
    assert!(verified.counter > counter);
    assert!(witness.check(verified.counter).is_ok());
}

#[test]
fn the_counter_of_the_witness_never_falls_and_no_half_written_file_is_left() {
    let database = Database::new();
    let folder = tempfile::tempdir().expect("folder");
    let witness = Witness::new(&folder.path().join("witness"), &database.seal);
    witness.replace(10).expect("written");
    witness.record(9).expect("nothing to do");
    assert_eq!(witness.counter().expect("reads"), 10);
    witness.record(11).expect("written");
    assert_eq!(witness.counter().expect("reads"), 11);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("lists")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(names, ["witness"]);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(folder.path().join("witness"))
                .expect("there")
                .permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_witness_that_is_missing_altered_or_foreign_does_not_agree() {
    let database = Database::new();
    let stranger = Database::new();
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("witness");
    let witness = Witness::new(&path, &database.seal);
    assert!(matches!(
        witness.check(u64::MAX),
        Err(WitnessError::Missing { .. })
    ));
    assert!(matches!(witness.record(1), Err(WitnessError::Missing { .. })));

    Witness::new(&path, &stranger.seal).replace(0).expect("written");
    assert!(matches!(
        witness.check(u64::MAX),
        Err(WitnessError::Damaged { .. })
    ));

    witness.replace(4711).expect("written");
    let genuine = std::fs::read(&path).expect("reads");
    for bit in 0..genuine.len() * 8 {
        let mut flipped = genuine.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, flipped).expect("written");
        assert!(
            matches!(witness.check(u64::MAX), Err(WitnessError::Damaged { .. })),
            "bit {bit}"
        );
    }
    for other in [
        &genuine[..genuine.len() - 1],
        &[&genuine[..], b"\n"].concat(),
        &[b' '; 5000],
        b"",
    ] {
        std::fs::write(&path, other).expect("written");
        assert!(matches!(
            witness.check(u64::MAX),
            Err(WitnessError::Damaged { .. })
        ));
    }
    std::fs::write(&path, genuine).expect("written");
    assert!(witness.check(4711).is_ok(), "control");
}

/// The server and the command line, each with its own connection.
#[test]
fn two_processes_that_write_in_turns_keep_one_seal() {
    let database = Database::new();
    let second = open_connection(&database.path, OpenMode::Existing).expect("opens");
    let vault = Vault::unlock(&second, database::registry(), &database::key_file()).expect("unlocks");
    let seal = vault.integrity_seal(&database::PROTECTED).expect("has a key");
    seal.attach(&second).expect("attached");
    let mut counters = Vec::new();
    for turn in 0..10 {
        let connection = if turn % 2 == 0 {
            &database.connection
        } else {
            &second
        };
        connection
            .execute("UPDATE people SET age = age + 1 WHERE id <= ?1", [turn % 4])
            .expect("writes");
        counters.push(seal.verify(&second).expect("verified").counter);
    }
    assert!(counters.is_sorted() && counters[9] > counters[0]);
    assert_eq!(
        database
            .seal
            .verify(&database.connection)
            .expect("verified")
            .counter,
        counters[9]
    );
}
