//! What the shell keeps in memory, per object and per VM. Losing all of it costs fresh reads, no more.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::crd::{Kind, Record};
use crate::decide::Memory;
use crate::model::remote::{Network, Storage};
use crate::model::{ActionId, Detail, HostName, InstanceId, ObjectKey, OperationKind, ServiceId};

/// Per object: what was decided to be remembered, and the object as our last write returned it.
pub struct Objects<K: Kind>(Mutex<HashMap<ObjectKey, Entry<K>>>);

struct Entry<K: Kind> {
    uid: String,
    memory: Memory,
    latest: Option<Arc<Record<K>>>,
    /// Notes told already: an Event is for a change, not for a pass.
    told: Vec<String>,
    /// What the last pass decided upon, and until when that stands; `None` = the object must be looked at.
    rest: Option<Rest>,
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

impl<K: Kind> Default for Objects<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Kind> Objects<K> {
    fn with<T>(&self, key: &ObjectKey, uid: &str, act: impl FnOnce(&mut Entry<K>) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Entry {
            uid: uid.to_owned(),
            memory: Memory::default(),
            latest: None,
            told: Vec::new(),
            rest: None,
            hot: 0,
            errors: 0,
        };
        let entry = all.entry(key.clone()).or_insert_with(fresh);
        if entry.uid != uid {
            *entry = fresh();
        }
        act(entry)
    }

    /// The memory of an object.
    pub fn memory(&self, key: &ObjectKey, uid: &str) -> Memory {
        self.with(key, uid, |entry| entry.memory.clone())
    }

    /// Replaces it.
    pub fn remember(&self, key: &ObjectKey, uid: &str, memory: Memory) {
        self.with(key, uid, |entry| entry.memory = memory);
    }

    /// The newer of the cached object and what our own last write returned: we always see our own writes.
    pub fn newest(&self, key: &ObjectKey, cached: Arc<Record<K>>) -> Arc<Record<K>> {
        let uid = cached.metadata.uid.clone().unwrap_or_default();
        self.with(key, &uid, |entry| match &entry.latest {
            Some(latest) if latest.version() > cached.version() => Arc::clone(latest),
            Some(_) | None => {
                entry.latest = None;
                cached
            }
        })
    }

    /// Keeps what a write returned.
    pub fn wrote(&self, key: &ObjectKey, record: Arc<Record<K>>) {
        let uid = record.metadata.uid.clone().unwrap_or_default();
        self.with(key, &uid, |entry| entry.latest = Some(record));
    }

    /// A pass ended: as long as the object is what it decided upon, nothing is due before `until` (on the
    /// monotonic clock; `None` = before something changes). Our own writes come back as events, and an event
    /// would cut every wait short.
    pub fn rest(&self, key: &ObjectKey, uid: &str, basis: u64, until: Option<Duration>) {
        self.with(key, uid, |entry| entry.rest = Some(Rest { basis, until }));
    }

    /// Whether the object may rest on, and for how long (`None` = until something changes).
    pub fn resting(&self, key: &ObjectKey, uid: &str, basis: u64, now: Duration) -> Option<Option<Duration>> {
        self.with(key, uid, |entry| {
            let rest = entry.rest.as_ref().filter(|rest| rest.basis == basis)?;
            match rest.until {
                None => Some(None),
                Some(until) if until > now => Some(Some(until - now)),
                Some(_) => None,
            }
        })
    }

    /// Something that the object does not show has changed: it must be looked at.
    pub fn wake(&self, key: &ObjectKey) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = all.get_mut(key) {
            entry.rest = None;
        }
    }

    /// All must be looked at.
    pub fn wake_all(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values_mut().for_each(|entry| entry.rest = None);
    }

    /// Whether a note is new.
    pub fn tell(&self, key: &ObjectKey, uid: &str, note: &str) -> bool {
        self.with(key, uid, |entry| {
            if entry.told.iter().any(|told| told == note) {
                return false;
            }
            if entry.told.len() >= 16 {
                entry.told.remove(0);
            }
            entry.told.push(note.to_owned());
            true
        })
    }

    /// Stretches a wish to run at once that comes again and again: nothing loops hot.
    pub fn cool(&self, key: &ObjectKey, uid: &str, wake: Duration) -> Duration {
        self.with(key, uid, |entry| {
            if wake > Duration::from_millis(50) {
                entry.hot = 0;
                return wake;
            }
            entry.hot = entry.hot.saturating_add(1);
            match entry.hot {
                0..=12 => wake,
                hot => Duration::from_millis(100).saturating_mul(1 << (hot - 12).min(9)),
            }
        })
    }

