//! One pass of the decision: the status and the ledger as they grow, and the ways to end.

use std::time::Duration;

use super::View;
use super::facts;
use crate::crd::instance::DeletionPolicy;
use crate::crd::status::{Drift, LastOperation, SlotStatus};
use crate::crd::{ConditionType, InstanceStatus, Reason};
use crate::decide::conditions::{self, Extra, Verdict};
use crate::decide::decision::{Decision, Memory, Need, Note, Step, Wake};
use crate::decide::retry::{self, Hold};
use crate::model::{Detail, Failure, Ledger, Observed, OperationKind, Origin, time};

/// The decision while it is being made.
pub(super) struct Pass<'a> {
    pub view: &'a View<'a>,
    pub ledger: Option<Ledger>,
    /// Whether `ledger` differs from what is written.
    dirty: bool,
    /// The ledger is not ours to write: what the status keeps of it stays as it is.
    leaves_ledger: bool,
    pub status: InstanceStatus,
    pub memory: Memory,
    pub notes: Vec<Note>,
    pub drift: Vec<Drift>,
    verdict: Option<Verdict>,
    /// Operations that ended. They enter the memory only with the status that tells of them: a round that ends
    /// with a question is decided again from the beginning.
    ends: Vec<LastOperation>,
    /// A look that was asked for is served by this pass.
    observes: bool,
    /// Whether `drift` says how things stand; else what was said before still counts.
    pub compared: bool,
    /// The verdict is about our sight, not about the VM.
    sightless: bool,
}

impl<'a> Pass<'a> {
    pub fn new(view: &'a View<'a>) -> Self {
        Self {
            view,
            ledger: None,
            dirty: false,
            leaves_ledger: false,
            status: view.status.clone(),
            memory: view.memory.clone(),
            notes: Vec::new(),
            drift: Vec::new(),
            verdict: None,
            ends: Vec::new(),
            observes: false,
            compared: false,
            sightless: false,
        }
    }

    /// Replaces the ledger; it will be written before anything else happens.
    pub fn change(&mut self, ledger: Ledger) {
        self.dirty = self.dirty || self.ledger.as_ref() != Some(&ledger);
        self.ledger = Some(ledger);
    }

    /// A ledger that cannot be followed is a person's to mend; its second copy may be the good one.
    pub fn leave_ledger(&mut self) {
        self.leaves_ledger = true;
    }

    /// Changes the ledger in place.
    pub fn edit(&mut self, edit: impl FnOnce(&mut Ledger)) {
        if let Some(mut ledger) = self.ledger.clone() {
            edit(&mut ledger);
            self.change(ledger);
        }
    }

    /// The ledger and the finalizer of an object that we manage must be there; `kubectl replace` and a time
    /// under `Observe` take them away.
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

    /// Whether a fresh look was asked for and not given yet.
    pub fn look_requested(&self) -> bool {
        self.look_due().is_some()
    }

    fn look_due(&self) -> Option<String> {
        self.view.object.look_due(self.view.status.last_handled_reconcile_at.as_deref())
    }

    /// The receipt for that request is due once this pass has looked.
    pub fn mark_observed(&mut self) {
        self.observes = true;
    }

    fn give_receipt(&mut self) {
        if self.observes
            && self.looked()
            && let Some(receipt) = self.look_due()
        {
            self.status.last_handled_reconcile_at = Some(receipt);
        }
    }

    /// Notes the detail in the status.
    pub fn record(&mut self, detail: &Detail) {
        facts::record(&mut self.status, detail, self.view);
        self.drop_expired_slot();
    }

    /// A snapshot ends by itself, and no list tells: it is not shown beyond its end.
    pub fn drop_expired_slot(&mut self) {
        let ended = |slot: &mut SlotStatus| slot.expires_at.is_some_and(|end| end <= self.view.now.wall);
        drop(self.status.snapshot.take_if(ended));
    }

    /// For how long the snapshot in the slot is still to be shown.
    pub fn slot_left(&self) -> Option<Duration> {
        let end = self.status.snapshot.as_ref()?.expires_at?;
        Some(time::since(end, self.view.now.wall) + Duration::from_secs(1))
    }

