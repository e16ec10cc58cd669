//! Who waits, and whose turn it is: inside a lane first come is first served; between lanes, the one that was served
//! the longest ago. Not here: when a permit is free, and which rank goes first; see `budget`.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

/// Whose calls take turns with those of others.
pub type Lane = Arc<str>;

/// So many permits are remembered.
const REMEMBERED: usize = 64;

/// A lane with fewer of them for its users' changes asks seldom: what its objects do by themselves, such as failing
/// again and again, does not count against a user.
const SELDOM: usize = 16;

/// Those who wait in one rank.
#[derive(Debug, Default)]
pub(super) struct Turns(Vec<(Lane, VecDeque<Arc<Notify>>)>);

/// Who was served of late, and whether for a user's change, the newest last. A lane that comes back at once has not
/// waited the longest.
#[derive(Debug, Default)]
pub(super) struct Served(VecDeque<(Lane, bool)>);

impl Served {
    /// That lane is served now.
    pub fn now(&mut self, lane: &Lane, change: bool) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((Arc::clone(lane), change));
    }

    /// How many permits ago that lane was served.
    fn age(&self, lane: &Lane) -> usize {
        self.0.iter().rev().position(|(other, _)| other == lane).unwrap_or(usize::MAX)
    }

    /// Whether few of the last permits were for changes in that lane.
    fn is_seldom(&self, lane: &Lane) -> bool {
        self.0.iter().filter(|(other, change)| *change && other == lane).count() < SELDOM
    }
}

impl Turns {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many of that lane wait.
    pub fn waiting(&self, lane: &Lane) -> usize {
        self.0.iter().find(|(other, _)| other == lane).map_or(0, |(_, queue)| queue.len())
    }

    pub fn enter(&mut self, lane: &Lane, waiter: Arc<Notify>) {
        match self.0.iter_mut().find(|(other, _)| other == lane) {
            Some((_, queue)) => queue.push_back(waiter),
            None => self.0.push((Arc::clone(lane), VecDeque::from([waiter]))),
        }
    }

    pub fn leave(&mut self, lane: &Lane, waiter: &Arc<Notify>) {
        let Some(index) = self.0.iter().position(|(other, _)| other == lane) else { return };
        self.0[index].1.retain(|other| !Arc::ptr_eq(other, waiter));
        if self.0[index].1.is_empty() {
            self.0.swap_remove(index);
        }
    }

    /// Whose turn it is.
    pub fn next(&self, served: &Served) -> Option<&Arc<Notify>> {
        self.next_of(served, |_| true)
    }

    /// Whose turn it is among those who ask seldom.
    pub fn next_seldom(&self, served: &Served) -> Option<&Arc<Notify>> {
        self.next_of(served, |lane| served.is_seldom(lane))
    }

    fn next_of(&self, served: &Served, counts: impl Fn(&Lane) -> bool) -> Option<&Arc<Notify>> {
        let lanes = self.0.iter().filter(|(lane, _)| counts(lane));
        let (_, queue) = lanes.min_by_key(|(lane, _)| std::cmp::Reverse(served.age(lane)))?;
        queue.front()
    }
}
