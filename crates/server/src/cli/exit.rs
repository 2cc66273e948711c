//! How a command ends: an exit code of sysexits(3), what went wrong, and what to do next.

use std::borrow::Cow;
use std::error::Error;
use std::process::ExitCode;

use authcore::{
    ChangeError, CreateAccessKeyError, InTheWay, OneUseError, OpenError, RotationFailed, SettingError,
    SlotChangeError, StoreError, TooLong,
};
use fieldcrypt::{KeyringError, RotationError, UnlockError};

use crate::backup::{BackupError, RestoreError};
use crate::causes::with_causes;
use crate::config::ConfigError;
use crate::config::data_dir::DataDirError;
use crate::config::field_password::FieldPasswordError;
use crate::config::secret_file::SecretFileError;
use crate::gate::proxy::TrustError;
use crate::sandbox::Incomplete;
use crate::service_manager::HandedOverError;
use crate::tls::files::TlsFileError;
use crate::tls::keeper::KeeperError;
use crate::tls::self_signed::MakeError;

/// Exit codes, as sysexits(3) numbers them, and 1 for a test that ran and found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The leak test found a secret, or something got through the gate that must not.
    Exposed = 1,
    Usage = 64,
    Data = 65,
    Unavailable = 69,
    Software = 70,
    CannotCreate = 73,
    Io = 74,
    TryLater = 75,
    Permission = 77,
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) message: String,
    pub(super) hint: Option<Cow<'static, str>>,
    /// More for programs, beside the message.
    pub(super) details: Option<serde_json::Value>,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
            details: None,
        }
    }

    /// An error and its causes, in one line.
    pub(super) fn of(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, with_causes(error))
    }

    /// The same, where SQLite met something that stands before what was being done: it is seen to, and then tried again.
    fn in_the_way(error: &(dyn Error + 'static)) -> Option<Self> {
        let (exit, hint) = match InTheWay::of(error)? {
            InTheWay::DamagedFile => (
                Exit::Data,
                "the file is damaged: keep a copy of it as it is, and restore a backup",
            ),
            InTheWay::Disk => (Exit::Io, "make room on the disk, or see to it, and try again"),
            InTheWay::Lock => (Exit::TryLater, "let the other process end, then try again"),
        };
        Some(Self::of(exit, error).hint(hint))
    }

    pub(super) fn details(self, details: serde_json::Value) -> Self {
        Self {
            details: Some(details),
            ..self
        }
    }

    pub(super) fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = match &error {
            ConfigError::File(_)
            | ConfigError::NotText(_)
            | ConfigError::Value { .. }
            | ConfigError::Application { .. }
            | ConfigError::Hook { .. } => "docs/configuration.md lists every key and what it takes",
            ConfigError::NoPlace(_) => "set HOME, or give --data-dir and --field-password-file",
            ConfigError::TwoSecrets { .. } => "take one of them away",
        };
        Self::of(Exit::Configuration, &error).hint(hint)
    }
}

impl From<Incomplete> for Failure {
    fn from(error: Incomplete) -> Self {
        Self::of(Exit::Unavailable, &error)
            .hint("Linux 6.12 or later has all of it; start with --sandbox best-effort to take what there is")
    }
}

impl From<HandedOverError> for Failure {
    fn from(error: HandedOverError) -> Self {
        Self::of(Exit::Configuration, &error)
            .hint("postern.socket has one ListenStream=, an address and a port")
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        match &error {
            DataDirError::OpenToOthers { .. } => Self::of(Exit::Permission, &error)
                .hint("chmod 700 the directory and chmod 600 the files in it"),
            DataDirError::NotADirectory { .. } | DataDirError::NotOurs { .. } => {
                Self::of(Exit::Permission, &error).hint("give a directory of this user's own with --data-dir")
            }
            DataDirError::NotAFile { .. } | DataDirError::LinkedElsewhere { .. } => {
                Self::of(Exit::Permission, &error)
                    .hint("keep the database in its directory under its one name")
            }
            DataDirError::Swappable { .. } => Self::of(Exit::Permission, &error)
                .hint("chmod o-w that directory, or keep the data elsewhere, with --data-dir"),
            DataDirError::Missing { .. } => Self::of(Exit::Configuration, &error)
                .hint("postern serve makes it at its first start; or give the right one with --data-dir"),
            DataDirError::InUse { .. } => {
                Self::of(Exit::TryLater, &error).hint("stop the other server, or give another --data-dir")
            }
            DataDirError::Unwritten { .. } => {
                Self::of(Exit::Io, &error).hint("make room and start again: nothing was in it yet")
            }
            DataDirError::Io { .. } => {
                Self::of(Exit::CannotCreate, &error).hint("give another place with --data-dir")
            }
        }
    }
}

