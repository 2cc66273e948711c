//! Rotations of the data key, cut off anywhere, written into, tampered with: every field opens throughout, and in the end
//! nothing of the old key is left.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "tests look at rows and play attackers and second processes"
)]

#[path = "rotation_survives_anything/kills.rs"]
mod kills;
#[path = "rotation_survives_anything/sealed.rs"]
mod sealed;
mod support;

use fieldcrypt::{
    Algorithm, ColumnRegistry, Direction, KeyState, NewDataKey, OpenError, Phase, Rotation, RotationError,
    RowKey, Sealed, SealedColumn, Vault,
};
use rusqlite::{Connection, TransactionBehavior};
use support::{
    Fixture, NAME, count_in, everything_opens, fixture, key_file, open, pieces, pieces_in, put_note,
    put_person, registry,
};

const NEW_KEY: NewDataKey = NewDataKey {
    algorithm: Algorithm::Aes256Gcm,
    created_unix: 1_700_000_000,
};
/// Small, so that a rotation has many batches, and no table's rows are a multiple of it.
const BATCH: u32 = 9;

/// 40 people, 21 notes, 12 of them with a second field.
const FIELDS: usize = 73;

fn filled() -> Fixture {
    let f = fixture();
    for id in 0..40 {
        put_person(&f.connection, &f.vault, id * 3 - 20);
    }
    for owner in ["Ada", "Grace", "O'Hara \"x\""] {
        for nr in 0..7_u8 {
            put_note(&f.connection, &f.vault, owner, &[nr, 0xFF]);
        }
    }
    assert_eq!(everything_opens(&f.connection, &f.vault), FIELDS);
    f
}

/// One transaction, as a program makes it: the keyring is looked at first, and again after the commit.
fn within<T>(
    connection: &mut Connection,
    vault: &Vault,
    work: impl FnOnce(&Connection) -> Result<T, RotationError>,
) -> Result<T, RotationError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    vault.reload_if_changed(&transaction)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    vault.reload_if_changed(connection)?;
    Ok(done)
}

fn begin(connection: &mut Connection, vault: &Vault) {
    within(connection, vault, |t| Rotation::begin(t, vault, &NEW_KEY)).expect("begins");
}

fn step(connection: &mut Connection, vault: &Vault) -> Rotation {
    within(connection, vault, |t| Rotation::step(t, vault, BATCH))
        .expect("steps")
        .expect("is under way")
}

fn step_until(connection: &mut Connection, vault: &Vault, phase: Phase) -> Rotation {
    for _ in 0..200 {
        let rotation = step(connection, vault);
        if rotation.phase == phase {
            return rotation;
        }
    }
    panic!("200 steps did not lead to {phase:?}");
}

/// Whatever is under way is brought to its end.
fn finish(connection: &mut Connection, vault: &Vault) {
    if Rotation::under_way(connection).expect("reads").is_some() {
        step_until(connection, vault, Phase::Purging);
    }
    vault.purge(connection).expect("purges");
    assert_eq!(Rotation::under_way(connection).expect("reads"), None);
}

fn data_keys(vault: &Vault) -> Vec<(u32, KeyState)> {
    let data = vault
        .keys()
        .into_iter()
        .filter(|key| key.purpose == fieldcrypt::KeyPurpose::Data);
    data.map(|key| (key.number.0, key.state)).collect()
}

