//! What must hold. In every state: nothing twice, nothing lost, nothing done that is not asked for. In every state
//! in which the world may stay for ever: all is as asked, and nothing is owed.

use itcare_operator::crd::{ConditionType, condition};
use itcare_operator::model::{Ledger, OneShot, OperationKind, Origin};

use crate::cloud::vm_index;
use crate::state::{Call, Power, Stage, State};
use crate::subject::Subject;
use crate::world::World;

/// A state with the product's values in it.
pub struct Facts<'a, S: Subject> {
    pub state: &'a State,
    /// The newer of the object's two copies.
    pub ledger: Option<&'a Ledger>,
    pub status: &'a S::Status,
    pub deleting: bool,
}

fn hold(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl<S: Subject> Facts<'_, S> {
    pub fn is_ready(&self) -> bool {
        condition::is_true(S::conditions(self.status), ConditionType::Ready)
    }

    pub fn reason(&self) -> &str {
        let ready = condition::find(S::conditions(self.status), ConditionType::Ready);
        ready.map_or("", |ready| &ready.reason)
    }

    /// Something of that kind may still come to be: an action runs, or its call is on its way.
    fn may_come(&self, kind: OperationKind) -> bool {
        let runs = |(_, call, act): (usize, Call, crate::state::Act)| {
            call.kind == kind && act.stage == Stage::Running
        };
        self.state.cloud.actions().any(runs)
            || self.state.strays.iter().flatten().any(|stray| stray.call.kind == kind)
    }

    /// At most one live VM, whatever happens.
    pub fn one_vm(&self) -> Result<(), String> {
        hold(self.state.cloud.live().count() <= 1, "two live VMs")
    }

    /// A reset, a recovery runs once at most, for the one request there is.
    pub fn one_shots_once(&self) -> Result<(), String> {
        let count = |kind| self.state.cloud.count(kind);
        hold(count(OperationKind::Reset) <= 1, "two resets for one request")?;
        hold(count(OperationKind::Recover) <= 1, "two recoveries for one request")
    }

    /// The object goes only when nothing of it is left, or can still come.
    pub fn gone_is_gone(&self) -> Result<(), String> {
        let gone = self.state.object.gone;
        hold(!gone || self.deleting, "gone without being deleted")?;
        hold(!gone || self.state.cloud.live().next().is_none(), "the object is gone, its VM is not")?;
        hold(!gone || !self.may_come(OperationKind::Create), "the object is gone, its VM may still come")
    }

    /// The same for a snapshot.
    pub fn gone_is_removed(&self) -> Result<(), String> {
        let gone = self.state.object.gone;
        hold(!gone || self.deleting, "gone without being deleted")?;
        hold(!gone || self.state.cloud.slot == 0, "the object is gone, its snapshot is not")?;
        let comes = self.may_come(OperationKind::TakeSnapshot);
        hold(!gone || !comes, "the object is gone, its snapshot may still come")
    }

    /// A VM that only we stop, to resize it, is owed its power until it runs.
    pub fn power_is_owed(&self) -> Result<(), String> {
        let stopped = self.state.cloud.live().any(|(_, vm)| vm.power == Power::Inactive);
        let owed = self.ledger.is_some_and(|ledger| ledger.resume.is_some());
        hold(!stopped || owed, "the VM stands still, and nobody knows that it is owed power")
    }

    /// One VM, ours, running, of that size, and the object says so.
    pub fn one_running_vm(&self, size: u8, origin: Origin) -> Result<(), String> {
        let live: Vec<_> = self.state.cloud.live().collect();
        let [(index, vm)] = live.as_slice() else { return Err(format!("{} VMs", live.len())) };
        hold(vm.power == Power::Active, "the VM does not run")?;
        hold(vm.size == size, "the VM has another size")?;
        let ledger = self.ledger.ok_or("no ledger")?;
        hold(ledger.instance.map(vm_index) == Some(*index), "the ledger names another VM")?;
        hold(ledger.origin == Some(origin), "the ledger does not know how it became ours")?;
        hold(self.state.object.finalizer, "no finalizer")?;
        self.settled()
    }

    /// Ready, and nothing is owed, followed or in flight.
    pub fn settled(&self) -> Result<(), String> {
        hold(self.is_ready(), "not ready")?;
        hold(S::operation(self.status).is_none(), "an operation is still followed")?;
        let ledger = self.ledger.ok_or("no ledger")?;
        hold(ledger.intent.is_none(), "an intent stands")?;
        hold(ledger.resume.is_none(), "power is still owed")
    }

    /// A resize was refused: the VM runs as before, and nothing is owed.
    pub fn one_vm_runs_again(&self) -> Result<(), String> {
        self.one_vm()?;
        hold(self.state.cloud.live().all(|(_, vm)| vm.power == Power::Active), "the VM does not run")?;
        let owed = self.ledger.is_some_and(|ledger| ledger.resume.is_some());
        hold(!owed && S::operation(self.status).is_none(), "power is owed, or an operation is followed")
    }

    /// What a failed creation left: bound, told, nothing else done to it.
    pub fn one_broken_vm(&self) -> Result<(), String> {
        let live: Vec<_> = self.state.cloud.live().collect();
        let [(index, vm)] = live.as_slice() else { return Err(format!("{} VMs", live.len())) };
        hold(vm.power == Power::Broken, "the VM is not broken")?;
        let bound = self.ledger.and_then(|ledger| ledger.instance);
        hold(bound.map(vm_index) == Some(*index), "the ledger names another VM")
    }

    /// A VM that was taken over is nobody's to stop or delete.
    pub fn adopted_stays(&self) -> Result<(), String> {
        let vm = self.state.cloud.vms[0];
        hold(vm.power == Power::Active && vm.foreign, "the adopted VM was touched")?;
        hold(self.state.cloud.acts[0].call.is_none(), "a call for a VM that is as asked")
    }

    /// The snapshot is there, ours, and available.
    pub fn one_snapshot(&self) -> Result<(), String> {
        hold(self.state.cloud.slot != 0, "no snapshot")?;
        hold(self.reason() == "Available", "the object says otherwise")?;
        let ledger = self.ledger.ok_or("no ledger")?;
        let wanted = format!("100-snap-{}", self.state.cloud.slot);
        let bound = ledger.snapshot.as_ref().map(itcare_operator::model::SnapshotId::as_str);
        hold(bound == Some(wanted.as_str()), "the ledger names another snapshot")?;
        self.settled()
    }

    /// The request has been dealt with, and says so.
    pub fn is_handled(&self, request: OneShot) -> bool {
        self.ledger.is_some_and(|ledger| ledger.handled.contains_key(&request))
    }

    /// Nothing more will come of the request: a receipt tells what did.
    pub fn request_dealt_with(&self, request: OneShot) -> Result<(), String> {
        hold(self.is_handled(request), "the ledger does not know that the request was dealt with")?;
        hold(S::receipt(self.status, request).is_some(), "no receipt")
    }

    pub fn gone(&self) -> Result<(), String> {
        hold(self.state.object.gone, "the object is not let go")
    }
}

/// What holds of every scenario.
pub fn always<S: Subject>(facts: &Facts<'_, S>) -> Result<(), String> {
    let intent = facts.ledger.is_some_and(|ledger| ledger.intent.is_some());
    let object = facts.state.object;
    hold(!intent || object.finalizer || object.gone, "an intent without a finalizer")
}

/// Nothing is on its way any more.
pub fn at_rest<S: Subject>(facts: &Facts<'_, S>) -> Result<(), String> {
    hold(facts.state.strays.iter().all(Option::is_none), "a call is still on its way")
}

/// Whether the object, as it is at this moment, asks for this call. Only calls that take something away, make
/// something or run once can do harm.
pub fn asked<S: Subject>(world: &World<S>, state: &State, call: Call) -> Result<(), String> {
    let (spec, deleting) = world.scenario.wish(state.object.stage, state.requested);
    let vm = state.cloud.vms.get(usize::from(call.vm)).copied();
    hold(S::asks(&spec, deleting, call, vm), &format!("nobody asks for {call:?}"))
}