impl From<FieldPasswordError> for Failure {
    fn from(error: FieldPasswordError) -> Self {
        let (exit, hint) = match &error {
            FieldPasswordError::File(inner) => {
                let failure = of_secret_file(inner, &error);
                return match inner {
                    SecretFileError::Unreadable { .. } | SecretFileError::Empty { .. } => failure.hint(
                        "give the field password this database was made with, by --field-password-file",
                    ),
                    SecretFileError::OpenToOthers { .. }
                    | SecretFileError::NotOurs { .. }
                    | SecretFileError::TooLong { .. }
                    | SecretFileError::NotText { .. } => failure,
                };
            }
            FieldPasswordError::Missing { .. } => (
                Exit::Configuration,
                "give the field password this database was made with, by --field-password-file",
            ),
            FieldPasswordError::Asking(_) => (Exit::Io, "give it with --field-password-file PATH"),
            FieldPasswordError::TooShort { .. } => (
                Exit::Configuration,
                "put a longer one there, or take it away and let the first start make one",
            ),
            FieldPasswordError::KeyFile { .. } => (
                Exit::Configuration,
                "make one with: head -c 32 /dev/urandom > FILE",
            ),
            FieldPasswordError::RecoveryKey { .. } => (
                Exit::Configuration,
                "type it as it was printed; case and spaces do not matter",
            ),
            FieldPasswordError::Command(_) => (
                Exit::Configuration,
                "run the command by hand: it must print the field password and nothing else",
            ),
            FieldPasswordError::InDataDir { .. } => (
                Exit::Configuration,
                "keep it elsewhere: a copy of the data directory must not carry its own key",
            ),
            FieldPasswordError::NotMade { .. } => (
                Exit::CannotCreate,
                "give another place with --field-password-file",
            ),
        };
        Self::of(exit, &error).hint(hint)
    }
}

impl From<SecretFileError> for Failure {
    fn from(error: SecretFileError) -> Self {
        of_secret_file(&error, &error)
    }
}

/// The exit and the hint of `inner`, the words of `error`, which it caused.
fn of_secret_file(inner: &SecretFileError, error: &dyn Error) -> Failure {
    let (exit, hint) = match inner {
        SecretFileError::Unreadable { .. } => (Exit::Configuration, "name a file this user may read"),
        SecretFileError::Empty { .. } | SecretFileError::TooLong { .. } | SecretFileError::NotText { .. } => {
            (Exit::Configuration, "it is a text of one line")
        }
        SecretFileError::OpenToOthers { .. } => (
            Exit::Permission,
            "chmod 600 it, and change the secret if others may have read it",
        ),
        SecretFileError::NotOurs { .. } => (Exit::Permission, "chown it to this user"),
    };
    Failure::of(exit, error).hint(hint)
}

impl From<TlsFileError> for Failure {
    fn from(error: TlsFileError) -> Self {
        let hint = match &error {
            TlsFileError::KeyFile(inner) => {
                let failure = of_secret_file(inner, &error);
                return match inner {
                    SecretFileError::Empty { .. }
                    | SecretFileError::TooLong { .. }
                    | SecretFileError::NotText { .. } => {
                        failure.hint("tls.key names a private key in PEM form")
                    }
                    SecretFileError::OpenToOthers { .. } => failure.hint(
                        "chmod 600 it, and get a certificate with a new key if others may have read it",
                    ),
                    SecretFileError::Unreadable { .. } | SecretFileError::NotOurs { .. } => failure,
                };
            }
            TlsFileError::Unreadable { .. } => "name a file this user may read in tls.cert",
            TlsFileError::TooLong { .. }
            | TlsFileError::NoCertificate { .. }
            | TlsFileError::Damaged { .. } => {
                "tls.cert names the server's certificate in PEM form, and those that issued it after it"
            }
            TlsFileError::WrongOrder { .. } => "certbot's fullchain.pem has them in order",
            TlsFileError::Expired { .. } => {
                "renew it; there is no start with a certificate that no client takes"
            }
            TlsFileError::NotYet { .. } => "look at the clock of this machine",
            TlsFileError::NoKey { .. } | TlsFileError::UnusableKey { .. } => {
                "tls.key names a private key in PEM form: RSA, ECDSA P-256 or P-384, or Ed25519"
            }
            TlsFileError::EncryptedKey { .. } => {
                "take the passphrase off with: openssl pkey -in KEY -out NEW"
            }
            TlsFileError::Mismatch { .. } => "name the two files that were made together",
        };
        Self::of(Exit::Configuration, &error).hint(hint)
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        Self::of(Exit::Configuration, &error).hint(
            "upstream_ca names a file of certificates in PEM form: the authorities that the application's is verified by",
        )
    }
}