#[test]
fn a_rotation_leaves_every_value_readable_and_nothing_of_the_old_key() {
    for algorithm in [Algorithm::Aes256Gcm, Algorithm::XChaCha20Poly1305] {
        let mut f = filled();
        let old = pieces(&f.connection);
        let new = NewDataKey { algorithm, ..NEW_KEY };
        let begun = within(&mut f.connection, &f.vault, |t| {
            Rotation::begin(t, &f.vault, &new)
        })
        .expect("begins");
        assert_eq!(
            (begun.phase, begun.rows_done, begun.rows_total),
            (Phase::Sweeping, 0, 40 + 21 + 21)
        );
        assert_eq!(
            data_keys(&f.vault),
            [(1, KeyState::Retiring), (4, KeyState::Active)]
        );
        while step(&mut f.connection, &f.vault).phase != Phase::Purging {
            assert_eq!(
                everything_opens(&f.connection, &f.vault),
                FIELDS,
                "between two batches"
            );
        }
        assert!(
            pieces_in(f.folder.path(), &old) > FIELDS / 2,
            "control: the log still has the old values"
        );
        assert!(Vault::purge_is_due(&f.connection).expect("reads"));
        finish(&mut f.connection, &f.vault);

        assert_eq!(
            data_keys(&f.vault),
            [(1, KeyState::Destroyed), (4, KeyState::Active)]
        );
        assert_eq!(everything_opens(&f.connection, &f.vault), FIELDS);
        f.connection.execute_batch("VACUUM").expect("vacuums");
        let again = Vault::unlock(&f.connection, registry(), &key_file(1)).expect("unlocks");
        assert_eq!(
            everything_opens(&f.connection, &again),
            FIELDS,
            "after VACUUM, from scratch"
        );
        let kept: std::collections::HashSet<_> = pieces(&f.connection).intersection(&old).copied().collect();
        assert_eq!(
            kept.len(),
            3,
            "the slot, index and integrity key are what they were"
        );
        let gone = old.difference(&kept).copied().collect();
        assert_eq!(pieces_in(f.folder.path(), &gone), 0, "old key, old values");
        assert!(
            pieces_in(f.folder.path(), &pieces(&f.connection)) >= FIELDS,
            "control: the new ones are found"
        );
    }
}

#[test]
fn a_value_under_the_destroyed_key_is_named_as_that_in_every_process() {
    let mut f = filled();
    let other_process = open(&f.path);
    let other = Vault::unlock(&other_process, registry(), &key_file(1)).expect("unlocks");
    let old = f.vault.seal(NAME, &RowKey::Integer(1), b"old").expect("seals");
    begin(&mut f.connection, &f.vault);
    finish(&mut f.connection, &f.vault);
    assert!(
        other.open(NAME, &RowKey::Integer(1), &old).is_ok(),
        "it has not looked yet"
    );
    assert!(other.reload_if_changed(&other_process).expect("reloads"));
    for vault in [&f.vault, &other] {
        assert_eq!(
            vault.open(NAME, &RowKey::Integer(1), &old).map(drop),
            Err(OpenError::KeyDestroyed { number: old.key() })
        );
    }
    assert_eq!(everything_opens(&other_process, &other), FIELDS);
    begin(&mut f.connection, &f.vault);
    finish(&mut f.connection, &f.vault);
    assert_eq!(
        data_keys(&f.vault),
        [
            (1, KeyState::Destroyed),
            (4, KeyState::Destroyed),
            (5, KeyState::Active)
        ],
        "no number is given twice"
    );
}

#[test]
fn an_aborted_rotation_goes_back_to_the_old_key() {
    for steps in [0, 1, 5] {
        let mut f = filled();
        begin(&mut f.connection, &f.vault);
        for _ in 0..steps {
            step(&mut f.connection, &f.vault);
        }
        let back = within(&mut f.connection, &f.vault, |t| Rotation::abort(t, &f.vault)).expect("aborts");
        assert_eq!((back.direction, back.rows_done), (Direction::Back, 0));
        assert_eq!(
            data_keys(&f.vault),
            [(1, KeyState::Active), (4, KeyState::Retiring)]
        );
        assert!(matches!(
            within(&mut f.connection, &f.vault, |t| Rotation::abort(t, &f.vault)),
            Err(RotationError::NothingToAbort)
        ));
        finish(&mut f.connection, &f.vault);
        assert_eq!(
            data_keys(&f.vault),
            [(1, KeyState::Active), (4, KeyState::Destroyed)]
        );
        assert_eq!(everything_opens(&f.connection, &f.vault), FIELDS);
        assert!(matches!(
            within(&mut f.connection, &f.vault, |t| Rotation::abort(t, &f.vault)),
            Err(RotationError::NothingToAbort)
        ));
    }
}

