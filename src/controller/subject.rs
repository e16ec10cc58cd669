//! The two kinds as the generic pass sees them.

use std::fmt::Debug;
use std::time::Duration;

use super::Context;
use super::objects::Objects;
use super::queue::Item;
use super::registry::Affected;
use super::source::Source;
use crate::crd::{ITCareInstance, ITCareSnapshot, InstanceStatus, Kind, Record, SnapshotStatus};
use crate::decide::instance::{self, ObjectFacts, View};
use crate::decide::snapshot::{self, InstanceFacts, SnapshotView};
use crate::decide::{Cloud, Decision, Memory, Outcome, Site};
use crate::model::{
    ActionId, HostName, InstanceId, Ledger, LedgerError, Moment, ObjectKey, OperationKind, ServiceId,
};

/// What a pass knows of its object, whatever its kind.
pub struct Gathered<K: Subject> {
    /// The object, at least as new as our last write.
    pub record: Record<K>,
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
    /// Whether the ledger is of this very object.
    pub ledger_fits: bool,
    /// How often the object had been woken when this was seen.
    pub wakes: u32,
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

    /// All of this kind.
    fn objects(context: &Context) -> &Objects<Self>;
    /// One of them, as it queues.
    fn item(key: ObjectKey) -> Item;
    /// The VM that it is about; `None` when it cannot be known.
    fn machine(
        context: &Context,
        key: &ObjectKey,
        spec: &Self::Spec,
        ledger: Option<&Ledger>,
    ) -> Option<Machine>;
    /// Asks the registry.
    fn more(
        context: &Context,
        key: &ObjectKey,
        spec: &Self::Spec,
        machine: Option<&Machine>,
        cloud: &Cloud,
    ) -> Self::More;
    /// The decision.
    fn decide(gathered: &Gathered<Self>, now: Moment) -> Decision<Self::Status>;
    /// What follows from the outcome of an effect.
    fn after(
        gathered: &Gathered<Self>,
        decided: &Decision<Self::Status>,
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
    /// The operation that ended last.
    fn ended(status: &Self::Status) -> Option<&crate::crd::status::LastOperation>;
    /// It came or changed: whom else that concerns.
    fn apply(context: &Context, record: &Record<Self>) -> Affected;
    /// It is gone: whom else that concerns.
    fn forget(context: &Context, key: &ObjectKey) -> Affected;
    /// Notes what a write of ours returned: the next pass sees it, and so do all that ask who claims what.
    fn wrote(context: &Context, record: Record<Self>);
    /// An operation ended in this pass.
    fn operation_ended(context: &Context, gathered: &Gathered<Self>, machine: Option<&Machine>);
    /// The status of an object whose spec cannot be decoded.
    fn undecodable(
        status: &Self::Status,
        conditions: Vec<crate::crd::Condition>,
        generation: i64,
    ) -> Self::Status;
}

/// What the instance needs from the registry.
#[derive(Debug)]
pub struct InstanceMore {
    claim: instance::Claim,
    recorded_elsewhere: Vec<(InstanceId, ObjectKey)>,
    snapshots: instance::SnapshotFacts,
    service_allowed: bool,
}

/// Into the index of claims, and from there to the inventory: what it records is missed when it vanishes.
fn index(context: &Context, record: &Record<ITCareInstance>, source: Source) -> Affected {
    let affected = context.registry.apply_instance(record, source);
    if let Some((service, id)) = context.registry.recorded(&record.key) {
        context.inventory.records(service, id);
    }
    affected
}

impl Subject for ITCareInstance {
    type More = InstanceMore;

    fn objects(context: &Context) -> &Objects<Self> {
        &context.instances
    }

    fn item(key: ObjectKey) -> Item {
        Item::Instance(key)
    }

    fn machine(_: &Context, _: &ObjectKey, spec: &Self::Spec, ledger: Option<&Ledger>) -> Option<Machine> {
        let recorded = ledger.and_then(|ledger| ledger.instance);
        Some(Machine {
            name: HostName::new(spec.name.clone()),
            service: ServiceId::new(spec.service_id),
            id: recorded.or(spec.instance_id.map(InstanceId::new)),
        })
    }

