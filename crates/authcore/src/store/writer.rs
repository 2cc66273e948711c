//! The one writer: a thread that owns the write connection, groups what waits into one commit, publishes it to memory
//! and only then answers.
//!
//! ```text
//! callers ──Request──▶ queue ──▶ BEGIN IMMEDIATE · each change in a savepoint · COMMIT (fdatasync)
//!                                └▶ Committed<…> ──▶ live.publish ──▶ answers
//! ```
//!
//! Fail stop: after a failed write or flush what the disk holds is unknown (a failed fsync may drop the pages and report
//! success the next time), so nothing is written or acknowledged until a restart. A full disk or a busy lock is not
//! that: the transaction is rolled back, its callers get the error, and the next one may succeed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use fieldcrypt::Vault;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{oneshot, watch};

use super::apply::{Room, apply};
use super::change::{Outcome, Request};
use super::change_counter::ChangeCounter;
use super::integrity::Guard;
use super::{
    OpenError, Opened, StoreError, audit, load, reader, server_state, sessions, signin_tokens, signing_keys,
    spent_tokens,
};
use crate::clock::{Clock, Moment, WallTime};
use crate::figures::Counts;
use crate::live::{Live, LiveChange};

/// Most changes that share one commit; bounds how long the first of them waits.
pub(super) const GROUP_MAX: usize = 256;

/// How often an idle writer looks whether another process has committed. Revocations by the command line must count
/// within a second.
const WATCH: Duration = Duration::from_millis(250);

/// How often expired rows are swept out.
const SWEEP: Duration = Duration::from_secs(60);

/// How often the witness is told how far the database has come. A copy put back that is newer than that is not noticed.
const WITNESS: Duration = Duration::from_secs(1);

/// How far the highest time on disk may lag behind: while something is written anyway, and while nothing is.
const KEEP_TIME_BUSY: Duration = Duration::from_secs(10);
const KEEP_TIME_IDLE: Duration = Duration::from_secs(300);

/// Proof that a value was committed to disk. Made only here, after the commit.
pub(crate) struct Committed<T>(T);

