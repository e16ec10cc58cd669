//! Which objects are looked at next, how many at once, and whose: most passes wait for ITCare, and no namespace may
//! fill all places.
//!
//! Each object stands here once: due later, waiting for a place, or in a pass. First come is first served inside a
//! namespace; a change that nobody has looked at yet has places of its own. The runtime's own controller starts a
//! task for each due object at once and serves them in no order; with ten thousand objects that starves some, and
//! its tables and theirs cost more room than the objects. Not here: the account's rate.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::model::ObjectKey;

/// An object of one of the two kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// An instance object.
    Instance(ObjectKey),
    /// A snapshot object.
    Snapshot(ObjectKey),
}

impl Item {
    /// Where it is.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Instance(key) | Self::Snapshot(key) => key,
        }
    }

    /// Whose it is, as metrics name it.
    #[must_use]
    pub fn controller(&self) -> &'static str {
        match self {
            Self::Instance(_) => "instance",
            Self::Snapshot(_) => "snapshot",
        }
    }

    fn namespace(&self) -> &str {
        &self.key().namespace
    }
}

/// Of all places, this part is for changes that nobody has looked at yet.
const URGENT_PART: usize = 8;

/// Of those, this part at most is one namespace's.
const URGENT_SHARE: usize = 4;

/// The queue of all objects; its consumer is one.
pub struct Queue {
    limits: Limits,
    state: Mutex<State>,
    changed: Notify,
}

/// How many passes may run at once.
struct Limits {
    all: usize,
    urgent: usize,
    share: usize,
    urgent_share: usize,
}

#[derive(Default)]
struct State {
    places: HashMap<Item, Place>,
    /// Whoever is due later, by time on the monotonic clock; the second number keeps the order of arrival.
    due: BTreeMap<(Duration, u64), Item>,
    lanes: BTreeMap<Box<str>, Lane>,
    /// Counts arrivals.
    arrivals: u64,
    running: Count,
}

/// One namespace.
#[derive(Default)]
struct Lane {
    /// Whoever waits, by arrival.
    waiting: BTreeMap<u64, Item>,
    /// Those of them that nobody has looked at yet.
    urgent: BTreeMap<u64, Item>,
    running: Count,
}

/// Passes that run, by the kind of their place.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    normal: usize,
    urgent: usize,
}

impl Count {
    fn of(&mut self, urgent: bool) -> &mut usize {
        if urgent { &mut self.urgent } else { &mut self.normal }
    }
}

#[derive(Clone, Copy)]
enum Place {
    Due(Duration, u64),
    Waits(u64),
    Runs {
        urgent: bool,
        /// What happened while its pass ran: it must be looked at once more, and whether that is urgent.
        again: Option<bool>,
    },
}