#[test]
fn a_second_process_that_looks_at_the_keyring_first_writes_under_the_new_key() {
    let mut f = filled();
    let mut other_process = open(&f.path);
    let other = Vault::unlock(&other_process, registry(), &key_file(1)).expect("unlocks");
    begin(&mut f.connection, &f.vault);
    for id in 0..20 {
        step(&mut f.connection, &f.vault);
        within(&mut other_process, &other, |t| {
            put_person(t, &other, id);
            put_person(t, &other, 1000 + id);
            Ok(())
        })
        .expect("writes");
        let sql = "SELECT name FROM people WHERE id = ?1";
        let sealed: Sealed = other_process
            .query_row(sql, [id], |row| row.get(0))
            .expect("reads");
        assert_eq!(sealed.key().0, 4);
    }
    finish(&mut f.connection, &f.vault);
    other.reload_if_changed(&other_process).expect("reloads");
    assert_eq!(
        everything_opens(&other_process, &other),
        everything_opens(&f.connection, &f.vault)
    );
}

#[test]
fn a_stale_process_that_writes_with_the_old_key_behind_the_walk_loses_nothing() {
    let mut f = filled();
    let stale_process = open(&f.path);
    let stale = Vault::unlock(&stale_process, registry(), &key_file(1)).expect("unlocks");
    begin(&mut f.connection, &f.vault);
    step_until(&mut f.connection, &f.vault, Phase::Proving);
    put_person(&stale_process, &stale, -1000);
    let walked = step(&mut f.connection, &f.vault);
    assert_eq!(
        (walked.phase, walked.rows_done),
        (Phase::Sweeping, 0),
        "it was seen, and the walk starts over"
    );
    finish(&mut f.connection, &f.vault);
    assert_eq!(everything_opens(&f.connection, &f.vault), FIELDS + 1);
    assert_eq!(
        data_keys(&f.vault),
        [(1, KeyState::Destroyed), (4, KeyState::Active)]
    );
}

