//! Who claims what: an index over all watched objects, complete before anything is decided (DESIGN 5.4).
//!
//! Fed by the watches, read by every pass. A recorded id beats a standing intent beats age. It holds no
//! decision: it only answers who else wants the same VM.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::source::{Source, Version};
use crate::crd::instance::ManagementPolicy;
use crate::crd::{ITCareInstance, ITCareSnapshot, LEDGER_ANNOTATION, Record};
use crate::decide::instance::{Claim, SnapshotFacts};
use crate::model::{
    ClusterId, HostName, InstanceId, Ledger, ObjectKey, OperationKind, ServiceId, SnapshotId,
};

/// The index; cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Mutex<State>>, Arc<Vec<ClusterId>>);

#[derive(Default)]
struct State {
    instances: HashMap<ObjectKey, Instance>,
    by_name: HashMap<(ServiceId, String), BTreeSet<ObjectKey>>,
    by_id: HashMap<InstanceId, BTreeSet<ObjectKey>>,
    snapshots: HashMap<ObjectKey, Snapshot>,
    by_instance: HashMap<ObjectKey, BTreeSet<ObjectKey>>,
}

/// What an instance object claims.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Instance {
    uid: String,
    /// Not part of the claim: an older record of the same object must not undo what a newer one said.
    version: Version,
    created: Option<Timestamp>,
    name: HostName,
    service: ServiceId,
    recorded: Option<InstanceId>,
    intent: bool,
    observes: bool,
    suspended: bool,
    deleting: bool,
    operating: bool,
    /// Whether it asked ITCare for its own deletion, or was about to.
    deleted_by_us: bool,
}

/// What a snapshot object holds.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Snapshot {
    uid: String,
    version: Version,
    instance: ObjectKey,
    vm: Option<InstanceId>,
    owned: Option<SnapshotId>,
    intent: bool,
}

/// Whom to wake after a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Instance objects.
    pub instances: Vec<ObjectKey>,
    /// Snapshot objects.
    pub snapshots: Vec<ObjectKey>,
}

/// What a snapshot must know of its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceStanding {
    /// Its VM.
    pub id: Option<InstanceId>,
    /// Its host name.
    pub name: HostName,
    /// Its service.
    pub service: ServiceId,
    /// Why it takes no snapshots.
    pub refuses: Option<String>,
    /// Whether a call of its own that must not run twice may be in flight.
    pub intent: bool,
    /// Whether it follows an operation.
    pub operating: bool,
}

