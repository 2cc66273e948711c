//! Rotations of the data key by a running server: on a thread of their own, beside the writer's.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::client::Client;
use crate::clock::Clock;
use crate::second_factor::ActConfirmed;
use crate::store::{
    self, IntegrityOptions, KeyRotation, RotationFailed, RotationProgress, RotationStatus, Store,
};

/// The service of rotations that this process drives.
pub struct Rotations {
    store: Arc<Store>,
    database: PathBuf,
    integrity: IntegrityOptions,
    clock: Clock,
    thread: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<AtomicBool>,
}

impl Rotations {
    pub(crate) fn new(
        store: Arc<Store>,
        database: PathBuf,
        integrity: IntegrityOptions,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            database,
            integrity,
            clock,
            thread: Mutex::new(None),
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Where the rotation of the data key stands, whoever drives it; `None` when none is under way.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn status(&self) -> Result<Option<RotationStatus>, RotationFailed> {
        self.store.rotation_status()
    }

    /// Begins a rotation of the data key, unless one is under way, and goes on with it in the background, here. Returns
    /// when it has begun.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub async fn rotate_data(
        &self,
        _confirmed: &ActConfirmed,
        client: &Client,
    ) -> Result<(), RotationFailed> {
        match self.drive(Some(client.clone())) {
            Some(begun) => begun.await.map_err(|_| store::StoreError::Closed)?,
            None => Ok(()),
        }
    }

    /// Goes on, in the background, with a rotation that was broken off, if there is one.
    ///
    /// # Errors
    /// See [`RotationFailed`].
    pub fn resume(&self) -> Result<(), RotationFailed> {
        if self.status()?.is_some() {
            tracing::info!("a rotation of the data key that was broken off goes on");
            drop(self.drive(None));
        }
        Ok(())
    }

    /// Stops at the end of the batch that runs; the next start goes on.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that rotates the data key had panicked");
        }
    }

    /// `None` when a thread is at it already.
    fn drive(&self, for_whom: Option<Client>) -> Option<oneshot::Receiver<Result<(), RotationFailed>>> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return None;
        }
        let (answer, begun) = oneshot::channel();
        let opened = KeyRotation::beside(&self.database, &self.integrity, self.store.vault(), &self.clock);
        let stop = Arc::clone(&self.stop);
        let run = move || {
            let rotation = opened
                .map_err(|error| RotationFailed::Open(Box::new(error)))
                .and_then(|mut rotation| {
                    // One that was called off is brought to its end before a new one begins.
                    let goes_back = rotation.goes_back()?;
                    if let (Some(client), false) = (&for_whom, goes_back) {
                        rotation.begin_data(client)?;
                    }
                    Ok((rotation, goes_back && for_whom.is_some()))
                });
            match rotation {
                Ok((mut rotation, then_anew)) => {
                    let _ = answer.send(Ok(()));
                    let client = for_whom.unwrap_or_else(Client::server);
                    let mut walked = walk(&mut rotation, &client, &stop);
                    if let (Ok(Walked::ToItsEnd), true) = (&walked, then_anew) {
                        walked = rotation
                            .begin_data(&client)
                            .and_then(|_| walk(&mut rotation, &client, &stop));
                    }
                    if let Err(error) = walked {
                        tracing::error!(
                            ?error,
                            "the rotation of the data key stopped; the next one goes on"
                        );
                    }
                }
                Err(error) => {
                    tracing::error!(?error, "a rotation of the data key did not begin");
                    let _ = answer.send(Err(error));
                }
            }
        };
        match std::thread::Builder::new()
            .name("key-rotation".to_owned())
            .spawn(run)
        {
            Ok(started) => *thread = Some(started),
            Err(error) => tracing::error!(%error, "the thread that rotates the data key did not start"),
        }
        Some(begun)
    }
}

/// How a walk ended.
enum Walked {
    ToItsEnd,
    /// The program stops, or a field does not open.
    BrokenOff,
}

fn walk(rotation: &mut KeyRotation, client: &Client, stop: &AtomicBool) -> Result<Walked, RotationFailed> {
    while !stop.load(Ordering::Relaxed) {
        match rotation.advance_data(client)? {
            RotationProgress::Walking { .. } | RotationProgress::Purging => {}
            RotationProgress::Blocked(fields) => {
                for field in fields {
                    tracing::error!(
                        table = field.table,
                        column = field.column,
                        row = field.row,
                        reason = field.reason,
                        "a field does not open: the old data key stays until it is mended or deleted"
                    );
                }
                return Ok(Walked::BrokenOff);
            }
            RotationProgress::Done => {
                tracing::info!(
                    "the rotation of the data key is done; nothing of the other key is left in the files"
                );
                return Ok(Walked::ToItsEnd);
            }
        }
    }
    Ok(Walked::BrokenOff)
}
