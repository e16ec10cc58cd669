//! The objects of one kind: as the watch brought them, as our own writes returned them, and what their passes left to
//! be remembered. Losing what is remembered costs fresh reads, no more.
//!
//! One table for all of it: the room of ten thousand objects is a target, and each further table costs a key and a
//! bucket for every one of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::crd::{Kind, Record};
use crate::decide::Memory;
use crate::model::ObjectKey;

/// The objects of one kind.
pub struct Objects<K: Kind>(Mutex<HashMap<ObjectKey, Entry<K>>>);

struct Entry<K: Kind> {
    /// As the watch brought it.
    cached: Record<K>,
    /// As our last write or read returned it.
    latest: Option<Record<K>>,
    /// What the last pass decided upon, and until when that stands; `None` = the object must be looked at.
    rest: Option<Rest>,
    /// How often it was woken: a pass that looked before the last time has not seen why.
    wakes: u32,
    /// Only of objects with something to remember.
    more: Option<Box<More>>,
}

#[derive(Default, PartialEq)]
struct More {
    memory: Memory,
    /// Notes told already: an Event is for a change, not for a pass.
    told: Vec<String>,
    /// Passes in a row that asked to run again at once.
    hot: u32,
    /// Failures of ours (API server) in a row.
    errors: u32,
}

#[derive(Clone, Copy)]
struct Rest {
    basis: u64,
    until: Option<Duration>,
}

impl<K: Kind> Entry<K> {
    fn new(cached: Record<K>) -> Self {
        Self { cached, latest: None, rest: None, wakes: 0, more: None }
    }

