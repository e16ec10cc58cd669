//! What the passes ask of the index. Nothing here changes it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::state::{Instance, rank};
use super::{Affected, Registry};
use crate::decide::instance::{Claim, SnapshotFacts};
use crate::decide::snapshot::InstanceFacts;
use crate::model::{HostName, InstanceId, ObjectKey, ServiceId};

impl Registry {
    /// Who holds the claim of this object.
    #[must_use]
    pub fn claim(&self, key: &ObjectKey) -> Claim {
        self.with(|state| {
            let Some(entry) = state.instances.get(key) else { return Claim::Held };
            if entry.observes {
                return Claim::Held;
            }
            let same_name = state.by_name.get(&(entry.service, entry.name.folded()));
            let same_id = entry.recorded.and_then(|id| state.by_id.get(&id));
            let rivals = same_name.into_iter().chain(same_id).flatten().filter(|other| *other != key);
            let best = rivals
                .filter_map(|other| state.instances.get(other).map(|rival| (other, rival)))
                .filter(|(_, rival)| !rival.observes)
                .min_by_key(|(other, rival)| rank(rival, other));
            match best {
                Some((other, rival)) if rank(rival, other) < rank(entry, key) => Claim::LostTo(other.clone()),
                Some(_) | None => Claim::Held,
            }
        })
    }

    /// Ids that other objects have recorded under this name and service.
    #[must_use]
    pub fn recorded_elsewhere(&self, key: &ObjectKey, ids: &[InstanceId]) -> Vec<(InstanceId, ObjectKey)> {
        self.with(|state| {
            let rivals = |id: &InstanceId| {
                let others = state.by_id.get(id).into_iter().flatten();
                // Observe neither holds nor needs a claim.
                let manages =
                    |other: &&ObjectKey| state.instances.get(*other).is_some_and(|entry| !entry.observes);
                others
                    .filter(manages)
                    .filter(|other| *other != key)
                    .map(|other| (*id, other.clone()))
                    .collect::<Vec<_>>()
            };
            ids.iter().flat_map(rivals).collect()
        })
    }

    /// What an instance must know of its snapshots.
    #[must_use]
    pub fn snapshots_of(&self, key: &ObjectKey) -> SnapshotFacts {
        self.with(|state| {
            // By reference, and by VM: it may have come to be managed under another object's name.
            let vm = state.instances.get(key).and_then(|entry| entry.recorded);
            let same_vm = state
                .snapshots
                .iter()
                .filter(|(_, entry)| vm.is_some() && entry.vm == vm)
                .map(|(other, _)| other);
            let keys: BTreeSet<&ObjectKey> =
                state.by_instance.get(key).into_iter().flatten().chain(same_vm).collect();
            let mut facts = SnapshotFacts::default();
            for (other, snapshot) in
                keys.into_iter().filter_map(|other| state.snapshots.get(other).map(|entry| (other, entry)))
            {
                if snapshot.intent && facts.intent.is_none() {
                    facts.intent = Some(other.name.to_string());
                }
                if let Some(id) = &snapshot.owned {
                    facts.owned.push((id.clone(), other.name.to_string()));
                }
            }
            facts
        })
    }

    /// Another object of the same VM whose call may be in flight.
    #[must_use]
    pub fn sibling_intent(
        &self,
        key: &ObjectKey,
        instance: &ObjectKey,
        vm: Option<InstanceId>,
    ) -> Option<String> {
        self.with(|state| {
            let snapshots = state.snapshots.iter().filter(|(other, entry)| {
                *other != key
                    && entry.intent
                    && (entry.instance == *instance || (vm.is_some() && entry.vm == vm))
            });
            let snapshots = snapshots.map(|(other, _)| format!("ITCareSnapshot {}", other.name));
            // The VM may have come to be managed under another object's name.
            let managers = vm.and_then(|vm| state.by_id.get(&vm)).into_iter().flatten();
            let busy = |other: &&ObjectKey| state.instances.get(*other).is_some_and(|entry| entry.intent);
            let managers = managers.filter(busy).map(|other| format!("ITCareInstance {}", other.name));
            snapshots.chain(managers).min()
        })
    }

