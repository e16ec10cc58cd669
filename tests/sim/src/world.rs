//! The state of one simulated cloud, and the passing of its time.
//!
//! No I/O and no waiting: every change happens inside a call, at a time worked out from the clock.
//! How actions begin and end is in `act`; what requests do is in `handle` and beside it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::access::Tokens;
use crate::act::Job;
use crate::clock::{earlier, later};
use crate::config::{Config, Time};
use crate::fault::Faults;
use crate::handle::Twist;
use crate::journal::Journal;
use crate::quirks::Rate;
use crate::record::{ActionRecord, InstanceRecord};
use crate::request::Incoming;

/// How many changes of the inventory are kept for stale lists: far more than one test makes.
const HISTORY: usize = 50_000;

/// Everything that one simulated cloud is.
pub(crate) struct World {
    pub(crate) config: Config,
    origin: Instant,
    pub(crate) instances: BTreeMap<i64, InstanceRecord>,
    pub(crate) actions: BTreeMap<i64, ActionRecord>,
    /// The work of running actions.
    pub(crate) jobs: BTreeMap<i64, Job>,
    /// When running actions end, in order.
    pub(crate) due: BTreeSet<(Timestamp, i64)>,
    /// Requests whose effect comes later, with their place in the journal.
    late: Vec<(Timestamp, u64, Incoming)>,
    /// What an instance was before each change, so that the past can be shown.
    history: VecDeque<(Timestamp, i64, Option<InstanceRecord>)>,
    pub(crate) tokens: Tokens,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    pub(crate) next_instance: i64,
    next_action: i64,
    pub(crate) next_snapshot: i64,
    pub(crate) created: u64,
    pub(crate) connections: u64,
    bucket: Option<(Timestamp, f64)>,
}

impl World {
    pub(crate) fn new(config: Config) -> World {
        World {
            origin: Instant::now(),
            instances: BTreeMap::new(),
            actions: BTreeMap::new(),
            jobs: BTreeMap::new(),
            due: BTreeSet::new(),
            late: Vec::new(),
            history: VecDeque::new(),
            tokens: Tokens::default(),
            journal: Journal::default(),
            faults: Faults::default(),
            next_instance: config.first_instance,
            next_action: config.first_action,
            next_snapshot: 1,
            created: 0,
            connections: 0,
            bucket: None,
            config,
        }
    }

    /// The simulator's clock.
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.origin.elapsed()).unwrap_or(SignedDuration::MAX);
        let shift = elapsed.checked_add(self.config.skew).unwrap_or(SignedDuration::MAX);
        self.config.start.checked_add(shift).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn take_action_id(&mut self) -> i64 {
        let id = self.next_action;
        self.next_action += 1;
        id
    }

    pub(crate) fn take_instance_id(&mut self) -> i64 {
        let id = self.next_instance;
        self.next_instance += 1;
        id
    }

    /// Lets everything happen that is due by now, in the order of its time.
    pub(crate) fn settle(&mut self) {
        let now = self.now();
        loop {
            let action = self.due.first().copied().filter(|(at, _)| *at <= now);
            let late = self
                .late
                .iter()
                .enumerate()
                .map(|(position, (at, seq, _))| (*at, *seq, position))
                .filter(|(at, _, _)| *at <= now)
                .min();
            match (action, late) {
                (None, None) => break,
                (Some((at, id)), None) => self.finish(at, id, None),
                (Some((at, id)), Some((other, _, _))) if at <= other => self.finish(at, id, None),
                (_, Some((at, seq, position))) => {
                    let (_, _, incoming) = self.late.remove(position);
                    self.expire_snapshots(at);
                    let reply = self.handle(at, &incoming, &Twist::default());
                    self.note_effect(seq, reply.action);
                }
            }
        }
        self.expire_snapshots(now);
    }

    /// Keeps a request whose effect comes later.
    pub(crate) fn postpone(&mut self, at: Timestamp, seq: u64, incoming: Incoming) {
        self.late.push((at, seq, incoming));
    }

    /// Writes into the journal that a request started an action.
    pub(crate) fn note_effect(&mut self, seq: u64, action: Option<i64>) {
        if let (Some(entry), Some(action)) = (self.journal.find(seq), action) {
            entry.effect = true;
            entry.action = Some(action);
        }
    }

    pub(crate) fn expire_snapshots(&mut self, at: Timestamp) {
        for instance in self.instances.values_mut() {
            if !instance.snapshots.is_empty() {
                instance.snapshots.retain(|snapshot| snapshot.expires_at > at);
            }
        }
    }

    /// Changes an instance and remembers what it was.
    pub(crate) fn change(&mut self, at: Timestamp, id: i64, change: impl FnOnce(&mut InstanceRecord)) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let before = instance.clone();
        change(instance);
        if instance.live != before.live {
            if instance.live {
                instance.removed_at = None;
            } else {
                instance.removed_at = Some(at);
                instance.status = "REMOVED".to_owned();
                instance.snapshots.clear();
            }
        }
        self.remember(at, id, Some(before));
    }

    /// Adds an instance.
    pub(crate) fn insert(&mut self, at: Timestamp, instance: InstanceRecord) {
        let id = instance.id;
        self.next_instance = self.next_instance.max(id + 1);
        let before = self.instances.insert(id, instance);
        self.remember(at, id, before);
    }

    fn remember(&mut self, at: Timestamp, id: i64, before: Option<InstanceRecord>) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((at, id, before));
    }

    /// The instances as they were this long ago.
    pub(crate) fn past(&self, now: Timestamp, ago: Duration) -> BTreeMap<i64, InstanceRecord> {
        let then = earlier(now, ago);
        let mut instances = self.instances.clone();
        for (_, id, before) in self.history.iter().rev().take_while(|(at, _, _)| *at > then) {
            match before {
                Some(before) => instances.insert(*id, before.clone()),
                None => instances.remove(id),
            };
        }
        instances
    }

    /// When an action of this process that begins now will end by itself.
    pub(crate) fn end_of(&self, at: Timestamp, process: &str) -> Option<Timestamp> {
        match &self.config.time {
            Time::Auto { latencies } => Some(later(at, latencies.of(process))),
            Time::Explicit => None,
        }
    }

    /// Takes one request out of the bucket; the seconds to wait if it is empty.
    pub(crate) fn throttle(&mut self, at: Timestamp) -> Option<u64> {
        let Rate { per_second, burst } = self.config.quirks.rate?;
        let (since, left) = self.bucket.unwrap_or((at, burst));
        let filled = (left + at.duration_since(since).as_secs_f64().max(0.0) * per_second).min(burst);
        if filled >= 1.0 {
            self.bucket = Some((at, filled - 1.0));
            return None;
        }
        self.bucket = Some((at, filled));
        let seconds = ((1.0 - filled) / per_second).ceil();
        // A rate of nothing would be an endless wait; an hour is as good as that.
        Some(if seconds.is_finite() { seconds.clamp(1.0, 3600.0) as u64 } else { 3600 })
    }
}