    fn newest(&self) -> &Record<K> {
        self.latest.as_ref().map_or(&self.cached, |latest| newer(&self.cached, latest))
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

/// Of an object and what a write of ours returned, the newer one.
fn newer<'a, K: Kind>(known: &'a Record<K>, written: &'a Record<K>) -> &'a Record<K> {
    if written.version_number() > known.version_number() { written } else { known }
}

impl<K: Kind> Default for Objects<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Kind> Objects<K> {
    fn all<T>(&self, act: impl FnOnce(&mut HashMap<ObjectKey, Entry<K>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Of an object that is gone or was replaced, nothing is kept.
    fn with<T>(&self, key: &ObjectKey, uid: &str, act: impl FnOnce(&mut Entry<K>) -> T) -> Option<T> {
        self.all(|all| all.get_mut(key).filter(|entry| *entry.cached.uid == *uid).map(act))
    }

    /// The watch brought it: whether that is a change which a decision depends on. A bookmark is none, and neither is
    /// an object that a list shows again.
    pub fn saw(&self, record: &Record<K>) -> bool {
        self.all(|all| {
            let Some(entry) = all.get_mut(&record.key).filter(|entry| entry.cached.uid == record.uid) else {
                all.insert(record.key.clone(), Entry::new(record.clone()));
                return true;
            };
            let changed = entry.cached.basis(&entry.cached) != record.basis(record);
            if entry.cached.version != record.version {
                entry.cached = record.clone();
            }
            // What our own write returned comes back by the watch: one of the two is enough.
            if let Some(latest) = &mut entry.latest
                && latest.version == entry.cached.version
            {
                *latest = entry.cached.clone();
            }
            changed
        })
    }

    /// Our part in it is over: nothing of it needs to be remembered.
    pub fn release(&self, key: &ObjectKey, uid: &str) {
        self.with(key, uid, |entry| entry.more = None);
    }

    /// The object is gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.all(|all| all.remove(key));
    }

    /// Those that a complete list does not show.
    pub fn missing_from(&self, listed: &HashSet<ObjectKey>) -> Vec<ObjectKey> {
        self.all(|all| all.keys().filter(|key| !listed.contains(*key)).cloned().collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all(|all| all.len())
    }

    /// The newer of what the watch brought and what our own last write returned: we always see our own writes.
    /// For the start of a pass; from then on see [`Objects::written`].
    pub fn newest(&self, key: &ObjectKey) -> Option<Record<K>> {
        self.all(|all| {
            let entry = all.get_mut(key)?;
            let cached = entry.cached.version_number();
            entry.latest = entry.latest.take().filter(|latest| latest.version_number() > cached);
            Some(entry.newest().clone())
        })
    }

    /// Whether its user changed it, and no status says that this was seen.
    pub fn is_unseen(&self, key: &ObjectKey) -> bool {
        self.all(|all| all.get(key).is_some_and(|entry| entry.newest().is_unseen()))
    }

    /// The object of a pass with our own writes on top, and nobody else's.
    pub fn written(&self, gathered: &Record<K>) -> Record<K> {
        let written = self.with(&gathered.key, &gathered.uid, |entry| entry.latest.clone()).flatten();
        written.map_or_else(|| gathered.clone(), |written| newer(gathered, &written).clone())
    }

    /// Keeps what a write returned.
    pub fn wrote(&self, record: Record<K>) {
        let (key, uid) = (record.key.clone(), record.uid.clone());
        self.with(&key, &uid, |entry| entry.latest = Some(record));
    }

    /// What is remembered of an object.
    pub fn memory(&self, key: &ObjectKey, uid: &str) -> Memory {
        let memory = |entry: &mut Entry<K>| entry.more.as_ref().map(|more| more.memory.clone());
        self.with(key, uid, memory).flatten().unwrap_or_default()
    }

    /// Replaces it.
    pub fn remember(&self, key: &ObjectKey, uid: &str, memory: Memory) {
        self.with(key, uid, |entry| {
            let mut more = entry.more.take().map(|more| *more).unwrap_or_default();
            more.memory = memory;
            entry.more = (more != More::default()).then(|| Box::new(more));
        });
    }

    /// How often it was woken.
    pub fn wakes(&self, key: &ObjectKey, uid: &str) -> u32 {
        self.with(key, uid, |entry| entry.wakes).unwrap_or_default()
    }

    /// A pass ended that saw all when the object had been woken so often: as long as the object is what it decided upon,
    /// nothing is due before `until` (on the monotonic clock; `None` = before something changes). Our own writes come
    /// back as events, and an event would cut every wait short.
    pub fn rest(&self, key: &ObjectKey, uid: &str, wakes: u32, (basis, until): (u64, Option<Duration>)) {
        self.with(key, uid, |entry| {
            if entry.wakes == wakes {
                entry.rest = Some(Rest { basis, until });
            }
        });
    }

    /// Whether the object may rest on, and until when (`None` = until something changes).
    pub fn resting(&self, record: &Record<K>, now: Duration) -> Option<Option<Duration>> {
        let rest = self.with(&record.key, &record.uid, |entry| entry.rest).flatten()?;
        let stands = rest.basis == record.basis(record) && rest.until.is_none_or(|until| until > now);
        stands.then_some(rest.until)
    }

    /// Something that the object does not show has changed: it must be looked at. Whether that is urgent; `None` when
    /// there is no such object.
    pub fn wake(&self, key: &ObjectKey) -> Option<bool> {
        self.all(|all| {
            let entry = all.get_mut(key)?;
            entry.rest = None;
            entry.wakes = entry.wakes.wrapping_add(1);
            Some(entry.newest().is_unseen())
        })
    }

    /// All objects.
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.all(|all| all.keys().cloned().collect())
    }

    /// Whether a note is new.
    pub fn tell(&self, key: &ObjectKey, uid: &str, note: &str) -> bool {
        let tell = |entry: &mut Entry<K>| {
            let told = &mut entry.more().told;
            if told.iter().any(|told| told == note) {
                return false;
            }
            if told.len() >= 16 {
                told.remove(0);
            }
            told.push(note.to_owned());
            true
        };
        self.with(key, uid, tell).unwrap_or(true)
    }

    /// Stretches a wish to run at once that comes again and again: nothing loops hot.
    pub fn cool(&self, key: &ObjectKey, uid: &str, wake: Duration) -> Duration {
        let cool = |entry: &mut Entry<K>| {
            if wake > Duration::from_millis(50) {
                if let Some(more) = &mut entry.more {
                    more.hot = 0;
                }
                return wake;
            }
            let hot = &mut entry.more().hot;
            *hot = hot.saturating_add(1);
            match *hot {
                0..=12 => wake,
                hot => Duration::from_millis(100).saturating_mul(1 << (hot - 12).min(9)),
            }
        };
        self.with(key, uid, cool).unwrap_or(wake)
    }

    /// Counts a failure of the API server; returns how many in a row.
    pub fn failed(&self, key: &ObjectKey, uid: &str) -> u32 {
        let count = |entry: &mut Entry<K>| {
            let errors = &mut entry.more().errors;
            *errors = errors.saturating_add(1);
            *errors
        };
        self.with(key, uid, count).unwrap_or(1)
    }

    /// A pass went through.
    pub fn succeeded(&self, key: &ObjectKey, uid: &str) {
        self.with(key, uid, |entry| {
            if let Some(more) = &mut entry.more {
                more.errors = 0;
            }
        });
    }
}
