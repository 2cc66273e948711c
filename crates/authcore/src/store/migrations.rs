//! The schema, step by step: the files of `migrations/`, embedded.

use refinery::embed_migrations;
use refinery::error::Kind;
use rusqlite::{Connection, ErrorCode};

use super::{OpenError, StoreError};

embed_migrations!("../../migrations");

/// Brings the schema up to date, all steps in one transaction. A database with steps this version does not know, or
/// with steps that differ from ours, is refused.
pub(super) fn run(connection: &mut Connection) -> Result<(), OpenError> {
    migrations::runner()
        .set_grouped(true)
        .run(connection)
        .map(drop)
        .map_err(|error| failed(&error))
}

/// Whether there are steps that this database has not seen.
pub(super) fn are_pending(connection: &mut Connection) -> Result<bool, OpenError> {
    let runner = migrations::runner();
    let last = runner
        .get_last_applied_migration(connection)
        .map_err(|error| failed(&error))?;
    let ours = runner
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max();
    Ok(last.map(|applied| applied.version()) < ours)
}

/// What SQLite cannot do now, for want of room or for a lock, is no fault of the schema; a statement that it refuses is.
fn failed(error: &refinery::Error) -> OpenError {
    if let Kind::Connection(_, cause) = error.kind()
        && let Some(rusqlite::Error::SqliteFailure(cause, text)) = cause.downcast_ref()
        && cause.code != ErrorCode::Unknown
    {
        return StoreError::from(rusqlite::Error::SqliteFailure(*cause, text.clone())).into();
    }
    OpenError::Schema {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder is there")
            .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
            .filter(|name| name != "README.md")
            .collect();
        files.sort();
        let mut embedded: Vec<String> = migrations::runner()
            .get_migrations()
            .iter()
            .map(|m| format!("{m}.sql"))
            .collect();
        embedded.sort();
        assert_eq!(embedded, files);
    }

    #[test]
    fn a_schema_of_a_newer_version_is_refused() {
        let mut connection = Connection::open_in_memory().expect("opens");
        run(&mut connection).expect("migrates");
        connection
            .execute(
                "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '1')",
                [],
            )
            .expect("inserts");
        assert!(matches!(run(&mut connection), Err(OpenError::Schema { .. })));
    }

    #[test]
    fn want_of_room_is_no_fault_of_the_schema() {
        let mut connection = Connection::open_in_memory().expect("opens");
        connection
            .execute_batch("PRAGMA max_page_count = 8")
            .expect("limited");
        assert!(matches!(
            run(&mut connection),
            Err(OpenError::Store(StoreError::Full))
        ));
        connection
            .execute_batch("PRAGMA max_page_count = 1000")
            .expect("room");
        run(&mut connection).expect("room mends it");
    }

    #[test]
    fn a_statement_that_does_not_fit_is_one() {
        let mut connection = Connection::open_in_memory().expect("opens");
        connection
            .execute_batch("CREATE TABLE sessions (a)")
            .expect("in the way");
        assert!(matches!(run(&mut connection), Err(OpenError::Schema { .. })));
    }
}