impl<T> Committed<T> {
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

type Answer = oneshot::Sender<Result<Committed<Outcome>, StoreError>>;

enum Command {
    Write(Box<Request>, Answer),
    /// Take in what other processes did, and say when that is done.
    CatchUp(oneshot::Sender<()>),
    Stop,
}

/// A handle to the writer thread and to the reader's connection.
pub(crate) struct Store {
    queue: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    reader: Mutex<Connection>,
    vault: Arc<Vault>,
    stopped: Arc<AtomicBool>,
    counts: Arc<Counts>,
    locked_out: watch::Receiver<Option<StoreError>>,
}

impl Store {
    /// Starts the writer over an opened database. Returns it with the view it keeps.
    pub(crate) fn start(
        opened: Opened,
        path: &Path,
        clock: Clock,
        rotate_signing_after: Option<Duration>,
    ) -> Result<(Self, Arc<Live>), OpenError> {
        let Opened {
            mut connection,
            vault,
            guard,
        } = opened;
        let vault = Arc::new(vault);
        let counter = ChangeCounter::new(&connection)?;
        // Another process may have rotated keys since it was opened: the keys and what they opened are of one state.
        let transaction = connection.transaction().map_err(StoreError::from)?;
        vault.reload_if_changed(&transaction).map_err(StoreError::from)?;
        if let Some(highest) = server_state::highest_wall_time(&transaction, &vault)? {
            clock.raise_to(highest);
        }
        let loaded = load::everything(&transaction, &vault, clock.now().wall)?;
        transaction.commit().map_err(StoreError::from)?;
        let live = Arc::new(Live::new(loaded));
        let stopped = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Counts::default());
        let (queue, requests) = channel();
        let (lock_out, locked_out) = watch::channel(None);
        let mut writer = Writer {
            connection,
            vault: Arc::clone(&vault),
            live: Arc::clone(&live),
            clock,
            counter,
            stopped: Arc::clone(&stopped),
            counts: Arc::clone(&counts),
            swept: None,
            kept: None,
            guard,
            witnessed: None,
            lock_out,
            rotate_signing_after,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let _closing = ClosesOnPanic(Arc::clone(&writer.live));
                writer.run(&requests);
            })
            .map_err(|error| OpenError::FirstKeys(format!("the writer thread did not start: {error}")))?;
        let store = Self {
            queue,
            thread: Mutex::new(Some(thread)),
            reader: Mutex::new(reader(path)?),
            vault,
            stopped,
            counts,
            locked_out,
        };
        Ok((store, live))
    }

    /// Hands a change to the writer and waits until it is on disk, or is not.
    pub(crate) async fn write(&self, request: Request) -> Result<Outcome, StoreError> {
        let (answer, committed) = oneshot::channel();
        self.queue
            .send(Command::Write(Box::new(request), answer))
            .map_err(|_| StoreError::Closed)?;
        committed
            .await
            .map_err(|_| StoreError::Closed)?
            .map(Committed::into_inner)
    }

    /// Hands a change to the writer that nobody waits for.
    pub(crate) fn write_later(&self, request: Request) {
        let (answer, _) = oneshot::channel();
        drop(self.queue.send(Command::Write(Box::new(request), answer)));
    }

    /// Waits until the view holds what other processes have committed: for a decision that is too costly, and too rare,
    /// to be made on what was so a moment ago. Where that cannot be read, the view stays what it is, as it does without this.
    pub(crate) async fn catch_up(&self) -> Result<(), StoreError> {
        let (caught_up, done) = oneshot::channel();
        self.queue
            .send(Command::CatchUp(caught_up))
            .map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)
    }

    pub(crate) const fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The reader's connection, for what is not kept in memory.
    pub(super) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another process has taken the way in away by which this one opened the database, and says so. By then
    /// nobody is let in by this process any more.
    pub(crate) async fn locked_out(&self) -> StoreError {
        let mut locked_out = self.locked_out.clone();
        match locked_out.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(StoreError::Closed),
            Err(_) => std::future::pending().await,
        }
    }

    /// Whether changes can still be made: no write failed, and the writer lives.
    pub(crate) fn is_writable(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        !self.stopped.load(Ordering::Relaxed) && thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Finishes what waits, closes the file (and with it the write-ahead log).
    pub(crate) fn shutdown(&self) {
        drop(self.queue.send(Command::Stop));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer thread had panicked");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Without its writer a view would never hear of a revocation again.
struct ClosesOnPanic(Arc<Live>);

impl Drop for ClosesOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}

struct Writer {
    connection: Connection,
    vault: Arc<Vault>,
    live: Arc<Live>,
    clock: Clock,
    counter: ChangeCounter,
    stopped: Arc<AtomicBool>,
    counts: Arc<Counts>,
    swept: Option<Moment>,
    /// The highest wall time that is on disk.
    kept: Option<WallTime>,
    guard: Guard,
    /// When the witness was told last.
    witnessed: Option<Moment>,
    lock_out: watch::Sender<Option<StoreError>>,
    /// The age at which a signing key is replaced by itself.
    rotate_signing_after: Option<Duration>,
}

impl Writer {
    fn run(&mut self, requests: &Receiver<Command>) {
        loop {
            match requests.recv_timeout(WATCH) {
                Ok(Command::Write(request, answer)) => {
                    if self.write_group((request, answer), requests) == Next::Stop {
                        break;
                    }
                }
                Ok(Command::CatchUp(done)) => {
                    self.idle();
                    let _ = done.send(());
                    continue;
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.idle();
        }
        self.keep_time();
        self.tell_the_witness();
        if let Err(error) = fieldcrypt::sqlite::checkpoint_truncate(&self.connection) {
            tracing::warn!(%error, "the write-ahead log could not be written back at shutdown");
        }
    }

    /// One commit for the first request and all that wait behind it.
    fn write_group(&mut self, first: (Box<Request>, Answer), requests: &Receiver<Command>) -> Next {
        let mut next = Next::Continue;
        let mut group = vec![first];
        let mut caught_up = Vec::new();
        while group.len() < GROUP_MAX {
            match requests.try_recv() {
                Ok(Command::Write(request, answer)) => group.push((request, answer)),
                // The commit takes in what others did before anything else.
                Ok(Command::CatchUp(done)) => caught_up.push(done),
                Ok(Command::Stop) => {
                    next = Next::Stop;
                    break;
                }
                Err(_) => break,
            }
        }
        let (changes, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let begun = self.clock.now().monotonic;
        match self.commit(&changes) {
            Ok((outcomes, published)) => {
                self.counts.committed(self.clock.now().monotonic.since(begun));
                self.live.publish(Committed(published));
                if changes.iter().any(|request| request.change.is_news()) {
                    self.live.tell_of_changes();
                }
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    drop(answer.send(outcome.map(Committed)));
                }
            }
            Err(error) => {
                self.failed(&error);
                for answer in answers {
                    drop(answer.send(Err(error.clone())));
                }
            }
        }
        for done in caught_up {
            let _ = done.send(());
        }
        next
    }

    /// All changes in one transaction. The outer error means that none of them was made.
    #[expect(
        clippy::type_complexity,
        reason = "one outcome a change, and what they do to the view"
    )]
    fn commit(
        &mut self,
        requests: &[Box<Request>],
    ) -> Result<(Vec<Result<Outcome, StoreError>>, Vec<LiveChange>), StoreError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(StoreError::Stopped);
        }
        let mut transaction = begin(
            &mut self.connection,
            &mut self.counter,
            &self.vault,
            &self.live,
            &self.clock,
        )?;
        let mut outcomes = Vec::with_capacity(requests.len());
        let mut published = Vec::new();
        let now = self.clock.now();
        for request in requests {
            if request
                .change
                .is_too_late(now.monotonic.since(request.now.monotonic))
            {
                outcomes.push(Err(StoreError::Busy));
                continue;
            }
            let mut room = Room {
                vault: &self.vault,
                live: &self.live,
                published: Vec::new(),
            };
            let savepoint = transaction.savepoint()?;
            match apply(&savepoint, &mut room, request) {
                Ok(outcome) => {
                    savepoint.commit()?;
                    published.append(&mut room.published);
                    outcomes.push(Ok(outcome));
                }
                // A row that is damaged concerns its own caller; anything that concerns the file concerns all.
                Err(error @ (StoreError::Damaged { .. } | StoreError::Seal(_) | StoreError::Random)) => {
                    drop(savepoint);
                    outcomes.push(Err(error));
                }
                Err(error) => return Err(error),
            }
        }
        let keep = is_due(self.kept, now.wall, KEEP_TIME_BUSY);
        if keep {
            keep_books(&transaction, &self.vault, now.wall)?;
        }
        transaction.commit()?;
        if keep {
            self.kept = Some(now.wall);
        }
        Ok((outcomes, published))
    }

    fn idle(&mut self) {
        if self.stopped.load(Ordering::Relaxed) {
            // Nothing is written, but what others end counts: also after a disk that failed once, and reads.
            if self.lock_out.borrow().is_none()
                && let Err(error @ StoreError::LockedOut(_)) = self.watch()
            {
                self.failed(&error);
            }
            return;
        }
        if let Err(error) = self.watch().and_then(|()| self.sweep()) {
            self.failed(&error);
        }
        let now = self.clock.now().monotonic;
        if self
            .witnessed
            .is_none_or(|last| now.since(last.monotonic) >= WITNESS)
        {
            self.tell_the_witness();
        }
    }

    /// A witness that cannot be told is no reason to refuse work; it is said, and tried again.
    fn tell_the_witness(&mut self) {
        self.witnessed = Some(self.clock.now());
        if let Err(error) = self.guard.tell_the_witness(&self.connection) {
            tracing::warn!(%error, "the witness could not be told how far the database has come");
        }
    }

    /// Takes in what other processes did.
    fn watch(&mut self) -> Result<(), StoreError> {
        if self.counter.moved(&self.connection)? {
            let transaction = self.connection.transaction()?;
            take_in(&transaction, &self.vault, &self.live, &self.clock)
                .inspect_err(|_| self.counter.forget())?;
            transaction.commit()?;
        }
        Ok(())
    }

    /// Sweeps out what has expired, if there is anything.
    fn sweep(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        if self
            .swept
            .is_some_and(|last| now.monotonic.since(last.monotonic) < SWEEP)
        {
            return Ok(());
        }
        self.swept = Some(now);
        let transaction = begin(
            &mut self.connection,
            &mut self.counter,
            &self.vault,
            &self.live,
            &self.clock,
        )?;
        let mut room = Room {
            vault: &self.vault,
            live: &self.live,
            published: Vec::new(),
        };
        let swept = sessions::sweep(&transaction, &mut room, now.wall)?
            + signin_tokens::sweep(&transaction, now.wall)?
            + spent_tokens::sweep(&transaction, now.wall)?
            + signing_keys::sweep(&transaction, &mut room, now.wall)?
            + audit::sweep(&transaction, &self.vault)?
            + signing_keys::replace_old(&transaction, &mut room, self.rotate_signing_after, now)?;
        let published = room.published;
        let keep = is_due(self.kept, now.wall, KEEP_TIME_IDLE);
        if keep {
            keep_books(&transaction, &self.vault, now.wall)?;
        } else if swept == 0 {
            return Ok(transaction.rollback()?);
        }
        transaction.commit()?;
        if keep {
            self.kept = Some(now.wall);
        }
        self.live.publish(Committed(published));
        if swept > 0 {
            self.live.tell_of_changes();
        }
        Ok(())
    }

    /// At the end: the highest time seen and the uses of the keys, exactly.
    fn keep_time(&mut self) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let now = self.clock.now().wall;
        let transaction = begin(
            &mut self.connection,
            &mut self.counter,
            &self.vault,
            &self.live,
            &self.clock,
        );
        let kept = transaction.and_then(|transaction| {
            keep_books(&transaction, &self.vault, now)?;
            Ok(transaction.commit()?)
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "the time of the shutdown could not be written");
        }
    }

    fn failed(&self, error: &StoreError) {
        self.counts.failed(self.clock.now().wall);
        if let StoreError::LockedOut(_) = error {
            // Whoever changed the keys may have ended sessions, which cannot be read here any more.
            self.stopped.store(true, Ordering::Relaxed);
            self.live.close();
            self.lock_out.send_replace(Some(error.clone()));
        } else if error.leaves_the_disk_unknown() {
            self.stopped.store(true, Ordering::Relaxed);
            tracing::error!(
                ?error,
                "a write failed; nothing more is written until the server is started again"
            );
        } else {
            tracing::warn!(?error, "a change was not made");
        }
    }
}

