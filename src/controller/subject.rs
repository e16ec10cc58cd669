//! The two kinds as the generic pass sees them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::memory::Objects;
use crate::crd::{ITCareInstance, ITCareSnapshot, Kind, Record};
use crate::decide::instance::{self, ObjectFacts, View};
use crate::decide::snapshot::{self, InstanceFacts, SnapshotView};
use crate::decide::{Cloud, Decision, Memory, Outcome, Site, Step};
use crate::model::{HostName, InstanceId, Ledger, LedgerError, Moment, ObjectKey, ServiceId};

/// What a pass knows of its object, whatever its kind.
pub struct Gathered<K: Subject> {
    /// The object, at least as new as our last write.
    pub record: Arc<Record<K>>,
    /// Its spec.
    pub spec: K::Spec,
    /// Its status.
    pub status: K::Status,
    /// What the decision sees of its metadata.
    pub object: ObjectFacts,
    /// Its ledger.
    pub ledger: Result<Option<Ledger>, LedgerError>,
    /// Where we run.
    pub site: Site,
    /// What was seen of the cloud so far.
    pub cloud: Cloud,
    /// What is remembered.
    pub memory: Memory,
    /// When the pass began.
    pub pass: Duration,
    /// When a look is due though nothing asks for it.
    pub due: Duration,
    /// What only this kind needs.
    pub more: K::More,
}

/// The VM that an object is about.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its name.
    pub name: HostName,
    /// Its service.
    pub service: ServiceId,
    /// Its id, if it is known.
    pub id: Option<InstanceId>,
}

/// A kind that the generic pass can drive.
pub trait Subject: Kind + Sized {
    /// What only this kind needs from the registry.
    type More: Debug + Send + Sync;

    /// Its memory.
    fn objects(context: &Context) -> &Objects<Self>;
    /// The VM that it is about; `None` when it cannot be known.
    fn machine(context: &Context, key: &ObjectKey, spec: &Self::Spec, ledger: Option<&Ledger>) -> Option<Machine>;
    /// Asks the registry.
    fn more(context: &Context, key: &ObjectKey, spec: &Self::Spec, machine: Option<&Machine>, cloud: &Cloud) -> Self::More;
    /// The decision.
    fn decide(gathered: &Gathered<Self>, now: Moment) -> Decision<Self::Status>;
    /// What follows from the outcome of an effect.
    fn after(
        gathered: &Gathered<Self>,
        step: &Step,
        outcome: &Outcome,
        ledger: Option<Ledger>,
        now: Moment,
    ) -> Decision<Self::Status>;
    /// The second copy of the ledger.
    fn ledger_copy(status: &Self::Status) -> Option<&str>;
    /// Its conditions.
    fn conditions(status: &Self::Status) -> &[crate::crd::Condition];
    /// The id of the action that it follows, with its kind.
    fn followed(status: &Self::Status) -> Option<&crate::crd::status::Operation>;
    /// An operation ended in this pass.
    fn operation_ended(context: &Context, machine: Option<&Machine>);
    /// The status of an object whose spec cannot be decoded.
    fn undecodable(status: &Self::Status, conditions: Vec<crate::crd::Condition>, generation: i64) -> Self::Status;
}

/// What the instance needs from the registry.
#[derive(Debug)]
pub struct InstanceMore {
    claim: instance::Claim,
    recorded_elsewhere: Vec<(InstanceId, ObjectKey)>,
    snapshots: instance::SnapshotFacts,
    service_allowed: bool,
}

impl Subject for ITCareInstance {
    type More = InstanceMore;

    fn objects(context: &Context) -> &Objects<Self> {
        &context.instances
    }

    fn machine(_: &Context, _: &ObjectKey, spec: &Self::Spec, ledger: Option<&Ledger>) -> Option<Machine> {
        let recorded = ledger.and_then(|ledger| ledger.instance);
        Some(Machine {
            name: HostName::new(spec.name.clone()),
            service: ServiceId::new(spec.service_id),
            id: recorded.or(spec.instance_id.map(InstanceId::new)),
        })
    }

    fn more(context: &Context, key: &ObjectKey, spec: &Self::Spec, machine: Option<&Machine>, cloud: &Cloud) -> InstanceMore {
        let named = cloud.named.as_ref().value().into_iter().flatten().map(|item| item.id);
        let looked = cloud.look.iter().flat_map(|look| &look.instances).map(|item| item.id);
        let ids: Vec<InstanceId> = named.chain(looked).chain(machine.and_then(|machine| machine.id)).collect();
        InstanceMore {
            claim: context.registry.claim(key),
            recorded_elsewhere: context.registry.recorded_elsewhere(key, &ids),
            snapshots: context.registry.snapshots_of(key),
            service_allowed: context.allows(&key.namespace, ServiceId::new(spec.service_id)),
        }
    }

    fn decide(gathered: &Gathered<Self>, now: Moment) -> Decision<Self::Status> {
        instance::next(&view(gathered, now))
    }

    fn after(
        gathered: &Gathered<Self>,
        step: &Step,
        outcome: &Outcome,
        ledger: Option<Ledger>,
        now: Moment,
    ) -> Decision<Self::Status> {
        instance::after(&view(gathered, now), step, outcome, ledger, now)
    }

