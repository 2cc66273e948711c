//! Reading on one thread what another works on: while one piece is hashed and read, the one before is sealed and written.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use crate::urgency;

/// Bytes of a piece, and how many may be under way. Together a bound of 2 MiB.
const PIECE: usize = 256 * 1024;
const PIECES: usize = 8;

/// What the other thread has read.
pub(super) struct Piped {
    pieces: Receiver<io::Result<Vec<u8>>>,
    spent: Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

/// Starts reading on a thread of its own; joined, it gives the reader back. A thread that panics looks like the end: who
/// reads knows how much must come.
pub(super) fn piped<'scope, R: Read + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut from: R,
) -> io::Result<(Piped, ScopedJoinHandle<'scope, R>)> {
    let (sender, pieces) = sync_channel(PIECES);
    let (spent, used) = channel::<Vec<u8>>();
    let reading = std::thread::Builder::new()
        .name("backup-read".to_owned())
        .spawn_scoped(scope, move || {
            urgency::give_way();
            while deliver(&mut from, &sender, &used) {}
            from
        })?;
    let piped = Piped {
        pieces,
        spent,
        piece: Vec::new(),
        at: 0,
        ended: false,
    };
    Ok((piped, reading))
}

/// Reads one piece and hands it on. Says whether there may be more.
fn deliver(from: &mut impl Read, sender: &SyncSender<io::Result<Vec<u8>>>, used: &Receiver<Vec<u8>>) -> bool {
    urgency::pause();
    let mut piece = used.try_recv().unwrap_or_default();
    piece.clear();
    piece.reserve_exact(PIECE);
    match from.take(PIECE as u64).read_to_end(&mut piece) {
        Ok(0) => false,
        Ok(_) => sender.send(Ok(piece)).is_ok(),
        Err(error) => {
            // Whoever reads is told, if there is still anybody.
            let _ = sender.send(Err(error));
            false
        }
    }
}

impl BufRead for Piped {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.piece.len() && !self.ended {
            urgency::pause();
            match self.pieces.recv() {
                Ok(Ok(next)) => {
                    let spent = std::mem::replace(&mut self.piece, next);
                    // The thread may have ended; then the piece is no more use.
                    let _ = self.spent.send(spent);
                    self.at = 0;
                }
                Ok(Err(error)) => {
                    self.ended = true;
                    return Err(error);
                }
                Err(_) => self.ended = true,
            }
        }
        Ok(self.piece.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount).min(self.piece.len());
    }
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_is_what_went_in_and_an_error_is_told_once_where_it_is() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let long: Vec<u8> = (0..3 * PIECE + 5).map(|n| n.to_le_bytes()[0]).collect();
        std::thread::scope(|scope| {
            let (mut piped, _) = piped(scope, long.as_slice()).expect("starts");
            let mut read = Vec::new();
            piped.read_to_end(&mut read).expect("reads");
            assert!(read == long);
        });
        std::thread::scope(|scope| {
            let (mut piped, _) = piped(scope, (&b"begun"[..]).chain(Breaks)).expect("starts");
            let mut read = Vec::new();
            assert_eq!(
                piped.read_to_end(&mut read).expect_err("told").to_string(),
                "broken"
            );
        });
    }

    #[test]
    fn who_stops_reading_leaves_no_thread_behind() {
        std::thread::scope(|scope| {
            let (piped, reading) = piped(scope, io::repeat(1)).expect("starts");
            drop(piped);
            reading.join().expect("no panic");
        });
    }
}
