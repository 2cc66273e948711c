//! What the house rules refuse or cannot do, as the answer it becomes. No variant falls through: a new one is given its answer here.
#![warn(clippy::wildcard_enum_match_arm)]

use authcore::{
    Busy, ChangeError, ConfirmError, CreateAccessKeyError, NotNow, OneUseError, RefreshError, RotationFailed,
    SetUpError, SettingError, SignInError, Slowed, StoreError, TooLong, Unauthorized, VerifyError,
};

use super::{Credential, HttpError};

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        // Once, with its chain: here it becomes an answer that says nothing.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "the store failed a request");
        match error {
            StoreError::Full
            | StoreError::Busy
            | StoreError::ReadOnly
            | StoreError::Stopped
            | StoreError::LockedOut(_)
            | StoreError::Closed => Self::Unavailable,
            // From here on the store is stopped, and every other change is told so.
            StoreError::Sqlite(_) if error.leaves_the_disk_unknown() => Self::Unavailable,
            StoreError::Damaged { .. }
            | StoreError::Seal(_)
            | StoreError::Keyring(_)
            | StoreError::Random
            | StoreError::Signing
            | StoreError::Sqlite(_) => Self::Internal,
        }
    }
}

impl From<RotationFailed> for HttpError {
    fn from(error: RotationFailed) -> Self {
        match error {
            RotationFailed::Store(error) => error.into(),
            RotationFailed::Step(_)
            | RotationFailed::Slot(_)
            | RotationFailed::Purge(_)
            | RotationFailed::Keyring(_)
            | RotationFailed::Open(_)
            | RotationFailed::Database(_) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "a rotation of keys failed a request");
                Self::Unavailable
            }
        }
    }
}

impl From<Busy> for HttpError {
    fn from(Busy { retry_after }: Busy) -> Self {
        Self::Busy { retry_after }
    }
}

impl From<NotNow> for HttpError {
    fn from(error: NotNow) -> Self {
        match error {
            NotNow::Busy(busy) => busy.into(),
            NotNow::Slowed(Slowed { retry_after }) => Self::Slowed { retry_after },
        }
    }
}

impl From<TooLong> for HttpError {
    fn from(error: TooLong) -> Self {
        Self::malformed(error.to_string())
    }
}

impl From<Unauthorized> for HttpError {
    fn from(reason: Unauthorized) -> Self {
        tracing::debug!(%reason, "bearer refused");
        Self::Refused(Credential::Bearer)
    }
}

impl From<RefreshError> for HttpError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Refused(reason) => {
                tracing::info!(%reason, "refresh refused");
                Self::Refused(Credential::Refresh)
            }
            RefreshError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeError> for HttpError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Policy(violation) => Self::malformed(violation.to_string()),
            ChangeError::Busy(busy) => busy.into(),
            ChangeError::NotFirst | ChangeError::Stale => Self::Refused(Credential::Password),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<ConfirmError> for HttpError {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::NotNow(error) => error.into(),
            ConfirmError::Refused(error) => Credential::OneTimeCodeWrong.of_verifying(error),
        }
    }
}

impl From<SetUpError> for HttpError {
    fn from(error: SetUpError) -> Self {
        match error {
            SetUpError::AlreadyOn => Self::Conflict("the second factor is on; switch it off first"),
            SetUpError::NotBegun => Self::Conflict("nothing was begun here within the last ten minutes"),
            SetUpError::Stale => Self::Refused(Credential::Password),
            // No credential yet: whoever sets it up was shown the secret.
            SetUpError::WrongCode => Self::malformed(error.to_string()),
            SetUpError::Store(error) => error.into(),
        }
    }
}

impl From<SettingError> for HttpError {
    fn from(error: SettingError) -> Self {
        match error {
            SettingError::Unknown { .. } => Self::NotFound("setting"),
            SettingError::WrongValue { .. } => Self::malformed(error.to_string()),
            SettingError::Store(error) => error.into(),
        }
    }
}

impl From<CreateAccessKeyError> for HttpError {
    fn from(error: CreateAccessKeyError) -> Self {
        match error {
            CreateAccessKeyError::BadName | CreateAccessKeyError::BadLife => {
                Self::malformed(error.to_string())
            }
            CreateAccessKeyError::NameTaken { .. } => {
                Self::Conflict("there is an access key of that name already")
            }
            CreateAccessKeyError::TooMany => {
                Self::Conflict("there are too many access keys; revoke one first")
            }
            CreateAccessKeyError::Disabled => Self::Refused(Credential::ForeverDisabled),
            CreateAccessKeyError::AlreadyIssued => Self::Refused(Credential::ForeverIssued),
            CreateAccessKeyError::Store(error) => error.into(),
        }
    }
}

impl Credential {
    /// A password that was not taken here.
    pub(crate) fn of_verifying(self, error: VerifyError) -> HttpError {
        match error {
            VerifyError::Wrong => HttpError::Refused(self),
            VerifyError::CodeNeeded => HttpError::Refused(Self::OneTimeCodeNeeded),
            VerifyError::CodeWrong => HttpError::Refused(Self::OneTimeCodeWrong),
            VerifyError::Store(error) => error.into(),
        }
    }

    /// A sign-in that made no session here.
    pub(crate) fn of_signing_in(self, error: SignInError) -> HttpError {
        match error {
            SignInError::Refused => HttpError::Refused(self),
            SignInError::Expired => HttpError::Refused(Self::SigninExpired),
            SignInError::Disabled => HttpError::Refused(Self::SigninDisabled),
            SignInError::Store(error) => error.into(),
        }
    }

    /// A token that was not made here.
    pub(crate) fn of_issuing(self, error: OneUseError) -> HttpError {
        match error {
            OneUseError::Disabled => HttpError::Refused(Self::SigninDisabled),
            OneUseError::Refused => HttpError::Refused(self),
            OneUseError::Store(error) => error.into(),
        }
    }
}
