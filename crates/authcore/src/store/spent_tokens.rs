//! Rows of operation tokens that were used, kept until the token would have expired anyway.

use rusqlite::Connection;

use super::StoreError;
use super::change::Outcome;
use crate::clock::WallTime;
use crate::ids::TokenId;

/// Notes the use; taken when there was one before.
pub(super) fn insert(
    connection: &Connection,
    jti: TokenId,
    forget_at: WallTime,
) -> Result<Outcome, StoreError> {
    let inserted = connection
        .prepare_cached("INSERT INTO spent_tokens (jti, forget_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((jti.as_bytes(), forget_at.unix_ms()))?;
    Ok(if inserted == 1 {
        Outcome::Done
    } else {
        Outcome::Taken
    })
}

/// Forgets them all, by a process that has ended every session they could belong to.
pub(super) fn delete_all(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("DELETE FROM spent_tokens", [])?;
    Ok(())
}

pub(super) fn sweep(connection: &Connection, now: WallTime) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached("DELETE FROM spent_tokens WHERE forget_at <= ?1")?;
    Ok(statement.execute([now.unix_ms()])?)
}
