//! Making a copy of a database the database: in one transaction everything is ended that may have been ended since it was
//! made, and the integrity seal's counter goes on above whatever the database it replaces, and the witness, have seen.
//!
//! The copy is worked on under another name. Giving it its own, and putting the old database aside, is the caller's.

use std::collections::BTreeMap;
use std::path::Path;

use fieldcrypt::sqlite::{OpenMode, install_id, leave_log_mode};
use fieldcrypt::{SlotSecret, UnlockError, Vault, Witness, WitnessError};
use rusqlite::Connection;

use super::integrity::{Guard, IntegrityOptions};
use super::snapshot::access_keys;
use super::{
    OpenError, StoreError, audit, connect, second_factor, server_state, sessions, signin_tokens,
    signing_keys, spent_tokens,
};
use crate::audit::event::{AuditEvent, SessionEnd};
use crate::authority::AuthorityOptions;
use crate::client::Client;
use crate::clock::WallTime;
use crate::ids::{AccessKeyId, SigningKeyId};
use crate::second_factor::SecondFactor;
use crate::signing_keys::NewSigningKey;

/// What the database that is to be replaced says, as far as it still says anything.
#[derive(Default)]
pub struct CurrentDatabase {
    /// The install it belongs to.
    pub install_id: Option<[u8; 16]>,
    /// Its access keys; `None` when that cannot be read.
    access_keys: Option<BTreeMap<AccessKeyId, String>>,
    /// How far its integrity seal has come; `None` when no secret opens it.
    pub counter: Option<u64>,
    highest: Option<WallTime>,
    /// The second factor; `None` when it is off, or no secret opens the database.
    second_factor: Option<SecondFactor>,
}

/// What was ended in a restored copy.
#[derive(Debug)]
pub struct Ended {
    /// Sessions.
    pub sessions: usize,
    /// Names of access keys that the current database has no more, so that were revoked since.
    pub access_keys_dropped: Vec<String>,
    /// Names of access keys that go on.
    pub access_keys_kept: Vec<String>,
    /// Whether there was a current database to tell by which were revoked.
    pub access_keys_compared: bool,
    /// Recovery codes of the second factor that are no more, as they were used since, or may have been; `None` where the second
    /// factor is off.
    pub recovery_codes_dropped: Option<usize>,
    /// The key that signs from now on.
    pub kid: SigningKeyId,
}

/// A copy that is ready to take its place.
pub struct Restored {
    /// What was ended in it.
    pub ended: Ended,
    /// Where its integrity seal goes on.
    pub counter: u64,
    witness: Option<Witness>,
}

/// Reads what counts of the database that is to be replaced, with any of these secrets. Writes nothing, and takes no damage
/// for an error: a damaged database is the reason for many a restore.
pub(crate) fn survey(path: &Path, secrets: &[&SlotSecret]) -> CurrentDatabase {
    let mut current = CurrentDatabase::default();
    let Ok(connection) = connect(path, OpenMode::ReadOnly) else {
        return current;
    };
    current.install_id = install_id(&connection).ok();
    current.access_keys = access_keys(&connection).ok();
    for secret in secrets {
        match Vault::unlock(&connection, super::columns::registry(), secret) {
            Ok(vault) => {
                current.counter = Guard::counter(&vault, &connection).ok();
                current.highest = server_state::highest_wall_time(&connection, &vault)
                    .ok()
                    .flatten();
                current.second_factor = second_factor::load(&connection, &vault).ok().flatten();
                break;
            }
            Err(UnlockError::WrongSecret) => {}
            Err(_) => break,
        }
    }
    current
}