    fn more(
        context: &Context,
        key: &ObjectKey,
        spec: &Self::Spec,
        machine: Option<&Machine>,
        cloud: &Cloud,
    ) -> InstanceMore {
        let named = cloud.arrived.as_ref().value().into_iter().flatten().map(|item| item.id);
        let looked = cloud.look.iter().flat_map(|look| &look.instances).map(|item| item.id);
        let ids: Vec<InstanceId> =
            named.chain(looked).chain(machine.and_then(|machine| machine.id)).collect();
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
        decided: &Decision<Self::Status>,
        outcome: &Outcome,
        ledger: Option<Ledger>,
        now: Moment,
    ) -> Decision<Self::Status> {
        // What the decision noted of the VM stays noted; conditions follow those that were written last.
        let status =
            InstanceStatus { conditions: gathered.status.conditions.clone(), ..decided.status.clone() };
        let view = View { status: &status, ..view(gathered, now) };
        instance::after(&view, &decided.step, outcome, ledger, now)
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

    fn ended(status: &Self::Status) -> Option<&crate::crd::status::LastOperation> {
        status.last_operation.as_ref()
    }

    fn apply(context: &Context, record: &Record<Self>) -> Affected {
        index(context, record, Source::Watch)
    }

    fn forget(context: &Context, key: &ObjectKey) -> Affected {
        context.instances.forget(key);
        context.queue.forget(&Self::item(key.clone()));
        context.registry.forget_instance(key)
    }

    fn wrote(context: &Context, record: Record<Self>) {
        let affected = index(context, &record, Source::Answer);
        context.instances.wrote(record);
        context.wake(affected);
    }

    /// Its own pass has looked at the VM after it; a creation teaches who we are.
    fn operation_ended(context: &Context, gathered: &Gathered<Self>, _: Option<&Machine>) {
        let Some(operation) = gathered.status.operation.as_ref() else { return };
        let ours = operation.action_id.is_some_and(|id| context.machines.is_replied(ActionId::new(id)));
        if ours && operation.kind == OperationKind::Create {
            let detail = gathered.cloud.detail.as_ref().value();
            context.machines.learn_creator(detail.and_then(|detail| detail.creation_user.as_deref()));
        }
    }

    fn undecodable(
        status: &Self::Status,
        conditions: Vec<crate::crd::Condition>,
        generation: i64,
    ) -> Self::Status {
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
    service_allowed: bool,
    sibling_intent: Option<String>,
    slot_timeout: Duration,
}

impl Subject for ITCareSnapshot {
    type More = SnapshotMore;

    fn objects(context: &Context) -> &Objects<Self> {
        &context.snapshots
    }

    fn item(key: ObjectKey) -> Item {
        Item::Snapshot(key)
    }

    fn machine(
        context: &Context,
        key: &ObjectKey,
        spec: &Self::Spec,
        ledger: Option<&Ledger>,
    ) -> Option<Machine> {
        let recorded = ledger.and_then(|ledger| {
            Some(Machine { name: ledger.name.clone()?, service: ledger.service?, id: ledger.instance })
        });
        recorded.or_else(|| {
            let instance = ObjectKey::new(key.namespace.clone(), spec.instance_ref.name.clone());
            let standing = context.registry.instance_standing(&instance)?;
            Some(Machine { name: standing.name, service: standing.service, id: standing.id })
        })
    }

    fn more(
        context: &Context,
        key: &ObjectKey,
        spec: &Self::Spec,
        machine: Option<&Machine>,
        _: &Cloud,
    ) -> SnapshotMore {
        let instance = ObjectKey::new(key.namespace.clone(), spec.instance_ref.name.clone());
        let mut standing = context.registry.instance_standing(&instance);
        if let Some(facts) = &mut standing
            && facts.refuses.is_none()
            && !context.allows(&key.namespace, facts.service)
        {
            facts.refuses =
                Some(format!("namespace {} may not use service {}", key.namespace, facts.service));
        }
        SnapshotMore {
            instance: standing,
            service_allowed: machine.is_none_or(|machine| context.allows(&key.namespace, machine.service)),
            sibling_intent: context.registry.sibling_intent(
                key,
                &instance,
                machine.and_then(|machine| machine.id),
            ),
            slot_timeout: crate::crd::snapshot::slot_timeout(spec),
        }
    }

    fn decide(gathered: &Gathered<Self>, now: Moment) -> Decision<Self::Status> {
        snapshot::next(&snapshot_view(gathered, now))
    }

    fn after(
        gathered: &Gathered<Self>,
        decided: &Decision<Self::Status>,
        outcome: &Outcome,
        ledger: Option<Ledger>,
        now: Moment,
    ) -> Decision<Self::Status> {
        let status =
            SnapshotStatus { conditions: gathered.status.conditions.clone(), ..decided.status.clone() };
        let view = SnapshotView { status: &status, ..snapshot_view(gathered, now) };
        snapshot::after(&view, &decided.step, outcome, ledger, now)
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

    fn ended(status: &Self::Status) -> Option<&crate::crd::status::LastOperation> {
        status.last_operation.as_ref()
    }

    fn apply(context: &Context, record: &Record<Self>) -> Affected {
        context.registry.apply_snapshot(record, Source::Watch)
    }

    fn forget(context: &Context, key: &ObjectKey) -> Affected {
        context.snapshots.forget(key);
        context.queue.forget(&Self::item(key.clone()));
        context.registry.forget_snapshot(key)
    }

    fn wrote(context: &Context, record: Record<Self>) {
        let affected = context.registry.apply_snapshot(&record, Source::Answer);
        context.snapshots.wrote(record);
        context.wake(affected);
    }

    /// The slot changed, which the instance shows: what it knows of the VM is from before.
    fn operation_ended(context: &Context, gathered: &Gathered<Self>, machine: Option<&Machine>) {
        let namespace = gathered.object.key.namespace.clone();
        let instance = ObjectKey::new(namespace, gathered.spec.instance_ref.name.clone());
        context.wake(Affected { instances: vec![instance], snapshots: Vec::new() });
        if let Some(machine) = machine {
            context.machines.effect_ended(machine.service, &machine.name, context.now().mono);
        }
    }

    fn undecodable(
        status: &Self::Status,
        conditions: Vec<crate::crd::Condition>,
        generation: i64,
    ) -> Self::Status {
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
        service_allowed: gathered.more.service_allowed,
        sibling_intent: gathered.more.sibling_intent.clone(),
        slot_timeout: gathered.more.slot_timeout,
        cloud: gathered.cloud.clone(),
        memory: gathered.memory.clone(),
        // Reading the slot is what moves its next look on.
        slot_due: gathered.memory.slot_read.map_or(gathered.due, |at| at + gathered.site.detail_interval),
        now,
        pass: gathered.pass,
    }
}
