//! The schema, step by step: the files of `migrations/`, embedded.

use refinery::embed_migrations;
use rusqlite::Connection;

use super::OpenError;

embed_migrations!("../../migrations");

/// Brings the schema up to date, all steps in one transaction. A database with steps this version does not know, or
/// with steps that differ from ours, is refused.
pub(super) fn run(connection: &mut Connection) -> Result<(), OpenError> {
    migrations::runner()
        .set_grouped(true)
        .run(connection)
        .map(drop)
        .map_err(|error| OpenError::Schema {
            reason: error.to_string(),
        })
}

/// Whether there are steps that this database has not seen.
pub(super) fn are_pending(connection: &mut Connection) -> Result<bool, OpenError> {
    let runner = migrations::runner();
    let last = runner
        .get_last_applied_migration(connection)
        .map_err(|error| OpenError::Schema {
            reason: error.to_string(),
        })?;
    let ours = runner
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max();
    Ok(last.map(|applied| applied.version()) < ours)
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
}
