//! Tamper evidence: every table is under the integrity seal, which is checked in full before a database is opened, and a
//! witness outside the data directory remembers how far it had come.
//!
//! The checks run on a connection that only reads, so that a refused start changes no byte. What an operator accepts
//! against them ends every session: nobody can tell any more which of them the owner had ended.

use std::path::PathBuf;

use fieldcrypt::{
    IntegrityError, IntegritySeal, ProtectedTable, Rotation, Vault, Verified, Witness, WitnessError,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{
    OpenError, StoreError, audit_chain, migrations, purge, second_factor, server_state, sessions,
    signin_tokens,
};
use crate::clock::Clock;

/// Every table of the migrations, and their history: who could take a step out of it would make the next start open the
/// seal to run that step again.
pub const PROTECTED: [ProtectedTable; 11] = [
    ProtectedTable::new("refinery_schema_history"),
    ProtectedTable::new("settings"),
    ProtectedTable::new("server_state"),
    ProtectedTable::new("passwords"),
    ProtectedTable::new("sessions"),
    ProtectedTable::new("signin_tokens"),
    ProtectedTable::new("spent_tokens"),
    ProtectedTable::new("signing_keys"),
    ProtectedTable::new("access_keys"),
    ProtectedTable::new("audit_events"),
    ProtectedTable::new("tls_keys"),
];

/// How tampering is looked for, and what of it is accepted.
#[derive(Clone, Debug, Default)]
pub struct IntegrityOptions {
    /// The witness file; without one, a whole file put back from an older copy is not noticed.
    pub witness: Option<PathBuf>,
    /// Take altered rows as they are. Ends every session.
    pub accept_tampered: bool,
    /// Take a database that is older than its witness, or whose witness is gone. Ends every session.
    pub accept_rollback: bool,
}

/// What stands guard over an open database.
pub(crate) struct Guard {
    seal: IntegritySeal,
    witness: Option<Witness>,
}

/// What a check of an existing database led to.
pub(super) struct Checked {
    guard: Guard,
    verified: Option<Verified>,
    accepted: bool,
}

impl Guard {
    fn new(vault: &Vault, options: &IntegrityOptions) -> Result<Self, IntegrityError> {
        let seal = vault.integrity_seal(&PROTECTED)?;
        let witness = options.witness.as_ref().map(|path| Witness::new(path, &seal));
        Ok(Self { seal, witness })
    }

    /// Puts a new database under the seal, once its schema is made.
    pub(super) fn begin(
        vault: &Vault,
        connection: &Connection,
        options: &IntegrityOptions,
    ) -> Result<Self, OpenError> {
        let guard = Self::new(vault, options)?;
        let counter = guard.seal.rebuild(connection, 0)?;
        guard.seal.attach(connection)?;
        if let Some(witness) = &guard.witness {
            witness.replace(counter)?;
        }
        Ok(guard)
    }

    /// Keeps the seal on a further connection of a process that has checked the database.
    pub(super) fn stand_beside(
        vault: &Vault,
        connection: &Connection,
        options: &IntegrityOptions,
    ) -> Result<Self, OpenError> {
        let guard = Self::new(vault, options)?;
        guard.seal.attach(connection)?;
        Ok(guard)
    }

    /// Checks an existing database. Writes nothing.
    pub(super) fn check(
        vault: &Vault,
        reading: &Connection,
        options: &IntegrityOptions,
    ) -> Result<Checked, OpenError> {
        let guard = Self::new(vault, options)?;
        let mut accepted = false;
        let verified = match guard.seal.verify(reading) {
            Ok(verified) => Some(verified),
            Err(
                error @ (IntegrityError::Tampered(_) | IntegrityError::NoSeal | IntegrityError::SealDamaged),
            ) if options.accept_tampered => {
                tracing::warn!(%error, "accepted on the operator's word");
                accepted = true;
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let (Some(witness), Some(verified)) = (&guard.witness, &verified) {
            match witness.check(verified.counter) {
                Ok(()) => {}
                Err(error) if options.accept_rollback => {
                    tracing::warn!(%error, "accepted on the operator's word");
                    accepted = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Checked {
            guard,
            verified,
            accepted,
        })
    }

    /// How far the seal of a database has come, without checking any row.
    pub(super) fn counter(vault: &Vault, connection: &Connection) -> Result<u64, IntegrityError> {
        vault.integrity_seal(&PROTECTED)?.counter(connection)
    }

    /// The witness, where the options name one.
    pub(super) fn witness(
        vault: &Vault,
        options: &IntegrityOptions,
    ) -> Result<Option<Witness>, IntegrityError> {
        Ok(Self::new(vault, options)?.witness)
    }

    /// How far the seal has come, told to the witness. At most what is committed.
    pub(super) fn tell_the_witness(&self, connection: &Connection) -> Result<(), WitnessFailed> {
        if let Some(witness) = &self.witness {
            let counter = self.seal.counter(connection)?;
            witness.record(counter)?;
        }
        Ok(())
    }
}

/// The witness could not be told. Nothing is lost: it is told again after the next commit.
#[derive(Debug, thiserror::Error)]
pub(super) enum WitnessFailed {
    #[error(transparent)]
    Seal(#[from] IntegrityError),
    #[error(transparent)]
    Witness(#[from] WitnessError),
}

impl Checked {
    /// Brings the schema up to date under the seal, and keeps the seal on this connection from here on.
    pub(super) fn stand_guard(self, vault: &Vault, connection: &mut Connection) -> Result<Guard, OpenError> {
        let pending = self.migrate(connection)?;
        if pending || self.accepted || self.verified.is_none_or(|verified| !verified.complete) {
            let floor = self
                .guard
                .witness
                .as_ref()
                .and_then(|witness| witness.counter().ok());
            let accepted = self.accepted;
            let ((), counter) = self.seal(vault, connection, floor.unwrap_or(0), |transaction| {
                if accepted {
                    // In the transaction that accepts: killed in between, nothing was accepted and nobody is signed in by it.
                    sessions::delete_all(transaction)?;
                    signin_tokens::delete_all(transaction)?;
                    // What was spent since stays spent, as after a restore: which codes were, nobody knows.
                    let now = Clock::system().now().wall;
                    let highest = server_state::highest_wall_time(transaction, vault)?;
                    let highest = now.max(highest.unwrap_or(now));
                    let dropped = second_factor::put_back(transaction, vault, None, highest)?;
                    if let Some(dropped @ 1..) = dropped {
                        tracing::warn!(
                            dropped,
                            "no recovery code of the second factor is good any more: make new ones"
                        );
                    }
                }
                Ok(())
            })?;
            if let Some(witness) = &self.guard.witness {
                witness.replace(counter)?;
            }
        }
        let guard = self.guard;
        guard.seal.attach(connection)?;
        Ok(guard)
    }

    /// Brings the schema up to date, does that work, and seals what it leaves, above `floor`: the last two in one
    /// transaction. Gives the counter too. The witness is not told.
    pub(super) fn seal_anew<T>(
        self,
        vault: &Vault,
        connection: &mut Connection,
        floor: u64,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, u64), OpenError> {
        self.migrate(connection)?;
        self.seal(vault, connection, floor, work)
    }

    /// How far the seal has come.
    pub(super) fn counter(&self, connection: &Connection) -> Result<u64, IntegrityError> {
        self.guard.seal.counter(connection)
    }

    /// Says whether there were steps to take. Rows are not sealed while they run.
    fn migrate(&self, connection: &mut Connection) -> Result<bool, OpenError> {
        let pending = migrations::are_pending(connection)?;
        if pending && self.verified.is_some() {
            self.guard.seal.suspend(connection)?;
        }
        migrations::run(connection)?;
        Ok(pending)
    }

    fn seal<T>(
        &self,
        vault: &Vault,
        connection: &mut Connection,
        floor: u64,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<(T, u64), OpenError> {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        audit_chain::begin(&transaction, vault)?;
        let done = work(&transaction)?;
        let counter = self.guard.seal.rebuild(&transaction, floor)?;
        transaction.commit().map_err(StoreError::from)?;
        Ok((done, counter))
    }
}

/// Takes what a killed change of slots or keys left behind out of the files. Not while a rotation of the data key is under
/// way: it ends with a purge of its own, and whoever makes keys of all kinds must see that end, or would begin anew. A
/// reader in the way is no reason to refuse the start; the next one tries again.
pub(super) fn finish_purge(vault: &Vault, connection: &mut Connection) -> Result<(), OpenError> {
    let due = Vault::purge_is_due(connection).map_err(StoreError::from)?;
    if due && Rotation::under_way(connection)?.is_none() {
        match purge::once(vault, connection) {
            Ok(_) => tracing::info!("what an earlier change of keys left in the files is purged"),
            Err(error) => {
                tracing::warn!(%error, "what an earlier change of keys left in the files is not purged yet");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_migrations_is_protected() {
        let mut connection = Connection::open_in_memory().expect("opens");
        migrations::run(&mut connection).expect("migrates");
        let mut statement = connection
            .prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                 ORDER BY name",
            )
            .expect("prepares");
        let tables: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .and_then(Iterator::collect)
            .expect("reads");
        let mut protected: Vec<&str> = PROTECTED.iter().map(ProtectedTable::table).collect();
        protected.sort_unstable();
        assert_eq!(tables, protected);
    }
}