    /// What a snapshot must know of its instance; `None` when there is no such object.
    #[must_use]
    pub fn instance_standing(&self, key: &ObjectKey) -> Option<InstanceFacts> {
        let claim = self.claim(key);
        self.with(|state| {
            let entry = state.instances.get(key)?;
            let refuses = if entry.deleting {
                Some("it is being deleted".to_owned())
            } else if entry.suspended {
                Some("it is suspended".to_owned())
            } else if entry.observes {
                Some("its managementPolicy is Observe".to_owned())
            } else {
                match claim {
                    Claim::Held => None,
                    Claim::LostTo(other) => Some(format!("{other} manages its VM")),
                }
            };
            Some(InstanceFacts {
                id: entry.recorded,
                name: entry.name.clone(),
                service: entry.service,
                refuses,
                intent: entry.intent,
                operating: entry.operating,
            })
        })
    }

    /// Another number whenever [`Registry::in_use`] may tell something else.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.with(|state| state.changes)
    }

    /// The services in use, with the ids recorded in each, but for those that we asked ITCare to delete. Whoever is
    /// suspended, or whose namespace is not `allowed` the service, uses none, but for what came of a call.
    #[must_use]
    pub fn in_use(
        &self,
        allowed: impl Fn(&ObjectKey, ServiceId) -> bool,
    ) -> BTreeMap<ServiceId, BTreeSet<InstanceId>> {
        self.with(|state| {
            let uses = |(key, entry): &(&ObjectKey, &Instance)| {
                entry.intent || entry.operating || !entry.suspended && allowed(key, entry.service)
            };
            let mut all: BTreeMap<ServiceId, BTreeSet<InstanceId>> = BTreeMap::new();
            for (_, entry) in state.instances.iter().filter(uses) {
                all.entry(entry.service).or_default();
            }
            for entry in state.instances.values() {
                if let Some(ids) = all.get_mut(&entry.service) {
                    ids.extend(entry.recorded.filter(|_| !entry.deleted_by_us));
                }
            }
            all
        })
    }

    /// The VM that an object records, unless ITCare was asked to delete it.
    #[must_use]
    pub fn recorded(&self, key: &ObjectKey) -> Option<(ServiceId, InstanceId)> {
        self.with(|state| {
            let entry = state.instances.get(key).filter(|entry| !entry.deleted_by_us)?;
            Some((entry.service, entry.recorded?))
        })
    }

    /// The VMs of other objects of that service that are being deleted, and of which nothing tells that we asked
    /// ITCare to delete them.
    #[must_use]
    pub fn untold_deletions(&self, service: ServiceId, key: &ObjectKey) -> Vec<InstanceId> {
        self.with(|state| {
            let others = state.instances.iter().filter(|(other, entry)| {
                *other != key && entry.service == service && entry.deleting && !entry.deleted_by_us
            });
            others.filter_map(|(_, entry)| entry.recorded).collect()
        })
    }

    /// The instance objects that care about this VM.
    #[must_use]
    pub fn interested(&self, service: ServiceId, id: InstanceId, name: &HostName) -> Vec<ObjectKey> {
        self.with(|state| {
            let named = state.by_name.get(&(service, name.folded())).into_iter().flatten();
            let recorded = state.by_id.get(&id).into_iter().flatten();
            let all: BTreeSet<ObjectKey> = named.chain(recorded).cloned().collect();
            all.into_iter().collect()
        })
    }

    /// The objects of VMs of these names, in any service: an action does not tell its own.
    #[must_use]
    pub fn waiting_on(&self, names: &[HostName]) -> Affected {
        let names: HashSet<String> = names.iter().map(HostName::folded).collect();
        self.with(|state| {
            let named = state.by_name.iter().filter(|((_, name), _)| names.contains(name));
            let instances: Vec<ObjectKey> = named.flat_map(|(_, keys)| keys).cloned().collect();
            let snapshots = instances.iter().filter_map(|key| state.by_instance.get(key)).flatten();
            Affected { snapshots: snapshots.cloned().collect(), instances }
        })
    }

    /// All instance objects of a service.
    #[must_use]
    pub fn of_service(&self, service: ServiceId) -> Vec<ObjectKey> {
        self.with(|state| {
            let of = |entry: &Instance| entry.service == service;
            state.instances.iter().filter(|(_, entry)| of(entry)).map(|(key, _)| key.clone()).collect()
        })
    }
}
