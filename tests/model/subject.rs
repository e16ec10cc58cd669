//! The two kinds of object as the model needs them: how a view is put together, and the parts of a status that
//! time touches. The decision is the product's.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_operator::crd::instance::{DeletionPolicy, ITCareInstanceSpec, ResizePolicy};
use itcare_operator::crd::status::{LastOperation, Operation, Receipt};
use itcare_operator::crd::{Condition, ITCareSnapshotSpec, InstanceStatus, SnapshotStatus};
use itcare_operator::decide::decision::Outcome;
use itcare_operator::decide::instance::{self, Claim, ObjectFacts, SnapshotFacts, View};
use itcare_operator::decide::snapshot::{self, InstanceFacts, SnapshotView};
use itcare_operator::decide::{Cloud, Decision, Memory, Site, Step};
use itcare_operator::model::{
    AccountId, ClusterId, HostName, Ledger, ObjectKey, OneShot, OperationKind, PowerState,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cloud::{NAME, SERVICE, US, size_index, vm_id};
use crate::state::{Call, Vm};
use crate::time::{self, NOW, SETTLE, TICK};

/// What a pass knows.
pub struct Known<'a, S: Subject> {
    pub generation: i64,
    pub deleting: bool,
    pub finalizer: bool,
    pub written: bool,
    pub spec: &'a S::Spec,
    pub status: &'a S::Status,
    pub ledger: Option<Ledger>,
    pub memory: Memory,
    pub cloud: Cloud,
}

/// The parts of a status that both kinds have.
pub struct Parts<'a> {
    pub ledger: &'a mut Option<String>,
    pub conditions: &'a mut Vec<Condition>,
    pub operation: &'a mut Option<Operation>,
    pub last: &'a mut Option<LastOperation>,
    pub receipts: &'a mut BTreeMap<OneShot, Receipt>,
}

/// A kind of object.
pub trait Subject: Sized {
    type Spec;
    type Status: Clone + PartialEq + Default + std::fmt::Debug + Serialize + DeserializeOwned;

    fn next(known: &Known<'_, Self>) -> Decision<Self::Status>;
    fn after(
        known: &Known<'_, Self>,
        step: &Step,
        outcome: &Outcome,
        ledger: Option<Ledger>,
    ) -> Decision<Self::Status>;
    fn parts(status: &mut Self::Status) -> Parts<'_>;
    fn conditions(status: &Self::Status) -> &[Condition];
    fn operation(status: &Self::Status) -> Option<&Operation>;
    fn receipt(status: &Self::Status, request: OneShot) -> Option<&Receipt>;
    /// A status for an object that nobody has looked at.
    fn fresh() -> Self::Status;
    /// Whether this spec asks for this call on this VM.
    fn asks(spec: &Self::Spec, deleting: bool, call: Call, vm: Option<Vm>) -> bool;
}

pub fn site() -> Site {
    Site {
        cluster: ClusterId::new("this-cluster"),
        previous_clusters: Vec::new(),
        account: AccountId::new("account"),
        submitter: Some(US.to_owned()),
        creator: Some(US.to_owned()),
        processes: BTreeMap::new(),
        settle: TICK * SETTLE,
        observe_interval: Duration::from_secs(60),
        action_interval: Duration::from_secs(5),
        detail_interval: Duration::from_secs(6 * 3600),
        send_window: Duration::from_secs(45),
    }
}

fn facts<S: Subject>(known: &Known<'_, S>, name: &str) -> ObjectFacts {
    ObjectFacts {
        key: ObjectKey::new("shop", name),
        uid: "uid-1".to_owned(),
        generation: known.generation,
        created: time::wall().checked_sub(Duration::from_secs(86_400)).expect("a time"),
        deleting: known.deleting,
        has_finalizer: known.finalizer,
        has_ledger: known.written,
        reconcile_requested: None,
    }
}

/// An instance object.
pub struct Instance;

impl Instance {
    fn view<T>(known: &Known<'_, Self>, ask: impl FnOnce(&View<'_>) -> T) -> T {
        let site = site();
        ask(&View {
            object: facts(known, "web"),
            spec: known.spec,
            status: known.status,
            ledger: Ok(known.ledger.clone()),
            site: &site,
            service_allowed: true,
            claim: Claim::Held,
            recorded_elsewhere: Vec::new(),
            snapshots: SnapshotFacts::default(),
            cloud: known.cloud.clone(),
            memory: known.memory.clone(),
            // The routine look never comes: nothing may rely on it.
            detail_due: NOW + site.detail_interval,
            now: time::moment(),
            pass: NOW,
        })
    }
}

impl Subject for Instance {
    type Spec = ITCareInstanceSpec;
    type Status = InstanceStatus;

    fn next(known: &Known<'_, Self>) -> Decision<InstanceStatus> {
        Self::view(known, instance::next)
    }

    fn after(
        known: &Known<'_, Self>,
        step: &Step,
        outcome: &Outcome,
        ledger: Option<Ledger>,
    ) -> Decision<InstanceStatus> {
        Self::view(known, |view| instance::after(view, step, outcome, ledger, time::moment()))
    }

