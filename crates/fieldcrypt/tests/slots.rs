//! Ways in come and go; there is always one, and an old one leaves nothing behind.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "tests look at rows and play the second process"
)]
#![expect(dead_code, reason = "the support module serves several tests")]

mod support;

use fieldcrypt::{
    MasterAccess, PurgeError, RecoveryKey, SLOTS_MAX, SlotError, SlotId, SlotKind, SlotSecret, UnlockError,
    Vault,
};
use rusqlite::Connection;
use secrecy::ExposeSecret as _;
use support::{Fixture, count_in, fixture, key_file, new_slot, open, put_person, registry};

fn opens_with(connection: &Connection, secret: &SlotSecret) -> bool {
    match Vault::unlock(connection, registry(), secret) {
        Ok(_) => true,
        Err(UnlockError::WrongSecret) => false,
        Err(other) => panic!("{other}"),
    }
}

fn access(f: &Fixture, byte: u8) -> MasterAccess {
    MasterAccess::unlock(&f.connection, &key_file(byte)).expect("unlocks")
}

/// The bytes of every slot: salt, commitment, wrapped master key.
fn slot_bytes(connection: &Connection) -> Vec<Vec<u8>> {
    let sql = "SELECT salt FROM fieldcrypt_slots UNION ALL SELECT commitment FROM fieldcrypt_slots
               UNION ALL SELECT wrapped_master FROM fieldcrypt_slots";
    let mut statement = connection.prepare(sql).expect("prepares");
    let rows = statement.query_map([], |row| row.get(0)).expect("reads");
    rows.collect::<Result<_, _>>().expect("reads")
}

#[test]
fn every_kind_of_slot_opens_the_same_vault() {
    let mut f = fixture();
    let recovery = RecoveryKey::generate().expect("random");
    let printed = recovery.expose_printable();
    let password = || SlotSecret::password("a field password for tests");
    let access = access(&f, 1);
    for secret in [password(), SlotSecret::recovery_key(recovery), key_file(2)] {
        access
            .add_slot(&mut f.connection, &secret, &new_slot("another"))
            .expect("added");
    }
    let kinds: Vec<_> = Vault::slots(&f.connection)
        .expect("lists")
        .iter()
        .map(|slot| (slot.id.0, slot.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            (1, SlotKind::KeyFile),
            (2, SlotKind::Password),
            (3, SlotKind::RecoveryKey),
            (4, SlotKind::KeyFile)
        ]
    );
    let typed = RecoveryKey::parse(&printed.expose_secret().to_uppercase()).expect("reads");
    for secret in [
        key_file(1),
        password(),
        SlotSecret::recovery_key(typed),
        key_file(2),
    ] {
        assert!(opens_with(&f.connection, &secret));
    }
    let other = SlotSecret::recovery_key(RecoveryKey::generate().expect("random"));
    assert!(
        !opens_with(&f.connection, &other),
        "another recovery key opens it too"
    );
}

#[test]
fn a_changed_slot_opens_with_the_new_secret_only_and_leaves_no_byte_of_the_old() {
    let mut f = fixture();
    put_person(&f.connection, &f.vault, 1);
    let old = slot_bytes(&f.connection);
    access(&f, 1)
        .change_slot(&mut f.connection, SlotId(1), &key_file(2), &new_slot("new"))
        .expect("changed");
    assert!(opens_with(&f.connection, &key_file(2)) && !opens_with(&f.connection, &key_file(1)));
    assert!(
        old.iter().any(|bytes| count_in(f.folder.path(), bytes) > 0),
        "control: the log has them"
    );
    assert!(Vault::purge_is_due(&f.connection).expect("reads"));
    let purged = f.vault.purge(&mut f.connection).expect("purged");
    assert_eq!(purged.pieces, 6);
    assert!(!Vault::purge_is_due(&f.connection).expect("reads"));
    for bytes in old {
        assert_eq!(count_in(f.folder.path(), &bytes), 0);
    }
    for bytes in slot_bytes(&f.connection) {
        assert_eq!(
            count_in(f.folder.path(), &bytes),
            1,
            "control: what is there is found"
        );
    }
    // The vault that was open all the time goes on.
    support::everything_opens(&f.connection, &f.vault);
}