impl From<KeeperError> for Failure {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::File(inner) => inner.into(),
            KeeperError::Make(MakeError::Stored { .. } | MakeError::Authority(_)) => {
                Self::of(Exit::Data, &error)
                    .hint("keep a copy of the files as they are, and restore a backup")
            }
            KeeperError::Store(inner) => Self::of(of_store(&inner), &inner),
            KeeperError::Signal(_) => Self::of(Exit::Unavailable, &error),
            KeeperError::Make(MakeError::Made(_)) | KeeperError::Tls(_) => Self::of(Exit::Software, &error),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        if let Some(failure) = Self::in_the_way(&error) {
            return failure;
        }
        let exit = match &error {
            OpenError::Missing { .. } => {
                return Self::of(Exit::Configuration, &error)
                    .hint("postern serve makes it at its first start");
            }
            OpenError::Unlock(UnlockError::WrongSecret) => {
                return Self::of(Exit::Configuration, &error)
                    .hint("nothing was changed; give the right one with --field-password-file");
            }
            OpenError::Integrity(_) => {
                return Self::of(Exit::Data, &error).hint(
                    "keep a copy of the files as they are; restore a backup, or take the database as it is with \
                     postern serve --accept-tampered, which ends every session",
                );
            }
            OpenError::Witness(_) => {
                return Self::of(Exit::Data, &error).hint(
                    "put the newer database back, or take this one with postern serve --accept-rollback, \
                     which ends every session",
                );
            }
            OpenError::Unlock(_)
            | OpenError::Rotation(_)
            | OpenError::Schema { .. }
            | OpenError::ColumnMissing { .. } => Exit::Data,
            OpenError::Connection { .. } => Exit::Io,
            OpenError::Snapshot(_) => Exit::TryLater,
            OpenError::Store(error) => of_store(error),
            OpenError::AlreadyExists { .. } | OpenError::Create(_) | OpenError::FirstKeys(_) => {
                Exit::CannotCreate
            }
            OpenError::Random(_) => Exit::Unavailable,
        };
        Self::of(exit, &error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(of_store(&error), &error)
    }
}

impl From<TooLong> for Failure {
    fn from(error: TooLong) -> Self {
        Self::of(Exit::Data, &error).hint("nothing was changed")
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match &error {
            ChangeError::Policy(_) => {
                Self::of(Exit::Data, &error).hint("nothing was changed; choose another")
            }
            ChangeError::Busy(_) | ChangeError::Stale => Self::of(Exit::TryLater, &error),
            ChangeError::NotFirst => Self::of(Exit::Permission, &error),
            ChangeError::Store(inner) => Self::of(of_store(inner), &error),
        }
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        match &error {
            SettingError::Unknown { .. } => {
                Self::of(Exit::Data, &error).hint("postern settings list shows what there is")
            }
            SettingError::WrongValue { .. } => Self::of(Exit::Data, &error),
            SettingError::Store(inner) => Self::of(of_store(inner), &error),
        }
    }
}

impl From<CreateAccessKeyError> for Failure {
    fn from(error: CreateAccessKeyError) -> Self {
        match &error {
            CreateAccessKeyError::BadName
            | CreateAccessKeyError::BadLife
            | CreateAccessKeyError::NameTaken { .. } => Self::of(Exit::Data, &error),
            CreateAccessKeyError::TooMany
            | CreateAccessKeyError::Disabled
            | CreateAccessKeyError::AlreadyIssued => {
                Self::of(Exit::Unavailable, &error).hint("postern access-keys list shows what there is")
            }
            CreateAccessKeyError::Store(inner) => Self::of(of_store(inner), &error),
        }
    }
}

impl From<RotationFailed> for Failure {
    fn from(error: RotationFailed) -> Self {
        if let Some(failure) = Self::in_the_way(&error) {
            return failure;
        }
        match error {
            RotationFailed::Slot(_) => Self::of(Exit::Data, &error).hint("nothing was changed"),
            RotationFailed::Step(RotationError::NothingToAbort) => Self::of(Exit::Data, &error)
                .hint("nothing was changed; postern keys rotate --status shows what is under way"),
            RotationFailed::Open(inner) => (*inner).into(),
            RotationFailed::Keyring(
                KeyringError::DamagedKey { .. }
                | KeyringError::UnknownFormat { .. }
                | KeyringError::NoActiveKey,
            ) => Self::of(Exit::Data, &error)
                .hint("keep a copy of the files as they are, and restore a backup"),
            RotationFailed::Step(_)
            | RotationFailed::Purge(_)
            | RotationFailed::Keyring(_)
            | RotationFailed::Store(_)
            | RotationFailed::Database(_) => Self::of(Exit::TryLater, &error)
                .hint("nothing is lost; run the command again: it goes on where it stands"),
        }
    }
}

