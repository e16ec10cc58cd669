//! Who claims what: an index over all watched objects, complete before anything is decided (DESIGN 5.4).
//!
//! Fed by the watches, read by every pass. A recorded id beats a standing intent beats age. It holds no
//! decision: it only answers who else wants the same VM.

use std::sync::{Arc, Mutex, PoisonError};

use self::state::{Instance, Snapshot, State};
use super::source::{Source, Version, is_news};
use crate::crd::instance::ManagementPolicy;
use crate::crd::{ITCareInstance, ITCareSnapshot, Record};
use crate::model::{ClusterId, HostName, Ledger, ObjectKey, OperationKind, ServiceId};

mod ask;
mod keys;
mod state;

/// The index; cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Mutex<State>>, Arc<Vec<ClusterId>>);

/// Whom to wake after a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Instance objects.
    pub instances: Vec<ObjectKey>,
    /// Snapshot objects.
    pub snapshots: Vec<ObjectKey>,
}

/// What is read of an instance's status. It is read of each change of each object: a tenth of the whole.
#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Operations {
    operation: Option<Kind>,
    last_operation: Option<Kind>,
}

#[derive(serde::Deserialize)]
struct Kind {
    kind: OperationKind,
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

    /// The ledger of an object, if it is one that counts: of this object, in a cluster of ours. A copy that cannot be
    /// read takes no claim away that the other one states.
    fn ledger(&self, key: &ObjectKey, annotation: Option<&str>, status: Option<&str>) -> Option<Ledger> {
        let object = key.to_string();
        let of = |annotation, status| Ledger::of(&object, annotation, status);
        let either = of(annotation, status).or_else(|_| of(None, status)).or_else(|_| of(annotation, None));
        let ledger = either.ok().flatten()?;
        (ledger.object == object && self.1.contains(&ledger.cluster)).then_some(ledger)
    }

    /// An instance object came or changed.
    #[must_use]
    pub fn apply_instance(&self, record: &Record<ITCareInstance>, source: Source) -> Affected {
        let key = record.key.clone();
        let status: Operations = serde_json::from_str(&record.status_text()).unwrap_or_default();
        let ledger = self.ledger(&key, record.ledger().as_deref(), record.ledger_copy().as_deref());
        let uid = record.uid.to_string();
        let version = Version(record.version_number());
        let Ok(spec) = record.spec() else {
            return self.undecodable_instance(&key, &uid, (version, source), ledger.as_ref());
        };
        let deletes = |operation: &Option<Kind>| {
            operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::Delete)
        };
        let entry = Instance {
            uid,
            version,
            created: record.created,
            name: HostName::new(spec.name.clone()),
            service: ServiceId::new(spec.service_id),
            recorded: ledger.as_ref().and_then(|ledger| ledger.instance),
            intent: ledger.as_ref().is_some_and(|ledger| ledger.intent.is_some()),
            observes: spec.management_policy == ManagementPolicy::Observe,
            suspended: spec.suspend,
            deleting: record.deleted.is_some(),
            operating: status.operation.is_some(),
            deleted_by_us: record.deleted.is_some() && ledger.as_ref().is_some_and(|ledger| ledger.deletes)
                || deletes(&status.operation)
                || deletes(&status.last_operation),
        };
        self.with(|state| {
            if !is_news(state.instances.get_mut(&key), &entry, source) {
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
                state.changes += 1;
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
        let key = record.key.clone();
        // What an undecodable snapshot held before still counts.
        let Ok(spec) = record.spec() else { return Affected::default() };
        let ledger = self.ledger(&key, record.ledger().as_deref(), record.ledger_copy().as_deref());
        let entry = Snapshot {
            uid: record.uid.to_string(),
            version: Version(record.version_number()),
            instance: ObjectKey::new(key.namespace.clone(), spec.instance_ref.name.clone()),
            vm: ledger.as_ref().and_then(|ledger| ledger.instance),
            owned: ledger.as_ref().and_then(|ledger| ledger.snapshot.clone()),
            intent: ledger.as_ref().is_some_and(|ledger| ledger.intent.is_some()),
        };
        self.with(|state| {
            if !is_news(state.snapshots.get_mut(&key), &entry, source) {
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
}
