//! The steps of a [rotation](crate::rotation), each within one transaction of the caller's.

use rusqlite::Connection;

use super::column_walk::StoredColumn;
use super::rotation_rows;
use super::{key_rows, schema, sweep_rows};
use crate::access::Access;
use crate::keyring::{KeyInfo, KeyPurpose, KeyState};
use crate::rotation::clean_pass::CleanPass;
use crate::rotation::state::{Effect, Event, Keys, RotationState};
use crate::rotation::{IllegalMove, NewDataKey, Phase, Rotation, RotationError, UnopenableField};
use crate::vault::Vault;

impl Rotation {
    /// Rows of a batch, unless the caller knows better.
    pub const BATCH: u32 = 10_000;

    /// Begins a rotation: the new key seals from the commit on, the old one only opens. The caller commits, and then calls
    /// [`Vault::reload_if_changed`].
    ///
    /// # Errors
    /// When one is under way, or a registered column is not in the schema, or its table declares no primary key.
    pub fn begin(transaction: &Connection, vault: &Vault, new: &NewDataKey) -> Result<Self, RotationError> {
        let old = up_to_date(transaction, vault)?;
        schema::complete(transaction)?;
        let found = rotation_rows::load(transaction)?;
        let keys = Keys {
            active: key_rows::next_number(transaction)?,
            retiring: old.number,
        };
        let next = rotation_rows::state(found.as_ref())
            .advance(Event::Begin(keys))
            .map_err(|IllegalMove| RotationError::UnderWay)?;
        let mut rows_total = 0;
        for column in vault.registry.iter() {
            rows_total += StoredColumn::of(transaction, column)?.count(transaction)?;
        }
        let fresh = Self {
            phase: Phase::Sweeping,
            direction: crate::rotation::Direction::Forward,
            active: keys.active,
            retiring: keys.retiring,
            rows_done: 0,
            rows_total,
            unopenable: 0,
            started_unix: new.created_unix,
        };
        key_rows::put_state(transaction, keys.retiring, KeyState::Retiring)?;
        key_rows::insert_new(
            transaction,
            &vault.install_id,
            &vault.access().keyring_wrap,
            keys.active.0,
            KeyPurpose::Data,
            new.algorithm,
            new.created_unix,
        )?;
        fresh.put(transaction, next)
    }

    /// Goes on with the rotation under way, by at most `batch` rows; `None` when there is none. A rotation that is
    /// [blocked](Phase::Blocked) begins a new walk, one that is [purging](Phase::Purging) waits for [`Vault::purge`]. The
    /// caller commits, and then calls [`Vault::reload_if_changed`].
    ///
    /// The last step, [proving](Phase::Proving), looks at every field in one transaction, whatever the batch.
    ///
    /// # Errors
    /// See [`RotationError`]; the caller rolls back. A field that does not open is no error.
    pub fn step(transaction: &Connection, vault: &Vault, batch: u32) -> Result<Option<Self>, RotationError> {
        let Some(mut rotation) = rotation_rows::load(transaction)? else {
            return Ok(None);
        };
        let active = up_to_date(transaction, vault)?;
        if active.number != rotation.active {
            return Err(RotationError::KeyringChanged);
        }
        let state = rotation_rows::state(Some(&rotation));
        let event = match rotation.phase {
            Phase::Sweeping => {
                let batch = u64::from(batch.max(1));
                let walked = sweep_rows::walk(transaction, vault, active.number, rotation.rows_done, batch)?;
                rotation_rows::put_place(transaction, &walked.place)?;
                vault.record_uses(transaction)?;
                rotation.rows_done += walked.rows;
                if walked.every_row {
                    let unopenable = rotation_rows::count_unopenable(transaction)?;
                    Event::EveryRowWalked { unopenable }
                } else {
                    Event::BatchWalked
                }
            }
            Phase::Proving => match clean_pass(transaction, vault, &active, &rotation)? {
                Some(proof) => {
                    key_rows::destroy(proof)?;
                    Event::FoundClean
                }
                None => Event::FoundMore,
            },
            Phase::Blocked => Event::Retry,
            Phase::Purging => return Ok(Some(rotation)),
        };
        let next = state
            .advance(event)
            .map_err(|IllegalMove| RotationError::UnknownFormat { what: "its phase" })?;
        rotation.put(transaction, next).map(Some)
    }

