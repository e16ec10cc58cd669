//! The handle: everything that a test does to a simulated cloud from outside its API.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::config::{Accounts, Config};
use crate::fault::Fault;
use crate::journal::Entry;
use crate::quirks::Quirks;
use crate::record::{
    ActionRecord, ActionState, Duplicate, InstanceRecord, Leftover, Outcome, Report, SeedInstance,
    SnapshotRecord,
};
use crate::world::World;

/// One simulated cloud. Clones are handles on the same cloud.
#[derive(Clone)]
pub struct Sim {
    world: Arc<Mutex<World>>,
}

impl Sim {
    /// An empty cloud. Make it inside the tokio runtime whose clock it is to follow.
    pub fn new(config: Config) -> Sim {
        Sim { world: Arc::new(Mutex::new(World::new(config))) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        // A panic in a test's closure must not make every later look panic as well.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cloud as it is now, with everything done that is due.
    fn settled(&self) -> MutexGuard<'_, World> {
        let mut world = self.lock();
        world.settle();
        world
    }

    /// The API's clock: the start, what tokio's clock has run since, and the skew.
    pub fn now(&self) -> Timestamp {
        self.lock().now()
    }

    /// Ends the oldest running action, as planned, and returns its id.
    pub fn step(&self) -> Option<i64> {
        let mut world = self.settled();
        let id = world.oldest_running()?;
        let at = world.now();
        world.finish(at, id, None);
        Some(id)
    }

    /// Ends this action, if it runs.
    pub fn complete(&self, action: i64, outcome: Outcome) {
        let mut world = self.settled();
        let at = world.now();
        let error = match outcome {
            Outcome::Success => {
                // What was planned for it no longer counts.
                if let Some(job) = world.jobs.get_mut(&action) {
                    job.fails = None;
                }
                None
            }
            Outcome::Error(message) => Some(message),
        };
        world.finish(at, action, error);
    }

    /// Ends every running action that is not endless, the oldest first; how many.
    pub fn drain(&self) -> usize {
        std::iter::from_fn(|| self.step()).count()
    }

    /// Adds an instance that already exists, and returns its id.
    pub fn seed(&self, instance: SeedInstance) -> i64 {
        let mut world = self.settled();
        let at = world.now();
        let record = world.plan(at, instance);
        let id = record.id;
        world.insert(at, record);
        id
    }

    /// The instance of this id, alive or removed.
    pub fn instance(&self, id: i64) -> Option<InstanceRecord> {
        self.settled().instances.get(&id).cloned()
    }

    /// All instances, removed ones included (`live` tells), by id.
    pub fn instances(&self) -> Vec<InstanceRecord> {
        self.settled().instances.values().cloned().collect()
    }

    /// Changes an instance behind everybody's back, without an action.
    pub fn edit(&self, id: i64, change: impl FnOnce(&mut InstanceRecord)) {
        let mut world = self.settled();
        let at = world.now();
        world.change(at, id, change);
    }

    /// Begins an action of somebody else, without any check, and returns its id. A known process has
    /// its effect at the end (stop, start, reset, delete, the snapshot ones); any other has none.
    ///
    /// # Panics
    ///
    /// If there is no instance of this id: the test is wrong.
    pub fn start_foreign_action(&self, id: i64, process: &str, by: &str) -> i64 {
        match self.settled().begin_foreign(id, process, by) {
            Some(action) => action,
            None => panic!("there is no instance {id}"),
        }
    }

    /// All actions, by id.
    pub fn actions(&self) -> Vec<ActionRecord> {
        self.settled().actions.values().cloned().collect()
    }

    /// The running actions, by id.
    pub fn running(&self) -> Vec<ActionRecord> {
        let world = self.settled();
        world.actions.values().filter(|action| action.state == ActionState::Running).cloned().collect()
    }

    /// The snapshot of an instance; the newest, if the slot is not single.
    pub fn snapshot(&self, id: i64) -> Option<SnapshotRecord> {
        self.instance(id)?.snapshots.pop()
    }

    /// Puts a snapshot of somebody else on an instance, and returns its id.
    pub fn seed_snapshot(&self, id: i64, description: &str, by: &str) -> String {
        let mut world = self.settled();
        let at = world.now();
        world.add_snapshot(at, id, Some(description.to_owned()), None, by.to_owned())
    }

    /// Adds a fault, and returns its id as the journal shows it.
    pub fn inject(&self, fault: Fault) -> u64 {
        self.lock().faults.inject(fault)
    }

    /// Whether this fault has hit as often as it was to, or was taken back.
    pub fn is_spent(&self, fault: u64) -> bool {
        self.lock().faults.is_spent(fault)
    }

    /// Takes back every fault that has not fired. Actions that were made to fail still do.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Every request since the last clearing.
    pub fn journal(&self) -> Vec<Entry> {
        self.settled().journal.entries.clone()
    }

    /// How many requests of the journal are such: for those who look often.
    pub fn count(&self, such: impl Fn(&Entry) -> bool) -> usize {
        self.settled().journal.entries.iter().filter(|entry| such(entry)).count()
    }

    /// The requests with a larger number than this: for those who look often.
    pub fn journal_after(&self, seq: u64) -> Vec<Entry> {
        let world = self.settled();
        world.journal.entries.iter().filter(|entry| entry.seq > seq).cloned().collect()
    }

    /// Forgets the requests so far. The numbering goes on.
    pub fn clear_journal(&self) {
        self.lock().journal.entries.clear();
    }

    /// Changes the quirks.
    pub fn quirks(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut self.settled().config.quirks);
    }

    /// Changes the accounts. One that is taken away loses its tokens.
    pub fn accounts(&self, change: impl FnOnce(&mut Accounts)) {
        change(&mut self.settled().config.accounts);
    }

    /// Changes the set-up. The first ids no longer matter; running actions keep their end.
    pub fn config(&self, change: impl FnOnce(&mut Config)) {
        change(&mut self.settled().config);
    }

    /// The figures over journal and inventory.
    pub fn report(&self) -> Report {
        let world = self.settled();
        let (mut calls, mut effects) = (BTreeMap::new(), BTreeMap::new());
        for entry in &world.journal.entries {
            *calls.entry(entry.operation).or_insert(0) += 1;
            if entry.effect {
                *effects.entry(entry.operation).or_insert(0) += 1;
            }
        }
        let unanswered = world.journal.entries.iter().filter(|entry| entry.is_unanswered()).count();
        let live: Vec<&InstanceRecord> = world.instances.values().filter(|instance| instance.live).collect();
        let mut names: BTreeMap<(i64, String), Vec<i64>> = BTreeMap::new();
        for instance in &live {
            let name = instance.name.to_ascii_uppercase();
            names.entry((instance.service_id, name)).or_default().push(instance.id);
        }
        Report {
            calls,
            effects,
            unanswered: unanswered as u64,
            created: world.created,
            connections: world.connections,
            duplicates: names
                .into_iter()
                .filter(|(_, ids)| ids.len() > 1)
                .map(|((service_id, name), ids)| Duplicate { service_id, name, ids })
                .collect(),
            leftovers: live
                .iter()
                .map(|instance| Leftover {
                    id: instance.id,
                    service_id: instance.service_id,
                    name: instance.name.clone(),
                })
                .collect(),
        }
    }
}
