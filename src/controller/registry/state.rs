//! What the index holds, and how it is kept consistent: entries, their keys, and whom a change concerns. Not here:
//! what an object says (the parent), and what is asked of the index (`ask`).

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::super::source::{Entry, Version};
use super::Affected;
use super::keys::Keys;
use crate::model::{HostName, InstanceId, ObjectKey, ServiceId, SnapshotId};

#[derive(Default)]
pub struct State {
    pub instances: HashMap<ObjectKey, Instance>,
    pub by_name: HashMap<(ServiceId, String), Keys>,
    pub by_id: HashMap<InstanceId, Keys>,
    pub snapshots: HashMap<ObjectKey, Snapshot>,
    pub by_instance: HashMap<ObjectKey, Keys>,
    /// Counts what may change the services in use, or the ids in them.
    pub changes: u64,
}

/// What an instance object claims.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    pub uid: String,
    /// Not part of the claim: an older record of the same object must not undo what a newer one said.
    pub version: Version,
    pub created: Option<Timestamp>,
    pub name: HostName,
    pub service: ServiceId,
    pub recorded: Option<InstanceId>,
    pub intent: bool,
    pub observes: bool,
    pub suspended: bool,
    pub deleting: bool,
    pub operating: bool,
    /// Whether it asked ITCare for its own deletion, or was about to.
    pub deleted_by_us: bool,
}

/// What a snapshot object holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    pub uid: String,
    pub version: Version,
    pub instance: ObjectKey,
    pub vm: Option<InstanceId>,
    pub owned: Option<SnapshotId>,
    pub intent: bool,
}

impl Entry for Instance {
    fn uid(&self) -> &str {
        &self.uid
    }

    fn version(&self) -> Version {
        self.version
    }

    fn confirm(&mut self, version: Version) {
        self.version = version;
    }
}

impl Entry for Snapshot {
    fn uid(&self) -> &str {
        &self.uid
    }

    fn version(&self) -> Version {
        self.version
    }

    fn confirm(&mut self, version: Version) {
        self.version = version;
    }
}

/// Smaller wins: a recorded id, then a standing intent, then age.
pub fn rank<'a>(
    entry: &'a Instance,
    key: &'a ObjectKey,
) -> (bool, bool, Option<Timestamp>, &'a str, &'a ObjectKey) {
    (entry.recorded.is_none(), !entry.intent, entry.created, &entry.uid, key)
}

impl State {
    pub fn add_instance(&mut self, key: &ObjectKey, entry: Instance) -> Affected {
        self.changes += 1;
        let mut affected = self.remove_instance(key);
        self.by_name.entry((entry.service, entry.name.folded())).or_default().insert(key.clone());
        if let Some(id) = entry.recorded {
            self.by_id.entry(id).or_default().insert(key.clone());
        }
        self.instances.insert(key.clone(), entry);
        let more = self.affected_by(key);
        affected.instances.extend(more.instances);
        affected.snapshots.extend(more.snapshots);
        affected.instances.retain(|other| other != key);
        affected
    }

    pub fn remove_instance(&mut self, key: &ObjectKey) -> Affected {
        let affected = self.affected_by(key);
        let Some(entry) = self.instances.remove(key) else { return affected };
        self.changes += 1;
        let slot = (entry.service, entry.name.folded());
        if let Some(keys) = self.by_name.get_mut(&slot) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_name.remove(&slot);
            }
        }
        if let Some(id) = entry.recorded
            && let Some(keys) = self.by_id.get_mut(&id)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_id.remove(&id);
            }
        }
        affected
    }

    /// Rivals for name and id, and the snapshots of this object.
    pub fn affected_by(&self, key: &ObjectKey) -> Affected {
        let snapshots = self.by_instance.get(key).into_iter().flatten().cloned().collect();
        let Some(entry) = self.instances.get(key) else {
            return Affected { instances: Vec::new(), snapshots };
        };
        let named = self.by_name.get(&(entry.service, entry.name.folded())).into_iter().flatten();
        let recorded = entry.recorded.and_then(|id| self.by_id.get(&id)).into_iter().flatten();
        let rivals: BTreeSet<ObjectKey> =
            named.chain(recorded).filter(|other| *other != key).cloned().collect();
        Affected { instances: rivals.into_iter().collect(), snapshots }
    }

    pub fn remove_snapshot(&mut self, key: &ObjectKey) -> Option<Snapshot> {
        let entry = self.snapshots.remove(key)?;
        if let Some(keys) = self.by_instance.get_mut(&entry.instance) {
            keys.remove(key);
            if keys.is_empty() {
                self.by_instance.remove(&entry.instance);
            }
        }
        Some(entry)
    }
}