    fn ledger_copy(status: &Self::Status) -> Option<&str> {
        status.ledger.as_deref()
    }

    fn conditions(status: &Self::Status) -> &[crate::crd::Condition] {
        &status.conditions
    }

    fn followed(status: &Self::Status) -> Option<&crate::crd::status::Operation> {
        status.operation.as_ref()
    }

    /// Its own pass has looked at the VM after it.
    fn operation_ended(_: &Context, _: Option<&Machine>) {}

    fn undecodable(status: &Self::Status, conditions: Vec<crate::crd::Condition>, generation: i64) -> Self::Status {
        Self::Status { conditions, observed_generation: Some(generation), ..status.clone() }
    }
}

fn view(gathered: &Gathered<ITCareInstance>, now: Moment) -> View<'_> {
    View {
        object: gathered.object.clone(),
        spec: &gathered.spec,
        status: &gathered.status,
        ledger: gathered.ledger.clone(),
        site: &gathered.site,
        service_allowed: gathered.more.service_allowed,
        claim: gathered.more.claim.clone(),
        recorded_elsewhere: gathered.more.recorded_elsewhere.clone(),
        snapshots: gathered.more.snapshots.clone(),
        cloud: gathered.cloud.clone(),
        memory: gathered.memory.clone(),
        detail_due: gathered.due,
        now,
        pass: gathered.pass,
    }
}

/// What the snapshot needs from the registry.
#[derive(Debug)]
pub struct SnapshotMore {
    instance: Option<InstanceFacts>,
    sibling_intent: Option<String>,
    slot_timeout: Duration,
}

impl Subject for ITCareSnapshot {
    type More = SnapshotMore;

    fn objects(context: &Context) -> &Objects<Self> {
        &context.snapshots
    }

    fn machine(context: &Context, key: &ObjectKey, spec: &Self::Spec, ledger: Option<&Ledger>) -> Option<Machine> {
        let recorded = ledger.and_then(|ledger| {
            Some(Machine { name: ledger.name.clone()?, service: ledger.service?, id: ledger.instance })
        });
        recorded.or_else(|| {
            let instance = ObjectKey::new(key.namespace.clone(), spec.instance_ref.name.clone());
            let standing = context.registry.instance_standing(&instance)?;
            Some(Machine { name: standing.name, service: standing.service, id: standing.id })
        })
    }

    fn more(context: &Context, key: &ObjectKey, spec: &Self::Spec, machine: Option<&Machine>, _: &Cloud) -> SnapshotMore {
        let instance = ObjectKey::new(key.namespace.clone(), spec.instance_ref.name.clone());
        let standing = context.registry.instance_standing(&instance).map(|standing| InstanceFacts {
            id: standing.id,
            name: standing.name,
            service: standing.service,
            refuses: standing.refuses,
            busy: standing.busy,
        });
        SnapshotMore {
            instance: standing,
            sibling_intent: context.registry.sibling_intent(key, &instance, machine.and_then(|machine| machine.id)),
            slot_timeout: crate::crd::snapshot::slot_timeout(spec),
        }
    }

    fn decide(gathered: &Gathered<Self>, now: Moment) -> Decision<Self::Status> {
        snapshot::next(&snapshot_view(gathered, now))
    }

    fn after(
        gathered: &Gathered<Self>,
        step: &Step,
        outcome: &Outcome,
        ledger: Option<Ledger>,
        now: Moment,
    ) -> Decision<Self::Status> {
        snapshot::after(&snapshot_view(gathered, now), step, outcome, ledger, now)
    }

    fn ledger_copy(status: &Self::Status) -> Option<&str> {
        status.ledger.as_deref()
    }

    fn conditions(status: &Self::Status) -> &[crate::crd::Condition] {
        &status.conditions
    }

    fn followed(status: &Self::Status) -> Option<&crate::crd::status::Operation> {
        status.operation.as_ref()
    }

    /// The slot changed, which the instance shows: what it knows of the VM is from before.
    fn operation_ended(context: &Context, machine: Option<&Machine>) {
        if let Some(machine) = machine {
            context.machines.effect_ended(machine.service, &machine.name, context.now().mono);
        }
    }

    fn undecodable(status: &Self::Status, conditions: Vec<crate::crd::Condition>, generation: i64) -> Self::Status {
        Self::Status { conditions, observed_generation: Some(generation), ..status.clone() }
    }
}

fn snapshot_view(gathered: &Gathered<ITCareSnapshot>, now: Moment) -> SnapshotView<'_> {
    SnapshotView {
        object: gathered.object.clone(),
        spec: &gathered.spec,
        status: &gathered.status,
        ledger: gathered.ledger.clone(),
        site: &gathered.site,
        instance: gathered.more.instance.clone(),
        sibling_intent: gathered.more.sibling_intent.clone(),
        slot_timeout: gathered.more.slot_timeout,
        cloud: gathered.cloud.clone(),
        memory: gathered.memory.clone(),
        slot_due: gathered.due,
        now,
        pass: gathered.pass,
    }
}
