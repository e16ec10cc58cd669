//! How many passes run at once, and whose: most of them wait for ITCare, and no namespace may fill all places.
//!
//! The runtime's own scheduler serves due objects in no order and starves some; here, first come is first served
//! inside a namespace. A change that nobody has looked at yet has places of its own. Not here: the account's rate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Of all places, this part is for changes that nobody has looked at yet.
const URGENT_PART: usize = 8;

/// Of those, this part at most is one namespace's.
const URGENT_SHARE: usize = 4;

/// The places; cheap to clone.
#[derive(Clone)]
pub struct Slots(Arc<Places>);

struct Places {
    all: Arc<Semaphore>,
    urgent: Arc<Semaphore>,
    most: usize,
    most_urgent: usize,
    shares: Mutex<HashMap<String, Share>>,
}

/// What one namespace may have.
#[derive(Clone)]
struct Share {
    all: Arc<Semaphore>,
    urgent: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[must_use = "the place is given back when it is dropped"]
pub struct Slot {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

impl Slots {
    /// So many places.
    #[must_use]
    pub fn new(passes: usize) -> Self {
        let urgent = (passes / URGENT_PART).max(1);
        let all = passes.saturating_sub(urgent).max(1);
        Self(Arc::new(Places {
            all: Arc::new(Semaphore::new(all)),
            urgent: Arc::new(Semaphore::new(urgent)),
            // Two namespaces at work leave no place idle; one alone leaves room for another.
            most: all.div_ceil(2),
            most_urgent: urgent.div_ceil(URGENT_SHARE),
            shares: Mutex::default(),
        }))
    }

    /// Waits for a place.
    pub async fn take(&self, namespace: &str, urgent: bool) -> Slot {
        let share = self.share(namespace);
        if urgent
            && let Ok(own) = Arc::clone(&share.urgent).try_acquire_owned()
            && let Ok(shared) = Arc::clone(&self.0.urgent).try_acquire_owned()
        {
            return Slot { _own: own, _shared: shared };
        }
        let (own, shared) = (share.all.acquire_owned().await, Arc::clone(&self.0.all).acquire_owned().await);
        match (own, shared) {
            (Ok(own), Ok(shared)) => Slot { _own: own, _shared: shared },
            // They are never closed.
            (Err(_), _) | (_, Err(_)) => std::future::pending().await,
        }
    }

    fn share(&self, namespace: &str) -> Share {
        let mut shares = self.0.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(namespace) {
            return share.clone();
        }
        let semaphore = |places| Arc::new(Semaphore::new(places));
        let share = Share { all: semaphore(self.0.most), urgent: semaphore(self.0.most_urgent) };
        shares.insert(namespace.to_owned(), share.clone());
        share
    }
}
