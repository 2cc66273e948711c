//! The manifest: what a backup is, in JSON, for people and programs that open it without Postern.

use std::collections::BTreeMap;

use authcore::{DatabaseSnapshot, WallTime};
use serde::{Deserialize, Serialize};

use super::BackupError;

/// What the manifest says it is.
const KIND: &str = "postern-backup";

/// The format of the archive and of the manifest (`docs/formats/backup-v1.md`).
pub(super) const FORMAT: u64 = 1;

/// Longest manifest read, in bytes; ours have under one thousand.
pub(super) const LENGTH_MAX: u64 = 64 * 1024;

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Manifest {
    kind: String,
    format: u64,
    /// The version of Postern that made it.
    pub(crate) postern: String,
    /// When the database was as it is in it: RFC 3339, UTC.
    taken: String,
    /// The install: 32 hexadecimal digits.
    pub(crate) install: String,
    /// How far the integrity seal had come.
    pub(crate) counter: u64,
    /// The last step of the schema.
    pub(crate) schema: u32,
    /// Rows, by table.
    pub(crate) rows: BTreeMap<String, u64>,
    /// Length of the database, in bytes.
    pub(crate) length: u64,
    /// SHA-256 of the database, hexadecimal.
    pub(crate) sha256: String,
}

impl Manifest {
    /// Of a snapshot that was taken at that time and has that hash.
    pub(super) fn of(snapshot: &DatabaseSnapshot, taken: WallTime, sha256: String) -> Self {
        let facts = snapshot.facts().clone();
        Self {
            kind: KIND.to_owned(),
            format: FORMAT,
            postern: env!("CARGO_PKG_VERSION").to_owned(),
            taken: taken.to_rfc3339(),
            install: facts.install_id,
            counter: snapshot.counter(),
            schema: facts.schema,
            rows: facts.rows,
            length: snapshot.bytes().length(),
            sha256,
        }
    }

    /// As it stands in the archive.
    pub(super) fn render(&self) -> Result<Vec<u8>, BackupError> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|error| BackupError::Write(std::io::Error::other(error)))?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads one. A later format is told by its number, whatever else it holds.
    ///
    /// # Errors
    /// When it is none, or of a later format.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        /// What every format has.
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Head {
            kind: String,
            format: u64,
        }
        let not_one = |_| BackupError::NotOurs("its manifest does not read".to_owned());
        let head: Head = serde_json::from_slice(bytes).map_err(not_one)?;
        if head.kind != KIND {
            return Err(BackupError::NotOurs(
                "its manifest is of something else".to_owned(),
            ));
        }
        if head.format != FORMAT {
            return Err(BackupError::Later {
                found: head.format,
                known: FORMAT,
            });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(not_one)?;
        if WallTime::parse_rfc3339(&manifest.taken).is_none() {
            return Err(BackupError::NotOurs("its manifest has no time".to_owned()));
        }
        Ok(manifest)
    }

    /// When the database was as it is in it.
    pub(crate) fn taken(&self) -> WallTime {
        WallTime::parse_rfc3339(&self.taken).unwrap_or(WallTime::from_unix_ms(0))
    }

    /// The same, as text.
    pub(crate) fn taken_text(&self) -> &str {
        &self.taken
    }
}

/// One for tests.
#[cfg(test)]
pub(super) fn any_manifest() -> Manifest {
    Manifest {
        kind: KIND.to_owned(),
        format: FORMAT,
        postern: "0.1.0".to_owned(),
        taken: "2027-01-15T08:00:00Z".to_owned(),
        install: "00".repeat(16),
        counter: 7,
        schema: 5,
        rows: BTreeMap::from([("sessions".to_owned(), 2)]),
        length: 4096,
        sha256: "ab".repeat(32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_reads_back_and_another_kind_or_a_later_format_is_told() {
        let manifest = any_manifest();
        assert_eq!(
            Manifest::parse(&manifest.render().expect("renders")).expect("reads"),
            manifest
        );
        let later = br#"{"Kind":"postern-backup","Format":2,"Something":"new"}"#;
        assert!(matches!(
            Manifest::parse(later),
            Err(BackupError::Later { found: 2, known: 1 })
        ));
        for bad in [
            &br#"{"Kind":"another","Format":1}"#[..],
            br#"{"Kind":"postern-backup","Format":1}"#,
            b"",
            b"[]",
        ] {
            assert!(matches!(Manifest::parse(bad), Err(BackupError::NotOurs(_))));
        }
        let timeless = Manifest {
            taken: "yesterday".to_owned(),
            ..manifest
        };
        assert!(Manifest::parse(&timeless.render().expect("renders")).is_err());
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_it_reads_or_refuses(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(Manifest::parse(&bytes));
        }
    }
}