    /// Calls the rotation off: the old key seals again, and what is under the new one is sealed back by the steps that
    /// follow. The caller commits, and then calls [`Vault::reload_if_changed`].
    ///
    /// # Errors
    /// When none is under way, it was called off already, or the old key is destroyed.
    pub fn abort(transaction: &Connection, vault: &Vault) -> Result<Self, RotationError> {
        up_to_date(transaction, vault)?;
        let rotation = rotation_rows::load(transaction)?.ok_or(RotationError::NothingToAbort)?;
        let next = rotation_rows::state(Some(&rotation))
            .advance(Event::Abort)
            .map_err(|IllegalMove| RotationError::NothingToAbort)?;
        rotation.put(transaction, next)
    }

    /// The rotation under way, if there is one.
    ///
    /// # Errors
    /// When its row does not read.
    pub fn under_way(connection: &Connection) -> Result<Option<Self>, RotationError> {
        rotation_rows::load(connection)
    }

    /// The fields that did not open in this walk.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn unopenable_fields(connection: &Connection) -> Result<Vec<UnopenableField>, RotationError> {
        Ok(rotation_rows::unopenable(connection)?)
    }

    /// Carries out what a move asks for, and writes the new state.
    fn put(
        mut self,
        transaction: &Connection,
        (state, effect): (RotationState, Effect),
    ) -> Result<Self, RotationError> {
        if let RotationState::UnderWay {
            phase,
            direction,
            keys,
        } = state
        {
            self = Self {
                phase,
                direction,
                active: keys.active,
                retiring: keys.retiring,
                ..self
            };
        }
        match effect {
            Effect::AddKey | Effect::StartOver | Effect::SwapKeys => {
                self.rows_done = 0;
                self.unopenable = 0;
                rotation_rows::put(transaction, &self)?;
                rotation_rows::start_over(transaction)?;
            }
            Effect::KeepPlace | Effect::DestroyRetiring => rotation_rows::put(transaction, &self)?,
            Effect::Forget => rotation_rows::delete(transaction)?,
        }
        if effect == Effect::SwapKeys {
            key_rows::put_state(transaction, self.active, KeyState::Active)?;
            key_rows::put_state(transaction, self.retiring, KeyState::Retiring)?;
        }
        match effect {
            Effect::AddKey | Effect::SwapKeys | Effect::DestroyRetiring => {
                key_rows::raise_version(transaction)?;
            }
            Effect::StartOver | Effect::KeepPlace | Effect::Forget => {}
        }
        Ok(rotation_rows::load(transaction)?.unwrap_or(self))
    }
}

/// After a purge: a rotation that waited for it is over.
pub(super) fn purged(transaction: &Connection) -> Result<(), RotationError> {
    if let Some(rotation) = rotation_rows::load(transaction)?
        && let Ok(next) = rotation_rows::state(Some(&rotation)).advance(Event::Purged)
    {
        rotation.put(transaction, next)?;
    }
    Ok(())
}

fn clean_pass<'t>(
    transaction: &'t Connection,
    vault: &Vault,
    active: &KeyInfo,
    rotation: &Rotation,
) -> Result<Option<CleanPass<'t, Connection>>, RotationError> {
    CleanPass::over(transaction, &vault.registry, rotation.retiring, |column| {
        Ok(StoredColumn::of(transaction, column)?.has_other(transaction, active)?)
    })
}

/// The active key, after making sure that there is a transaction and that the keyring in memory is that of the file.
fn up_to_date(transaction: &Connection, vault: &Vault) -> Result<KeyInfo, RotationError> {
    if transaction.is_autocommit() {
        return Err(RotationError::NoTransaction);
    }
    let keyring = vault.keyring();
    if key_rows::version(transaction)? != keyring.version {
        return Err(RotationError::KeyringChanged);
    }
    keyring.active().cloned().ok_or(RotationError::KeyringChanged)
}

impl Vault {
    fn access(&self) -> std::sync::RwLockReadGuard<'_, Access> {
        self.access
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