impl Registry {
    /// An empty index of a cluster that was known by these ids too.
    #[must_use]
    pub fn new(clusters: Vec<ClusterId>) -> Self {
        Self(Arc::default(), Arc::new(clusters))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The ledger of an object, if it is one that counts: of this object, in a cluster of ours.
    fn ledger(&self, key: &ObjectKey, annotation: Option<&str>, status: Option<&str>) -> Option<Ledger> {
        let object = key.to_string();
        let ledger = Ledger::of(&object, annotation, status).ok().flatten()?;
        (ledger.object == object && self.1.contains(&ledger.cluster)).then_some(ledger)
    }

    /// An instance object came or changed.
    #[must_use]
    pub fn apply_instance(&self, record: &Record<ITCareInstance>, source: Source) -> Affected {
        let Some(key) = key_of(record.metadata.namespace.as_deref(), record.metadata.name.as_deref()) else {
            return Affected::default();
        };
        let status = record.status();
        let ledger = self.ledger(&key, record.annotation(LEDGER_ANNOTATION), status.ledger.as_deref());
        let uid = record.metadata.uid.clone().unwrap_or_default();
        let version = Version(record.version());
        let Ok(spec) = &record.spec else {
            return self.undecodable_instance(&key, &uid, (version, source), ledger.as_ref());
        };
        let deletes = |kind: Option<OperationKind>| kind == Some(OperationKind::Delete);
        let entry = Instance {
            uid,
            version,
            created: record.metadata.creation_timestamp.as_ref().map(|time| time.0),
            name: HostName::new(spec.name.clone()),
            service: ServiceId::new(spec.service_id),
            recorded: ledger.as_ref().and_then(|ledger| ledger.instance),
            intent: ledger.as_ref().is_some_and(|ledger| ledger.intent.is_some()),
            observes: spec.management_policy == ManagementPolicy::Observe,
            suspended: spec.suspend,
            deleting: record.metadata.deletion_timestamp.is_some(),
            operating: status.operation.is_some(),
            deleted_by_us: record.metadata.deletion_timestamp.is_some()
                && ledger.as_ref().is_some_and(|ledger| ledger.deletes)
                || deletes(status.operation.as_ref().map(|operation| operation.kind))
                || deletes(status.last_operation.as_ref().map(|last| last.kind)),
        };
        self.with(|state| {
            if let Some(known) = state.instances.get_mut(&key).filter(|known| known.uid == entry.uid) {
                if entry.version.is_older_than(known.version) {
                    return Affected::default();
                }
                if *known == entry {
                    known.version = entry.version;
                    return Affected::default();
                }
            } else if source == Source::Answer {
                return Affected::default();
            }
            state.add_instance(&key, entry)
        })
    }

    /// An instance object whose spec cannot be decoded keeps its claim: a CRD that was changed must not hand its
    /// VM to somebody else.
    fn undecodable_instance(
        &self,
        key: &ObjectKey,
        uid: &str,
        (version, source): (Version, Source),
        ledger: Option<&Ledger>,
    ) -> Affected {
        self.with(|state| {
            if let Some(known) = state.instances.get_mut(key).filter(|known| known.uid == uid) {
                if version.is_older_than(known.version) {
                    return Affected::default();
                }
                known.version = version;
                known.recorded = known.recorded.or(ledger.and_then(|ledger| ledger.instance));
                known.intent = ledger.is_some_and(|ledger| ledger.intent.is_some());
                return Affected::default();
            }
            if source == Source::Answer {
                return Affected::default();
            }
            let named = ledger.and_then(|ledger| Some((ledger.name.clone()?, ledger.service?, ledger)));
            let Some((name, service, ledger)) = named else { return state.remove_instance(key) };
            let entry = Instance {
                uid: uid.to_owned(),
                version,
                created: None,
                name,
                service,
                recorded: ledger.instance,
                intent: ledger.intent.is_some(),
                observes: false,
                suspended: true,
                deleting: false,
                operating: false,
                deleted_by_us: false,
            };
            state.add_instance(key, entry)
        })
    }

    /// An instance object is gone.
    #[must_use]
    pub fn forget_instance(&self, key: &ObjectKey) -> Affected {
        self.with(|state| state.remove_instance(key))
    }

    /// A snapshot object came or changed.
    #[must_use]
    pub fn apply_snapshot(&self, record: &Record<ITCareSnapshot>, source: Source) -> Affected {
        let Some(key) = key_of(record.metadata.namespace.as_deref(), record.metadata.name.as_deref()) else {
            return Affected::default();
        };
        // What an undecodable snapshot held before still counts.
        let Ok(spec) = &record.spec else { return Affected::default() };
        let status = record.status();
        let ledger = self.ledger(&key, record.annotation(LEDGER_ANNOTATION), status.ledger.as_deref());
        let entry = Snapshot {
            uid: record.metadata.uid.clone().unwrap_or_default(),
            version: Version(record.version()),
            instance: ObjectKey::new(key.namespace.clone(), spec.instance_ref.name.clone()),
            vm: ledger.as_ref().and_then(|ledger| ledger.instance),
            owned: ledger.as_ref().and_then(|ledger| ledger.snapshot.clone()),
            intent: ledger.as_ref().is_some_and(|ledger| ledger.intent.is_some()),
        };
        self.with(|state| {
            if let Some(known) = state.snapshots.get_mut(&key).filter(|known| known.uid == entry.uid) {
                if entry.version.is_older_than(known.version) {
                    return Affected::default();
                }
                if *known == entry {
                    known.version = entry.version;
                    return Affected::default();
                }
            } else if source == Source::Answer {
                return Affected::default();
            }
            state.remove_snapshot(&key);
            let instance = entry.instance.clone();
            state.by_instance.entry(instance.clone()).or_default().insert(key.clone());
            state.snapshots.insert(key.clone(), entry);
            let mut snapshots: Vec<ObjectKey> =
                state.by_instance.get(&instance).into_iter().flatten().cloned().collect();
            snapshots.retain(|other| *other != key);
            Affected { instances: vec![instance], snapshots }
        })
    }

    /// A snapshot object is gone.
    #[must_use]
    pub fn forget_snapshot(&self, key: &ObjectKey) -> Affected {
        self.with(|state| {
            let Some(entry) = state.remove_snapshot(key) else { return Affected::default() };
            let snapshots = state.by_instance.get(&entry.instance).into_iter().flatten().cloned().collect();
            Affected { instances: vec![entry.instance], snapshots }
        })
    }

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
                    facts.intent = Some(other.name.clone());
                }
                if let Some(id) = &snapshot.owned {
                    facts.owned.push((id.clone(), other.name.clone()));
                }
            }
            facts
        })
    }

    /// Another snapshot of the same VM whose call may be in flight.
    #[must_use]
    pub fn sibling_intent(
        &self,
        key: &ObjectKey,
        instance: &ObjectKey,
        vm: Option<InstanceId>,
    ) -> Option<String> {
        self.with(|state| {
            state
                .snapshots
                .iter()
                .filter(|(other, entry)| {
                    *other != key
                        && entry.intent
                        && (entry.instance == *instance || (vm.is_some() && entry.vm == vm))
                })
                .map(|(other, _)| other.name.clone())
                .min()
        })
    }

    /// What a snapshot must know of its instance; `None` when there is no such object.
    #[must_use]
    pub fn instance_standing(&self, key: &ObjectKey) -> Option<InstanceStanding> {
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
            Some(InstanceStanding {
                id: entry.recorded,
                name: entry.name.clone(),
                service: entry.service,
                refuses,
                intent: entry.intent,
                operating: entry.operating,
            })
        })
    }

    /// All instance objects.
    #[must_use]
    pub fn instances(&self) -> Vec<ObjectKey> {
        self.with(|state| state.instances.keys().cloned().collect())
    }

    /// All snapshot objects.
    #[must_use]
    pub fn snapshots(&self) -> Vec<ObjectKey> {
        self.with(|state| state.snapshots.keys().cloned().collect())
    }

    /// The services in use, with the ids recorded in each, but for those that we asked ITCare to delete.
    #[must_use]
    pub fn in_use(&self) -> BTreeMap<ServiceId, BTreeSet<InstanceId>> {
        self.with(|state| {
            let mut all: BTreeMap<ServiceId, BTreeSet<InstanceId>> = BTreeMap::new();
            for entry in state.instances.values() {
                let ids = all.entry(entry.service).or_default();
                ids.extend(entry.recorded.filter(|_| !entry.deleted_by_us));
            }
            all
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

    /// All instance objects of a service.
    #[must_use]
    pub fn of_service(&self, service: ServiceId) -> Vec<ObjectKey> {
        self.with(|state| {
            let of = |entry: &Instance| entry.service == service;
            state.instances.iter().filter(|(_, entry)| of(entry)).map(|(key, _)| key.clone()).collect()
        })
    }
}

/// Smaller wins: a recorded id, then a standing intent, then age.
fn rank<'a>(
    entry: &'a Instance,
    key: &'a ObjectKey,
) -> (bool, bool, Option<Timestamp>, &'a str, &'a ObjectKey) {
    (entry.recorded.is_none(), !entry.intent, entry.created, &entry.uid, key)
}

/// From the optional parts of metadata.
pub(super) fn key_of(namespace: Option<&str>, name: Option<&str>) -> Option<ObjectKey> {
    Some(ObjectKey::new(namespace?, name?))
}

impl State {
    fn add_instance(&mut self, key: &ObjectKey, entry: Instance) -> Affected {
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

    fn remove_instance(&mut self, key: &ObjectKey) -> Affected {
        let affected = self.affected_by(key);
        let Some(entry) = self.instances.remove(key) else { return affected };
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
    fn affected_by(&self, key: &ObjectKey) -> Affected {
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

    fn remove_snapshot(&mut self, key: &ObjectKey) -> Option<Snapshot> {
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
