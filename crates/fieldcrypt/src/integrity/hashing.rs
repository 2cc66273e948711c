//! Tags and marks of many updated rows, made on a thread of their own while the next rows are written.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::IntegrityKeys;
use super::row_tag::RowMark;
use super::table_seal::TableSum;

/// Bytes of encoded rows handed over at once: some hundred rows, or one that is large.
const LOAD: usize = 128 << 10;
/// Loads that may wait, so that memory stays flat.
const WAITING: usize = 2;

/// Updates of rows on their way into their table's sum.
pub(crate) struct Hashing {
    load: Load,
    sender: SyncSender<Load>,
    worker: JoinHandle<Hashed>,
}

/// What the updates came to.
#[derive(Default)]
pub(crate) struct Hashed {
    /// New tags less old ones.
    pub(crate) sum: TableSum,
    /// By encoded row key, in the order of the updates.
    pub(crate) marks: Vec<(Vec<u8>, RowMark)>,
}

/// Encoded keys and rows, one after the other.
#[derive(Default)]
struct Load {
    bytes: Vec<u8>,
    /// Lengths of the key, the row before and the row after.
    updates: Vec<[usize; 3]>,
}

impl Hashing {
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(keys: Arc<IntegrityKeys>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let worker = Builder::new()
            .name("fieldcrypt-tags".to_owned())
            .spawn(move || Hashed::of(&keys, &receiver))?;
        Ok(Self {
            load: Load::default(),
            sender,
            worker,
        })
    }

    /// One row, encoded, before and after.
    pub(crate) fn put(&mut self, key: &[u8], before: &[u8], after: &[u8]) {
        let load = &mut self.load;
        for part in [key, before, after] {
            load.bytes.extend_from_slice(part);
        }
        load.updates.push([key.len(), before.len(), after.len()]);
        if load.bytes.len() >= LOAD {
            self.hand_over();
        }
    }

    /// Waits for what was put in. `None` when the thread ended before its time: nothing may be written then.
    pub(crate) fn finish(mut self) -> Option<Hashed> {
        self.hand_over();
        drop(self.sender);
        self.worker.join().ok()
    }

    fn hand_over(&mut self) {
        // A thread that is gone is noticed when it is waited for.
        drop(self.sender.send(std::mem::take(&mut self.load)));
    }
}

impl Hashed {
    fn of(keys: &IntegrityKeys, loads: &Receiver<Load>) -> Self {
        let mut hashed = Self::default();
        for load in loads {
            let mut rest = load.bytes.as_slice();
            for lengths in load.updates {
                let [key, before, after] = lengths.map(|length| {
                    let (part, others) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                    rest = others;
                    part
                });
                let tag = keys.rows.tag(after);
                hashed.sum.subtract(&keys.rows.tag(before));
                hashed.sum.add(&tag);
                hashed.marks.push((key.to_vec(), keys.rows.mark(&tag)));
            }
        }
        hashed
    }
}
