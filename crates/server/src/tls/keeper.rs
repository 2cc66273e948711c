//! Keeps what connections are shown current, while the server runs.
//!
//! Files are looked at every second, which sees renames and swapped symbolic links on every file system, and at once on
//! SIGHUP. What is new and no good changes nothing: the one before is shown on.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use authcore::{Authority, Client, Clock, Monotonic, StoreError, TlsKeyName, WallTime};
use rustls::ServerConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::facts::CertificateFacts;
use super::files::{FilesState, TlsFileError, TlsFiles};
use super::self_signed::{self, AuthorityFacts, Due, MakeError};
use super::{Identity, WARN_BEFORE};
use crate::causes::with_causes;
use crate::metrics::Metrics;

/// How often files and the time are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait after a certificate could not be made or stored.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// How often the end of a certificate is warned of.
const WARN_EVERY: Duration = Duration::from_secs(86_400);

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeeperError {
    #[error(transparent)]
    File(#[from] TlsFileError),
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("signals cannot be caught")]
    Signal(#[source] io::Error),
    #[error("TLS does not start")]
    Tls(#[from] rustls::Error),
}

/// What handshakes go by, the newest.
pub(crate) type Shown = watch::Receiver<Arc<ServerConfig>>;

/// Where identities come from.
enum Source {
    Files {
        files: TlsFiles,
        /// Of which state the newest identity is, or was tried to be.
        tried: FilesState,
        /// The state at the last look.
        seen: FilesState,
    },
    SelfSigned {
        authority: Arc<Authority>,
        names: Vec<String>,
        issuer: AuthorityFacts,
        not_before: Option<Monotonic>,
    },
}

/// Looks for newer identities and hands them on.
pub(crate) struct Keeper {
    source: Source,
    facts: CertificateFacts,
    metrics: Option<Arc<Metrics>>,
    shown: watch::Sender<Arc<ServerConfig>>,
    clock: Clock,
    warned: Option<Monotonic>,
    hangups: Hangups,
}

impl Keeper {
    /// Over two files.
    ///
    /// # Errors
    /// When they are no good: the server does not start then.
    pub(crate) fn of_files(files: TlsFiles, clock: Clock) -> Result<(Self, Shown), KeeperError> {
        let state = files.state();
        let identity = files.load(clock.now().wall)?;
        let source = Source::Files {
            files,
            tried: state.clone(),
            seen: state,
        };
        Self::over(source, &identity, clock)
    }

    /// Over the certificate that the database holds; makes what is not there yet, or no longer fits.
    ///
    /// # Errors
    /// When it cannot be made or stored, or what is stored was altered.
    pub(crate) async fn self_signed(
        authority: Arc<Authority>,
        names: Vec<String>,
    ) -> Result<(Self, Shown), KeeperError> {
        let clock = authority.clock().clone();
        let (issuer, identity) = current(&authority, &names, clock.now().wall).await?;
        let source = Source::SelfSigned {
            authority,
            names,
            issuer,
            not_before: None,
        };
        Self::over(source, &identity, clock)
    }

    fn over(source: Source, identity: &Identity, clock: Clock) -> Result<(Self, Shown), KeeperError> {
        let (shown, shown_now) = watch::channel(identity.server_config()?);
        let keeper = Self {
            source,
            facts: identity.facts.clone(),
            metrics: None,
            shown,
            clock,
            warned: None,
            hangups: Hangups::install().map_err(KeeperError::Signal)?,
        };
        Ok((keeper, shown_now))
    }

    /// What the newest certificate says.
    pub(crate) const fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Tells when the certificate ends, now and whenever there is another.
    pub(crate) fn counted_in(self, metrics: Arc<Metrics>) -> Self {
        let keeper = Self {
            metrics: Some(metrics),
            ..self
        };
        keeper.tell();
        keeper
    }

    fn tell(&self) {
        if let Some(metrics) = &self.metrics {
            metrics.certificate_ends.set(self.facts.not_after);
        }
    }

    /// Goes on until it is dropped.
    pub(crate) async fn keep(mut self) -> Infallible {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = looks.tick() => false,
                () = self.hangups.next() => true,
            };
            self.look(asked).await;
            self.warn();
        }
    }

    /// One look. `asked`: by somebody who is sure that there is something new.
    pub(crate) async fn look(&mut self, asked: bool) {
        let now = self.clock.now();
        let newer = match &mut self.source {
            Source::Files { files, tried, seen } => {
                let state = files.state();
                // Both files are put there one after the other: what still changes is not tried yet.
                let settled = state == *seen;
                *seen = state.clone();
                if !(asked || settled && state != *tried) {
                    return;
                }
                *tried = state;
                files.load(now.wall).map_err(KeeperError::from)
            }
            Source::SelfSigned {
                authority,
                names,
                issuer,
                not_before,
            } => {
                let waits = not_before.is_some_and(|since| now.monotonic.since(since) < TRY_AGAIN);
                let due = self_signed::due(Some(issuer), Some(&self.facts), names, now.wall);
                if due == Due::Nothing || (waits && !asked) {
                    return;
                }
                match current(authority, names, now.wall).await {
                    Ok((renewed_issuer, identity)) => {
                        *issuer = renewed_issuer;
                        *not_before = None;
                        Ok(identity)
                    }
                    Err(error) => {
                        *not_before = Some(now.monotonic);
                        Err(error)
                    }
                }
            }
        };
        let newer = newer.and_then(|identity| Ok((identity.server_config()?, identity.facts)));
        match newer {
            Ok((config, facts)) => {
                tracing::info!(
                    names = facts.names.join(", "),
                    until = facts.not_after.to_rfc3339(),
                    "connections are shown a new certificate"
                );
                self.facts = facts;
                self.tell();
                self.warned = None;
                self.shown.send_replace(config);
            }
            Err(error) => tracing::error!(
                error = with_causes(&error),
                "the new certificate is no good; connections are shown the one before"
            ),
        }
    }

    /// Says once a day that the end is near.
    fn warn(&mut self) {
        let now = self.clock.now();
        let soon = now.wall.plus(WARN_BEFORE) > self.facts.not_after;
        let lately = self.warned.is_some_and(|at| now.monotonic.since(at) < WARN_EVERY);
        if soon && !lately {
            self.warned = Some(now.monotonic);
            tracing::warn!(
                until = self.facts.not_after.to_rfc3339(),
                "the certificate ends soon"
            );
        }
    }
}

