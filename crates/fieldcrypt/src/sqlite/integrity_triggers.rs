//! What keeps the integrity seal: `TEMP` triggers on every protected table, and the functions they call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::Value;

use super::held_changes::{HELD_KEY, HELD_MARK, HELD_ROWS, HOLD, Held, NOT_HELD, SETTLED};
use super::layout::{Layout, literal, quoted, value};
use crate::integrity::row_tag::RowMark;
use crate::integrity::table_seal::{SealState, TableSum};
use crate::integrity::{IntegrityError, IntegrityKeys, IntegritySeal};

/// The functions exist only on connections a seal is attached to.
const RESEAL: &str = "fieldcrypt_reseal";
const ROW_KEY: &str = "fieldcrypt_row_key";
const ROW_MARK: &str = "fieldcrypt_row_mark";

impl IntegritySeal {
    /// Keeps the seal on this connection from here on, in every transaction, by itself. Call it after
    /// [`IntegritySeal::verify`], on every connection that writes, when the schema is as it is to stay.
    ///
    /// Turns on `recursive_triggers`, without which `REPLACE` deletes rows unseen; it must stay on.
    ///
    /// # Errors
    /// When a protected table is not there, has no primary key, or is not in the seal yet.
    pub fn attach(&self, connection: &Connection) -> Result<(), IntegrityError> {
        let state = self.read(connection)?;
        connection.execute_batch("PRAGMA recursive_triggers = ON")?;
        if connection.query_row("PRAGMA recursive_triggers", [], |row| row.get::<_, i64>(0))? != 1 {
            return Err(IntegrityError::Setting);
        }
        let mut layouts = Vec::with_capacity(self.tables.len());
        for table in &self.tables {
            if !state.tables.iter().any(|(name, _)| name == table) {
                return Err(not_sealed(table));
            }
            layouts.push(Layout::read(connection, table)?);
        }
        let room = Arc::new(Room {
            keys: Arc::clone(&self.keys),
            layouts,
            last: Mutex::new(None),
            held: Mutex::new(None),
        });
        // No trigger, view or index that stands in the file may call them; TEMP triggers are ours.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        for (name, function) in [
            (RESEAL, Room::reseal as Function),
            (ROW_KEY, Room::row_key),
            (ROW_MARK, Room::row_mark),
            (HOLD, Room::hold),
            (NOT_HELD, Room::not_held),
            (HELD_ROWS, Room::held_rows),
            (HELD_KEY, Room::held_key),
            (HELD_MARK, Room::held_mark),
            (SETTLED, Room::settled),
        ] {
            let room = Arc::clone(&room);
            connection.create_scalar_function(name, -1, flags, move |context| {
                function(&room, context).map_err(|error| rusqlite::Error::UserFunctionError(Box::new(error)))
            })?;
        }
        for layout in &room.layouts {
            connection.execute_batch(&triggers(layout))?;
        }
        Ok(())
    }
}