/// Checks the copy at `path` and ends in it what may have been ended since, in one transaction. Afterwards the file alone is
/// the database, on disk.
pub(crate) fn end_everything(
    path: &Path,
    secret: &SlotSecret,
    current: &CurrentDatabase,
    taken: WallTime,
    options: &AuthorityOptions,
) -> Result<Restored, OpenError> {
    let mut connection = connect(path, OpenMode::Existing)?;
    let vault = Vault::unlock(&connection, super::columns::registry(), secret)?;
    let checked = Guard::check(&vault, &connection, &IntegrityOptions::default())?;
    let witness = Guard::witness(&vault, &options.integrity)?;
    let seen = match witness.as_ref().map(Witness::counter) {
        None | Some(Err(WitnessError::Missing { .. })) => 0,
        Some(Ok(counter)) => counter,
        Some(Err(error)) => return Err(error.into()),
    };
    let floor = current.counter.unwrap_or(0).max(seen);
    let key = NewSigningKey::random().map_err(StoreError::from)?;
    let now = options.clock.now().wall;
    let highest = server_state::highest_wall_time(&connection, &vault)?;
    let highest = now
        .max(highest.unwrap_or(now))
        .max(current.highest.unwrap_or(now));
    let (ended, counter) = checked.seal_anew(&vault, &mut connection, floor, |transaction| {
        let sessions = sessions::delete_all(transaction)?;
        signin_tokens::delete_all(transaction)?;
        // Operation tokens end with their sessions and with the key that signed them; what was noted of them ends too.
        spent_tokens::delete_all(transaction)?;
        signing_keys::delete_all(transaction)?;
        signing_keys::insert(transaction, &vault, &key, now)?;
        let (dropped, kept) = drop_revoked(transaction, current)?;
        let before = current.second_factor.as_ref();
        let recovery_codes_dropped = second_factor::put_back(transaction, &vault, before, highest)?;
        server_state::put_highest_wall_time(transaction, &vault, highest)?;
        let client = Client::local();
        let write = |event| audit::write(transaction, &vault, &client, now, event);
        write(AuditEvent::DatabaseRestored { taken })?;
        write(AuditEvent::SessionsEnded {
            count: sessions,
            reason: SessionEnd::Restored,
        })?;
        write(AuditEvent::SigningKeyCreated { kid: key.kid.clone() })?;
        vault.record_uses(transaction).map_err(StoreError::from)?;
        Ok(Ended {
            sessions,
            access_keys_dropped: dropped,
            access_keys_kept: kept,
            access_keys_compared: current.access_keys.is_some(),
            recovery_codes_dropped,
            kid: key.kid.clone(),
        })
    })?;
    if !leave_log_mode(&connection).map_err(StoreError::from)? {
        return Err(StoreError::Busy.into());
    }
    Ok(Restored {
        ended,
        counter,
        witness,
    })
}

/// Access keys that the current database does not have were revoked since the copy was made. Gives the names of those and of
/// the others.
fn drop_revoked(
    transaction: &Connection,
    current: &CurrentDatabase,
) -> Result<(Vec<String>, Vec<String>), StoreError> {
    let (mut dropped, mut kept) = (Vec::new(), Vec::new());
    for (id, name) in access_keys(transaction)? {
        if current
            .access_keys
            .as_ref()
            .is_none_or(|there| there.contains_key(&id))
        {
            kept.push(name);
        } else {
            transaction.execute("DELETE FROM access_keys WHERE id = ?1", [id.as_bytes()])?;
            dropped.push(name);
        }
    }
    Ok((dropped, kept))
}

impl Restored {
    /// Before the copy takes its place: a witness that is not there is made, for there is none that could be ahead of the
    /// database.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make_missing_witness(&self) -> Result<(), WitnessError> {
        match &self.witness {
            Some(witness) if matches!(witness.counter(), Err(WitnessError::Missing { .. })) => {
                witness.replace(self.counter)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Once the copy has taken its place: before, a restore that is killed would leave the old database behind its witness.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn tell_the_witness(&self) -> Result<(), WitnessError> {
        self.witness
            .as_ref()
            .map_or(Ok(()), |witness| witness.replace(self.counter))
    }
}

/// Writes the log of the database that is to be replaced back into its file, so that no log is left that would be taken for the
/// new one's. Says whether that was done: not while another process has it open.
pub(crate) fn close_log(path: &Path) -> Result<bool, OpenError> {
    let connection = connect(path, OpenMode::Existing)?;
    Ok(leave_log_mode(&connection).map_err(StoreError::from)?)
}
