//! The row of a rotation, the place it has come to, and the fields that did not open.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _};

use super::schema;
use crate::column::SealedColumn;
use crate::keyring::DataKeyNumber;
use crate::rotation::state::{Keys, RotationState};
use crate::rotation::{Direction, Phase, Rotation, RotationError, UnopenableField};

/// How far a walk has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Logical table and column; `None` at the start.
    pub(super) column: Option<(String, String)>,
    /// Primary key of the last row walked; empty at the start of the column.
    pub(super) after: Vec<Value>,
}

pub(super) fn load(connection: &Connection) -> Result<Option<Rotation>, RotationError> {
    if !schema::has_table(connection, "fieldcrypt_rotation")? {
        return Ok(None);
    }
    let count = |row: &rusqlite::Row<'_>, at: usize| -> rusqlite::Result<u64> {
        Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
    };
    let found = connection
        .prepare_cached(
            "SELECT phase, direction, active, retiring, rows_done, rows_total, started,
                    (SELECT count(*) FROM fieldcrypt_unopenable)
             FROM fieldcrypt_rotation WHERE id = 1",
        )?
        .query_row([], |row| {
            let phase = Phase::from_name(row.get_ref(0)?.as_str().unwrap_or_default());
            let direction = Direction::from_name(row.get_ref(1)?.as_str().unwrap_or_default());
            let (active, retiring) = (DataKeyNumber(row.get(2)?), DataKeyNumber(row.get(3)?));
            let rest = (count(row, 4)?, count(row, 5)?, row.get(6)?, count(row, 7)?);
            Ok((phase, direction, active, retiring, rest))
        })
        .optional()?;
    let Some((phase, direction, active, retiring, rest)) = found else {
        return Ok(None);
    };
    let (rows_done, rows_total, started_unix, unopenable) = rest;
    let unknown = |what| RotationError::UnknownFormat { what };
    Ok(Some(Rotation {
        phase: phase.ok_or_else(|| unknown("its phase"))?,
        direction: direction.ok_or_else(|| unknown("its direction"))?,
        active,
        retiring,
        rows_done,
        rows_total,
        unopenable,
        started_unix,
    }))
}

/// The state of what was loaded.
pub(super) fn state(rotation: Option<&Rotation>) -> RotationState {
    rotation.map_or(RotationState::Idle, |rotation| RotationState::UnderWay {
        phase: rotation.phase,
        direction: rotation.direction,
        keys: Keys {
            active: rotation.active,
            retiring: rotation.retiring,
        },
    })
}

/// Writes the rotation's row; its place stays.
pub(super) fn put(transaction: &Connection, rotation: &Rotation) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO fieldcrypt_rotation (id, phase, direction, active, retiring, rows_done, rows_total, started)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET phase = ?1, direction = ?2, active = ?3, retiring = ?4, rows_done = ?5",
        )?
        .execute((
            rotation.phase.name(),
            rotation.direction.name(),
            rotation.active.0,
            rotation.retiring.0,
            i64::try_from(rotation.rows_done).unwrap_or(i64::MAX),
            i64::try_from(rotation.rows_total).unwrap_or(i64::MAX),
            rotation.started_unix,
        ))?;
    Ok(())
}

pub(super) fn delete(transaction: &Connection) -> rusqlite::Result<()> {
    start_over(transaction)?;
    transaction.execute("DELETE FROM fieldcrypt_rotation", [])?;
    Ok(())
}

/// The walk begins at the start, and what did not open may open by now.
pub(super) fn start_over(transaction: &Connection) -> rusqlite::Result<()> {
    put_place(transaction, &Place::default())?;
    transaction.execute("DELETE FROM fieldcrypt_unopenable", [])?;
    Ok(())
}

pub(super) fn place(connection: &Connection) -> rusqlite::Result<Place> {
    let (table, column): (Option<String>, Option<String>) = connection
        .prepare_cached("SELECT at_table, at_column FROM fieldcrypt_rotation WHERE id = 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut parts = connection.prepare_cached("SELECT value FROM fieldcrypt_rotation_place ORDER BY part")?;
    Ok(Place {
        column: table.zip(column),
        after: parts.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?,
    })
}

pub(super) fn put_place(transaction: &Connection, place: &Place) -> rusqlite::Result<()> {
    let (table, column) = place
        .column
        .as_ref()
        .map(|(table, column)| (table, column))
        .unzip();
    transaction
        .prepare_cached("UPDATE fieldcrypt_rotation SET at_table = ?1, at_column = ?2 WHERE id = 1")?
        .execute((table, column))?;
    transaction
        .prepare_cached("DELETE FROM fieldcrypt_rotation_place")?
        .execute([])?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO fieldcrypt_rotation_place (part, value) VALUES (?1, ?2)")?;
    for (part, value) in (0_i64..).zip(&place.after) {
        insert.execute((part, value))?;
    }
    Ok(())
}

pub(super) fn record_unopenable(
    transaction: &Connection,
    column: SealedColumn,
    row: &str,
    reason: &str,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO fieldcrypt_unopenable (table_name, column_name, row_key, reason)
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((column.table(), column.column(), row, reason))?;
    Ok(())
}

pub(super) fn count_unopenable(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM fieldcrypt_unopenable";
    let fields: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(fields).unwrap_or(0))
}

pub(super) fn unopenable(connection: &Connection) -> rusqlite::Result<Vec<UnopenableField>> {
    if !schema::has_table(connection, "fieldcrypt_unopenable")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(
        "SELECT table_name, column_name, row_key, reason FROM fieldcrypt_unopenable ORDER BY 1, 2, 3",
    )?;
    let fields = statement.query_map([], |row| {
        Ok(UnopenableField {
            table: row.get(0)?,
            column: row.get(1)?,
            row: row.get(2)?,
            reason: row.get(3)?,
        })
    })?;
    fields.collect()
}
