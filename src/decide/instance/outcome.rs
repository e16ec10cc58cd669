//! What the status says once an effect was tried: pure, like the decision itself.

use super::View;
use super::look::refused_words;
use super::operation;
use super::pass::Pass;
use super::validate;
use crate::crd::status::{LastOperation, Operation, bounded};
use crate::crd::{InstanceStatus, Reason};
use crate::decide::conditions;
use crate::decide::decision::{Decision, Outcome, Step, Wake};
use crate::model::{
    Failure, FailureClass, HeldWhy, Intent, Ledger, Moment, OperationKind, OperationResult, time,
};

/// How often in a row a 409 counts as "busy" before it counts as "no".
const CONFLICTS: u32 = 5;

/// The effect of `step` was tried at `now`; `ledger` is the ledger as it is now written.
pub fn after(
    view: &View<'_>,
    step: &Step,
    outcome: &Outcome,
    ledger: Option<Ledger>,
    now: Moment,
) -> Decision<InstanceStatus> {
    let view = View { now, ..view.clone() };
    let kind = match step {
        Step::Guarded(guarded) => guarded.call.kind(),
        Step::Call(call) => call.action.kind(),
        Step::Nothing
        | Step::Observe(_)
        | Step::SaveLedger { .. }
        | Step::DropLedger
        | Step::RemoveFinalizer => OperationKind::Create,
    };
    let mut pass = Pass::new(&view);
    let intent = ledger.as_ref().and_then(|ledger| ledger.intent.clone());
    pass.ledger = ledger;
    pass.memory.effect_end = now.mono;
    let attempt = intent.as_ref().map(|intent| intent.attempt.clone());
    if let Some(attempt) = &attempt {
        pass.memory.attempt_seen = Some((attempt.clone(), now.mono));
    }
    let checked = validate::parsed(view.spec);
    let doing = format!("{kind} of {}", checked.name);
    match outcome {
        Outcome::Accepted(action) => {
            pass.memory.ambiguous = false;
            pass.memory.running_seen = Some(now.mono);
            pass.status.operation = Some(Operation {
                kind,
                attempt,
                action_id: Some(action.id.get()),
                process: action.process.as_deref().map(|process| bounded(process, 128)),
                submitted_at: time::whole_seconds(now.wall),
                generation: Some(pass.generation()),
            });
            let reason = if view.object.deleting { Reason::Deleting } else { operation::reason(kind) };
            let wake = Wake::After(view.site.action_interval);
            pass.working(reason, conditions::action_runs(kind, &checked.name, action.id), wake)
        }
        Outcome::NotExecuted(failure) => pass.blocked(failure, &doing),
        Outcome::Refused(failure) => refused(pass, kind, intent.as_ref(), failure, &checked, now),
        Outcome::Ambiguous(failure) => {
            pass.memory.ambiguous = true;
            if kind == OperationKind::Stop {
                pass.memory.resume_seen = Some(now.mono);
            }
            pass.status.operation = Some(Operation {
                kind,
                attempt,
                action_id: None,
                process: None,
                submitted_at: time::whole_seconds(now.wall),
                generation: Some(pass.generation()),
            });
            let wake = Wake::After(view.site.action_interval);
            let message =
                format!("{doing}: {}; looking for what it did before anything else is sent", failure.message);
            pass.working(Reason::ResolvingOutcome, message, wake)
        }
    }
}

fn refused(
    mut pass: Pass<'_>,
    kind: OperationKind,
    intent: Option<&Intent>,
    failure: &Failure,
    checked: &validate::Checked,
    now: Moment,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let message = bounded(&failure.message, 1024);
    if intent.is_none() && failure.status == Some(409) && pass.memory.failures < CONFLICTS {
        // Something else runs on the VM, most likely an action that started after our look.
        let transient = Failure { class: FailureClass::Transient, ..failure.clone() };
        return pass.blocked(&transient, &format!("{kind} of {}", checked.name));
    }
    let ended = LastOperation {
        kind,
        action_id: None,
        result: OperationResult::Refused,
        finished_at: time::whole_seconds(now.wall),
        message: Some(message.clone()),
        attempt: intent.map(|intent| intent.attempt.clone()),
        state: view.cloud.detail.as_ref().value().map(|detail| bounded(detail.state.as_str(), 64)),
        failures: None,
        generation: Some(pass.generation()),
    };
    pass.record_end(ended);
    match intent {
        Some(intent) => {
            // No operation runs: the spec, whose correction is asked for, must not be locked by one.
            pass.status.operation = None;
            let (reason, text) = refused_words(checked, intent.kind, &message);
            pass.stalled_until(reason, text, Wake::After(view.site.settle))
        }
        None => {
            // Read again first: the state may explain it (a stop of a VM that is already stopped).
            if kind == OperationKind::Resize
                && view
                    .cloud
                    .detail
                    .as_ref()
                    .value()
                    .is_some_and(|detail| detail.state == crate::model::InstanceState::Inactive)
            {
                operation::hold_resize(&mut pass, HeldWhy::Refused, Some(message.clone()));
            }
            // Asked for once more, and refused once more: what was said still holds.
            if pass.was_stalled() {
                return pass.finish(Step::Nothing, Wake::After(std::time::Duration::ZERO));
            }
            let text =
                format!("ITCare refused the {kind} of {}: {message}; reading the VM again", checked.name);
            pass.working(Reason::ProgressingWithRetry, text, Wake::After(std::time::Duration::ZERO))
        }
    }
}