    fn parts(status: &mut InstanceStatus) -> Parts<'_> {
        // When a drift was first seen decides nothing.
        status.drift.iter_mut().for_each(|drift| drift.since = time::wall());
        Parts {
            ledger: &mut status.ledger,
            conditions: &mut status.conditions,
            operation: &mut status.operation,
            last: &mut status.last_operation,
            receipts: &mut status.handled_requests,
        }
    }

    fn conditions(status: &InstanceStatus) -> &[Condition] {
        &status.conditions
    }

    fn operation(status: &InstanceStatus) -> Option<&Operation> {
        status.operation.as_ref()
    }

    fn receipt(status: &InstanceStatus, request: OneShot) -> Option<&Receipt> {
        status.handled_requests.get(&request)
    }

    fn fresh() -> InstanceStatus {
        InstanceStatus { observed_generation: Some(-1), ..InstanceStatus::default() }
    }

    fn asks(spec: &ITCareInstanceSpec, deleting: bool, call: Call, vm: Option<Vm>) -> bool {
        let deletes = deleting && spec.deletion_policy == Some(DeletionPolicy::Delete);
        let size = spec.size.as_deref().and_then(|size| size.parse().ok()).map(size_index);
        match call.kind {
            OperationKind::Create => !deleting,
            OperationKind::Delete => deletes,
            OperationKind::Reset => !deleting && spec.reset.is_some(),
            OperationKind::Resize => !deleting && size == Some(call.size),
            OperationKind::Stop => {
                let resizes = spec.resize_policy == ResizePolicy::StopStart && size != vm.map(|vm| vm.size);
                deletes || !deleting && (resizes || spec.power_state == Some(PowerState::Stopped))
            }
            OperationKind::Start => spec.power_state != Some(PowerState::Stopped),
            OperationKind::UpdateMonitoring
            | OperationKind::UpdatePatching
            | OperationKind::UpdateReplication
            | OperationKind::UpdateBackup
            | OperationKind::TakeSnapshot
            | OperationKind::Recover
            | OperationKind::RemoveSnapshot => false,
        }
    }
}

/// A snapshot object; its instance is there, at rest, and manages the first VM.
pub struct Snapshot;

impl Snapshot {
    fn view<T>(known: &Known<'_, Self>, ask: impl FnOnce(&SnapshotView<'_>) -> T) -> T {
        let site = site();
        ask(&SnapshotView {
            object: facts(known, "nightly"),
            spec: known.spec,
            status: known.status,
            ledger: Ok(known.ledger.clone()),
            site: &site,
            instance: Some(InstanceFacts {
                id: Some(vm_id(0)),
                name: HostName::new(NAME),
                service: SERVICE,
                refuses: None,
                intent: false,
                operating: false,
            }),
            service_allowed: true,
            sibling_intent: None,
            slot_timeout: Duration::from_secs(3600),
            cloud: known.cloud.clone(),
            memory: known.memory.clone(),
            slot_due: NOW + site.detail_interval,
            now: time::moment(),
            pass: NOW,
        })
    }
}

impl Subject for Snapshot {
    type Spec = ITCareSnapshotSpec;
    type Status = SnapshotStatus;

    fn next(known: &Known<'_, Self>) -> Decision<SnapshotStatus> {
        Self::view(known, snapshot::next)
    }

    fn after(
        known: &Known<'_, Self>,
        step: &Step,
        outcome: &Outcome,
        ledger: Option<Ledger>,
    ) -> Decision<SnapshotStatus> {
        Self::view(known, |view| snapshot::after(view, step, outcome, ledger, time::moment()))
    }

    fn parts(status: &mut SnapshotStatus) -> Parts<'_> {
        Parts {
            ledger: &mut status.ledger,
            conditions: &mut status.conditions,
            operation: &mut status.operation,
            last: &mut status.last_operation,
            receipts: &mut status.handled_requests,
        }
    }

    fn conditions(status: &SnapshotStatus) -> &[Condition] {
        &status.conditions
    }

    fn operation(status: &SnapshotStatus) -> Option<&Operation> {
        status.operation.as_ref()
    }

    fn receipt(status: &SnapshotStatus, request: OneShot) -> Option<&Receipt> {
        status.handled_requests.get(&request)
    }

    fn fresh() -> SnapshotStatus {
        SnapshotStatus { observed_generation: Some(-1), ..SnapshotStatus::default() }
    }

    fn asks(spec: &ITCareSnapshotSpec, deleting: bool, call: Call, _: Option<Vm>) -> bool {
        match call.kind {
            OperationKind::TakeSnapshot => !deleting,
            OperationKind::Recover => !deleting && spec.recover.is_some(),
            OperationKind::RemoveSnapshot => deleting && spec.deletion_policy == DeletionPolicy::Delete,
            OperationKind::Create
            | OperationKind::Delete
            | OperationKind::Start
            | OperationKind::Stop
            | OperationKind::Reset
            | OperationKind::Resize
            | OperationKind::UpdateMonitoring
            | OperationKind::UpdatePatching
            | OperationKind::UpdateReplication
            | OperationKind::UpdateBackup => false,
        }
    }
}