/// The authority and the certificate for these names; makes and stores what is due.
async fn current(
    authority: &Authority,
    names: &[String],
    now: WallTime,
) -> Result<(AuthorityFacts, Identity), KeeperError> {
    let stored = authority.tls_keys().load()?;
    let issuer_facts = stored
        .authority
        .as_ref()
        .map(self_signed::check_authority)
        .transpose()?;
    let identity = stored.server.as_ref().map(self_signed::identity).transpose()?;
    let facts = identity.as_ref().map(|identity| &identity.facts);
    match (
        self_signed::due(issuer_facts.as_ref(), facts, names, now),
        issuer_facts,
        stored.authority,
        identity,
    ) {
        (Due::Nothing, Some(issuer), _, Some(identity)) => Ok((issuer, identity)),
        (Due::Certificate, Some(facts), Some(issuer), _) => {
            let server = self_signed::issue(&issuer, names, now)?;
            let identity = self_signed::identity(&server)?;
            let keys = vec![(TlsKeyName::Server, server)];
            authority.tls_keys().put(keys, &Client::server()).await?;
            Ok((facts, identity))
        }
        (_, before, _, _) => {
            // A new one before the old one ends, or for a name that the old one may not sign for.
            if before.is_some() {
                tracing::warn!("the local authority is made anew; devices must be told to trust the new one");
            } else {
                tracing::info!(
                    "a local authority is made; postern tls export-ca prints what devices are to trust"
                );
            }
            let issuer = self_signed::make_authority(names, now)?;
            let facts = self_signed::check_authority(&issuer)?;
            let server = self_signed::issue(&issuer, names, now)?;
            let identity = self_signed::identity(&server)?;
            let keys = vec![(TlsKeyName::Authority, issuer), (TlsKeyName::Server, server)];
            authority.tls_keys().put(keys, &Client::server()).await?;
            Ok((facts, identity))
        }
    }
}

/// SIGHUP: look at once. Caught only where there is TLS: elsewhere a terminal that goes away ends the server.
struct Hangups(Signal);

impl Hangups {
    /// Catches the signal; from here on it no longer ends the process.
    fn install() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    async fn next(&mut self) {
        // `None` never comes: the handler stays.
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