    /// The detail, if it was asked for at `mark` or later.
    pub fn detail_since(&self, mark: Duration) -> Observed<&'a Detail> {
        self.view.cloud.detail.since(mark)
    }

    /// Asks for a fact; if the read failed in this pass, says what that means instead.
    pub fn observe(self, need: Need, doing: &str) -> Decision<InstanceStatus> {
        match self.view.cloud.failure(&need) {
            Some(failure) => self.blocked(failure, doing),
            None => self.end(Step::Observe(need), Wake::OnChange),
        }
    }

    /// Asks for a fact that nothing waits for. For a while its failure leaves the status as it was: what is known
    /// is as good as it was a minute ago.
    pub fn observe_quietly(mut self, need: Need, doing: &str) -> Decision<InstanceStatus> {
        let Some(failure) = self.view.cloud.failure(&need) else { return self.observe(need, doing) };
        let since = self.memory.failing(failure.class, self.view.now.mono);
        let (verdict, wait) = retry::unseen(failure, self.memory.failures, since, doing);
        self.verdict = verdict;
        self.end(Step::Nothing, Wake::After(wait))
    }

    /// Whether the VM has been out of sight for so long that it must be said, with the failure and for how long: no
    /// list of its service comes in, and no detail was read since.
    pub fn out_of_sight(&self) -> Option<(&'a Failure, Duration)> {
        let (since, failure) = self.view.cloud.unlisted.as_ref()?;
        let seen = self.view.cloud.detail.at().unwrap_or_default().max(*since);
        let lost = self.view.now.mono.saturating_sub(seen);
        (lost >= failure.class.patience()).then_some((failure, lost))
    }

    /// Nothing is due, and nobody can see whether the VM still stands so. The list that comes in again wakes it.
    pub fn lose_sight(mut self, failure: &Failure, lost: Duration) -> Decision<InstanceStatus> {
        let doing = format!("listing the instances of service {}", self.view.spec.service_id);
        let (verdict, _) = retry::unseen(failure, 1, lost, &doing);
        self.verdict = verdict;
        self.sightless = true;
        self.end(Step::Nothing, Wake::After(retry::RECHECK))
    }

    /// A failure that executed nothing.
    pub fn blocked(mut self, failure: &Failure, doing: &str) -> Decision<InstanceStatus> {
        let since = self.memory.failing(failure.class, self.view.now.mono);
        let (verdict, wait) = retry::blocked(failure, self.memory.failures, since, doing);
        self.verdict = Some(verdict);
        self.end(Step::Nothing, Wake::After(wait))
    }

    pub fn ready(
        mut self,
        reason: Reason,
        message: impl Into<String>,
        wake: Wake,
    ) -> Decision<InstanceStatus> {
        self.memory.has_no_failure();
        self.verdict = Some(Verdict::Ready(reason, message.into()));
        self.end(Step::Nothing, wake)
    }

    pub fn working(
        mut self,
        reason: Reason,
        message: impl Into<String>,
        wake: Wake,
    ) -> Decision<InstanceStatus> {
        self.memory.has_no_failure();
        self.set_working(reason, message);
        self.end(Step::Nothing, wake)
    }

    pub fn set_working(&mut self, reason: Reason, message: impl Into<String>) {
        let known = !matches!(reason, Reason::Creating | Reason::Adopting);
        self.verdict = Some(Verdict::Working { reason, message: message.into(), known });
    }

    pub fn stalled(self, reason: Reason, message: impl Into<String>) -> Decision<InstanceStatus> {
        self.stalled_until(reason, message, Wake::After(retry::RECHECK))
    }

    pub fn stalled_until(
        mut self,
        reason: Reason,
        message: impl Into<String>,
        wake: Wake,
    ) -> Decision<InstanceStatus> {
        self.memory.has_no_failure();
        self.verdict = Some(Verdict::Stalled(reason, message.into()));
        self.end(Step::Nothing, wake)
    }

    pub fn held(mut self, message: impl Into<String>) -> Decision<InstanceStatus> {
        self.memory.has_no_failure();
        self.verdict = Some(Verdict::Held(message.into()));
        self.end(Step::Nothing, Wake::OnChange)
    }

    /// An effect, with the reason that the status shows while it runs.
    pub fn effect(
        mut self,
        step: Step,
        reason: Reason,
        message: impl Into<String>,
    ) -> Decision<InstanceStatus> {
        self.set_working(reason, message);
        let wake = Wake::After(self.view.site.action_interval);
        self.end(step, wake)
    }

    /// Ends with a step and the conditions as they were.
    pub fn finish(self, step: Step, wake: Wake) -> Decision<InstanceStatus> {
        self.end(step, wake)
    }

    fn end(mut self, step: Step, wake: Wake) -> Decision<InstanceStatus> {
        if !matches!(step, Step::Observe(_)) {
            self.ends.iter().for_each(|last| self.memory.ended(last));
        }
        // Retain lets go in every stalled state: the way out that needs no call.
        let step = match step {
            Step::Nothing if self.lets_go() => Step::RemoveFinalizer,
            step => step,
        };
        let (step, wake) = match step {
            // Reads change nothing: what is dirty now is found dirty again by the next round.
            Step::Observe(need) => (Step::Observe(need), wake),
            // The intent goes into this very ledger, so one write serves both.
            Step::Guarded(guarded) => (Step::Guarded(guarded), wake),
            // Under `Observe` the object lives on: what changed is written before the finalizer goes, or the next pass
            // finds the annotation as it was, and begins anew for ever.
            Step::RemoveFinalizer if self.dirty && !self.view.object.deleting => {
                (self.save(), Wake::After(Duration::ZERO))
            }
            Step::RemoveFinalizer | Step::DropLedger | Step::SaveLedger { .. } => (step, wake),
            Step::Nothing if self.dirty => (self.save(), wake),
            // Only the next pass sends it: what is tried once more after a refusal may be refused once more.
            Step::Call(_) if self.dirty => {
                if self.was_stalled() {
                    self.verdict = None;
                }
                (self.save(), Wake::After(Duration::ZERO))
            }
            Step::Nothing | Step::Call(_) => (step, wake),
        };
        if let Step::SaveLedger { ledger, .. } = &step {
            self.ledger = Some((**ledger).clone());
        }
        if let Some(verdict) = self.verdict.take() {
            self.memory.sightless = self.sightless;
            self.give_receipt();
            let extras: Vec<Extra> = if self.compared {
                facts::drifted(&self.drift, self.ledger.as_ref()).into_iter().collect()
            } else {
                facts::still_drifted(&self.view.status.conditions).into_iter().collect()
            };
            let verdict = &verdict;
            self.status.conditions = conditions::build(
                &self.view.status.conditions,
                verdict,
                &extras,
                self.generation(),
                self.view.now.wall,
            );
            self.status.observed_generation = Some(self.generation());
            if self.compared {
                self.status.drift = facts::keep_since(&self.view.status.drift, self.drift);
            }
        }
        if !matches!(step, Step::DropLedger) && !self.leaves_ledger {
            self.status.ledger = self.ledger.as_ref().map(Ledger::to_text);
        }
        Decision { step, status: self.status, wake, notes: self.notes, memory: self.memory }
    }

    fn lets_go(&self) -> bool {
        let view = self.view;
        let adopted = self
            .ledger
            .as_ref()
            .is_some_and(|ledger| ledger.instance.is_some() && ledger.origin_or_adopted() == Origin::Adopted);
        let retains = match view.spec.deletion_policy {
            Some(policy) => policy == DeletionPolicy::Retain,
            None => adopted,
        };
        let stalled = matches!(self.verdict, Some(Verdict::Stalled(..)));
        stalled && retains && view.object.deleting && view.object.has_finalizer
    }

    /// Whether this pass looked at the cloud, as a request for a fresh look wants it.
    fn looked(&self) -> bool {
        let cloud = &self.view.cloud;
        [cloud.detail.at(), cloud.named.at()].into_iter().flatten().any(|at| at >= self.view.pass)
    }

    fn save(&self) -> Step {
        let ledger = self.ledger.as_ref().map(Ledger::next);
        match ledger {
            Some(ledger) => {
                let observing =
                    self.view.spec.management_policy == crate::crd::instance::ManagementPolicy::Observe;
                let finalizer = !self.view.object.deleting && (!observing || ledger.intent.is_some());
                Step::SaveLedger { ledger: Box::new(ledger), finalizer }
            }
            None => Step::Nothing,
        }
    }

    /// Whether the conditions as last written say that all is well for this generation, or was when it was last seen.
    pub fn was_settled(&self) -> bool {
        let status = self.view.status;
        status.observed_generation == Some(self.generation())
            && (self.was_ready() || self.memory.sightless || conditions::is_unseen(&status.conditions))
            && status.operation.is_none()
    }

    /// Whether the conditions as last written say that this generation is a person's to mend.
    pub fn was_stalled(&self) -> bool {
        let stalled = crate::crd::condition::find(&self.view.status.conditions, ConditionType::Stalled);
        // Its own generation: after a call, the rest of the status is of this one already.
        stalled.is_some_and(|stalled| stalled.observed_generation == Some(self.generation()))
    }

    /// Whether `Ready` was last written as `True`.
    pub fn was_ready(&self) -> bool {
        crate::crd::condition::is_true(&self.view.status.conditions, ConditionType::Ready)
    }
}
