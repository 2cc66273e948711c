//! Backups, as far as they are a matter of the database: a state held still to be copied, what a copy holds, and a copy that
//! takes the database's place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldcrypt::SlotSecret;

use crate::audit::event::{AuditEvent, BackupProblem};
use crate::authority::{Authority, AuthorityOptions};
use crate::client::Client;
use crate::clock::{Clock, WallTime};
use crate::store::change::{Change, Request};
use crate::store::{
    self, CurrentDatabase, DatabaseSnapshot, Examination, OpenError, Restored, SealCheck, Store,
};

/// The service of backups, of a process that has the database open.
pub struct Backups {
    pub(crate) store: Arc<Store>,
    pub(crate) database: PathBuf,
    pub(crate) clock: Clock,
}

impl Backups {
    /// Holds the database's present state still. Blocks, with a full check for as long as reading the database takes.
    ///
    /// # Errors
    /// When the database cannot be read, or was altered.
    pub fn snapshot(&self, check: SealCheck) -> Result<DatabaseSnapshot, OpenError> {
        DatabaseSnapshot::take(&self.database, self.store.vault(), check)
    }

    /// Writes down that a client took a backup away.
    pub fn note_taken(&self, client: &Client) {
        self.note(client.clone(), AuditEvent::BackupTaken);
    }

    /// Writes down that a backup that was due was not made.
    pub fn note_failed(&self, problem: BackupProblem) {
        self.note(Client::server(), AuditEvent::BackupFailed { problem });
    }

    fn note(&self, client: Client, event: AuditEvent) {
        self.store.write_later(Request {
            change: Change::Record(event),
            client,
            now: self.clock.now(),
        });
    }
}

impl Authority {
    /// As [`Backups::snapshot`], by a process that has not the database open, beside a running server or without one.
    ///
    /// # Errors
    /// When there is none, or the secret does not open it.
    pub fn snapshot(options: &AuthorityOptions, secret: &SlotSecret) -> Result<DatabaseSnapshot, OpenError> {
        store::take_snapshot(&options.database, secret)
    }

    /// Looks at a copy of a database that nobody has open: its structure, and with a secret its integrity seal, every sealed
    /// field and every public key.
    ///
    /// # Errors
    /// When it is no database of ours, or the secret does not open it; what is wrong *in* it is in the answer.
    pub fn examine_copy(path: &Path, secret: Option<&SlotSecret>) -> Result<Examination, OpenError> {
        store::examine_copy(path, secret)
    }

    /// What counts of the database that a copy is to replace, read with any of these secrets. Writes nothing.
    #[must_use]
    pub fn survey(path: &Path, secrets: &[&SlotSecret]) -> CurrentDatabase {
        store::survey(path, secrets)
    }

    /// Ends in a copy, in one transaction, every session and token, the access keys that the current database has no more, and
    /// the signing keys; its counter goes on above that of the current database and of the witness.
    ///
    /// # Errors
    /// When the copy was altered, the secret does not open it, or it cannot be written.
    pub fn end_everything_in_copy(
        path: &Path,
        secret: &SlotSecret,
        current: &CurrentDatabase,
        taken: WallTime,
        options: &AuthorityOptions,
    ) -> Result<Restored, OpenError> {
        store::end_everything_in_copy(path, secret, current, taken, options)
    }

    /// Writes the log of a database that is to be replaced back into its file, and takes it away. Says whether that was done:
    /// not while another process has the database open.
    ///
    /// # Errors
    /// When the file is damaged or cannot be written.
    pub fn close_log(path: &Path) -> Result<bool, OpenError> {
        store::close_log(path)
    }
}
