//! Asks for passes of objects that did not change themselves: a rival went, the cloud moved, a snapshot ended.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::registry::Affected;
use crate::model::ObjectKey;

/// Asks for passes; cheap to clone.
#[derive(Clone)]
pub struct Waker {
    instances: mpsc::UnboundedSender<ObjectKey>,
    snapshots: mpsc::UnboundedSender<ObjectKey>,
    /// The index of claims may have changed.
    touched: Arc<Notify>,
}

/// The other end.
pub struct Wakes {
    /// Instance objects to look at.
    pub instances: mpsc::UnboundedReceiver<ObjectKey>,
    /// Snapshot objects to look at.
    pub snapshots: mpsc::UnboundedReceiver<ObjectKey>,
}

/// A connected pair.
#[must_use]
pub fn wakes() -> (Waker, Wakes) {
    let (instances, instance_wakes) = mpsc::unbounded_channel();
    let (snapshots, snapshot_wakes) = mpsc::unbounded_channel();
    let waker = Waker { instances, snapshots, touched: Arc::default() };
    (waker, Wakes { instances: instance_wakes, snapshots: snapshot_wakes })
}

impl Waker {
    /// Returns when the index of claims may have changed since the last time.
    pub async fn touched(&self) {
        self.touched.notified().await;
    }
}

impl super::Context {
    /// Asks for passes of these, also of those that rest.
    pub fn wake(&self, affected: Affected) {
        // Whoever has changed the index comes by here, with whom that concerns.
        self.waker.touched.notify_one();
        // A closed channel means shutdown.
        for key in affected.instances {
            self.instances.wake(&key);
            let _ = self.waker.instances.send(key);
        }
        for key in affected.snapshots {
            self.snapshots.wake(&key);
            let _ = self.waker.snapshots.send(key);
        }
    }
}