#[test]
fn a_field_that_does_not_open_is_named_left_alone_and_stops_the_destruction() {
    let mut f = filled();
    let read = |connection: &Connection, sql: &str| -> Vec<u8> {
        connection.query_row(sql, [], |row| row.get(0)).expect("reads")
    };
    // Two cells swapped, one flipped, a plain value, a header that claims the new key.
    let swapped = [
        read(&f.connection, "SELECT name FROM people WHERE id = 1"),
        read(&f.connection, "SELECT name FROM people WHERE id = 4"),
    ];
    for (id, stored) in [4, 1].into_iter().zip(&swapped) {
        f.connection
            .execute("UPDATE people SET name = ?2 WHERE id = ?1", (id, stored))
            .expect("swaps");
    }
    f.connection
        .execute_batch(
            "UPDATE people SET name = CAST('plain text' AS BLOB) WHERE id = 7;
             UPDATE people SET name = CAST(x'010100000004' || substr(name, 7) AS BLOB) WHERE id = 10;
             UPDATE notes SET text = CAST(substr(text, 1, 30) || x'00' || substr(text, 32) AS BLOB) WHERE owner = 'Ada' AND nr = x'00FF'",
        )
        .expect("tampers");
    let before = read(&f.connection, "SELECT name FROM people WHERE id = 10");
    begin(&mut f.connection, &f.vault);
    let blocked = step_until(&mut f.connection, &f.vault, Phase::Blocked);
    assert_eq!((blocked.unopenable, blocked.rows_done), (5, 82));
    let recorded = Rotation::unopenable_fields(&f.connection).expect("reads");
    let mut checked = f.vault.check_fields(&f.connection).expect("reads").unopenable;
    checked.sort_by(|a, b| (&a.table, &a.column, &a.row).cmp(&(&b.table, &b.column, &b.row)));
    let mut sorted = recorded.clone();
    sorted.sort_by(|a, b| (&a.table, &a.column, &a.row).cmp(&(&b.table, &b.column, &b.row)));
    assert_eq!(checked, sorted, "a check finds what the rotation found");
    let named: Vec<_> = recorded
        .into_iter()
        .map(|field| {
            (
                format!("{}.{} {}", field.table, field.column, field.row),
                field.reason,
            )
        })
        .collect();
    let altered = OpenError::AuthenticationFailed.to_string();
    let expected = [
        ("notes.text \"Ada\", 00ff", altered.clone()),
        ("people.name 1", altered.clone()),
        ("people.name 10", altered.clone()),
        ("people.name 4", altered),
        (
            "people.name 7",
            OpenError::UnknownVersion { version: b'p' }.to_string(),
        ),
    ];
    assert_eq!(named, expected.map(|(field, reason)| (field.to_owned(), reason)));
    for _ in 0..3 {
        step_until(&mut f.connection, &f.vault, Phase::Blocked);
        assert_eq!(
            data_keys(&f.vault),
            [(1, KeyState::Retiring), (4, KeyState::Active)]
        );
    }
    assert_eq!(
        read(&f.connection, "SELECT name FROM people WHERE id = 10"),
        before,
        "it was overwritten"
    );

    for (id, stored) in [1, 4].into_iter().zip(&swapped) {
        f.connection
            .execute("UPDATE people SET name = ?2 WHERE id = ?1", (id, stored))
            .expect("mends");
    }
    f.connection
        .execute_batch(
            "DELETE FROM people WHERE id IN (7, 10); DELETE FROM notes WHERE owner = 'Ada' AND nr = x'00FF'",
        )
        .expect("given up");
    finish(&mut f.connection, &f.vault);
    assert_eq!(everything_opens(&f.connection, &f.vault), FIELDS - 4);
}

#[test]
fn a_key_that_is_not_committed_is_never_used() {
    let mut f = filled();
    let transaction = f.connection.transaction().expect("begins");
    Rotation::begin(&transaction, &f.vault, &NEW_KEY).expect("begins");
    assert!(matches!(
        Rotation::step(&transaction, &f.vault, BATCH),
        Err(RotationError::KeyringChanged)
    ));
    let sealed = f
        .vault
        .seal(NAME, &RowKey::Integer(1), b"meanwhile")
        .expect("seals");
    assert_eq!(sealed.key().0, 1);
    transaction.rollback().expect("rolls back");
    assert_eq!(Rotation::under_way(&f.connection).expect("reads"), None);
    assert!(!f.vault.reload_if_changed(&f.connection).expect("reads"));
    assert!(f.vault.open(NAME, &RowKey::Integer(1), &sealed).is_ok());

    assert!(matches!(
        Rotation::begin(&f.connection, &f.vault, &NEW_KEY),
        Err(RotationError::NoTransaction)
    ));
    begin(&mut f.connection, &f.vault);
    let second = within(&mut f.connection, &f.vault, |t| {
        Rotation::begin(t, &f.vault, &NEW_KEY)
    });
    assert!(matches!(second, Err(RotationError::UnderWay)));
}

#[test]
fn a_batch_that_is_rolled_back_is_walked_again() {
    let mut f = filled();
    begin(&mut f.connection, &f.vault);
    for _ in 0..3 {
        let transaction = f.connection.transaction().expect("begins");
        Rotation::step(&transaction, &f.vault, 50).expect("steps");
        transaction.rollback().expect("rolls back");
    }
    assert_eq!(
        Rotation::under_way(&f.connection)
            .expect("reads")
            .map(|r| r.rows_done),
        Some(0)
    );
    finish(&mut f.connection, &f.vault);
    assert_eq!(everything_opens(&f.connection, &f.vault), FIELDS);
}