impl Queue {
    /// So many passes at once.
    #[must_use]
    pub fn new(passes: usize) -> Self {
        let urgent = (passes / URGENT_PART).max(1);
        let all = passes.saturating_sub(urgent).max(1);
        // Two namespaces at work leave no place idle; one alone leaves room for another.
        let (share, urgent_share) = (all.div_ceil(2), urgent.div_ceil(URGENT_SHARE));
        let limits = Limits { all, urgent, share, urgent_share };
        Self { limits, state: Mutex::default(), changed: Notify::new() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It must be looked at now; `urgent`: its user changed it, and nobody has seen that.
    pub fn add(&self, item: Item, urgent: bool) {
        self.with(|state| match state.places.get_mut(&item) {
            Some(Place::Runs { again, .. }) => *again = Some(urgent || *again == Some(true)),
            Some(Place::Waits(turn)) => {
                let turn = *turn;
                if urgent {
                    state.lane(&item).urgent.insert(turn, item);
                }
            }
            Some(Place::Due(at, turn)) => {
                let due = (*at, *turn);
                state.due.remove(&due);
                state.enqueue(item, urgent);
            }
            None => state.enqueue(item, urgent),
        });
        self.changed.notify_one();
    }

    /// The object is gone. A pass of it that runs ends as it likes.
    pub fn forget(&self, item: &Item) {
        self.with(|state| match state.places.get(item).copied() {
            Some(Place::Due(at, turn)) => {
                state.due.remove(&(at, turn));
                state.places.remove(item);
            }
            Some(Place::Waits(turn)) => {
                let lane = state.lane(item);
                lane.waiting.remove(&turn);
                lane.urgent.remove(&turn);
                state.places.remove(item);
                state.leave(item.namespace());
            }
            Some(Place::Runs { .. }) | None => {}
        });
    }

    /// The next object for which there is a place, which it has until [`Queue::done`]. `now` is the monotonic clock;
    /// `urgent` says whether one whose time has come was changed by its user meanwhile.
    pub async fn next(&self, now: impl Fn() -> Duration, urgent: impl Fn(&Item) -> bool) -> Item {
        loop {
            let time = now();
            let later = match self.with(|state| state.next(time, &self.limits, &urgent)) {
                Ok(item) => return item,
                Err(later) => later,
            };
            let changed = self.changed.notified();
            match later {
                Some(at) => {
                    // Whichever comes first: both lead to another look.
                    let _ = tokio::time::timeout(at.saturating_sub(time), changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// Its pass ended; the next one is due at that time, or when something happens.
    pub fn done(&self, item: Item, due: Option<Duration>) {
        self.with(|state| {
            let Some(Place::Runs { urgent, again }) = state.places.remove(&item) else { return };
            *state.running.of(urgent) -= 1;
            *state.lane(&item).running.of(urgent) -= 1;
            match (again, due) {
                (Some(urgent), _) => state.enqueue(item, urgent),
                (None, Some(at)) => {
                    state.leave(item.namespace());
                    let turn = state.arrive();
                    state.due.insert((at, turn), item.clone());
                    state.places.insert(item, Place::Due(at, turn));
                }
                (None, None) => state.leave(item.namespace()),
            }
        });
        self.changed.notify_one();
    }
}

impl State {
    fn lane(&mut self, item: &Item) -> &mut Lane {
        if !self.lanes.contains_key(item.namespace()) {
            self.lanes.insert(item.namespace().into(), Lane::default());
        }
        self.lanes.get_mut(item.namespace()).expect("it is there, or was just made")
    }

    fn arrive(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    fn enqueue(&mut self, item: Item, urgent: bool) {
        let turn = self.arrive();
        self.places.insert(item.clone(), Place::Waits(turn));
        let lane = self.lane(&item);
        if urgent {
            lane.urgent.insert(turn, item.clone());
        }
        lane.waiting.insert(turn, item);
    }

    /// A namespace with nothing to do takes no room.
    fn leave(&mut self, namespace: &str) {
        let idle = |lane: &Lane| lane.waiting.is_empty() && lane.running == Count::default();
        if self.lanes.get(namespace).is_some_and(idle) {
            self.lanes.remove(namespace);
        }
    }

    /// The next one, or when the first of those due later is.
    fn next(
        &mut self,
        now: Duration,
        limits: &Limits,
        urgent: impl Fn(&Item) -> bool,
    ) -> Result<Item, Option<Duration>> {
        while let Some(first) = self.due.first_entry().filter(|first| first.key().0 <= now) {
            let item = first.remove();
            let is_urgent = urgent(&item);
            self.enqueue(item, is_urgent);
        }
        let (item, turn, in_urgent) = match self.choose(limits) {
            Some(chosen) => chosen,
            None => return Err(self.due.keys().next().map(|(at, _)| *at)),
        };
        let lane = self.lane(&item);
        lane.waiting.remove(&turn);
        lane.urgent.remove(&turn);
        *lane.running.of(in_urgent) += 1;
        *self.running.of(in_urgent) += 1;
        self.places.insert(item.clone(), Place::Runs { urgent: in_urgent, again: None });
        Ok(item)
    }

    /// Of the namespaces that may have another place, the one whose first has waited longest.
    fn choose(&self, limits: &Limits) -> Option<(Item, u64, bool)> {
        let first =
            |queue: &BTreeMap<u64, Item>| queue.iter().next().map(|(turn, item)| (*turn, item.clone()));
        let chosen = |in_urgent: bool| {
            let fronts = self.lanes.values().filter_map(|lane| match in_urgent {
                true => first(&lane.urgent).filter(|_| lane.running.urgent < limits.urgent_share),
                false => first(&lane.waiting).filter(|_| lane.running.normal < limits.share),
            });
            fronts.min_by_key(|(turn, _)| *turn).map(|(turn, item)| (item, turn, in_urgent))
        };
        let in_urgent = (self.running.urgent < limits.urgent).then(|| chosen(true)).flatten();
        in_urgent.or_else(|| (self.running.normal < limits.all).then(|| chosen(false)).flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(namespace: &str, name: &str) -> Item {
        Item::Instance(ObjectKey::new(namespace, name))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// What is next at that time, if anything is.
    fn next(queue: &Queue, at: u64) -> Option<Item> {
        queue.with(|state| state.next(seconds(at), &queue.limits, |_| false)).ok()
    }

    fn all(queue: &Queue, at: u64) -> Vec<Item> {
        std::iter::from_fn(|| next(queue, at)).collect()
    }

    #[test]
    fn first_come_is_first_served_and_each_object_waits_once() {
        let queue = Queue::new(16);
        let (web, db) = (item("shop", "web"), item("shop", "db"));
        for item in [&web, &db, &web] {
            queue.add(item.clone(), false);
        }
        assert_eq!(all(&queue, 0), [web, db]);
    }

    #[test]
    fn what_happens_during_a_pass_is_looked_at_after_it_and_not_beside_it() {
        let queue = Queue::new(16);
        let web = item("shop", "web");
        queue.add(web.clone(), false);
        assert_eq!(next(&queue, 0), Some(web.clone()));
        queue.add(web.clone(), false);
        assert_eq!(next(&queue, 0), None);
        // Its wish to be left alone for an hour is from before.
        queue.done(web.clone(), Some(seconds(3600)));
        assert_eq!(next(&queue, 0), Some(web.clone()));
        queue.done(web, None);
        assert_eq!(next(&queue, 9999), None);
    }

    #[test]
    fn whoever_is_due_later_comes_at_that_time_or_when_something_happens() {
        let queue = Queue::new(16);
        let web = item("shop", "web");
        queue.add(web.clone(), false);
        assert_eq!(all(&queue, 0), std::slice::from_ref(&web));
        queue.done(web.clone(), Some(seconds(60)));
        assert_eq!(next(&queue, 59), None);
        assert_eq!(next(&queue, 60), Some(web.clone()));
        queue.done(web.clone(), Some(seconds(120)));
        queue.add(web.clone(), false);
        assert_eq!(next(&queue, 61), Some(web.clone()));
        queue.done(web, None);
        // Its earlier time does not count any more.
        assert_eq!(next(&queue, 500), None);
    }

    #[test]
    fn one_namespace_leaves_places_to_others() {
        let queue = Queue::new(16);
        for number in 0..100 {
            queue.add(item("full", &format!("vm{number}")), false);
        }
        let before = all(&queue, 0).len();
        queue.add(item("small", "vm"), false);
        assert_eq!((before, all(&queue, 0)), (7, vec![item("small", "vm")]));
    }

    #[test]
    fn a_change_that_nobody_has_seen_has_places_of_its_own() {
        let queue = Queue::new(16);
        for number in 0..100 {
            queue.add(item(&format!("space{}", number % 4), &format!("vm{number}")), false);
        }
        assert_eq!(all(&queue, 0).len(), 14);
        let waiting = item("space0", "vm96");
        queue.add(waiting.clone(), true);
        assert_eq!(all(&queue, 0), std::slice::from_ref(&waiting));
        queue.done(waiting, None);
        queue.add(item("space0", "new"), true);
        assert_eq!(all(&queue, 0), [item("space0", "new")]);
    }

    #[test]
    fn a_place_is_given_on_when_its_pass_ends() {
        let queue = Queue::new(2);
        let (web, db) = (item("shop", "web"), item("shop", "db"));
        queue.add(web.clone(), false);
        queue.add(db.clone(), false);
        assert_eq!(all(&queue, 0), std::slice::from_ref(&web));
        queue.done(web, None);
        assert_eq!(all(&queue, 0), [db]);
    }

    #[test]
    fn nothing_is_kept_of_what_is_gone_or_at_rest() {
        let queue = Queue::new(16);
        let (web, db, old) = (item("shop", "web"), item("shop", "db"), item("shop", "old"));
        for item in [&web, &db] {
            queue.add(item.clone(), true);
        }
        assert_eq!(next(&queue, 0), Some(web.clone()));
        queue.done(web.clone(), Some(seconds(60)));
        queue.add(old.clone(), false);
        for item in [&web, &db, &old] {
            queue.forget(item);
        }
        queue.with(|state| {
            assert!(state.places.is_empty() && state.due.is_empty() && state.lanes.is_empty());
        });
    }

    #[tokio::test(start_paused = true)]
    async fn the_consumer_sleeps_until_something_is_due_or_comes() {
        let queue = std::sync::Arc::new(Queue::new(16));
        let begun = tokio::time::Instant::now();
        let now = || begun.elapsed();
        let web = item("shop", "web");
        queue.add(web.clone(), false);
        assert_eq!(queue.next(now, |_| false).await, web);
        queue.done(web.clone(), Some(seconds(60)));
        assert_eq!(queue.next(now, |_| false).await, web);
        assert_eq!(begun.elapsed(), seconds(60));
        queue.done(web.clone(), None);
        let other = std::sync::Arc::clone(&queue);
        tokio::spawn(async move {
            tokio::time::sleep(seconds(5)).await;
            other.add(item("shop", "late"), false);
        });
        assert_eq!(queue.next(now, |_| false).await, item("shop", "late"));
        assert_eq!(begun.elapsed(), seconds(65));
    }
}
