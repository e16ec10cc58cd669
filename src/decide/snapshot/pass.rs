//! One pass of the snapshot decision: the status and the ledger as they grow, and the ways to end.

use std::time::Duration;

use super::view::SnapshotView;
use crate::crd::instance::DeletionPolicy;
use crate::crd::status::{LastOperation, Operation, bounded};
use crate::crd::{ConditionType, Reason, SnapshotStatus};
use crate::decide::conditions::{self, Extra, Verdict};
use crate::decide::decision::{Decision, Memory, Need, Note, Step, Wake};
use crate::decide::request;
use crate::decide::retry::{self, Hold};
use crate::model::{
    ActionId, AttemptId, Failure, HostName, InstanceId, Ledger, Observed, OneShot, OperationKind,
    OperationResult, Slot, time,
};

/// The description that is sent: the user's, with the attempt in brackets at the end.
#[must_use]
pub fn mark(description: Option<&str>, attempt: &AttemptId) -> String {
    match description.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => format!("{} [{attempt}]", bounded(text, 80)),
        None => format!("[{attempt}]"),
    }
}

/// The decision while it is being made.
pub(super) struct Pass<'a> {
    pub view: &'a SnapshotView<'a>,
    pub ledger: Option<Ledger>,
    dirty: bool,
    /// The ledger is not ours to write: what the status keeps of it stays as it is.
    leaves_ledger: bool,
    pub status: SnapshotStatus,
    pub memory: Memory,
    pub notes: Vec<Note>,
    verdict: Option<Verdict>,
    /// Operations that ended. They enter the memory only with the status that tells of them: a round that ends
    /// with a question is decided again from the beginning.
    ends: Vec<LastOperation>,
    available: Option<(bool, Reason, String)>,
}

impl<'a> Pass<'a> {
    pub fn new(view: &'a SnapshotView<'a>) -> Self {
        Self {
            view,
            ledger: None,
            dirty: false,
            leaves_ledger: false,
            status: view.status.clone(),
            memory: view.memory.clone(),
            notes: Vec::new(),
            verdict: None,
            ends: Vec::new(),
            available: None,
        }
    }

    pub fn change(&mut self, ledger: Ledger) {
        self.dirty = self.dirty || self.ledger.as_ref() != Some(&ledger);
        self.ledger = Some(ledger);
    }

    /// A ledger that cannot be followed is a person's to mend; its second copy may be the good one.
    pub fn leave_ledger(&mut self) {
        self.leaves_ledger = true;
    }

    pub fn edit(&mut self, edit: impl FnOnce(&mut Ledger)) {
        if let Some(mut ledger) = self.ledger.clone() {
            edit(&mut ledger);
            self.change(ledger);
        }
    }

    /// The ledger and the finalizer must be there; `kubectl replace` takes them away.
    pub fn keep_tracking(&mut self) {
        let object = &self.view.object;
        self.dirty = self.dirty || self.ledger.is_some() && (!object.has_ledger || !object.has_finalizer);
    }

    /// Notes how an operation ended, in status and memory.
    pub fn record_end(&mut self, last: LastOperation) {
        self.ends.push(last.clone());
        self.status.last_operation = Some(last);
    }

    /// The last operation of that kind.
    pub fn last(&self, kind: OperationKind) -> Option<&LastOperation> {
        self.memory.last(self.status.last_operation.as_ref(), kind)
    }

    /// Whether that kind is to be left alone for now.
    pub fn hold(&self, kind: OperationKind) -> Hold {
        retry::hold(self.last(kind), self.generation(), self.view.now.wall)
    }

    pub fn generation(&self) -> i64 {
        self.view.object.generation
    }

    /// The name that actions on the VM carry.
    pub fn vm_name(&self) -> Option<HostName> {
        let recorded = self.ledger.as_ref().and_then(|ledger| ledger.name.clone());
        recorded.or_else(|| self.view.instance.as_ref().map(|instance| instance.name.clone()))
    }

    /// The VM: recorded, else the instance's.
    pub fn vm(&self) -> Option<InstanceId> {
        let recorded = self.ledger.as_ref().and_then(|ledger| ledger.instance);
        recorded.or_else(|| self.view.instance.as_ref().and_then(|instance| instance.id))
    }

    /// That VM, in words.
    pub fn vm_words(&self) -> String {
        self.vm().map_or_else(|| "VM ?".to_owned(), |id| format!("VM {id}"))
    }

    pub fn look_requested(&self) -> bool {
        self.look_due().is_some()
    }

    fn look_due(&self) -> Option<String> {
        self.view.object.look_due(self.view.status.last_handled_reconcile_at.as_deref())
    }