    /// Counts a failure of the API server; returns how many in a row.
    pub fn failed(&self, key: &ObjectKey, uid: &str) -> u32 {
        self.with(key, uid, |entry| {
            entry.errors = entry.errors.saturating_add(1);
            entry.errors
        })
    }

    /// A pass went through.
    pub fn succeeded(&self, key: &ObjectKey, uid: &str) {
        self.with(key, uid, |entry| entry.errors = 0);
    }

    /// The object is gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// A detail with the parts that had to be read on their own.
#[derive(Clone)]
pub struct KnownDetail {
    /// The detail.
    pub detail: Arc<Detail>,
    /// When it was asked for.
    pub at: Duration,
    /// Disks and file systems, where the detail left them out.
    pub storage: Option<Storage>,
    /// Network, where the detail left it out.
    pub network: Option<Network>,
}

/// A VM by service and folded name: there may be no id yet.
type Name = (ServiceId, String);

/// Per VM: its detail, a lock that both controllers take, the end of our last effect.
#[derive(Default)]
pub struct Machines {
    details: Mutex<HashMap<InstanceId, KnownDetail>>,
    locks: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>,
    effects: Mutex<HashMap<Name, Duration>>,
    learned: Mutex<Learned>,
    replied: Mutex<VecDeque<ActionId>>,
}

/// What replies taught us about the account and its workflows.
#[derive(Clone, Default)]
pub struct Learned {
    /// Which kind a process word stands for; `None` for a word that serves several: it tells nothing.
    pub processes: BTreeMap<String, Option<OperationKind>>,
    /// The name under which our actions are recorded.
    pub submitter: Option<String>,
    /// The name under which what we created is recorded.
    pub creator: Option<String>,
}

/// Action ids that came as replies to our own calls: only these are certainly ours.
const REPLIED: usize = 4096;

impl Machines {
    /// What is known of a VM.
    pub fn detail(&self, id: InstanceId) -> Option<KnownDetail> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Keeps a detail; parts read on their own stay valid with it.
    pub fn keep(&self, known: KnownDetail) {
        self.details.lock().unwrap_or_else(PoisonError::into_inner).insert(known.detail.id, known);
    }

    /// A VM is gone or not ours any more.
    pub fn drop_detail(&self, id: InstanceId) {
        self.details.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// Forgets what was seen: another process may have led since.
    pub fn forget_details(&self) {
        self.details.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The lock of a VM, by its name: there may be no id yet.
    pub fn lock(&self, service: ServiceId, name: &HostName) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.len() > 50_000 {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        Arc::clone(locks.entry((service, name.folded())).or_default())
    }

    /// When our last effect on that name ended.
    pub fn effect_end(&self, service: ServiceId, name: &HostName) -> Duration {
        let effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        effects.get(&(service, name.folded())).copied().unwrap_or_default()
    }

    /// An effect on that name ended.
    pub fn effect_ended(&self, service: ServiceId, name: &HostName, at: Duration) {
        let mut effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        let end = effects.entry((service, name.folded())).or_default();
        *end = (*end).max(at);
    }

    /// That action came as the reply to a call of ours.
    pub fn replied(&self, action: ActionId) {
        let mut replied = self.replied.lock().unwrap_or_else(PoisonError::into_inner);
        if replied.len() >= REPLIED {
            replied.pop_front();
        }
        replied.push_back(action);
    }

    /// Whether that action is certainly ours. One that was found by looking is not: it may be a colleague's.
    pub fn is_replied(&self, action: ActionId) -> bool {
        self.replied.lock().unwrap_or_else(PoisonError::into_inner).contains(&action)
    }

    /// Learns from an action that is certainly ours: which kind its process word stands for, and under which
    /// name we are recorded.
    pub fn learn(&self, process: Option<(&str, OperationKind)>, submitter: Option<&str>) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((process, kind)) = process
            && learned.processes.len() < 256
        {
            let known = learned.processes.entry(process.to_owned()).or_insert(Some(kind));
            if *known != Some(kind) {
                *known = None;
            }
        }
        if let Some(submitter) = submitter {
            learned.submitter = Some(submitter.to_owned());
        }
    }

    /// Learns from a VM that is certainly ours under which name we are recorded as its maker.
    pub fn learn_creator(&self, creator: Option<&str>) {
        if let Some(creator) = creator {
            let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
            learned.creator = Some(creator.to_owned());
        }
    }

    /// What was learned.
    pub fn learned(&self) -> Learned {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
