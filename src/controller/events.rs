//! Events of many objects, at a bounded cost.
//!
//! The runtime's recorder remembers each Event for six minutes, so that one that comes again counts up, and looks
//! through all of them for each new one: ten thousand creations would keep tens of MiB, and spend a fifth of their
//! time on it. Here objects share some recorders, and each of those is replaced before it has remembered much. An
//! Event that comes again after that is a new one.
//!
//! Not here: what is told, and when (`record`).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, Recorder, Reporter};

/// How many recorders there are.
const SHARDS: u64 = 32;

/// How many Events a recorder is given.
const MOST: u32 = 32;

/// Tells Events.
pub struct Events {
    client: kube::Client,
    reporter: Reporter,
    shards: Vec<Mutex<Shard>>,
}

struct Shard {
    recorder: Recorder,
    given: u32,
}

impl Shard {
    fn new(client: &kube::Client, reporter: &Reporter) -> Self {
        Self { recorder: Recorder::new(client.clone(), reporter.clone()), given: 0 }
    }
}

impl Events {
    /// Events told by this reporter.
    #[must_use]
    pub fn new(client: kube::Client, reporter: Reporter) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(&client, &reporter))).collect();
        Self { client, reporter, shards }
    }

    /// Tells an Event of an object. One that is told of it again counts up.
    ///
    /// # Errors
    /// Why the API server did not take it.
    pub async fn publish(&self, event: &Event, of: &ObjectReference) -> Result<(), kube::Error> {
        self.recorder(of).publish(event, of).await
    }

    fn recorder(&self, of: &ObjectReference) -> Recorder {
        let mut hasher = DefaultHasher::new();
        of.uid.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS).unwrap_or_default();
        let mut shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.given == MOST {
            *shard = Shard::new(&self.client, &self.reporter);
        }
        shard.given += 1;
        shard.recorder.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(number: u32) -> ObjectReference {
        ObjectReference { uid: Some(format!("uid-{number}")), ..ObjectReference::default() }
    }

    #[tokio::test]
    async fn what_is_remembered_of_many_objects_has_a_bound_and_all_recorders_share_it() {
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let client = kube::Client::try_from(config).unwrap();
        let events = Events::new(client, "test".into());
        for number in 0..100_000 {
            let _ = events.recorder(&object(number));
        }
        let given: Vec<u32> = events.shards.iter().map(|shard| shard.lock().unwrap().given).collect();
        assert!(given.iter().all(|given| (1..=MOST).contains(given)), "{given:?}");
    }
}
