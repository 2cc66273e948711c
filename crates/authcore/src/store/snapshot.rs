//! A state of the database held still, to be copied into a backup, and what can be told of a copy.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::HEXLOWER;
use fieldcrypt::sqlite::{OpenMode, Snapshot, SnapshotBytes, SnapshotError, install_id};
use fieldcrypt::{KeyInfo, SlotInfo, SlotSecret, Vault};
use rusqlite::Connection;

use super::integrity::{Guard, IntegrityOptions};
use super::{OpenError, StoreError, Verification, connect, inspect, read};
use crate::ids::AccessKeyId;

/// What a copy of a database is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// The install it belongs to, 32 hexadecimal digits.
    pub install_id: String,
    /// The last step of the schema.
    pub schema: u32,
    /// Rows, by table.
    pub rows: BTreeMap<String, u64>,
}

/// A state of a database, held still until it is dropped; whoever writes goes on meanwhile.
pub struct DatabaseSnapshot {
    snapshot: Snapshot,
    facts: DatabaseFacts,
    counter: u64,
}

/// Whether the integrity seal is checked, which reads every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealCheck {
    /// It is, and a database that was altered is refused.
    Full,
    /// What is there is taken as it is; the copy carries its seal with it.
    None,
}

impl DatabaseSnapshot {
    pub(crate) fn take(path: &Path, vault: &Vault, check: SealCheck) -> Result<Self, OpenError> {
        let snapshot = Snapshot::take(path)?;
        let connection = snapshot.connection();
        vault.reload_if_changed(connection).map_err(StoreError::from)?;
        // What the witness says is no matter of a copy.
        let counter = match check {
            SealCheck::Full => {
                Guard::check(vault, connection, &IntegrityOptions::default())?.counter(connection)?
            }
            SealCheck::None => Guard::counter(vault, connection)?,
        };
        let facts = facts(connection)?;
        Ok(Self {
            snapshot,
            facts,
            counter,
        })
    }

    /// What it is known by.
    #[must_use]
    pub const fn facts(&self) -> &DatabaseFacts {
        &self.facts
    }

    /// How far the integrity seal had come.
    #[must_use]
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// The bytes of the database file: every secret in them is sealed.
    #[must_use]
    pub fn bytes(&self) -> SnapshotBytes<'_> {
        self.snapshot.bytes()
    }
}

/// As [`DatabaseSnapshot::take`], by a process that has not the database open.
pub(crate) fn take(path: &Path, secret: &SlotSecret) -> Result<DatabaseSnapshot, OpenError> {
    if !path.exists() {
        return Err(OpenError::Missing {
            path: path.to_owned(),
        });
    }
    let reading = connect(path, OpenMode::ReadOnly)?;
    let vault = Vault::unlock(&reading, super::columns::registry(), secret)?;
    drop(reading);
    DatabaseSnapshot::take(path, &vault, SealCheck::None)
}

/// What a copy of a database says of itself.
#[derive(Debug)]
pub struct Examination {
    /// What it is known by.
    pub facts: DatabaseFacts,
    /// What SQLite's own check says; empty when the file is sound.
    pub structure: Vec<String>,
    /// What only its keys tell.
    pub opened: Option<OpenedCopy>,
}

/// What the keys of a copy tell.
#[derive(Debug)]
pub struct OpenedCopy {
    /// How far its integrity seal had come.
    pub counter: Option<u64>,
    /// The integrity seal, the sealed fields, the public keys.
    pub verification: Verification,
    /// The keys that seal fields.
    pub keys: Vec<KeyInfo>,
    /// The ways to open it.
    pub slots: Vec<SlotInfo>,
}

/// Looks at a copy of a database that nobody has open. Without a secret, at what can be told without its keys.
pub(crate) fn examine(path: &Path, secret: Option<&SlotSecret>) -> Result<Examination, OpenError> {
    let connection = connect(path, OpenMode::ReadOnly)?;
    let facts = facts(&connection)?;
    let structure = structure(&connection)?;
    let opened = match secret {
        Some(secret) if structure.is_empty() => Some(open(path, secret)?),
        Some(_) | None => None,
    };
    Ok(Examination {
        facts,
        structure,
        opened,
    })
}

fn open(path: &Path, secret: &SlotSecret) -> Result<OpenedCopy, OpenError> {
    let reading = read(path, secret, &IntegrityOptions::default())?;
    Ok(OpenedCopy {
        counter: Guard::counter(&reading.vault, &reading.connection).ok(),
        keys: reading.vault.keys(),
        slots: Vault::slots(&reading.connection)?,
        verification: inspect::verification(reading)?,
    })
}

/// Read without any key.
fn facts(connection: &Connection) -> Result<DatabaseFacts, OpenError> {
    let schema = connection
        .query_row("SELECT max(version) FROM refinery_schema_history", [], |row| {
            row.get::<_, Option<u32>>(0)
        })
        .map_err(StoreError::from)?;
    Ok(DatabaseFacts {
        install_id: HEXLOWER.encode(&install_id(connection)?),
        schema: schema.unwrap_or(0),
        rows: rows(connection)?,
    })
}

fn rows(connection: &Connection) -> Result<BTreeMap<String, u64>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'
         AND name NOT GLOB 'fieldcrypt_*' AND name NOT GLOB 'refinery_*' ORDER BY name",
    )?;
    let names: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut rows = BTreeMap::new();
    for name in names {
        let quoted = name.replace('"', "\"\"");
        let count: i64 = connection.query_row(&format!("SELECT count(*) FROM \"{quoted}\""), [], |row| {
            row.get(0)
        })?;
        rows.insert(name, u64::try_from(count).unwrap_or(0));
    }
    Ok(rows)
}

fn structure(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare("PRAGMA main.integrity_check(10)")?;
    let lines: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// The access keys that a database has, by id, with their names; read without any key, so good for no more than to leave out
/// what is not among them.
pub(super) fn access_keys(connection: &Connection) -> Result<BTreeMap<AccessKeyId, String>, StoreError> {
    let mut statement = connection.prepare("SELECT id, name FROM access_keys")?;
    let keys = statement.query_map([], |row| Ok((AccessKeyId::from_bytes(row.get(0)?), row.get(1)?)))?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

impl From<SnapshotError> for OpenError {
    fn from(error: SnapshotError) -> Self {
        Self::Snapshot(Box::new(error))
    }
}
