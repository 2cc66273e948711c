//! A kill leaves the files as they are at that instant. So while a scenario runs, SQLite's progress handler copies the
//! database and its log every few hundred instructions: within transactions and between them; the purge's
//! `VACUUM` is one transaction of SQLite's on a connection of its own.
//! Each copy is then opened as the next start would open it, and brought to its end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fieldcrypt::{KeyState, MasterAccess, Phase, Rotation, SlotId, UnlockError, Vault};
use rusqlite::Connection;

use crate::support::{Fixture, everything_opens, key_file, new_slot, open, pieces, pieces_in, registry};
use crate::{FIELDS, begin, data_keys, filled, finish, within};

/// Instructions of SQLite's virtual machine between two copies: of a long scenario, and of a short one.
const LONG: i32 = 7;
const SHORT: i32 = 1;
/// Copies looked at: more would say the same.
const LOOKED_AT: usize = 60;

/// Runs the scenario; returns the copies, spread evenly over it.
fn killed_everywhere(
    f: &mut Fixture,
    every: i32,
    scenario: impl FnOnce(&mut Connection, &Vault),
) -> Vec<PathBuf> {
    let copies = Arc::new(Mutex::new(Vec::new()));
    let (seen, from, to) = (
        Arc::clone(&copies),
        f.path.clone(),
        f.folder.path().join("copies"),
    );
    std::fs::create_dir(&to).expect("folder");
    let copy = move || {
        let mut seen = seen.lock().expect("one thread");
        let folder = to.join(seen.len().to_string());
        std::fs::create_dir(&folder).expect("folder");
        for suffix in ["", "-wal"] {
            let name = format!("vault.sqlite{suffix}");
            // The log may be gone at this instant.
            drop(std::fs::copy(from.with_file_name(&name), folder.join(&name)));
        }
        seen.push(folder.join("vault.sqlite"));
        false
    };
    f.connection.progress_handler(every, Some(copy)).expect("set");
    scenario(&mut f.connection, &f.vault);
    f.connection
        .progress_handler(0, None::<fn() -> bool>)
        .expect("unset");
    let copies = copies.lock().expect("one thread");
    let spread = copies.len().div_ceil(LOOKED_AT);
    let chosen: Vec<PathBuf> = copies.iter().step_by(spread).cloned().collect();
    assert!(chosen.len() > 20, "only {} kills", chosen.len());
    chosen
}

