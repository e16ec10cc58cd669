//! The object is being deleted: stop → INACTIVE → DELETE → gone → finalizer off, by the recorded id only
//! (DESIGN 5.6).

use std::time::Duration;

use super::adopt::mismatch;
use super::operation::{self, Followed};
use super::pass::Pass;
use super::preflight::{self, send};
use super::validate::Checked;
use super::{Claim, observe as ask, resume};
use crate::crd::instance::{DeletionPolicy, ManagementPolicy};
use crate::crd::{InstanceStatus, Reason};
use crate::decide::conditions;
use crate::decide::decision::{CallAction, Decision, Need, Step, Wake};
use crate::decide::retry::{self, Hold};
use crate::model::{
    ActionId, ActionStatus, Detail, InstanceId, InstanceState, Observed, OperationKind, OperationResult,
    Origin,
};

/// Deletes, lets go, or says why it waits.
pub(super) fn decide(pass: Pass<'_>, checked: &Checked) -> Decision<InstanceStatus> {
    let view = pass.view;
    if !view.object.has_finalizer {
        return pass.finish(Step::Nothing, Wake::OnChange);
    }
    let Some(id) = pass.ledger.as_ref().and_then(|ledger| ledger.instance) else {
        // Nothing was ever made: no intent stands, no id is recorded.
        return let_go(pass);
    };
    let origin = pass.ledger.as_ref().map_or(Origin::Adopted, crate::model::Ledger::origin_or_adopted);
    let policy = view.spec.deletion_policy.unwrap_or(match origin {
        Origin::Created => DeletionPolicy::Delete,
        Origin::Adopted => DeletionPolicy::Retain,
    });
    if policy == DeletionPolicy::Retain || view.spec.management_policy == ManagementPolicy::Observe {
        if view.spec.suspend {
            return let_go(pass);
        }
        return match resume::give_power_back(pass, checked) {
            Followed::Wait(decision) => decision,
            Followed::Over(pass) => let_go(pass),
        };
    }
    if view.spec.suspend {
        let message = format!(
            "deletion of VM {id} waits: spec.suspend is true; set it to false, or set deletionPolicy: Retain to keep the VM"
        );
        return pass.working(Reason::Deleting, message, Wake::OnChange);
    }
    if !view.service_allowed {
        let message = format!(
            "namespace {} may not use service {}, so VM {id} is not deleted; allow it in --allow-services, or set deletionPolicy: Retain to keep the VM",
            view.object.key.namespace, checked.service
        );
        return pass.stalled(Reason::ServiceNotAllowed, message);
    }
    if let Claim::LostTo(other) = &view.claim {
        let message = format!(
            "{other} manages VM {id} too, so it is not deleted; set deletionPolicy: Retain to let this object go"
        );
        return pass.stalled(Reason::Conflict, message);
    }
    delete(pass, checked, id)
}

fn let_go(mut pass: Pass<'_>) -> Decision<InstanceStatus> {
    if let Some(snapshot) = &pass.view.snapshots.intent {
        let message = format!(
            "snapshot {snapshot} has a call in flight on this VM; waiting for its outcome before letting go"
        );
        let wake = Wake::After(pass.view.site.action_interval);
        return pass.working(Reason::Deleting, message, wake);
    }
    pass.set_working(Reason::Deleting, "letting the object go");
    pass.finish(Step::RemoveFinalizer, Wake::OnChange)
}

fn delete(mut pass: Pass<'_>, checked: &Checked, id: InstanceId) -> Decision<InstanceStatus> {
    let view = pass.view;
    let operation = pass.status.operation.clone();
    if let Some(operation) = operation.filter(|operation| operation.kind == OperationKind::Delete)
        && let Some(action) = operation.action_id.map(ActionId::new)
    {
        return follow_delete(pass, checked, id, action);
    }
    pass = match operation::follow(pass, checked, id) {
        Followed::Wait(decision) => return decision,
        Followed::Over(pass) => pass,
    };
    pass = match preflight::wait_on(pass, checked) {
        Followed::Wait(decision) => return decision,
        Followed::Over(pass) => pass,
    };
    let mark = view.pass.max(pass.memory.effect_end);
    match pass.detail_since(mark) {
        Observed::Unknown => ask(pass, Need::Detail(id), &format!("reading VM {id} to delete it")),
        Observed::Absent { at } => absent(pass, checked, id, at),
        Observed::Present { value: detail, at } => {
            pass.memory.missing_seen = None;
            present(pass, checked, id, detail, at)
        }
    }
}

