//! What a purge must find nowhere any more, noted in the transaction that replaces it, so that a purge that is
//! interrupted, or runs in another process, still knows what to look for.

use rusqlite::Connection;

use crate::rotation::purge::{PIECE, Pieces};

/// Notes the first and the last 16 bytes of stored bytes: nonce and tag of what was sealed. Shorter bytes are not noted.
pub(super) fn note(transaction: &Connection, gone: &[u8]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("INSERT INTO fieldcrypt_traces (piece) VALUES (?1)")?;
    let (first, last) = (gone.first_chunk::<PIECE>(), gone.last_chunk::<PIECE>());
    let pieces = first.into_iter().chain(last.filter(|_| gone.len() > PIECE));
    for piece in pieces {
        statement.execute([piece.map(|byte| !byte)])?;
    }
    Ok(())
}

pub(super) fn read(connection: &Connection) -> rusqlite::Result<Pieces> {
    if !super::schema::has_table(connection, "fieldcrypt_traces")? {
        return Ok(Pieces::new());
    }
    let mut statement = connection.prepare("SELECT piece FROM fieldcrypt_traces")?;
    let pieces = statement.query_map([], |row| row.get::<_, [u8; PIECE]>(0))?;
    pieces
        .map(|piece| piece.map(|piece| piece.map(|byte| !byte)))
        .collect()
}

pub(super) fn forget(transaction: &Connection) -> rusqlite::Result<usize> {
    transaction.execute("DELETE FROM fieldcrypt_traces", [])
}