fn unlocks(connection: &Connection, byte: u8) -> Option<Vault> {
    match Vault::unlock(connection, registry(), &key_file(byte)) {
        Ok(vault) => Some(vault),
        Err(UnlockError::WrongSecret) => None,
        Err(other) => panic!("{other}"),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().expect("a folder")
}

#[test]
fn a_rotation_killed_anywhere_is_finished_by_the_next_start() {
    let mut f = filled();
    let old = pieces(&f.connection);
    let mut phases = Vec::new();
    for path in killed_everywhere(&mut f, LONG, |connection, vault| {
        begin(connection, vault);
        finish(connection, vault);
    }) {
        let mut connection = open(&path);
        let vault = unlocks(&connection, 1).expect("unlocks");
        assert_eq!(everything_opens(&connection, &vault), FIELDS, "as it was left");
        let left = Rotation::under_way(&connection).expect("reads");
        phases.push(left.map(|rotation| rotation.phase));
        if left.is_none() && data_keys(&vault) == [(1, KeyState::Active)] {
            continue;
        }
        finish(&mut connection, &vault);
        assert_eq!(everything_opens(&connection, &vault), FIELDS);
        assert_eq!(
            data_keys(&vault),
            [(1, KeyState::Destroyed), (4, KeyState::Active)]
        );
        let kept = pieces(&connection);
        drop(connection);
        let gone = old.difference(&kept).copied().collect();
        assert_eq!(pieces_in(folder(&path), &gone), 0, "{}", path.display());
    }
    for phase in [None, Some(Phase::Sweeping), Some(Phase::Purging)] {
        assert!(phases.contains(&phase), "no kill fell into {phase:?}");
    }
}

#[test]
fn an_aborted_rotation_killed_anywhere_is_finished_by_the_next_start() {
    let mut f = filled();
    begin(&mut f.connection, &f.vault);
    let half = step_until_half(&mut f);
    let new = pieces(&f.connection);
    for path in killed_everywhere(&mut f, LONG, |connection, vault| {
        within(connection, vault, |t| Rotation::abort(t, vault)).expect("aborts");
        finish(connection, vault);
    }) {
        let mut connection = open(&path);
        let vault = unlocks(&connection, 1).expect("unlocks");
        assert_eq!(everything_opens(&connection, &vault), FIELDS, "as it was left");
        if data_keys(&vault) == [(1, KeyState::Retiring), (4, KeyState::Active)] {
            continue;
        }
        finish(&mut connection, &vault);
        assert_eq!(everything_opens(&connection, &vault), FIELDS);
        assert_eq!(
            data_keys(&vault),
            [(1, KeyState::Active), (4, KeyState::Destroyed)]
        );
        let kept = pieces(&connection);
        drop(connection);
        let gone: std::collections::HashSet<_> = new.difference(&kept).copied().collect();
        assert!(gone.len() as u64 > half.rows_done / 2, "control");
        assert_eq!(pieces_in(folder(&path), &gone), 0, "{}", path.display());
    }
}

fn step_until_half(f: &mut Fixture) -> Rotation {
    loop {
        let rotation = crate::step(&mut f.connection, &f.vault);
        if rotation.rows_done * 2 > rotation.rows_total {
            return rotation;
        }
    }
}

#[test]
fn a_slot_change_killed_anywhere_leaves_exactly_one_of_the_two_secrets() {
    let mut f = filled();
    let old = pieces(&f.connection);
    let (mut first, mut second) = (0, 0);
    for path in killed_everywhere(&mut f, SHORT, |connection, vault| {
        let access = MasterAccess::unlock(connection, &key_file(1)).expect("unlocks");
        access
            .change_slot(connection, SlotId(1), &key_file(2), &new_slot("new"))
            .expect("changed");
        vault.purge(connection).expect("purged");
    }) {
        let mut connection = open(&path);
        let (one, two) = (unlocks(&connection, 1), unlocks(&connection, 2));
        assert!(one.is_some() != two.is_some(), "{}", path.display());
        if let Some(vault) = one {
            first += 1;
            assert_eq!(everything_opens(&connection, &vault), FIELDS);
            let access = MasterAccess::unlock(&connection, &key_file(1)).expect("unlocks");
            access
                .change_slot(&mut connection, SlotId(1), &key_file(2), &new_slot("new"))
                .expect("the next try succeeds");
        } else {
            second += 1;
        }
        let vault = unlocks(&connection, 2).expect("the new secret");
        assert_eq!(everything_opens(&connection, &vault), FIELDS);
        vault.purge(&mut connection).expect("purged");
        let kept = pieces(&connection);
        drop(connection);
        let gone: std::collections::HashSet<_> = old.difference(&kept).copied().collect();
        assert_eq!(gone.len(), 1, "the old wrap");
        assert_eq!(pieces_in(folder(&path), &gone), 0, "{}", path.display());
    }
    assert!(first > 0 && second > 0, "{first} kills before, {second} after");
}

#[test]
fn a_new_master_key_killed_anywhere_is_there_wholly_or_not_at_all() {
    let mut f = filled();
    let mut access = MasterAccess::unlock(&f.connection, &key_file(1)).expect("unlocks");
    access
        .add_slot(&mut f.connection, &key_file(2), &new_slot("second"))
        .expect("added");
    f.vault.purge(&mut f.connection).expect("purged");
    let old = pieces(&f.connection);
    let (mut before, mut after) = (0, 0);
    for path in killed_everywhere(&mut f, SHORT, |connection, vault| {
        access
            .rotate_master_key(connection, &[key_file(2)])
            .expect("rotated");
        vault.purge(connection).expect("purged");
    }) {
        let mut connection = open(&path);
        let vault = unlocks(&connection, 2).expect("its secret was given");
        assert_eq!(everything_opens(&connection, &vault), FIELDS);
        if unlocks(&connection, 1).is_some() {
            before += 1;
            continue;
        }
        after += 1;
        vault.purge(&mut connection).expect("purged");
        let kept = pieces(&connection);
        drop(connection);
        let gone: std::collections::HashSet<_> = old.difference(&kept).copied().collect();
        assert_eq!(gone.len(), 5, "two slots, three keys");
        assert_eq!(pieces_in(folder(&path), &gone), 0, "{}", path.display());
    }
    assert!(before > 0 && after > 0, "{before} kills before, {after} after");
}
