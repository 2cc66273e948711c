//! Tampering by somebody with the file and every key of it: rows are opened, altered, sealed and linked anew.

use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{NewVault, SlotSecret};
use proptest::prelude::*;

use super::*;
use crate::audit::event::AuditEvent;
use crate::client::Client;
use crate::clock::WallTime;
use crate::store::{audit, columns, migrations};

const NOON: WallTime = WallTime::from_unix_ms(1_800_000_000_000);

struct Log {
    _folder: tempfile::TempDir,
    connection: Connection,
    vault: Vault,
}

/// A row as SQL and the vault give it.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: i64,
    at: i64,
    kind: String,
    record: Vec<u8>,
    chain: Vec<u8>,
}

impl Log {
    /// A schema, and a vault; no chain yet.
    fn unchained() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut connection =
            open_connection(&folder.path().join("d.sqlite"), OpenMode::CreateNew).expect("opens");
        let secret = SlotSecret::password("the field password of the tests");
        let vault = Vault::create(
            &mut connection,
            columns::registry(),
            &secret,
            &NewVault::first(1_800_000_000),
        );
        let vault = vault.expect("made");
        migrations::run(&mut connection).expect("migrates");
        Self {
            _folder: folder,
            connection,
            vault,
        }
    }

    fn of(events: i64) -> Self {
        let log = Self::unchained();
        begin(&log.connection, &log.vault).expect("begins");
        log.more(events);
        log
    }

    fn more(&self, events: i64) {
        for slot in 0..events {
            let event = AuditEvent::SlotAdded { slot };
            audit::write(&self.connection, &self.vault, &Client::local(), NOON, event).expect("written");
        }
    }

    fn says(&self, kept: Option<&AuditHead>) -> Option<AuditBreak> {
        walk(&self.connection, &self.vault, kept, KEPT)
            .expect("walks")
            .broken
    }

    fn head(&self) -> AuditHead {
        let end = end(&self.connection, &self.vault).expect("reads");
        end.head().expect("there are events")
    }

    fn events(&self) -> Vec<Event> {
        let mut statement = self
            .connection
            .prepare("SELECT id, at, kind, record, chain FROM audit_events ORDER BY id")
            .expect("prepares");
        let rows = statement.query_map([], |row| {
            let (id, sealed): (i64, Sealed) = (row.get(0)?, row.get(3)?);
            let record = self.vault.open(AUDIT_EVENT, &RowKey::Integer(id), &sealed);
            Ok(Event {
                id,
                at: row.get(1)?,
                kind: row.get(2)?,
                record: record.expect("opens").expose_bytes().to_vec(),
                chain: row.get(4)?,
            })
        });
        rows.and_then(Iterator::collect).expect("reads")
    }

    /// Puts these rows in the place of all, sealed under the database's own keys.
    fn replace(&self, events: &[Event]) {
        self.connection
            .execute("DELETE FROM audit_events", [])
            .expect("deleted");
        for event in events {
            let sealed = self
                .vault
                .seal(AUDIT_EVENT, &RowKey::Integer(event.id), &event.record);
            self.connection
                .execute(
                    "INSERT INTO audit_events (id, at, kind, record, chain) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (
                        event.id,
                        event.at,
                        &event.kind,
                        sealed.expect("sealed"),
                        &event.chain,
                    ),
                )
                .expect("inserted");
        }
    }

    /// The same, numbered and linked anew from the anchor on, as whoever has the keys can.
    fn forge(&self, mut events: Vec<Event>) {
        let chain = chain_of(&self.vault).expect("a key");
        let mut last = anchor(&self.connection, &self.vault)
            .expect("reads")
            .expect("there");
        for event in &mut events {
            event.id = last.id + 1;
            let plain = Plain {
                id: event.id,
                at: event.at,
                kind: &event.kind,
            };
            event.chain = link(&chain, &last.link, &plain, &event.record).0.to_vec();
            last = Place {
                id: event.id,
                link: event.chain.clone(),
            };
        }
        self.replace(&events);
    }
}

/// Events that a sweep of these tests leaves.
const KEPT: i64 = 5;

#[derive(Clone, Copy, Debug)]
enum Tampering {
    Time,
    Kind,
    Record,
    Deleted,
    Doubled,
    Swapped,
    Last,
}

const EVERY: [Tampering; 7] = [
    Tampering::Time,
    Tampering::Kind,
    Tampering::Record,
    Tampering::Deleted,
    Tampering::Doubled,
    Tampering::Swapped,
    Tampering::Last,
];

impl Tampering {
    /// Alters the rows at a place that has a next one. Numbers and links stay with their rows.
    fn alter(self, events: &mut Vec<Event>, place: usize) {
        let event = &mut events[place];
        match self {
            Self::Time => event.at += 1,
            Self::Kind => event.kind.push('2'),
            Self::Record => event.record = br#"{"Event":"BackupTaken","Client":{}}"#.to_vec(),
            Self::Deleted => drop(events.remove(place)),
            Self::Doubled => {
                let event = event.clone();
                events.insert(place, event);
                renumber(events);
            }
            Self::Swapped => {
                events.swap(place, place + 1);
                renumber(events);
            }
            Self::Last => drop(events.pop()),
        }
    }
}

/// The primary key takes no number twice.
fn renumber(events: &mut [Event]) {
    let first = events.iter().map(|event| event.id).min().unwrap_or(1);
    for (event, id) in events.iter_mut().zip(first..) {
        event.id = id;
    }
}