#[test]
fn the_last_slot_and_a_slot_that_is_not_there_are_refused() {
    let mut f = fixture();
    let access = access(&f, 1);
    assert!(matches!(
        access.remove_slot(&mut f.connection, SlotId(1)),
        Err(SlotError::LastSlot { slot: SlotId(1) })
    ));
    assert!(matches!(
        access.remove_slot(&mut f.connection, SlotId(9)),
        Err(SlotError::NotFound { slot: SlotId(9) })
    ));
    let changed = access.change_slot(&mut f.connection, SlotId(9), &key_file(2), &new_slot("x"));
    assert!(matches!(changed, Err(SlotError::NotFound { slot: SlotId(9) })));
    assert!(!opens_with(&f.connection, &key_file(2)));
    let second = access
        .add_slot(&mut f.connection, &key_file(2), &new_slot("second"))
        .expect("added");
    access
        .remove_slot(&mut f.connection, SlotId(1))
        .expect("not the last any more");
    assert!(matches!(
        access.remove_slot(&mut f.connection, second),
        Err(SlotError::LastSlot { .. })
    ));
    assert!(opens_with(&f.connection, &key_file(2)) && !opens_with(&f.connection, &key_file(1)));
}

#[test]
fn a_slot_that_does_not_read_back_is_not_put_in_and_the_old_one_stays() {
    let mut f = fixture();
    let access = access(&f, 1);
    // A disk that does not keep what is written.
    f.connection
        .execute_batch(
            "CREATE TRIGGER rot AFTER INSERT ON fieldcrypt_new_slot BEGIN
                 UPDATE fieldcrypt_new_slot SET wrapped_master = zeroblob(60);
             END",
        )
        .expect("trigger");
    let changed = access.change_slot(&mut f.connection, SlotId(1), &key_file(2), &new_slot("new"));
    assert!(changed.is_err());
    assert!(opens_with(&f.connection, &key_file(1)) && !opens_with(&f.connection, &key_file(2)));
    f.connection.execute_batch("DROP TRIGGER rot").expect("drops");
    access
        .change_slot(&mut f.connection, SlotId(1), &key_file(2), &new_slot("new"))
        .expect("control: without the rot it is changed");
}

#[test]
fn a_new_master_key_keeps_the_slots_whose_secrets_are_given_and_no_other() {
    let mut f = fixture();
    put_person(&f.connection, &f.vault, 1);
    let mut access = access(&f, 1);
    let second = access
        .add_slot(&mut f.connection, &key_file(2), &new_slot("second"))
        .expect("added");
    access
        .add_slot(&mut f.connection, &key_file(3), &new_slot("third"))
        .expect("added");
    let other_process = open(&f.path);
    let follower = Vault::unlock(&other_process, registry(), &key_file(2)).expect("unlocks");
    let stranded = Vault::unlock(&other_process, registry(), &key_file(3)).expect("unlocks");
    let outdated = MasterAccess::unlock(&other_process, &key_file(2)).expect("unlocks");
    let wraps = |connection: &Connection| -> Vec<Vec<u8>> {
        let sql =
            "SELECT wrapped_master FROM fieldcrypt_slots UNION ALL SELECT wrapped_key FROM fieldcrypt_keys";
        let mut statement = connection.prepare(sql).expect("prepares");
        let rows = statement.query_map([], |row| row.get(0)).expect("reads");
        rows.collect::<Result<_, _>>().expect("reads")
    };
    let old = wraps(&f.connection);

    assert!(matches!(
        access.rotate_master_key(&mut f.connection, &[]),
        Err(SlotError::NoSlotStays)
    ));
    assert!(matches!(
        access.rotate_master_key(&mut f.connection, &[key_file(2), key_file(9)]),
        Err(SlotError::FitsNoSlot {
            position: 2,
            kind: SlotKind::KeyFile
        })
    ));
    let done = access
        .rotate_master_key(&mut f.connection, &[key_file(2)])
        .expect("rotated");
    assert_eq!(
        (done.kept, done.removed),
        (vec![second], vec![SlotId(1), SlotId(3)])
    );

    assert!(opens_with(&f.connection, &key_file(2)));
    assert!(!opens_with(&f.connection, &key_file(1)) && !opens_with(&f.connection, &key_file(3)));
    assert!(follower.reload_if_changed(&other_process).expect("follows"));
    support::everything_opens(&other_process, &follower);
    assert!(
        stranded.reload_if_changed(&other_process).is_err(),
        "its slot is gone"
    );
    stranded
        .unlock_again(&other_process, &key_file(2))
        .expect("with a secret that stays");
    let mut writer = open(&f.path);
    assert!(matches!(
        outdated.add_slot(&mut writer, &key_file(4), &new_slot("x")),
        Err(SlotError::MasterKeyChanged)
    ));
    access
        .add_slot(&mut f.connection, &key_file(5), &new_slot("fifth"))
        .expect("the new master key is at hand");

    assert!(
        old.iter().all(|bytes| count_in(f.folder.path(), bytes) > 0),
        "control"
    );
    follower.purge(&mut f.connection).expect("purged");
    for bytes in old {
        assert_eq!(count_in(f.folder.path(), &bytes), 0);
    }
}

