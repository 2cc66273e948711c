//! Putting a backup in the place of the database. Everything is verified, and everything ended, in a copy under another name;
//! then one rename makes it the database. Killed before, all is as it was; killed after, all is done.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use authcore::{Authority, AuthorityOptions, CurrentDatabase, Ended, OpenError, Restored, WallTime};
use data_encoding::HEXLOWER;
use fieldcrypt::{SlotSecret, WitnessError};

use super::folder::compact;
use super::temporary::{Temporary, flush_folder_of};
use super::verify::{Checked, extract, look_into};
use super::{BackupError, Opener, Progress};

/// How a database begins (SQLite, "Database File Format", section 1.3).
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// What SQLite may have put beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A restore that is prepared: verified, and nothing touched.
pub(crate) struct Restore {
    copy: Temporary,
    pub(crate) plan: Plan,
    current: CurrentDatabase,
    secret: usize,
}

/// What a restore would do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// When the backup was made.
    pub(crate) taken: WallTime,
    pub(crate) checked: Summary,
    /// Whether there is a database that it replaces.
    pub(crate) replaces: bool,
    /// How far the integrity seal of that one has come, if it opens with a secret that was given.
    pub(crate) current_counter: Option<u64>,
}

/// What is in the backup.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) counter: u64,
    pub(crate) rows: std::collections::BTreeMap<String, u64>,
    pub(crate) fields: u64,
}

/// What a restore did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) ended: Ended,
    pub(crate) counter: u64,
    /// Where the database that was replaced is now.
    pub(crate) aside: Option<PathBuf>,
}

/// A restore was not made; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("the database in it is not sound: {0}")]
    Unsound(String),
    #[error("no secret that was given opens the database in it")]
    NoSecret,
    #[error("it belongs to install {backup}, and the database here to install {current}")]
    AnotherInstall { backup: String, current: String },
    #[error("another process has the database open")]
    InUse,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Witness(#[from] WitnessError),
    #[error("{}", path.display())]
    Place {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Restore {
    /// Reads the backup into a copy in `folder`, and verifies all of it. `database` is what it would replace.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub(crate) fn prepare(
        backup: &Path,
        opener: &Opener,
        secrets: &[SlotSecret],
        folder: Option<&Path>,
        database: &Path,
        progress: Progress<'_>,
    ) -> Result<Self, RestoreError> {
        let elsewhere = super::verify::elsewhere();
        let (copy, manifest) = extract(backup, opener, folder.unwrap_or(&elsewhere), progress)?;
        let checked = look_into(copy.path(), manifest, secrets)?;
        let complaints = checked.complaints();
        if !complaints.is_empty() {
            return Err(RestoreError::Unsound(complaints.join("; ")));
        }
        let Checked {
            manifest,
            examination,
            secret,
        } = checked;
        let (Some(secret), Some(found)) = (secret, examination.opened) else {
            return Err(RestoreError::NoSecret);
        };
        let replaces = database.exists();
        let known: Vec<&SlotSecret> = secrets.iter().collect();
        let current = if replaces {
            Authority::survey(database, &known)
        } else {
            CurrentDatabase::default()
        };
        if let Some(current) = current.install_id.map(|id| HEXLOWER.encode(&id))
            && current != manifest.install
        {
            return Err(RestoreError::AnotherInstall {
                backup: manifest.install,
                current,
            });
        }
        let plan = Plan {
            taken: manifest.taken(),
            checked: Summary {
                counter: manifest.counter,
                rows: manifest.rows,
                fields: found.verification.fields.opened,
            },
            replaces,
            current_counter: current.counter,
        };
        Ok(Self {
            copy,
            plan,
            current,
            secret,
        })
    }

    /// Ends everything in the copy and makes it the database. The data directory must be locked by the caller.
    ///
    /// # Errors
    /// See [`RestoreError`]; until the last step nothing was changed.
    pub(crate) fn carry_out(
        self,
        secrets: &[SlotSecret],
        options: &AuthorityOptions,
    ) -> Result<Done, RestoreError> {
        let Self {
            copy,
            plan,
            current,
            secret,
        } = self;
        let database = &options.database;
        let secret = secrets.get(secret).ok_or(RestoreError::NoSecret)?;
        let restored = Authority::end_everything_in_copy(copy.path(), secret, &current, plan.taken, options)?;
        let at_copy = BackupError::file(copy.path());
        copy.file().sync_all().map_err(at_copy)?;
        let aside = put_aside(database, options.clock.now().wall)?;
        restored.make_missing_witness()?;
        let at_place = |source| RestoreError::Place {
            path: database.clone(),
            source,
        };
        copy.rename(database).map_err(at_place)?;
        tell(&restored);
        let Restored { ended, counter, .. } = restored;
        Ok(Done {
            ended,
            counter,
            aside,
        })
    }
}

/// The restore is made; a witness that cannot be told now is told by the server, which finds it behind and not ahead.
fn tell(restored: &Restored) {
    if let Err(error) = restored.tell_the_witness() {
        tracing::warn!(%error, "the witness could not be told of the restore");
    }
}

/// Gives the database that is replaced a second name, under which it stays, and leaves no log behind that would be taken for
/// the new one's. The database itself keeps its name until the new one takes it.
fn put_aside(database: &Path, now: WallTime) -> Result<Option<PathBuf>, RestoreError> {
    let aside = beside(database, &format!(".before-restore-{}", compact(now)));
    let at = |path: &Path| {
        let path = path.to_owned();
        |source| RestoreError::Place { path, source }
    };
    let there = database.exists();
    let closed = there && close(database)?;
    if there {
        std::fs::hard_link(database, &aside).map_err(at(&aside))?;
    }
    if !closed {
        // A log whose database is damaged or gone: kept with what is kept.
        for suffix in BESIDE {
            let (log, log_aside) = (beside(database, suffix), beside(&aside, suffix));
            match std::fs::rename(&log, &log_aside) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(at(&log)(source)),
                Ok(()) | Err(_) => {}
            }
        }
    }
    flush_folder_of(database).map_err(at(database))?;
    Ok(there.then_some(aside))
}

/// Writes the log back. Says whether that was done; not in a database that SQLite cannot read any more.
fn close(database: &Path) -> Result<bool, RestoreError> {
    // SQLite deletes the log of a file that is no database, and with it what may be left of one.
    let mut header = [0; HEADER.len()];
    let read = File::open(database).and_then(|mut file| file.read_exact(&mut header));
    if read.is_err() || header != *HEADER {
        return Ok(false);
    }
    match Authority::close_log(database) {
        Ok(true) => Ok(true),
        Ok(false) => Err(RestoreError::InUse),
        Err(error) => {
            tracing::warn!(%error, "the database that is replaced is damaged, and is put aside as it is");
            Ok(false)
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
