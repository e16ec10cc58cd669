//! What the status says once an effect was tried.

use super::pass::Pass;
use super::view::SnapshotView;
use crate::crd::snapshot::SlotPolicy;
use crate::crd::status::bounded;
use crate::crd::{Reason, SnapshotStatus};
use crate::decide::conditions;
use crate::decide::decision::{Decision, Outcome, Step, Wake};
use crate::model::failure::says_http;
use crate::model::{Failure, FailureClass, InstanceId, Ledger, Moment, OperationKind, OperationResult};

/// The effect of `step` was tried at `now`; `ledger` is the ledger as it is now written.
pub fn after(
    view: &SnapshotView<'_>,
    step: &Step,
    outcome: &Outcome,
    ledger: Option<Ledger>,
    now: Moment,
) -> Decision<SnapshotStatus> {
    let view = SnapshotView { now, ..view.clone() };
    let kind = match step {
        Step::Guarded(guarded) => guarded.call.kind(),
        Step::Call(call) => call.action.kind(),
        Step::Nothing
        | Step::Observe(_)
        | Step::SaveLedger { .. }
        | Step::DropLedger
        | Step::RemoveFinalizer => OperationKind::TakeSnapshot,
    };
    let mut pass = Pass::new(&view);
    let attempt =
        ledger.as_ref().and_then(|ledger| ledger.intent.as_ref()).map(|intent| intent.attempt.clone());
    pass.ledger = ledger;
    pass.memory.effect_end = now.mono;
    if let Some(attempt) = &attempt {
        pass.memory.attempt_seen = Some((attempt.clone(), now.mono));
    }
    pass.keep_available();
    let vm = pass.vm_words();
    let doing = format!("{kind} of {vm}");
    match outcome {
        Outcome::Accepted(action) => {
            pass.memory.running_seen = Some(now.mono);
            pass.status.operation =
                Some(pass.operation(kind, attempt, Some(action.id), action.process.as_deref()));
            let wake = Wake::After(view.site.action_interval);
            pass.working(reason(kind), conditions::action_runs(kind, &vm, action.id), wake)
        }
        Outcome::NotExecuted(failure) => pass.blocked(failure, &doing),
        Outcome::Ambiguous(failure) => {
            pass.memory.ambiguous = true;
            pass.status.operation = Some(pass.operation(kind, attempt, None, None));
            let wake = Wake::After(view.site.action_interval);
            let message =
                format!("{doing}: {}; looking for what it did before anything else is sent", failure.message);
            pass.working(Reason::ResolvingOutcome, message, wake)
        }
        Outcome::Refused(failure) => {
            let busy = attempt.is_none() && failure.status == Some(409) && pass.memory.failures < 5;
            if busy {
                let transient = Failure { class: FailureClass::Transient, ..failure.clone() };
                return pass.blocked(&transient, &doing);
            }
            let message = bounded(&failure.message, 1024);
            let mut ended = pass.ended(kind, None, OperationResult::Refused, Some(message.clone()));
            ended.attempt.clone_from(&attempt);
            pass.record_end(ended);
            if attempt.is_none() {
                let text = format!("ITCare refused the {doing}: {message}; reading it again");
                return pass.working(
                    Reason::ProgressingWithRetry,
                    text,
                    Wake::After(std::time::Duration::ZERO),
                );
            }
            pass.status.operation = None;
            let id = pass.vm().unwrap_or(InstanceId::new(0));
            let wake = Wake::After(view.site.settle);
            say_refused(pass, kind, id, &message, wake)
        }
    }
}

/// What a refused call means, in the words of the reply, whose status leads them.
pub(super) fn say_refused(
    mut pass: Pass<'_>,
    kind: OperationKind,
    vm: InstanceId,
    words: &str,
    wake: Wake,
) -> Decision<SnapshotStatus> {
    if kind != OperationKind::TakeSnapshot || !says_http(words, 409) {
        return pass.stalled_until(
            Reason::Rejected,
            format!(
                "ITCare refused the {kind} of VM {vm}: {words}; correct what it names, or ask its support"
            ),
            wake,
        );
    }
    let message = format!(
        "ITCare refused a snapshot of VM {vm}: {words}; its only slot is taken: remove that snapshot, or wait until it expires"
    );
    let waits = !pass.has_waited_for_slot();
    match pass.view.spec.on_slot_taken {
        SlotPolicy::Wait if waits => pass.working(Reason::WaitingForSlot, message, wake),
        SlotPolicy::Wait | SlotPolicy::Fail => pass.stalled_until(Reason::SlotTaken, message, wake),
    }
}

fn reason(kind: OperationKind) -> Reason {
    match kind {
        OperationKind::RemoveSnapshot => Reason::RemovingSnapshot,
        OperationKind::Recover => Reason::Recovering,
        _ => Reason::TakingSnapshot,
    }
}
