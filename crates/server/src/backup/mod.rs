//! Backups: an age v1 file; in it an archive that `tar` opens; in that the database as it is on disk, every secret still
//! sealed, and a manifest (`docs/formats/backup-v1.md`).
//!
//! ```text
//! write:   snapshot (held still) ─▶ SHA-256 ─▶ archive ─▶ age ─▶ temporary name, flushed ─▶ read back ─▶ its own name
//! verify:  age ─▶ archive ─▶ SHA-256 ─▶ temporary copy, still sealed ─▶ SQLite's check, integrity seal, every field
//! restore: verify ─▶ end everything in the copy ─▶ old database aside ─▶ the copy takes its place
//! ```
//!
//! Every step streams. What is written to disk on the way is the database file as it always is, or an age file.

mod archive;
mod desk;
mod destination;
mod error;
mod folder;
mod keys;
mod manifest;
mod pipe;
mod restore;
mod retention;
mod schedule;
mod temporary;
mod verify;
mod write;

#[cfg(any(test, fuzzing))]
pub(crate) use archive::read as read_archive;
pub(crate) use desk::{Desk, DeskError};
pub(crate) use destination::{Made, to_file, to_spool, to_stream};
pub(crate) use error::BackupError;
pub(crate) use folder::{Entry, PASSPHRASE, list};
pub(crate) use keys::{Opener, SealedTo, check_recipient, identities_of};
pub(crate) use manifest::Manifest;
pub(crate) use restore::{Restore, RestoreError};
pub(crate) use retention::Keep;
pub(crate) use schedule::{Schedule, ScheduleOptions, make_folder, overdue};
pub(crate) use temporary::sweep;
pub(crate) use verify::{Checked, check};

/// Hears how far something is: bytes done, of bytes in all.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

#[cfg(test)]
mod tests;
