//! What the shell keeps in memory of VMs and of the account. Losing all of it costs fresh reads, no more.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::remote::{Network, Storage};
use crate::model::{ActionId, Detail, HostName, InstanceId, OperationKind, Packed, ServiceId};

/// A detail with the parts that had to be read on their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KnownDetail {
    /// The detail.
    pub detail: Detail,
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
    /// Packed: one is read once in a pass, and ten thousand are kept.
    details: Mutex<HashMap<InstanceId, Packed>>,
    locks: Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>,
    effects: Mutex<HashMap<Name, Duration>>,
    learned: Mutex<Learned>,
    replied: Mutex<VecDeque<ActionId>>,
    reign: Mutex<Duration>,
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

/// So many locks are kept before those that nobody holds are dropped: many more than passes run at once.
const LOCKS: usize = 1024;

/// Action ids that came as replies to our own calls: only these are certainly ours.
const REPLIED: usize = 4096;

impl Machines {
    /// What is known of a VM.
    pub fn detail(&self, id: InstanceId) -> Option<KnownDetail> {
        let packed = self.details.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()?;
        serde_json::from_str(&packed.text()).ok()
    }

    /// Keeps a detail; parts read on their own stay valid with it.
    pub fn keep(&self, known: &KnownDetail) {
        let packed = Packed::of(&serde_json::to_string(known).expect("all of it can be written as JSON"));
        self.details.lock().unwrap_or_else(PoisonError::into_inner).insert(known.detail.id, packed);
    }

    /// A VM is gone or not ours any more.
    pub fn drop_detail(&self, id: InstanceId) {
        self.details.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    /// We lead from now on.
    pub fn begin(&self, now: Duration) {
        *self.reign.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Since when we lead: nothing was seen before.
    pub fn reign(&self) -> Duration {
        *self.reign.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was seen: another process may have led since.
    pub fn forget_details(&self) {
        self.details.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The lock of a VM, by its name: there may be no id yet.
    pub fn lock(&self, service: ServiceId, name: &HostName) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.len() >= LOCKS {
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