    pub fn mark_observed(&mut self) {
        if let Some(receipt) = self.look_due() {
            self.status.last_handled_reconcile_at = Some(receipt);
        }
    }

    pub fn record(&mut self, slot: &Slot) {
        self.status.id = Some(bounded(slot.id.as_str(), 256));
        self.status.created_at = slot.created_at;
        self.status.created_by = slot.created_by.as_deref().map(|text| bounded(text, 128));
        self.status.expires_at = slot.expires_at;
        self.status.recovered_at = slot.recovered_at;
        self.status.size_gb = slot.size_gb;
        self.status.instance_id = self.vm().map(InstanceId::get);
    }

    /// Whether the slot has been taken for longer than the spec waits. The first time starts the wait.
    pub fn has_waited_for_slot(&mut self) -> bool {
        let first = *self.memory.slot_seen.get_or_insert(self.view.now.mono);
        self.view.now.mono >= first + self.view.slot_timeout
    }

    pub fn slot_since(&self, mark: Duration) -> Observed<&'a Slot> {
        self.view.cloud.slot.since(mark)
    }

    pub fn observe(self, need: Need, doing: &str) -> Decision<SnapshotStatus> {
        match self.view.cloud.failure(&need) {
            Some(failure) => self.blocked(failure, doing),
            None => self.end(Step::Observe(need), Wake::OnChange),
        }
    }

    /// Asks for a fact that nothing waits for. For a while its failure leaves the status as it was.
    pub fn observe_quietly(mut self, need: Need, doing: &str) -> Decision<SnapshotStatus> {
        let Some(failure) = self.view.cloud.failure(&need) else { return self.observe(need, doing) };
        let since = self.memory.failing(failure.class, self.view.now.mono);
        let (verdict, wait) = retry::unseen(failure, self.memory.failures, since, doing);
        self.verdict = verdict;
        self.keep_available();
        self.end(Step::Nothing, Wake::After(wait))
    }

    pub fn blocked(mut self, failure: &Failure, doing: &str) -> Decision<SnapshotStatus> {
        let since = self.memory.failing(failure.class, self.view.now.mono);
        let (verdict, wait) = retry::blocked(failure, self.memory.failures, since, doing);
        self.verdict = Some(verdict);
        self.keep_available();
        self.end(Step::Nothing, Wake::After(wait))
    }

    /// `Available` as it was: the trouble is ours, not the snapshot's. Past its end it is not, whoever can be asked.
    pub fn keep_available(&mut self) {
        let expires = self.ledger.as_ref().and_then(|ledger| ledger.expires);
        if expires.is_some_and(|end| self.view.now.wall >= end) && self.available.is_none() {
            self.available = Some((false, Reason::Expired, "the snapshot has expired".to_owned()));
        }
        let kept = crate::crd::condition::find(&self.view.status.conditions, ConditionType::Available);
        if let Some(kept) = kept.filter(|_| self.available.is_none()) {
            let reason = Reason::ALL.iter().copied().find(|reason| reason.as_str() == kept.reason);
            self.available =
                Some((kept.status == "True", reason.unwrap_or(Reason::Available), kept.message.clone()));
        }
    }

    pub fn available(&mut self, status: bool, reason: Reason, message: impl Into<String>) {
        self.available = Some((status, reason, message.into()));
    }

    pub fn ready(
        mut self,
        reason: Reason,
        message: impl Into<String>,
        wake: Wake,
    ) -> Decision<SnapshotStatus> {
        self.memory.has_no_failure();
        self.verdict = Some(Verdict::Ready(reason, message.into()));
        self.end(Step::Nothing, wake)
    }

    pub fn set_working(&mut self, reason: Reason, message: impl Into<String>) {
        self.verdict = Some(Verdict::Working { reason, message: message.into(), known: true });
    }

    pub fn working(
        mut self,
        reason: Reason,
        message: impl Into<String>,
        wake: Wake,
    ) -> Decision<SnapshotStatus> {
        self.memory.has_no_failure();
        self.set_working(reason, message);
        self.end(Step::Nothing, wake)
    }

    pub fn stalled(self, reason: Reason, message: impl Into<String>) -> Decision<SnapshotStatus> {
        self.stalled_until(reason, message, Wake::After(retry::RECHECK))
    }

    pub fn stalled_until(
        mut self,
        reason: Reason,
        message: impl Into<String>,
        wake: Wake,
    ) -> Decision<SnapshotStatus> {
        self.memory.has_no_failure();
        self.verdict = Some(Verdict::Stalled(reason, message.into()));
        self.end(Step::Nothing, wake)
    }

    pub fn held(mut self, message: impl Into<String>) -> Decision<SnapshotStatus> {
        self.memory.has_no_failure();
        self.verdict = Some(Verdict::Held(message.into()));
        self.keep_available();
        self.end(Step::Nothing, Wake::OnChange)
    }

    pub fn effect(
        mut self,
        step: Step,
        reason: Reason,
        message: impl Into<String>,
    ) -> Decision<SnapshotStatus> {
        self.set_working(reason, message);
        self.keep_available();
        let wake = Wake::After(self.view.site.action_interval);
        self.end(step, wake)
    }

    pub fn finish(self, step: Step, wake: Wake) -> Decision<SnapshotStatus> {
        self.end(step, wake)
    }

    fn end(mut self, step: Step, wake: Wake) -> Decision<SnapshotStatus> {
        if !matches!(step, Step::Observe(_)) {
            self.ends.iter().for_each(|last| self.memory.ended(last));
        }
        // Retain lets go in every stalled state: the way out that needs no call.
        let step = match step {
            Step::Nothing if self.lets_go() => Step::RemoveFinalizer,
            step => step,
        };
        let (step, wake) = match step {
            Step::Nothing if self.dirty => (self.save(), wake),
            Step::Call(_) if self.dirty => (self.save(), Wake::After(Duration::ZERO)),
            step => (step, wake),
        };
        if let Step::SaveLedger { ledger, .. } = &step {
            self.ledger = Some((**ledger).clone());
        }
        if let Some(verdict) = &self.verdict {
            let extras: Vec<Extra> = self
                .available
                .take()
                .map(|(status, reason, message)| Extra {
                    type_: ConditionType::Available,
                    status,
                    reason,
                    message,
                })
                .into_iter()
                .collect();
            self.status.conditions = conditions::build(
                &self.view.status.conditions,
                verdict,
                &extras,
                self.generation(),
                self.view.now.wall,
            );
            self.status.observed_generation = Some(self.generation());
        }
        if !matches!(step, Step::DropLedger) && !self.leaves_ledger {
            self.status.ledger = self.ledger.as_ref().map(Ledger::to_text);
        }
        Decision { step, status: self.status, wake, notes: self.notes, memory: self.memory }
    }

    fn lets_go(&self) -> bool {
        let view = self.view;
        let stalled = matches!(self.verdict, Some(Verdict::Stalled(..)));
        let retains = view.spec.deletion_policy == DeletionPolicy::Retain;
        stalled && retains && view.object.deleting && view.object.has_finalizer
    }

    fn save(&self) -> Step {
        match self.ledger.as_ref().map(Ledger::next) {
            Some(ledger) => {
                Step::SaveLedger { ledger: Box::new(ledger), finalizer: !self.view.object.deleting }
            }
            None => Step::Nothing,
        }
    }

    /// The record of an operation that ended.
    pub fn ended(
        &self,
        kind: OperationKind,
        action: Option<ActionId>,
        result: OperationResult,
        message: Option<String>,
    ) -> LastOperation {
        if result == OperationResult::Failed {
            return retry::failed(
                self.last(kind),
                kind,
                action.map(ActionId::get),
                message,
                self.generation(),
                self.view.now.wall,
            );
        }
        LastOperation {
            kind,
            action_id: action.map(ActionId::get),
            result,
            finished_at: time::whole_seconds(self.view.now.wall),
            message,
            attempt: None,
            state: None,
            failures: None,
            generation: Some(self.generation()),
        }
    }

    /// The operation as the status shows it.
    pub fn operation(
        &self,
        kind: OperationKind,
        attempt: Option<AttemptId>,
        action: Option<ActionId>,
        process: Option<&str>,
    ) -> Operation {
        Operation {
            kind,
            attempt,
            action_id: action.map(ActionId::get),
            process: process.map(|text| bounded(text, 128)),
            submitted_at: time::whole_seconds(self.view.now.wall),
            generation: Some(self.generation()),
        }
    }

    /// Puts a receipt for a recovery into ledger and status.
    pub fn receipt(
        &mut self,
        requested_at: jiff::Timestamp,
        result: OperationResult,
        action: Option<ActionId>,
        message: Option<String>,
    ) {
        self.edit(|ledger| {
            ledger.handled.insert(OneShot::Recover, requested_at);
        });
        let before = self.status.handled_requests.get(&OneShot::Recover);
        let receipt = request::receipt(before, requested_at, result, action, message, self.view.now.wall);
        self.status.handled_requests.insert(OneShot::Recover, receipt);
    }
}
