//! Operation tokens: JWTs of one minute, one use, good for one named operation. They travel where an access token must
//! not: a download link, the opening of a web socket.

use std::time::Duration;

use secrecy::zeroize::Zeroizing;

/// How long an operation token is good.
pub const OPERATION_TOKEN_LIFE: Duration = Duration::from_secs(60);

/// What an operation token may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Download an export of settings.
    Export,
    /// Download a report for a bug.
    BugReport,
    /// Open the live-event socket.
    WebSocket,
    /// Download a backup.
    Backup,
}

impl Operation {
    /// Every operation there is.
    pub const ALL: [Self; 4] = [Self::Export, Self::BugReport, Self::WebSocket, Self::Backup];

    /// The name, as it stands in the path that issues the token and in its `op` claim.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::BugReport => "bugreport",
            Self::WebSocket => "websocket",
            Self::Backup => "backup",
        }
    }

    /// Whether it takes away what a thief would come for, so that a second factor is asked for before.
    #[must_use]
    pub const fn is_to_be_confirmed(self) -> bool {
        match self {
            Self::Export | Self::Backup => true,
            Self::BugReport | Self::WebSocket => false,
        }
    }

    /// The operation of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

/// An operation token in its text form. Wiped on drop.
pub struct OperationToken(pub(crate) Zeroizing<String>);

impl OperationToken {
    /// The text, to hand to the client.
    #[must_use]
    pub fn expose_str(&self) -> &str {
        &self.0
    }
}