#[test]
fn a_purge_says_when_a_reader_is_in_the_way_and_can_be_run_again() {
    let mut f = fixture();
    let old = slot_bytes(&f.connection);
    let reader = open(&f.path);
    reader
        .execute_batch("BEGIN; SELECT * FROM fieldcrypt_slots")
        .expect("reads");
    reader
        .query_row("SELECT count(*) FROM fieldcrypt_slots", [], |row| {
            row.get::<_, i64>(0)
        })
        .expect("reads");
    f.connection.busy_timeout(std::time::Duration::ZERO).expect("set");
    access(&f, 1)
        .change_slot(&mut f.connection, SlotId(1), &key_file(2), &new_slot("new"))
        .expect("changed");
    assert!(matches!(f.vault.purge(&mut f.connection), Err(PurgeError::Busy)));
    assert!(Vault::purge_is_due(&f.connection).expect("reads"));
    reader.execute_batch("COMMIT").expect("ends");
    f.vault.purge(&mut f.connection).expect("purged");
    assert!(old.iter().all(|bytes| count_in(f.folder.path(), bytes) == 0));
}

#[test]
fn the_scan_of_a_purge_finds_what_is_left() {
    let mut f = fixture();
    let copy: Vec<u8> = slot_bytes(&f.connection).pop().expect("a slot");
    access(&f, 1)
        .change_slot(&mut f.connection, SlotId(1), &key_file(2), &new_slot("new"))
        .expect("changed");
    f.connection
        .execute("INSERT INTO people (id, name) VALUES (1, ?1)", [&copy])
        .expect("a copy of the old wrap, planted");
    assert!(matches!(
        f.vault.purge(&mut f.connection),
        Err(PurgeError::StillThere { places: 2, .. })
    ));
}

/// Two people change the same slot at once: whoever is told that it was done holds what opens it.
#[test]
fn of_two_who_change_a_slot_at_once_nobody_is_told_what_is_not_so() {
    let mut f = fixture();
    access(&f, 1)
        .add_slot(&mut f.connection, &key_file(2), &new_slot("theirs"))
        .expect("added");
    let first = &std::sync::Barrier::new(2);
    for round in 0..4_u8 {
        let secrets = [round * 2, round * 2 + 1].map(|n| format!("a field password for tests, number {n}"));
        let told: Vec<bool> = std::thread::scope(|scope| {
            let changers: Vec<_> = secrets
                .iter()
                .map(|text| {
                    let path = f.path.clone();
                    scope.spawn(move || {
                        let mut connection = open(&path);
                        let access = MasterAccess::unlock(&connection, &key_file(2)).expect("unlocks");
                        first.wait();
                        let secret = SlotSecret::password(text);
                        let added = access.change_slot(&mut connection, SlotId(1), &secret, &new_slot("new"));
                        added.is_ok()
                    })
                })
                .collect();
            changers
                .into_iter()
                .map(|changer| changer.join().expect("ends"))
                .collect()
        });
        let opens: Vec<bool> = secrets
            .iter()
            .map(|text| opens_with(&f.connection, &SlotSecret::password(text)))
            .collect();
        assert!(opens.iter().filter(|opens| **opens).count() == 1, "{opens:?}");
        for (told, opens) in told.iter().zip(&opens) {
            assert!(*told || !opens, "one that opens was told to be refused");
        }
        assert!(told.iter().any(|told| *told), "one of the two is done");
    }
}

/// Each slot could cost a key derivation before anything is checked.
#[test]
fn no_more_slots_are_tried_than_are_ever_made() {
    let mut f = fixture();
    let adding = access(&f, 1);
    for n in 1..SLOTS_MAX {
        let secret = key_file(u8::try_from(n).expect("few") + 1);
        adding
            .add_slot(&mut f.connection, &secret, &new_slot("one more"))
            .expect("added");
    }
    let refused = adding.add_slot(&mut f.connection, &key_file(99), &new_slot("too many"));
    assert!(matches!(refused, Err(SlotError::NoRoom)), "{refused:?}");
    assert!(
        opens_with(&f.connection, &key_file(3)),
        "control: as many as there may be"
    );
    f.connection
        .execute_batch(
            "INSERT INTO fieldcrypt_slots
             SELECT -1, kind, label, kdf_iterations, salt, commitment, wrapped_master, created FROM fieldcrypt_slots WHERE id = 1",
        )
        .expect("an attacker's");
    let unlocked = Vault::unlock(&f.connection, registry(), &key_file(3)).map(drop);
    assert!(matches!(unlocked, Err(UnlockError::TooManySlots)), "{unlocked:?}");
}
