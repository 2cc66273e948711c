//! What systemd, or another manager that speaks its protocol, hands over and is told: a socket that it opened
//! (`sd_listen_fds(3)`), and that the server is ready, alive, stopping (`sd_notify(3)`). Where nobody asks, nothing is said.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// Why the sockets that were handed over are not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandedOverError {
    /// Whoever connects to one that nobody serves waits for ever.
    #[error("{0} sockets were handed over, and the server listens on one")]
    Several(usize),
    #[error("the socket that was handed over is no TCP socket")]
    NoTcp(#[source] io::Error),
}

/// The socket that was handed over, if one was. Must be called before there is another thread: it takes what says so out of the
/// environment.
///
/// # Errors
/// When it is not one TCP socket.
pub(crate) fn handed_over() -> Result<Option<TcpListener>, HandedOverError> {
    let mut sockets = ListenFd::from_env();
    match sockets.len() {
        0 => Ok(None),
        1 => sockets.take_tcp_listener(0).map_err(HandedOverError::NoTcp),
        several => Err(HandedOverError::Several(several)),
    }
}

/// Says that requests are answered from now on, at `base`.
pub(crate) fn ready(base: &str) {
    let status = format!("answering at {base}");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Says that no new request is taken.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says, as often as is asked for, that the server is alive: a runtime that hangs does not come to it. Goes on until it is
/// dropped.
pub(crate) async fn alive() -> Infallible {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    // Half of it, as `sd_watchdog_enabled(3)` has it; an interval of nothing would be a panic.
    let mut beats = tokio::time::interval((patience / 2).max(std::time::Duration::from_millis(1)));
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "the service manager is not reached");
    }
}
