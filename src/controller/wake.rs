//! Asks for passes of objects that did not change themselves: a rival went, the cloud moved, a snapshot ended.

use super::Context;
use super::registry::Affected;
use super::subject::Subject;
use crate::crd::{ITCareInstance, ITCareSnapshot};
use crate::model::ObjectKey;

impl Context {
    /// Asks for passes of these, also of those that rest.
    pub fn wake(&self, affected: Affected) {
        // Whoever has changed the index comes by here, with whom that concerns.
        self.touched.notify_one();
        for key in affected.instances {
            self.wake_one::<ITCareInstance>(key);
        }
        for key in affected.snapshots {
            self.wake_one::<ITCareSnapshot>(key);
        }
    }

    /// Asks for passes of all objects.
    pub fn wake_all(&self) {
        self.instances.keys().into_iter().for_each(|key| self.wake_one::<ITCareInstance>(key));
        self.snapshots.keys().into_iter().for_each(|key| self.wake_one::<ITCareSnapshot>(key));
    }

    fn wake_one<K: Subject>(&self, key: ObjectKey) {
        if let Some(urgent) = K::objects(self).wake(&key) {
            self.queue.add(K::item(key), urgent);
        }
    }
}
