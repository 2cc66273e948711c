//! New keys: the data key in batches that can be broken off anywhere, the signing key and the master key each in one
//! transaction. Driven by the operator's own process beside a running server, or by the server itself; the file says where
//! it stands, so whoever comes next goes on from there.

use std::path::Path;
use std::sync::Arc;

use fieldcrypt::sqlite::MasterKeyRotated;
use fieldcrypt::{
    Algorithm, Direction, KdfParams, MasterAccess, NewDataKey, NewSlot, Phase, PurgeError, Rotation,
    RotationError, SlotError, SlotInfo, SlotSecret, UnopenableField, Vault,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::integrity::Guard;
use super::{
    IntegrityOptions, OpenError, Opened, Store, StoreError, audit, pending_keys, purge, second_factor,
    sessions, signin_tokens, signing_keys, tls_keys,
};
use crate::audit::event::{AuditEvent, SessionEnd};
use crate::authority::AuthorityOptions;
use crate::client::Client;
use crate::clock::{Clock, Monotonic};
use crate::ids::SigningKeyId;
use crate::signing_keys::NewSigningKey;
use pending_keys::KeyKind;

/// How long one batch may hold the write lock. A writer that waits is served within two of them.
const BATCH_TIME: std::time::Duration = std::time::Duration::from_millis(25);

/// Rows of the first batch, and the bounds within which later ones follow [`BATCH_TIME`].
const BATCH_FIRST: u32 = 1_000;
const BATCH_LEAST: u32 = 100;

/// What a writer that waits needs to get in between two batches: it asks every millisecond.
const BETWEEN_BATCHES: std::time::Duration = std::time::Duration::from_millis(3);

/// New keys for a database, made step by step; it may be dropped or killed at any of them.
pub struct KeyRotation {
    connection: Connection,
    vault: Arc<Vault>,
    /// Keeps the integrity seal attached.
    _guard: Guard,
    clock: Clock,
    batch: u32,
}

/// Where a rotation of the data key stands.
#[derive(Debug)]
pub struct RotationStatus {
    /// The rotation under way.
    pub rotation: Rotation,
    /// The fields that did not open in this walk. They are left as they are, and the old key stays for them.
    pub unopenable: Vec<UnopenableField>,
}

/// What became of a step.
#[derive(Debug)]
pub enum RotationProgress {
    /// So many of so many rows are walked.
    Walking {
        /// Walked in this walk.
        done: u64,
        /// There were when it began.
        total: u64,
    },
    /// Every row is walked and the old key destroyed; what is left of it in the files goes with the next step.
    Purging,
    /// These fields do not open; the old key stays for as long as they need it.
    Blocked(Vec<UnopenableField>),
    /// Nothing is left under the old key, and nothing of it in the files.
    Done,
}

/// A rotation did not go on; what was committed stays, and it can go on later.
#[derive(Debug, thiserror::Error)]
pub enum RotationFailed {
    /// A step was not made.
    #[error(transparent)]
    Step(#[from] RotationError),
    /// The master key was not changed.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// The old key is destroyed, but its bytes may still stand in the files.
    #[error(transparent)]
    Purge(#[from] PurgeError),
    /// The keyring does not read.
    #[error(transparent)]
    Keyring(#[from] fieldcrypt::KeyringError),
    /// A row could not be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database could not be opened once more.
    #[error(transparent)]
    Open(#[from] Box<OpenError>),
    /// SQLite says something.
    #[error("the database cannot be read or written")]
    Database(#[from] rusqlite::Error),
}

impl KeyRotation {
    /// Opens an existing database, beside a running server or without one.
    ///
    /// # Errors
    /// As [`crate::Authority::open`].
    pub fn open(options: &AuthorityOptions, secret: &SlotSecret) -> Result<Self, OpenError> {
        let Opened {
            connection,
            vault,
            guard,
        } = super::open(&options.database, secret, &options.integrity)?;
        Ok(Self {
            connection,
            vault: Arc::new(vault),
            _guard: guard,
            clock: options.clock.clone(),
            batch: BATCH_FIRST,
        })
    }

    /// A second connection of a process that has the database open already.
    pub(crate) fn beside(
        path: &Path,
        integrity: &IntegrityOptions,
        vault: &Arc<Vault>,
        clock: &Clock,
    ) -> Result<Self, OpenError> {
        let connection = super::connect(path, fieldcrypt::sqlite::OpenMode::Existing)?;
        let guard = Guard::stand_beside(vault, &connection, integrity)?;
        Ok(Self {
            connection,
            vault: Arc::clone(vault),
            _guard: guard,
            clock: clock.clone(),
            batch: BATCH_FIRST,
        })
    }

    /// The slots that this secret does not open: they go with the old master key, unless their own secrets are given.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn other_slots(&self, secret: &SlotSecret) -> Result<Vec<SlotInfo>, RotationFailed> {
        let opened = self.master_access(secret)?.slot();
        let mut slots = Vault::slots(&self.connection)?;
        slots.retain(|slot| slot.id != opened);
        Ok(slots)
    }

    /// Whether the second factor is on.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn has_second_factor(&self) -> Result<bool, RotationFailed> {
        Ok(second_factor::load(&self.connection, &self.vault)?.is_some())
    }

    /// The kinds of key that a rotation of several kinds, broken off, has not come to.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn pending(&self) -> Result<Vec<KeyKind>, RotationFailed> {
        Ok(pending_keys::load(&self.connection, &self.vault)?)
    }

    /// Notes that keys of these kinds are to be made, one after the other, until each is: for a rotation of several kinds
    /// that is killed and run again.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn plan(&mut self, kinds: &[KeyKind]) -> Result<(), RotationFailed> {
        self.commit(|transaction, vault| Ok(pending_keys::put(transaction, vault, kinds)?))
    }

    /// Makes a new signing key; tokens signed with the one before stay good until they expire.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn rotate_signing(&mut self, client: &Client) -> Result<SigningKeyId, RotationFailed> {
        let key = NewSigningKey::random().map_err(StoreError::from)?;
        let now = self.clock.now().wall;
        self.commit(|transaction, vault| {
            signing_keys::replace(transaction, vault, &key, now)?;
            let created = AuditEvent::SigningKeyCreated { kid: key.kid.clone() };
            audit::write(transaction, vault, client, now, created)?;
            Ok(pending_keys::done(transaction, vault, KeyKind::Signing)?)
        })?;
        Ok(key.kid)
    }

    /// Ends every session and every token at once: signing keys are deleted without an overlap, signin tokens are spent. The
    /// local authority's and the server's TLS keys are deleted too: the next start makes them anew.
    ///
    /// # Errors
    /// See [`RotationFailed`]; nothing was changed then.
    pub fn end_everything(&mut self, client: &Client) -> Result<SigningKeyId, RotationFailed> {
        let key = NewSigningKey::random().map_err(StoreError::from)?;
        let now = self.clock.now().wall;
        self.commit(|transaction, vault| {
            signing_keys::delete_all(transaction)?;
            signing_keys::insert(transaction, vault, &key, now)?;
            let created = AuditEvent::SigningKeyCreated { kid: key.kid.clone() };
            audit::write(transaction, vault, client, now, created)?;
            signin_tokens::delete_all(transaction)?;
            tls_keys::delete_all(transaction)?;
            let count = sessions::delete_all(transaction)?;
            let reason = SessionEnd::EveryKeyReplaced;
            audit::write(
                transaction,
                vault,
                client,
                now,
                AuditEvent::SessionsEnded { count, reason },
            )?;
            Ok(pending_keys::done(transaction, vault, KeyKind::Signing)?)
        })?;
        Ok(key.kid)
    }

    /// Makes a new master key; the slots whose secrets are given stay, the others are removed. What stood in the file
    /// before is purged.
    ///
    /// # Errors
    /// See [`RotationFailed`]; a secret that fits no slot changes nothing.
    pub fn rotate_master(
        &mut self,
        secrets: &[SlotSecret],
        client: &Client,
    ) -> Result<MasterKeyRotated, RotationFailed> {
        let first = secrets.first().ok_or(SlotError::NoSlotStays)?;
        let mut access = self.master_access(first)?;
        let rotated = self.replace_master(&mut access, secrets, client)?;
        purge::patiently(&self.vault, &mut self.connection)?;
        Ok(rotated)
    }

    fn replace_master(
        &mut self,
        access: &mut MasterAccess,
        secrets: &[SlotSecret],
        client: &Client,
    ) -> Result<MasterKeyRotated, RotationFailed> {
        let first = secrets.first().ok_or(SlotError::NoSlotStays)?;
        let rotated = access.rotate_master_key(&mut self.connection, secrets)?;
        // The slot that this process was opened with may be gone.
        self.vault.unlock_again(&self.connection, first)?;
        let now = self.clock.now().wall;
        let event = AuditEvent::MasterKeyReplaced {
            kept: rotated.kept.iter().map(|slot| slot.0).collect(),
            removed: rotated.removed.iter().map(|slot| slot.0).collect(),
        };
        self.commit(|transaction, vault| {
            audit::write(transaction, vault, client, now, event)?;
            Ok(pending_keys::done(transaction, vault, KeyKind::Master)?)
        })?;
        Ok(rotated)
    }

    fn master_access(&self, secret: &SlotSecret) -> Result<MasterAccess, RotationFailed> {
        Ok(MasterAccess::unlock(&self.connection, secret)?)
    }

    /// After the theft of a slot's secret: gives the slot that it opens the first of the new ones, adds a slot for each
    /// further one, and makes a new master key. The other slots are removed: what they hold may be known too. In this order the
    /// new master key is never wrapped under a secret that is known, and killed anywhere, there is a slot of each kind that
    /// there was. The purge is that of the rotation of the data key, which is the caller's next step.
    ///
    /// # Errors
    /// See [`RotationFailed`]. The new secret may open the database already, and the old one never does then.
    pub fn replace_all_access(
        &mut self,
        known: &SlotSecret,
        new: &[SlotSecret],
        client: &Client,
    ) -> Result<MasterKeyRotated, RotationFailed> {
        let (first, further) = new.split_first().ok_or(SlotError::NoSlotStays)?;
        let mut access = self.master_access(known)?;
        let slot = access.slot();
        let label = Vault::slots(&self.connection)?
            .into_iter()
            .find(|listed| listed.id == slot)
            .map(|listed| listed.label);
        let changed = self.new_slot(label.unwrap_or_default());
        access.change_slot(&mut self.connection, slot, first, &changed)?;
        self.note(client, AuditEvent::SlotChanged { slot: slot.0 })?;
        for secret in further {
            let added = self.new_slot("made after a theft".to_owned());
            let slot = access.add_slot(&mut self.connection, secret, &added)?;
            self.note(client, AuditEvent::SlotAdded { slot: slot.0 })?;
        }
        self.replace_master(&mut access, new, client)
    }

    /// Writes it down in the audit log.
    fn note(&mut self, client: &Client, event: AuditEvent) -> Result<(), RotationFailed> {
        let now = self.clock.now().wall;
        self.commit(|transaction, vault| Ok(audit::write(transaction, vault, client, now, event)?))
    }

    fn new_slot(&self, label: String) -> NewSlot {
        NewSlot {
            label,
            kdf: KdfParams::default(),
            created_unix: self.clock.now().wall.unix_seconds(),
        }
    }

    /// Whether a rotation of the data key is under way that was called off: what it leads to is the key of before.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn goes_back(&self) -> Result<bool, RotationFailed> {
        let under_way = Rotation::under_way(&self.connection)?;
        Ok(under_way.is_some_and(|at| at.direction == Direction::Back))
    }

    /// Begins a rotation of the data key, unless one is under way, which then goes on. Says whether it began.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn begin_data(&mut self, client: &Client) -> Result<bool, RotationFailed> {
        let now = self.clock.now().wall;
        let new = NewDataKey {
            algorithm: Algorithm::Aes256Gcm,
            created_unix: now.unix_seconds(),
        };
        self.commit(|transaction, vault| {
            if Rotation::under_way(transaction)?.is_some() {
                return Ok(false);
            }
            let begun = Rotation::begin(transaction, vault, &new)?;
            let event = AuditEvent::DataKeyRotationBegun {
                new: begun.active.0,
                old: begun.retiring.0,
            };
            audit::write(transaction, vault, client, now, event)?;
            Ok(true)
        })
    }

    /// Calls the rotation of the data key off: the old key seals again, and the steps that follow seal back what is under
    /// the new one. One that was called off before goes on.
    ///
    /// # Errors
    /// See [`RotationFailed`]; when none is under way, or its old key is destroyed.
    pub fn abort_data(&mut self, client: &Client) -> Result<(), RotationFailed> {
        if self.goes_back()? {
            return Ok(());
        }
        let now = self.clock.now().wall;
        self.commit(|transaction, vault| {
            let back = Rotation::abort(transaction, vault)?;
            let event = AuditEvent::DataKeyRotationCalledOff { new: back.retiring.0 };
            audit::write(transaction, vault, client, now, event)?;
            Ok(pending_keys::put(transaction, vault, &[])?)
        })
    }

    /// Goes one batch on with the rotation of the data key, then lets whoever waits for the write lock have it.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn advance_data(&mut self, client: &Client) -> Result<RotationProgress, RotationFailed> {
        let started = self.clock.now();
        let destroyed = Rotation::under_way(&self.connection)?.is_some_and(|at| at.phase == Phase::Purging);
        if destroyed {
            purge::patiently(&self.vault, &mut self.connection)?;
        }
        let batch = self.batch;
        let at = self.commit(|transaction, vault| {
            let at = Rotation::step(transaction, vault, batch)?;
            match at {
                Some(at) if at.phase == Phase::Purging && !destroyed => {
                    let event = AuditEvent::DataKeyDestroyed { key: at.retiring.0 };
                    audit::write(transaction, vault, client, started.wall, event)?;
                }
                Some(_) => {}
                None => pending_keys::done(transaction, vault, KeyKind::Data)?,
            }
            Ok(at)
        })?;
        self.follow_the_clock(started.monotonic);
        Ok(match at {
            None => RotationProgress::Done,
            Some(at) => match at.phase {
                Phase::Sweeping | Phase::Proving => RotationProgress::Walking {
                    done: at.rows_done,
                    total: at.rows_total,
                },
                Phase::Blocked => RotationProgress::Blocked(Rotation::unopenable_fields(&self.connection)?),
                Phase::Purging => RotationProgress::Purging,
            },
        })
    }

    /// As many rows the next time as fit the time of a batch, judged by this one; then a moment for others.
    fn follow_the_clock(&mut self, started: Monotonic) {
        let took = self.clock.now().monotonic.since(started).as_micros().max(1);
        let rows = u128::from(self.batch) * BATCH_TIME.as_micros() / took;
        // At most twice as many: one quick batch says little.
        let most = u128::from(self.batch.saturating_mul(2).min(Rotation::BATCH));
        self.batch = u32::try_from(rows.min(most))
            .unwrap_or(Rotation::BATCH)
            .max(BATCH_LEAST);
        std::thread::sleep(BETWEEN_BATCHES);
    }

    /// One transaction on the keyring as it is in the file, and the keyring in memory as it is after it.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &Vault) -> Result<T, RotationFailed>,
    ) -> Result<T, RotationFailed> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.vault.reload_if_changed(&transaction)?;
        let result = work(&transaction, &self.vault)?;
        self.vault.record_uses(&transaction)?;
        transaction.commit()?;
        self.vault.reload_if_changed(&self.connection)?;
        Ok(result)
    }
}

impl From<fieldcrypt::UnlockError> for RotationFailed {
    fn from(error: fieldcrypt::UnlockError) -> Self {
        Self::Open(Box::new(error.into()))
    }
}

impl Store {
    /// The rotation of the data key under way, whoever drives it.
    pub(crate) fn rotation_status(&self) -> Result<Option<RotationStatus>, RotationFailed> {
        Ok(status(&self.reader())?)
    }
}

/// The rotation of the data key under way, with the fields in its way.
pub(super) fn status(connection: &Connection) -> Result<Option<RotationStatus>, RotationError> {
    let Some(rotation) = Rotation::under_way(connection)? else {
        return Ok(None);
    };
    Ok(Some(RotationStatus {
        rotation,
        unopenable: Rotation::unopenable_fields(connection)?,
    }))
}
