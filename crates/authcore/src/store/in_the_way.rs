//! What a command that failed ran into.

use std::error::Error;

use fieldcrypt::UnlockError;
use rusqlite::ErrorCode;

use super::{OpenError, RotationFailed, StoreError};

/// What SQLite met, whatever it was doing at the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTheWay {
    /// The file is damaged, or no database at all: nothing that the program could be told would open it.
    DamagedFile,
    /// The disk is full, fails, or takes nothing.
    Disk,
    /// Another process has the lock.
    Lock,
}

impl InTheWay {
    /// What was in the way, at the bottom of an error: one of the integrity check, say, may be one of the disk.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        std::iter::successors(Some(error), |error| (**error).source()).find_map(of_one)
    }
}

/// What an error says itself. One that shows another as if it were that one (`transparent`) hides it from the list of causes.
fn of_one(error: &(dyn Error + 'static)) -> Option<InTheWay> {
    if let Some(error) = error.downcast_ref::<RotationFailed>() {
        return match error {
            RotationFailed::Store(inner) => of_one(inner),
            RotationFailed::Open(inner) => of_one(&**inner),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<OpenError>() {
        return match error {
            OpenError::Unlock(UnlockError::NoVault) => Some(InTheWay::DamagedFile),
            OpenError::Store(inner) => of_one(inner),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return match error {
            StoreError::Full | StoreError::ReadOnly => Some(InTheWay::Disk),
            StoreError::Busy => Some(InTheWay::Lock),
            StoreError::Sqlite(inner) => InTheWay::of(&**inner),
            _ => None,
        };
    }
    match error.downcast_ref::<rusqlite::ffi::Error>()?.code {
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(InTheWay::DamagedFile),
        ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly => Some(InTheWay::Disk),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(InTheWay::Lock),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use fieldcrypt::{IntegrityError, RotationError, SlotError};

    use super::*;
    use crate::store::SlotChangeError;

    #[test]
    fn whatever_was_being_done_it_is_told_what_was_in_the_way() {
        let sqlite = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let opening = |code| OpenError::from(StoreError::from(sqlite(code)));
        for (code, met) in [
            (rusqlite::ffi::SQLITE_CORRUPT, Some(InTheWay::DamagedFile)),
            (rusqlite::ffi::SQLITE_NOTADB, Some(InTheWay::DamagedFile)),
            (rusqlite::ffi::SQLITE_FULL, Some(InTheWay::Disk)),
            (rusqlite::ffi::SQLITE_IOERR, Some(InTheWay::Disk)),
            (rusqlite::ffi::SQLITE_READONLY, Some(InTheWay::Disk)),
            (rusqlite::ffi::SQLITE_BUSY, Some(InTheWay::Lock)),
            (rusqlite::ffi::SQLITE_ERROR, None),
        ] {
            let errors: [(&str, Box<dyn Error>); 9] = [
                ("opening", opening(code).into()),
                (
                    "going on with a rotation",
                    OpenError::from(RotationError::from(sqlite(code))).into(),
                ),
                (
                    "checking",
                    OpenError::from(IntegrityError::from(sqlite(code))).into(),
                ),
                (
                    "a step",
                    RotationFailed::from(RotationError::from(sqlite(code))).into(),
                ),
                (
                    "a row",
                    RotationFailed::from(StoreError::from(sqlite(code))).into(),
                ),
                (
                    "opening once more",
                    RotationFailed::from(Box::new(opening(code))).into(),
                ),
                ("SQLite itself", RotationFailed::from(sqlite(code)).into()),
                (
                    "a slot",
                    SlotChangeError::from(SlotError::from(sqlite(code))).into(),
                ),
                (
                    "the audit log",
                    SlotChangeError::from(StoreError::from(sqlite(code))).into(),
                ),
            ];
            for (what, error) in errors {
                assert_eq!(InTheWay::of(&*error), met, "{what}, {code}");
            }
        }
        assert_eq!(InTheWay::of(&OpenError::from(IntegrityError::SealDamaged)), None);
    }
}