/// Writes down the highest wall time seen and how often the data keys were used. Not with every commit: both may lag by
/// what one crash loses, seconds of time and a few thousand of four thousand million uses.
fn keep_books(connection: &Connection, vault: &Vault, now: WallTime) -> Result<(), StoreError> {
    server_state::put_highest_wall_time(connection, vault, now)?;
    vault.record_uses(connection).map_err(StoreError::from)
}

fn is_due(kept: Option<WallTime>, now: WallTime, every: Duration) -> bool {
    kept.is_none_or(|kept| now.since(kept).is_some_and(|age| age >= every))
}

#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    Stop,
}

/// A transaction that writes. Another process may have rotated keys or ended sessions: that is taken in before anything is
/// decided, sealed or written in it.
fn begin<'c>(
    connection: &'c mut Connection,
    counter: &mut ChangeCounter,
    vault: &Vault,
    live: &Live,
    clock: &Clock,
) -> Result<Transaction<'c>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if counter.moved(&transaction)? {
        take_in(&transaction, vault, live, clock).inspect_err(|_| counter.forget())?;
    }
    Ok(transaction)
}

fn take_in(connection: &Connection, vault: &Vault, live: &Live, clock: &Clock) -> Result<(), StoreError> {
    vault.reload_if_changed(connection)?;
    if let Some(highest) = server_state::highest_wall_time(connection, vault)? {
        clock.raise_to(highest);
    }
    // What another process committed is on disk already.
    live.replace(Committed(load::everything(connection, vault, clock.now().wall)?));
    Ok(())
}