type Function = fn(&Room, &Context<'_>) -> Result<Value, IntegrityError>;

/// What the functions work with. Their first argument is always the table.
struct Room {
    keys: Arc<IntegrityKeys>,
    layouts: Vec<Layout>,
    /// The seal last written by this connection, opened. Taken only for the very same stored bytes, so a rollback is
    /// no matter.
    last: Mutex<Option<(Vec<u8>, SealState)>>,
    /// The updates of one table, while a sweep holds them.
    held: Mutex<Option<Held>>,
}

impl Room {
    /// `(table, stored seal, rows taken out, values…, values…)` → the seal with that many rows (0 or 1) taken out and
    /// the rest put in.
    fn reseal(&self, context: &Context<'_>) -> Result<Value, IntegrityError> {
        let layout = self.layout(context)?;
        let mut taken_out: i64 = context.get(2)?;
        self.change(context.get(1)?, &layout.table, |sum| {
            for first in (3..context.len()).step_by(layout.columns.len()) {
                let (_, row) = layout.encode(|position| value(context.get_raw(first + position)))?;
                let tag = self.keys.rows.tag(&row);
                if taken_out > 0 {
                    sum.subtract(&tag);
                    taken_out -= 1;
                } else {
                    sum.add(&tag);
                }
            }
            Ok(())
        })
    }

    /// The stored seal after a change of one table's sum.
    fn change(
        &self,
        stored: Vec<u8>,
        table: &str,
        work: impl FnOnce(&mut TableSum) -> Result<(), IntegrityError>,
    ) -> Result<Value, IntegrityError> {
        let mut state = match lock(&self.last).take() {
            Some((bytes, state)) if bytes == stored => state,
            _ => SealState::open(&stored, &self.keys.seal, &self.keys.install_id)?,
        };
        if state.schema.is_none() {
            return Ok(Value::Blob(stored));
        }
        work(state.table_mut(table).ok_or_else(|| not_sealed(table))?)?;
        state.advance()?;
        let sealed = state.seal(&self.keys.seal, &self.keys.install_id)?;
        *lock(&self.last) = Some((sealed.clone(), state));
        Ok(Value::Blob(sealed))
    }

    /// `(table, values…)` → the encoded row key.
    fn row_key(&self, context: &Context<'_>) -> Result<Value, IntegrityError> {
        let layout = self.layout(context)?;
        let key = layout.encode_key(|position| value(context.get_raw(1 + position)))?;
        Ok(Value::Blob(key))
    }

    /// `(table, values…)` → the row's mark.
    fn row_mark(&self, context: &Context<'_>) -> Result<Value, IntegrityError> {
        let layout = self.layout(context)?;
        let (_, row) = layout.encode(|position| value(context.get_raw(1 + position)))?;
        Ok(mark_value(&self.keys.rows.mark(&self.keys.rows.tag(&row))))
    }

    fn hold(&self, context: &Context<'_>) -> Result<Value, IntegrityError> {
        let table: Option<String> = context.get(0)?;
        let layout = table.and_then(|table| {
            self.layouts
                .iter()
                .find(|layout| layout.table.eq_ignore_ascii_case(&table))
        });
        *lock(&self.held) = layout
            .map(|layout| Held::of(&layout.table, &self.keys))
            .transpose()?;
        Ok(layout.map_or(Value::Null, |layout| Value::Text(layout.table.clone())))
    }

    fn not_held(&self, context: &Context<'_>) -> Result<Value, IntegrityError> {
        let mut held = lock(&self.held);
        let (Some(held), Ok(table)) = (&mut *held, context.get_raw(0).as_str()) else {
            return Ok(Value::from(true));
        };
        if held.table != table {
            return Ok(Value::from(true));
        }
        let layout = self.layout(context)?;
        let (before, old) = layout.encode(|position| value(context.get_raw(1 + position)))?;
        let first = 1 + layout.columns.len();
        let (key, new) = layout.encode(|position| value(context.get_raw(first + position)))?;
        Ok(Value::from(before != key || !held.put(&key, &old, &new)))
    }

    fn held_rows(&self, _: &Context<'_>) -> Result<Value, IntegrityError> {
        let rows = lock(&self.held)
            .as_mut()
            .map(Held::finish)
            .transpose()?
            .unwrap_or(0);
        Ok(Value::Integer(i64::try_from(rows).unwrap_or(i64::MAX)))
    }

    fn held_key(&self, context: &Context<'_>) -> Result<Value, IntegrityError> {
        let at = usize::try_from(context.get::<i64>(0)?).unwrap_or(usize::MAX);
        let held = lock(&self.held);
        let key = held.as_ref().and_then(|held| held.key(at));
        Ok(key.map_or(Value::Null, |key| Value::Blob(key.to_vec())))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the functions of a room have one type")]
    fn held_mark(&self, context: &Context<'_>) -> Result<Value, IntegrityError> {
        let mut held = lock(&self.held);
        let mark = held
            .as_mut()
            .zip(context.get_raw(0).as_blob().ok())
            .and_then(|(held, key)| held.mark(key));
        Ok(mark.map_or(Value::Null, mark_value))
    }

    fn settled(&self, context: &Context<'_>) -> Result<Value, IntegrityError> {
        let stored: Vec<u8> = context.get(0)?;
        match lock(&self.held).take() {
            Some(held) => self.change(stored, &held.table, |sum| {
                sum.merge(held.sum());
                Ok(())
            }),
            None => Ok(Value::Blob(stored)),
        }
    }

    fn layout(&self, context: &Context<'_>) -> Result<&Layout, IntegrityError> {
        let table = context.get_raw(0).as_str().unwrap_or_default();
        self.layouts
            .iter()
            .find(|layout| layout.table == table)
            .ok_or_else(|| not_sealed(table))
    }
}

fn mark_value(mark: &RowMark) -> Value {
    Value::Blob(mark.stored().to_vec())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_sealed(table: &str) -> IntegrityError {
    IntegrityError::NotSealed {
        table: table.to_owned(),
    }
}

/// The three triggers of a table. `AFTER`: values then are as stored, with types converted and defaults put in.
fn triggers(layout: &Layout) -> String {
    let row = |which: &str| {
        let columns: Vec<_> = layout
            .columns
            .iter()
            .map(|name| format!("{which}.{}", quoted(name)))
            .collect();
        columns.join(", ")
    };
    let (old, new, table) = (row("OLD"), row("NEW"), literal(&layout.table));
    let reseal = |taken_out: u8, rows: &str| {
        format!(
            "UPDATE fieldcrypt_seal SET seal = {RESEAL}({table}, seal, {taken_out}, {rows}) WHERE id = 1;"
        )
    };
    let key_is = |row: &str| format!("table_name = {table} AND row_key = {ROW_KEY}({table}, {row})");
    let insert = format!(
        "{} INSERT INTO fieldcrypt_row_marks (table_name, row_key, mark)
            VALUES ({table}, {ROW_KEY}({table}, {new}), {ROW_MARK}({table}, {new}));",
        reseal(0, &new)
    );
    let update = format!(
        "{} UPDATE fieldcrypt_row_marks
            SET row_key = {ROW_KEY}({table}, {new}), mark = {ROW_MARK}({table}, {new}) WHERE {};",
        reseal(1, &format!("{old}, {new}")),
        key_is(&old)
    );
    let delete = format!(
        "{} DELETE FROM fieldcrypt_row_marks WHERE {};",
        reseal(1, &old),
        key_is(&old)
    );
    let unless_held = format!("WHEN {NOT_HELD}({table}, {old}, {new})");
    let update_of = (unless_held.as_str(), update);
    [
        ("INSERT", ("", insert)),
        ("UPDATE", update_of),
        ("DELETE", ("", delete)),
    ]
    .map(|(event, (when, body))| {
        let name = quoted(&format!("fieldcrypt {event} {}", layout.table));
        format!(
            "DROP TRIGGER IF EXISTS temp.{name};
                 CREATE TEMP TRIGGER {name} AFTER {event} ON main.{} {when} BEGIN {body} END;",
            quoted(&layout.table)
        )
    })
    .concat()
}
