//! Places for connections: so many in all, and one source has its share of them and no more. Else a single address could hold all
//! of them for good, with a small request now and then on each.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use authcore::Source;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at a time; the next ones wait in the kernel's queue. Half of the usual 1,024 descriptors of a process.
pub(crate) const CONNECTIONS_MAX: usize = 512;

/// Connections of one source at a time: a quarter, twenty browsers with six each. The next ones are closed at once.
pub(crate) const OF_ONE_SOURCE: usize = CONNECTIONS_MAX / 4;

/// The places of a server.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    /// Whose connections are those of many.
    speaks_for_many: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    taken: Mutex<BTreeMap<Source, Taken>>,
}

/// What one source has.
#[derive(Default)]
struct Taken {
    places: usize,
    /// That it wanted more stands in the log: once, until it has gone.
    told: bool,
}

impl Places {
    pub(crate) fn new(
        all: Arc<Semaphore>,
        speaks_for_many: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            all,
            speaks_for_many: Box::new(speaks_for_many),
            taken: Mutex::default(),
        })
    }

    /// A place for whoever comes next, once there is one; `None` when there never will be.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// The place for that peer; `None` where its source has its share.
    pub(super) fn of(self: &Arc<Self>, peer: IpAddr, free: OwnedSemaphorePermit) -> Option<Place> {
        let share = if (self.speaks_for_many)(peer) {
            None
        } else {
            Some(self.share(Source::of(peer))?)
        };
        Some(Place {
            _free: free,
            _share: share,
        })
    }

    fn share(self: &Arc<Self>, source: Source) -> Option<Share> {
        let mut all_taken = self.taken();
        let taken = all_taken.entry(source).or_default();
        if taken.places == OF_ONE_SOURCE {
            if !taken.told {
                tracing::warn!(
                    %source,
                    connections = OF_ONE_SOURCE,
                    "one source has all the connections that one may have, and its next are closed; a proxy that speaks for many belongs in trusted_proxies"
                );
                taken.told = true;
            }
            return None;
        }
        taken.places += 1;
        Some(Share {
            places: Arc::clone(self),
            source,
        })
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<Source, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place, given back when it is dropped.
pub(super) struct Place {
    _free: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// A place counted to its source.
struct Share {
    places: Arc<Places>,
    source: Source,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all_taken = self.places.taken();
        if let Some(taken) = all_taken.get_mut(&self.source) {
            taken.places -= 1;
            if taken.places == 0 {
                all_taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Arc<Places> {
        let proxy = |peer: IpAddr| peer.to_string() == "192.0.2.1";
        Places::new(Arc::new(Semaphore::new(CONNECTIONS_MAX)), proxy)
    }

    /// As many places as that address gets.
    async fn crowd(places: &Arc<Places>, peer: &str) -> Vec<Place> {
        let peer = peer.parse().expect(peer);
        let mut crowd = Vec::new();
        while crowd.len() < CONNECTIONS_MAX {
            let free = places.free().await.expect("open");
            let Some(place) = places.of(peer, free) else {
                break;
            };
            crowd.push(place);
        }
        crowd
    }

    #[tokio::test]
    async fn one_source_has_a_quarter_and_gets_it_back() {
        let places = places();
        let first = crowd(&places, "192.0.2.7").await;
        assert_eq!(first.len(), OF_ONE_SOURCE);
        assert!(crowd(&places, "::ffff:192.0.2.7").await.is_empty(), "the same");
        let second = crowd(&places, "2001:db8:1:2::1").await;
        assert_eq!(second.len(), OF_ONE_SOURCE);
        assert!(crowd(&places, "2001:db8:1:2:3::").await.is_empty(), "a neighbour");
        drop(first);
        assert_eq!(crowd(&places, "192.0.2.7").await.len(), OF_ONE_SOURCE);
        drop(second);
        assert!(places.taken().is_empty(), "nothing is kept of who has gone");
    }

    #[tokio::test]
    async fn a_proxy_has_as_many_as_there_are() {
        assert_eq!(crowd(&places(), "192.0.2.1").await.len(), CONNECTIONS_MAX);
    }
}