#[test]
fn a_table_whose_rows_cannot_be_told_apart_is_refused_before_anything_changes() {
    const LOOSE: SealedColumn = SealedColumn::new("loose", "value");
    for (schema, expected) in [
        (
            "CREATE TABLE loose (value BLOB)",
            "table loose has no declared primary key",
        ),
        (
            "CREATE TABLE loose (id INTEGER PRIMARY KEY, other BLOB)",
            "the schema has no column loose.value",
        ),
    ] {
        let f = fixture();
        f.connection.execute_batch(schema).expect("table");
        let registry = ColumnRegistry::new(&[LOOSE]).expect("one column");
        let vault = Vault::unlock(&f.connection, registry, &key_file(1)).expect("unlocks");
        let mut connection = open(&f.path);
        let refused = within(&mut connection, &vault, |t| Rotation::begin(t, &vault, &NEW_KEY));
        let message = refused.map(drop).expect_err("refused").to_string();
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(data_keys(&vault), [(1, KeyState::Active)]);
    }
}

#[test]
fn samples_that_an_analysis_kept_are_purged_too() {
    let mut f = filled();
    f.connection
        .execute_batch("CREATE INDEX by_name ON people (name); ANALYZE")
        .expect("analyses");
    let sql = "SELECT sample FROM sqlite_stat4 WHERE idx = 'by_name' LIMIT 1";
    let sample: Vec<u8> = f.connection.query_row(sql, [], |row| row.get(0)).expect("reads");
    let kept = &sample[sample.len() - 30..];
    assert!(count_in(f.folder.path(), kept) > 0, "control");
    begin(&mut f.connection, &f.vault);
    step_until(&mut f.connection, &f.vault, Phase::Purging);
    let copy: i64 = f
        .connection
        .query_row("SELECT count(*) FROM sqlite_stat4", [], |row| row.get(0))
        .expect("reads");
    assert!(copy > 0, "control: an update leaves the samples");
    finish(&mut f.connection, &f.vault);
    assert_eq!(count_in(f.folder.path(), kept), 0);
}

#[test]
fn every_seal_of_a_rotation_is_counted() {
    let mut f = filled();
    begin(&mut f.connection, &f.vault);
    finish(&mut f.connection, &f.vault);
    let again = Vault::unlock(&f.connection, registry(), &key_file(1)).expect("unlocks");
    let counted = again
        .keys()
        .into_iter()
        .find(|key| key.number.0 == 4)
        .map(|key| key.fields_sealed);
    assert_eq!(counted, Some(FIELDS as u64));
}

#[test]
fn what_a_tool_without_secure_delete_left_in_free_pages_is_purged_too() {
    let mut f = filled();
    for id in 1000..1200 {
        put_person(&f.connection, &f.vault, id);
    }
    let old = pieces(&f.connection);
    f.vault.purge(&mut f.connection).expect("the log is emptied");
    let tool = Connection::open(&f.path).expect("opens");
    tool.execute_batch("PRAGMA secure_delete = OFF; DELETE FROM people WHERE id >= 1000")
        .expect("deletes");
    drop(tool);
    begin(&mut f.connection, &f.vault);
    step_until(&mut f.connection, &f.vault, Phase::Purging);
    fieldcrypt::sqlite::checkpoint_truncate(&f.connection).expect("empties the log");
    let kept: std::collections::HashSet<_> = pieces(&f.connection).intersection(&old).copied().collect();
    let gone = old.difference(&kept).copied().collect();
    assert!(
        pieces_in(f.folder.path(), &gone) > 50,
        "control: free pages hold them"
    );
    finish(&mut f.connection, &f.vault);
    assert_eq!(pieces_in(f.folder.path(), &gone), 0);
}