fn present(
    pass: Pass<'_>,
    checked: &Checked,
    id: InstanceId,
    detail: &Detail,
    at: Duration,
) -> Decision<InstanceStatus> {
    if detail.state == InstanceState::Removed {
        return let_go(pass);
    }
    if let Some(message) = mismatch(checked, id, detail) {
        return pass.stalled(
            Reason::IdentityMismatch,
            format!("{message}; it is not deleted (deletionPolicy: Retain lets this object go)"),
        );
    }
    let mut pass = pass;
    pass.record(detail);
    let (action, message) = match &detail.state {
        InstanceState::Active => (CallAction::Stop, format!("stopping {} to delete it", checked.name)),
        InstanceState::Inactive => (CallAction::Delete, format!("deleting {}", checked.name)),
        // No action runs (checked before it is sent): the state will not change by itself. Tried once.
        InstanceState::Other(word) => {
            (CallAction::Delete, format!("deleting {} in state {word}", checked.name))
        }
        InstanceState::Removed => return let_go(pass),
    };
    let kind = action.kind();
    let hold = held_back(&pass, &detail.state, kind);
    let blocked = |words: &str| {
        format!(
            "{kind} of VM {} (state {}) did not work: {words}; mend it in ITCare, or set deletionPolicy: Retain to keep the VM and let this object go",
            detail.id,
            detail.state.as_str()
        )
    };
    match hold {
        Hold::No => send(pass, checked, detail, at, action, Reason::Deleting, message),
        Hold::Backoff(left, words) => pass.working(
            Reason::Deleting,
            format!("{message} failed: {words}; trying again"),
            Wake::After(left),
        ),
        Hold::Failing(left, words) | Hold::Refused(left, words) => {
            pass.stalled_until(Reason::DeletionBlocked, blocked(&words), Wake::After(left))
        }
    }
}

/// The hold on a kind. The state that the VM was in explains the refusal: one that nobody knows for as long as it
/// lasts, and no refusal stands in another state.
fn held_back(pass: &Pass<'_>, state: &InstanceState, kind: OperationKind) -> Hold {
    let refused = pass
        .last(kind)
        .filter(|last| last.result == OperationResult::Refused && last.generation == Some(pass.generation()));
    match (refused, state) {
        (Some(last), state) if last.state.as_deref().is_some_and(|then| then != state.as_str()) => Hold::No,
        (Some(last), InstanceState::Other(_)) => {
            Hold::Refused(retry::RECHECK, last.message.clone().unwrap_or_default())
        }
        (Some(_) | None, _) => pass.hold(kind),
    }
}

