//! Clients that sign in, verify, refresh and sign out all the time, and write down every answer that was not what they asked
//! for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use e2e_support::{Answer, Held, Postern};

use crate::owner::{PASSWORD, login};

/// Clients at work beside a running server.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Client>>,
}

/// What became of all clients.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) verified: u64,
    pub(crate) refreshed: u64,
    pub(crate) signed_in: u64,
    /// Sign-ins that were told to come again, as the contract says (429), and came again.
    pub(crate) told_to_wait: u64,
    /// The pairs that clients hold.
    pub(crate) held: Vec<Held>,
    /// Sessions that clients ended.
    pub(crate) ended: Vec<Held>,
    failed: Vec<String>,
}

struct Client {
    base: String,
    answered: Arc<AtomicU64>,
    tally: Tally,
}

/// Sessions whose end is remembered, of each client.
const ENDED: usize = 5;

impl Traffic {
    /// So many clients.
    pub(crate) fn of(postern: &Postern, clients: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..clients).map(|_| {
            let (stop, answered, base) = (Arc::clone(&stop), Arc::clone(&answered), postern.base.clone());
            std::thread::spawn(move || {
                let client = Client {
                    base,
                    answered,
                    tally: Tally::default(),
                };
                client.run(&stop)
            })
        });
        Self {
            clients: clients.collect(),
            stop,
            answered,
        }
    }

    /// Waits until so many more answers have come.
    pub(crate) fn has_gone_on(&self, answers: u64) {
        let until = self.answered.load(Ordering::Relaxed) + answers;
        while self.answered.load(Ordering::Relaxed) < until {
            assert!(
                !self.clients.iter().any(JoinHandle::is_finished),
                "a client gave up"
            );
            std::thread::yield_now();
        }
    }

    /// Lets every client finish what it is at. No request has failed.
    #[track_caller]
    pub(crate) fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for client in self.clients {
            let tally = client.join().expect("no panic").tally;
            all.verified += tally.verified;
            all.refreshed += tally.refreshed;
            all.signed_in += tally.signed_in;
            all.told_to_wait += tally.told_to_wait;
            all.held.extend(tally.held);
            all.ended.extend(tally.ended);
            all.failed.extend(tally.failed);
        }
        assert!(
            all.failed.is_empty(),
            "{} failed: {:?}",
            all.failed.len(),
            all.failed
        );
        assert!(
            all.verified > 0 && all.refreshed > 0 && all.signed_in > 0 && !all.ended.is_empty(),
            "control: there was traffic"
        );
        all
    }
}

impl Client {
    fn run(mut self, stop: &AtomicBool) -> Self {
        let Some(mut held) = self.signs_in() else {
            return self;
        };
        let mut round = 0;
        while !stop.load(Ordering::Relaxed) || self.tally.refreshed == 0 || self.tally.ended.is_empty() {
            let verified = held.try_verify(&self.base);
            if self.took("verify", verified).is_some() {
                self.tally.verified += 1;
            }
            let refreshed = held.try_refresh(&self.base);
            if let Some(answer) = self.took("refresh", refreshed) {
                held = Held::of(&answer);
                self.tally.refreshed += 1;
            }
            if round % 8 == 0 {
                self.comes_and_goes();
            }
            round += 1;
            // A client whose requests fail has said what there is to say.
            if self.tally.failed.len() > 5 {
                break;
            }
        }
        self.tally.held.push(held);
        self
    }

    /// A session that is begun, used and ended.
    fn comes_and_goes(&mut self) {
        let Some(other) = self.signs_in() else { return };
        let verified = other.try_verify(&self.base);
        let _ = self.took("verify", verified);
        let out = other.try_sign_out(&self.base);
        if self.took("sign out", out).is_some() && self.tally.ended.len() < ENDED {
            self.tally.ended.push(other);
        }
    }

    /// Signs in, and comes again when it is told to.
    fn signs_in(&mut self) -> Option<Held> {
        loop {
            let answer = login(&self.base, PASSWORD);
            match &answer {
                Some(answer) if answer.status == 429 => self.tally.told_to_wait += 1,
                _ => {
                    let held = Held::of(&self.took("sign in", answer)?);
                    self.tally.signed_in += 1;
                    return Some(held);
                }
            }
        }
    }

    /// The answer, if it is what was asked for.
    fn took(&mut self, what: &str, answer: Option<Answer>) -> Option<Answer> {
        self.answered.fetch_add(1, Ordering::Relaxed);
        match answer {
            Some(answer) if answer.status == 200 => return Some(answer),
            Some(answer) => self
                .tally
                .failed
                .push(format!("{what}: {} {}", answer.status, answer.body)),
            None => self.tally.failed.push(format!("{what}: no answer")),
        }
        None
    }
}