#[test]
fn a_log_that_nobody_touched_holds_with_every_head_that_was_ever_kept() {
    let log = Log::of(0);
    assert_eq!(log.says(None), None);
    let mut heads = Vec::new();
    for _ in 0..8 {
        log.more(1);
        heads.push(log.head());
    }
    for head in &heads {
        assert_eq!(log.says(Some(head)), None, "{head}");
    }
    // Events 1 to 3 go; a head of the last of them still proves, by the anchor.
    assert_eq!(sweep(&log.connection, &log.vault, KEPT).expect("sweeps"), 3);
    assert_eq!(sweep(&log.connection, &log.vault, KEPT).expect("sweeps"), 0);
    assert_eq!(log.says(Some(&heads[1])), Some(AuditBreak::HeadTooOld(2)));
    for head in &heads[2..] {
        assert_eq!(log.says(Some(head)), None, "{head}");
    }
    log.more(2);
    assert_eq!(log.says(Some(&heads[7])), None);
    assert_eq!(log.head().event, AuditEventId(10));
}

#[test]
fn the_first_event_that_was_altered_is_named_without_any_head() {
    for (tampering, named) in [
        (Tampering::Time, AuditBreak::Changed(3)),
        (Tampering::Kind, AuditBreak::Changed(3)),
        (Tampering::Record, AuditBreak::Changed(3)),
        (Tampering::Deleted, AuditBreak::Missing(3)),
        (Tampering::Doubled, AuditBreak::Changed(4)),
        (Tampering::Swapped, AuditBreak::Changed(3)),
    ] {
        let log = Log::of(6);
        let mut events = log.events();
        tampering.alter(&mut events, 2);
        log.replace(&events);
        assert_eq!(log.says(None), Some(named), "{tampering:?}");
    }
    let log = Log::of(6);
    log.connection
        .execute_batch("UPDATE audit_events SET record = zeroblob(60) WHERE id = 4")
        .expect("altered");
    assert_eq!(log.says(None), Some(AuditBreak::DoesNotOpen(4)));
}

#[test]
fn what_is_cut_off_at_the_beginning_is_no_sweep() {
    let log = Log::of(12);
    let head = log.head();
    // With every key, events are taken out and the anchor is moved as a sweep would.
    sweep(&log.connection, &log.vault, 4).expect("swept");
    assert_eq!(log.says(Some(&head)), Some(AuditBreak::CutOffBefore(9)));
    // The anchor put back before what is gone.
    put_anchor(&log.connection, &log.vault, &Place::default()).expect("put");
    assert_eq!(log.says(Some(&head)), Some(AuditBreak::Missing(1)));
    let behind = Place {
        id: 10,
        link: Vec::new(),
    };
    put_anchor(&log.connection, &log.vault, &behind).expect("put");
    assert_eq!(log.says(None), Some(AuditBreak::Inserted(9)));
    super::super::server_state::forget(&log.connection, ANCHOR).expect("gone");
    assert_eq!(log.says(None), Some(AuditBreak::NoAnchor));
}

#[test]
fn a_log_from_before_the_chain_gets_one_and_only_once() {
    let log = Log::unchained();
    log.more(4);
    log.connection
        .execute_batch("UPDATE audit_events SET chain = x''; DELETE FROM audit_events WHERE id = 1")
        .expect("as an earlier version left it");
    log.connection
        .execute_batch("UPDATE audit_events SET record = zeroblob(60) WHERE id = 3")
        .expect("one does not open");
    begin(&log.connection, &log.vault).expect("a damaged event is no reason to refuse the start");
    assert_eq!(log.says(None), Some(AuditBreak::DoesNotOpen(3)));
    log.connection
        .execute_batch("DELETE FROM audit_events WHERE id > 2")
        .expect("cut");
    log.more(KEPT);
    assert_eq!(log.says(None), None);
    let before = log.events();
    log.connection
        .execute_batch("UPDATE audit_events SET at = at + 1 WHERE id = 2")
        .expect("altered");
    begin(&log.connection, &log.vault).expect("nothing to do");
    assert_eq!(
        log.says(None),
        Some(AuditBreak::Changed(2)),
        "what was altered stays a break"
    );
    assert_eq!(log.events()[1..], before[1..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whoever_has_every_key_alters_nothing_up_to_a_head_that_was_kept(
        before in 2_i64..9, after in 0_i64..4, place in 0_usize..8, tampering in 0..EVERY.len(), swept in any::<bool>(),
    ) {
        let log = Log::of(before);
        let head = log.head();
        log.more(after);
        if swept {
            sweep(&log.connection, &log.vault, KEPT).expect("sweeps");
        }
        prop_assert_eq!(log.says(Some(&head)), None, "control: as it was");
        let mut events = log.events();
        let first = events[0].id;
        let upto = usize::try_from(before - first).expect("the head is not swept out");
        let tampering = EVERY[tampering];
        let last_goes = matches!(tampering, Tampering::Last);
        prop_assume!(upto >= 1 && (after == 0 || !last_goes));
        tampering.alter(&mut events, place % upto);
        // Whatever the rows are, numbered and linked as if they had always been so.
        log.forge(events);
        if !swept {
            prop_assert_eq!(log.says(None), None, "control: it is forged well");
        }
        prop_assert!(log.says(Some(&head)).is_some(), "{:?}", tampering);
    }
}