/// Our DELETE runs, or is over.
fn follow_delete(
    mut pass: Pass<'_>,
    checked: &Checked,
    id: InstanceId,
    action: ActionId,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);
    let Observed::Present { value: running, at: running_at } = view.cloud.running.since(mark) else {
        return ask(pass, Need::Running { since: mark }, "looking at running actions");
    };
    let message = conditions::action_runs(OperationKind::Delete, &checked.name, action);
    let wake = Wake::After(view.site.action_interval);
    let runs = running.iter().any(|other| other.id == action);
    let Some(over_at) = pass.memory.is_over(action, runs, running_at) else {
        return pass.working(Reason::Deleting, message, wake);
    };
    // What was seen before says nothing about now.
    let seen_since = if pass.memory.awaits_effect(action) { over_at.max(view.pass) } else { over_at };
    let read = match view.cloud.action(action) {
        None | Some(Observed::Unknown) => {
            return ask(pass, Need::Action(action), "reading the deletion's action");
        }
        Some(read) => read,
    };
    match read {
        Observed::Present { value, .. } if value.status.is_running() => {
            pass.working(Reason::Deleting, message, wake)
        }
        Observed::Present { value, .. } if value.status == ActionStatus::Error => {
            let words = value.message.clone();
            pass.status.operation = None;
            let ended = retry::failed(
                pass.last(OperationKind::Delete),
                OperationKind::Delete,
                Some(action.get()),
                words,
                pass.generation(),
                view.now.wall,
            );
            pass.record_end(ended);
            pass.working(
                Reason::Deleting,
                format!("the deletion of {} failed; trying again", checked.name),
                Wake::After(Duration::ZERO),
            )
        }
        Observed::Present { .. } => match pass.detail_since(seen_since) {
            Observed::Unknown => ask(pass, Need::Detail(id), "confirming that the VM is gone"),
            // Gone: our DELETE succeeded, and the id is not known any more, or shown as removed.
            Observed::Absent { .. } => let_go(pass),
            Observed::Present { value: detail, .. } if detail.state == InstanceState::Removed => let_go(pass),
            Observed::Present { .. } => {
                // Success, yet still shown: it may lag. After a settle time the deletion is decided anew.
                let first = pass.memory.first_end(action, view.now.mono);
                if view.now.mono.saturating_sub(first) > view.site.settle {
                    pass.status.operation = None;
                    let ended = retry::failed(
                        pass.last(OperationKind::Delete),
                        OperationKind::Delete,
                        Some(action.get()),
                        Some("it ended well, but the VM is still there".to_owned()),
                        pass.generation(),
                        view.now.wall,
                    );
                    pass.record_end(ended);
                }
                pass.working(
                    Reason::Deleting,
                    format!("{} is deleted; waiting until ITCare no longer shows it", checked.name),
                    wake,
                )
            }
        },
        // The action is not known: the VM itself tells. While that is not seen either, the action stays recorded:
        // an outage may hide both, and afterwards the action's result is what proves the end.
        Observed::Absent { .. } | Observed::Unknown => match pass.detail_since(seen_since) {
            Observed::Unknown => ask(pass, Need::Detail(id), "confirming that the VM is gone"),
            Observed::Absent { at } => absent(pass, checked, id, at),
            Observed::Present { .. } => {
                pass.status.operation = None;
                delete(pass, checked, id)
            }
        },
    }
}

/// 404 without a DELETE of ours that succeeded: proof takes more (DESIGN 5.6).
fn absent(mut pass: Pass<'_>, checked: &Checked, id: InstanceId, at: Duration) -> Decision<InstanceStatus> {
    let view = pass.view;
    let deleted =
        view.status.last_operation.as_ref().is_some_and(|last| {
            last.kind == OperationKind::Delete && last.result == OperationResult::Succeeded
        });
    if deleted {
        return let_go(pass);
    }
    let same_account = pass.ledger.as_ref().is_some_and(|ledger| ledger.account == view.site.account);
    if !view.cloud.missing_is_evidence {
        let message = format!(
            "ITCare answers 404 for VM {id}, but {}; that proves nothing until another recorded VM of service {} reads right; restore the account, or set deletionPolicy: Retain to let this object go",
            if same_account { "several VMs vanished at once" } else { "the account has changed" },
            checked.service
        );
        return pass.stalled_until(Reason::DeletionBlocked, message, Wake::After(view.site.observe_interval));
    }
    let first = *pass.memory.missing_seen.get_or_insert(at);
    let due = first + view.site.settle;
    if at < due {
        let message = format!("ITCare answers 404 for VM {id}; asking once more before it counts as gone");
        let left = due.saturating_sub(view.now.mono).max(Duration::from_millis(10));
        return pass.working(Reason::Deleting, message, Wake::After(left));
    }
    // The list of the service must answer, and not show it.
    match view.cloud.listed.since(due) {
        Observed::Absent { .. } => let_go(pass),
        Observed::Unknown => {
            let need = Need::List { service: checked.service, since: due };
            ask(pass, need, "confirming that the VM is gone")
        }
        Observed::Present { value, .. } if !value.is_live() => let_go(pass),
        Observed::Present { .. } => {
            let message = format!("ITCare lists VM {id}, but answers 404 for it; waiting until both agree");
            pass.working(Reason::Deleting, message, Wake::After(view.site.observe_interval))
        }
    }
}
