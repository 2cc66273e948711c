//! What the command line does beside a running server.

#![expect(clippy::disallowed_methods, reason = "a look into the file takes SQL")]

use authcore::{
    AuditQuery, Authority, ChangeAuthority, Client, KeyRotation, Remember, RotationProgress, SignInError,
};
use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{ColumnRegistry, KdfParams, KeyState, MasterAccess, NewSlot, SlotId, SlotSecret, Vault};

use crate::house::{FIELD, Held, House, PASSWORD, browser, good, options, password, verify};

#[tokio::test]
async fn a_revocation_by_another_process_is_taken_in() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let operator = Authority::open(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password(FIELD),
    );
    let operator = operator.expect("opens beside the server");
    assert_eq!(
        operator
            .sessions()
            .end_all(None, &Client::local())
            .await
            .expect("committed"),
        1
    );
    // The next commit takes it in before anything else; a refresh of a session that is gone must not bring it back.
    assert!(house.refresh(&Held::of(&tokens)).await.is_err());
    assert!(!house.is_good(&tokens));
}

/// A proof of a password that another process has changed meanwhile is worth nothing, however soon it is presented.
#[tokio::test]
async fn a_password_changed_by_another_process_makes_an_earlier_proof_worthless() {
    let house = House::new();
    let operator = Authority::open(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password(FIELD),
    );
    let operator = operator.expect("opens beside the server");
    let set = async |text: &str| {
        let by = ChangeAuthority::LocalOperator { keep_sessions: true };
        let client = Client::local();
        let changed = operator.passwords().change(by, password(text), &client);
        changed.await.expect("committed");
    };
    set(PASSWORD).await;
    let proof = verify(&house.authority, PASSWORD)
        .await
        .map_err(|error| error.to_string());
    let proof = proof.expect("the server has taken the new password in");
    set("another horse altogether").await;
    let sessions = house.authority.sessions();
    let started = sessions
        .start(proof, Remember::ThisBrowserSession, &browser())
        .await;
    assert!(matches!(started, Err(SignInError::Refused)));
}

fn rotation_beside(house: &House) -> KeyRotation {
    let options = options(house.folder.path(), &house.clock);
    KeyRotation::open(&options, &SlotSecret::password(FIELD)).expect("opens beside the server")
}

/// What is written last, at the stop, is sealed with a key that is there.
#[tokio::test]
async fn a_server_that_stops_right_after_a_rotation_leaves_what_opens() {
    let house = House::new();
    let mut rotation = rotation_beside(&house);
    assert!(rotation.begin_data(&Client::local()).expect("begun"));
    while !matches!(
        rotation.advance_data(&Client::local()).expect("goes on"),
        RotationProgress::Done
    ) {}
    drop(rotation);
    // Nothing was written since, and the server has not looked by itself.
    let house = house.restarted();
    assert!(house.is_good(&house.sign_in().await));
}

/// The command was killed after it began; the next one goes on where it stood, and the server's own process follows.
#[tokio::test]
async fn a_rotation_that_was_broken_off_goes_on_and_the_running_server_follows() {
    let house = House::new();
    let tokens = house.sign_in().await;
    let mut broken_off = rotation_beside(&house);
    assert!(broken_off.begin_data(&Client::local()).expect("begun"));
    drop(broken_off);
    let mut rotation = rotation_beside(&house);
    assert!(
        !rotation.begin_data(&Client::local()).expect("one is under way"),
        "it goes on, and no second one begins"
    );
    while !matches!(
        rotation.advance_data(&Client::local()).expect("goes on"),
        RotationProgress::Done
    ) {}
    // At once, before the server has looked by itself: what it seals is under the new key, or the restart would not open it.
    let tokens = good(house.refresh(&Held::of(&tokens)).await);
    let house = house.restarted();
    assert!(house.is_good(&tokens), "the session opens under the new key");
    let states: Vec<_> = house
        .authority
        .sealing_keys()
        .into_iter()
        .map(|key| key.state)
        .collect();
    assert_eq!(
        states
            .iter()
            .filter(|state| **state == KeyState::Destroyed)
            .count(),
        1
    );
}

/// A reader takes the new key in by itself: no write and no idle look came before it.
#[tokio::test]
async fn events_that_were_sealed_anew_a_moment_ago_open_in_the_running_server() {
    let house = House::new();
    let _signed_in = house.sign_in().await;
    let mut rotation = rotation_beside(&house);
    assert!(rotation.begin_data(&Client::local()).expect("begun"));
    rotation
        .advance_data(&Client::local())
        .expect("every event is sealed anew");
    let page = AuditQuery {
        since: None,
        before: None,
        kinds: None,
        limit: 50,
    };
    let events = house.authority.audit().page(&page);
    assert!(!events.expect("every event opens").is_empty());
}

/// Killed between the change of a slot and its purge: the next opening takes the old slot's bytes out of the files.
#[test]
fn what_a_killed_change_of_slots_left_is_purged_at_the_next_opening() {
    let house = House::new();
    house.authority.shutdown();
    let path = house.folder.path().join("postern.sqlite");
    let mut connection = open_connection(&path, OpenMode::Existing).expect("opens");
    let access = MasterAccess::unlock(&connection, &SlotSecret::password(FIELD)).expect("unlocks");
    let old: Vec<u8> = connection
        .query_row("SELECT wrapped_master FROM fieldcrypt_slots", [], |row| {
            row.get(0)
        })
        .expect("there");
    let new = NewSlot {
        label: String::new(),
        kdf: KdfParams::default(),
        created_unix: 0,
    };
    let secret = SlotSecret::password("another field password");
    let vault = Vault::unlock(
        &connection,
        ColumnRegistry::default(),
        &SlotSecret::password(FIELD),
    );
    let seal = vault.expect("unlocks").integrity_seal(&[]).expect("a seal");
    seal.attach(&connection).expect("attached");
    access
        .change_slot(&mut connection, SlotId(1), &secret, &new)
        .expect("changed, not purged");
    let stands = |bytes: &[u8]| {
        let files = std::fs::read_dir(house.folder.path()).expect("the folder");
        let files = files.map(|file| std::fs::read(file.expect("an entry").path()).expect("read"));
        files
            .into_iter()
            .any(|file| file.windows(bytes.len()).any(|window| window == bytes))
    };
    assert!(stands(&old), "control: it is still there");
    let due = |connection: &rusqlite::Connection| Vault::purge_is_due(connection).expect("reads");
    assert!(due(&connection), "control: the change asks for a purge");
    drop(connection);
    let options = options(house.folder.path(), &house.clock);
    Authority::open(&options, &secret).expect("opens").shutdown();
    assert!(!stands(&old));
    let connection = open_connection(&path, OpenMode::ReadOnly).expect("opens");
    assert!(!due(&connection), "the purge is done, not only due");
}
