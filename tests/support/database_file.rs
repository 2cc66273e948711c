//! What stands in the files of a database, by reading their bytes and rows as a thief would: without any key.
#![expect(clippy::disallowed_methods, reason = "a thief reads with SQL")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// Sixteen bytes of something sealed or wrapped: its first or its last, nonce or tag.
pub type Pieces = HashSet<[u8; 16]>;

/// The database of a data directory.
pub struct DatabaseFile {
    directory: PathBuf,
}

impl DatabaseFile {
    /// The one in that data directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// A connection that only reads.
    #[must_use]
    pub fn read(&self) -> Connection {
        let path = self.directory.join("postern.sqlite");
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = connection.expect("it opens");
        connection
            .busy_timeout(std::time::Duration::from_secs(60))
            .expect("set");
        connection
    }

    /// Pieces of what a rotation of every key replaces: wrapped keys, slots, and sealed values, of the large tables
    /// some thousands.
    #[must_use]
    pub fn pieces(&self) -> Pieces {
        pieces_of(
            &self.read(),
            "SELECT wrapped_key FROM fieldcrypt_keys
             UNION ALL SELECT wrapped_master FROM fieldcrypt_slots
             UNION ALL SELECT value FROM settings UNION ALL SELECT private_key FROM signing_keys
             UNION ALL SELECT record FROM passwords UNION ALL SELECT value FROM server_state
             UNION ALL SELECT record FROM sessions UNION ALL SELECT record FROM access_keys
             UNION ALL SELECT record FROM (SELECT record FROM audit_events ORDER BY id DESC LIMIT 1000)
             UNION ALL SELECT record FROM (SELECT record FROM signin_tokens LIMIT 10000)",
        )
    }

    /// Pieces of the slots and of the wrapped keys alone.
    #[must_use]
    pub fn wraps(&self) -> Pieces {
        pieces_of(
            &self.read(),
            "SELECT wrapped_key FROM fieldcrypt_keys UNION ALL SELECT wrapped_master FROM fieldcrypt_slots",
        )
    }

    /// How many keys that seal fields are in that state: `active`, `retiring`, `destroyed`.
    #[must_use]
    pub fn data_keys(&self, state: &str) -> i64 {
        let sql = "SELECT count(*) FROM fieldcrypt_keys WHERE purpose = 'data' AND state = ?1";
        self.read()
            .query_row(sql, [state], |row| row.get(0))
            .expect("reads")
    }

    /// Phase, direction and rows walked of the rotation of the data key under way.
    #[must_use]
    pub fn rotation(&self) -> Option<(String, String, i64)> {
        let sql = "SELECT phase, direction, rows_done FROM fieldcrypt_rotation";
        self.read()
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .ok()
    }

    /// The number of the data key that is to go.
    #[must_use]
    pub fn retiring_key(&self) -> i64 {
        let sql = "SELECT number FROM fieldcrypt_keys WHERE purpose = 'data' AND state = 'retiring'";
        self.read().query_row(sql, [], |row| row.get(0)).expect("one")
    }

    /// How many of the pieces stand in any file of the directory.
    #[must_use]
    pub fn standing(&self, pieces: &Pieces) -> usize {
        // The first two bytes rule out most places before a hash is computed.
        let mut starts = vec![false; 1 << 16];
        for [a, b, ..] in pieces {
            starts[usize::from(u16::from_be_bytes([*a, *b]))] = true;
        }
        let mut found = Pieces::new();
        self.each_file(|bytes| {
            for window in bytes.windows(16) {
                let window: &[u8; 16] = window.first_chunk().expect("sixteen");
                let start = u16::from_be_bytes([window[0], window[1]]);
                if starts[usize::from(start)] && pieces.contains(window) {
                    found.insert(*window);
                }
            }
        });
        found.len()
    }

    /// Whether these bytes stand in any file of the directory.
    #[must_use]
    pub fn holds(&self, needle: &[u8]) -> bool {
        let mut found = false;
        self.each_file(|bytes| found |= bytes.windows(needle.len()).any(|window| window == needle));
        found
    }

    fn each_file(&self, mut look: impl FnMut(&[u8])) {
        for file in std::fs::read_dir(&self.directory).expect("the data directory") {
            // A log that goes while it is looked for is gone.
            if let Ok(bytes) = std::fs::read(file.expect("an entry").path()) {
                look(&bytes);
            }
        }
    }
}

fn pieces_of(connection: &Connection, sql: &str) -> Pieces {
    let mut statement = connection.prepare(sql).expect("prepares");
    let rows = statement.query_map([], |row| row.get::<_, Option<Vec<u8>>>(0));
    let mut pieces = Pieces::new();
    for stored in rows.expect("reads").filter_map(|row| row.expect("a blob")) {
        pieces.extend(stored.first_chunk::<16>());
        pieces.extend(stored.last_chunk::<16>());
    }
    pieces
}