impl From<SlotChangeError> for Failure {
    fn from(error: SlotChangeError) -> Self {
        if let SlotChangeError::Slot(_) = &error
            && let Some(failure) = Self::in_the_way(&error)
        {
            return failure;
        }
        match &error {
            SlotChangeError::Slot(_) => Self::of(Exit::Data, &error).hint("nothing was changed"),
            SlotChangeError::NotNoted(_) | SlotChangeError::NotPurged(_) => Self::of(Exit::TryLater, &error)
                .hint("any further postern slots add, change or remove takes it out"),
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let (exit, hint) = match &error {
            BackupError::NotAge | BackupError::NotOurs(_) => {
                (Exit::Data, "give a file that postern backup create wrote")
            }
            BackupError::Damaged(_) | BackupError::Mismatch(_) => (
                Exit::Data,
                "nothing was changed; take another backup: postern backup list DIR shows what there is",
            ),
            BackupError::WrongKey => (
                Exit::Configuration,
                "nothing was changed; a backup opens with the passphrase, or the field password, of the time it was made: \
                 give it with --passphrase-file, or the identity with --identity",
            ),
            BackupError::WantsPassphrase => (
                Exit::Configuration,
                "leave --identity out, or give --passphrase-file",
            ),
            BackupError::WantsIdentity => (Exit::Configuration, "give --identity FILE"),
            BackupError::TooCostly { .. } => (
                Exit::Data,
                "if you trust it, open it with age -d and seal it anew with age -p",
            ),
            BackupError::Later { .. } => (
                Exit::Data,
                "use the version of postern that made it, or a later one",
            ),
            BackupError::Recipient(_) | BackupError::Seal(_) => {
                (Exit::Usage, "recipients of one kind go together")
            }
            BackupError::Database(_) => (Exit::Data, "postern doctor says what is wrong with the database"),
            BackupError::InTheWay { .. } => (Exit::CannotCreate, "nothing was changed; give another name"),
            BackupError::File { .. } | BackupError::Write(_) => (
                Exit::Io,
                "nothing is left at that name but what was there before; make room, or give another place",
            ),
            BackupError::Read(_) => (Exit::Io, "look at the disk that it lies on"),
        };
        if let BackupError::Database(inner) = &error {
            if let Some(failure) = Self::in_the_way(inner.as_ref()) {
                return failure;
            }
            if let OpenError::Snapshot(_) = inner.as_ref() {
                return Self::of(Exit::TryLater, &error).hint("let the other process end, then try again");
            }
        }
        Self::of(exit, &error).hint(hint)
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let (exit, hint) = match error {
            RestoreError::Backup(error) => return error.into(),
            RestoreError::Open(error) => return Self::from(error).hint("nothing was changed"),
            RestoreError::Unsound(_) => (Exit::Data, "nothing was changed; take an older backup"),
            RestoreError::NoSecret => (
                Exit::Configuration,
                "nothing was changed; give the field password of the time of the backup, by --field-password-file",
            ),
            RestoreError::AnotherInstall { .. } => (
                Exit::Data,
                "nothing was changed; restore it into an empty directory: --data-dir",
            ),
            RestoreError::InUse => (
                Exit::TryLater,
                "nothing was changed; stop the server and every other postern command",
            ),
            RestoreError::Witness(_) => (
                Exit::Data,
                "nothing was changed; the witness in the configuration is not this database's: move it away, or name another",
            ),
            RestoreError::Place { .. } => (Exit::CannotCreate, "the database is as it was"),
        };
        Self::of(exit, &error).hint(hint)
    }
}

impl From<OneUseError> for Failure {
    fn from(error: OneUseError) -> Self {
        match &error {
            OneUseError::Store(inner) => Self::of(of_store(inner), &error),
            OneUseError::Disabled => Self::of(Exit::Unavailable, &error)
                .hint("switch them on with: postern settings set signin_tokens true"),
            OneUseError::Refused => Self::of(Exit::Unavailable, &error),
        }
    }
}

fn of_store(error: &StoreError) -> Exit {
    if let Some(failure) = Failure::in_the_way(error) {
        return failure.exit;
    }
    match error {
        StoreError::Full | StoreError::ReadOnly | StoreError::Stopped | StoreError::Sqlite(_) => Exit::Io,
        StoreError::Busy => Exit::TryLater,
        StoreError::Damaged { .. } | StoreError::Keyring(_) => Exit::Data,
        StoreError::Closed | StoreError::Seal(_) | StoreError::Signing => Exit::Software,
        StoreError::Random | StoreError::LockedOut(_) => Exit::Unavailable,
    }
}
