//! Following an action of ours that is not behind an intent: power, size, the updates.

use std::time::Duration;

use super::groups;
use super::intent::succeeded;
use super::pass::Pass;
use super::validate::Checked;
use super::{observe as ask, one_shot};
use crate::crd::instance::{DriftPolicy, ResizePolicy};
use crate::crd::status::{LastOperation, Operation};
use crate::crd::{InstanceStatus, Reason};
use crate::decide::decision::{Decision, Need, Note, Wake};
use crate::decide::{conditions, request, retry};
use crate::model::{
    ActionId, ActionStatus, Detail, Group, Held, HeldWhy, InstanceId, InstanceState, Observed, OperationKind,
    PowerState,
};

/// What following an operation came to.
#[expect(clippy::large_enum_variant, reason = "moved once, right away")]
pub(super) enum Followed<'a> {
    /// It still runs, or a fact is missing.
    Wait(Decision<InstanceStatus>),
    /// It is over (or there was none): go on with this pass.
    Over(Pass<'a>),
}

/// The reason that the status shows while an operation runs.
pub(super) fn reason(kind: OperationKind) -> Reason {
    match kind {
        OperationKind::Create => Reason::Creating,
        OperationKind::Delete => Reason::Deleting,
        OperationKind::Start => Reason::Starting,
        OperationKind::Stop => Reason::Stopping,
        OperationKind::Reset => Reason::Resetting,
        OperationKind::Resize => Reason::Resizing,
        OperationKind::UpdateMonitoring => Reason::UpdatingMonitoring,
        OperationKind::UpdatePatching => Reason::UpdatingPatching,
        OperationKind::UpdateReplication => Reason::UpdatingReplication,
        OperationKind::UpdateBackup => Reason::UpdatingBackup,
        OperationKind::TakeSnapshot => Reason::TakingSnapshot,
        OperationKind::Recover => Reason::Recovering,
        OperationKind::RemoveSnapshot => Reason::RemovingSnapshot,
    }
}

/// The group that an operation changes.
pub(super) fn group(kind: OperationKind) -> Option<Group> {
    match kind {
        OperationKind::Start | OperationKind::Stop => Some(Group::Power),
        OperationKind::Resize => Some(Group::Size),
        OperationKind::UpdateMonitoring => Some(Group::Monitoring),
        OperationKind::UpdatePatching => Some(Group::Patching),
        OperationKind::UpdateReplication => Some(Group::Replication),
        OperationKind::UpdateBackup => Some(Group::Backup),
        OperationKind::Create
        | OperationKind::Delete
        | OperationKind::Reset
        | OperationKind::TakeSnapshot
        | OperationKind::Recover
        | OperationKind::RemoveSnapshot => None,
    }
}

/// The operation of a kind that changes a group.
pub(super) fn kind_of(group: Group, wish: Option<PowerState>) -> OperationKind {
    match group {
        Group::Size => OperationKind::Resize,
        Group::Patching => OperationKind::UpdatePatching,
        Group::Monitoring => OperationKind::UpdateMonitoring,
        Group::Replication => OperationKind::UpdateReplication,
        Group::Backup => OperationKind::UpdateBackup,
        Group::Power => match wish {
            Some(PowerState::Stopped) => OperationKind::Stop,
            Some(PowerState::Running) | None => OperationKind::Start,
        },
    }
}

/// Follows the operation in the status to its end.
pub(super) fn follow<'a>(pass: Pass<'a>, checked: &Checked, id: InstanceId) -> Followed<'a> {
    let Some(operation) = pass.status.operation.clone() else { return Followed::Over(pass) };
    if operation.kind.must_not_run_twice() {
        return settle(pass, &operation);
    }
    let followed = match operation.action_id {
        Some(action) => follow_action(pass, checked, id, &operation, ActionId::new(action)),
        None => follow_unknown(pass, checked, id, &operation),
    };
    match followed {
        Followed::Over(pass) => Followed::Over(forget_applied(pass, &operation)),
        Followed::Wait(decision) => Followed::Wait(decision),
    }
}

/// What was asked for of another generation may be what the VM shows now: what Git asks for since must be sent, also
/// if it is what was sent before. Where drift is corrected, it is sent anyway.
fn forget_applied<'a>(mut pass: Pass<'a>, operation: &Operation) -> Pass<'a> {
    let spec = pass.view.spec;
    let matters = operation.generation != Some(pass.generation()) && spec.drift_policy == DriftPolicy::Report;
    let Some(group) = group(operation.kind).filter(|_| matters) else { return pass };
    pass.edit(|ledger| {
        let mut applied = groups::applied(spec, ledger);
        applied.groups.remove(&group);
        ledger.applied = Some(applied);
    });
    pass
}

/// The intent is gone from the ledger, so the call is dealt with; only the status lagged behind. What it has
/// to tell is asked of the action.
fn settle<'a>(mut pass: Pass<'a>, operation: &Operation) -> Followed<'a> {
    let requested = one_shot::without_receipt(&pass).filter(|_| operation.kind == OperationKind::Reset);
    if let (Some(requested), Some(action)) = (requested, operation.action_id.map(ActionId::new)) {
        let Some((result, message)) = request::result(&pass.view.cloud, action) else {
            return Followed::Wait(ask(pass, Need::Action(action), "reading the reset's action"));
        };
        one_shot::receipt(&mut pass, requested, result, Some(action), message);
    }
    pass.status.operation = None;
    Followed::Over(pass)
}

/// The answer was ambiguous: decided anew from a detail and a running-actions read, both requested a settle
/// time later (DESIGN 5.3).
fn follow_unknown<'a>(
    mut pass: Pass<'a>,
    checked: &Checked,
    id: InstanceId,
    operation: &Operation,
) -> Followed<'a> {
    let view = pass.view;
    let mark = pass.memory.unclear_since(operation.submitted_at, view.now.mono) + view.site.settle;
    if view.now.mono < mark {
        let message = format!(
            "the {} of {} got no clear answer; looking again before anything else is sent",
            operation.kind, checked.name
        );
        return Followed::Wait(pass.working(
            Reason::ResolvingOutcome,
            message,
            Wake::After(mark - view.now.mono),
        ));
    }
    let Observed::Present { value: running, .. } = view.cloud.running.since(mark) else {
        return Followed::Wait(ask(pass, Need::Running { since: mark }, "looking at running actions"));
    };
    if let Some(action) = running.first() {
        pass.memory.running_seen = Some(view.now.mono);
        let message =
            format!("action {} runs on {}; it may come of the {}", action.id, checked.name, operation.kind);
        return Followed::Wait(pass.working(
            Reason::ResolvingOutcome,
            message,
            Wake::After(view.site.action_interval),
        ));
    }
    if let Observed::Unknown = view.cloud.detail.since(mark) {
        return Followed::Wait(ask(pass, Need::Detail(id), "reading the VM"));
    }
    pass.memory.ambiguous = false;
    pass.status.operation = None;
    Followed::Over(pass)
}

fn follow_action<'a>(
    mut pass: Pass<'a>,
    checked: &Checked,
    id: InstanceId,
    operation: &Operation,
    action: ActionId,
) -> Followed<'a> {
    let view = pass.view;
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);
    let Observed::Present { value: running, at: running_at } = view.cloud.running.since(mark) else {
        return Followed::Wait(ask(pass, Need::Running { since: mark }, "looking at running actions"));
    };
    let wait = |pass: Pass<'a>| {
        let message = conditions::action_runs(operation.kind, &checked.name, action);
        // As it was told when it was sent, like the message.
        let serves_deletion = view.object.deleting && operation.kind == OperationKind::Stop;
        let reason = if serves_deletion { Reason::Deleting } else { reason(operation.kind) };
        Followed::Wait(pass.working(reason, message, Wake::After(view.site.action_interval)))
    };
    let runs = running.iter().any(|other| other.id == action);
    let Some(over_at) = pass.memory.is_over(action, runs, running_at) else { return wait(pass) };
    // Over, once a later read shows the wished state; else the action itself decides.
    let waiting = pass.memory.awaits_effect(action);
    let fresh = over_at.max(pass.memory.effect_end).max(if waiting { view.pass } else { Duration::ZERO });
    let detail = match view.cloud.detail.since(fresh) {
        Observed::Unknown => return Followed::Wait(ask(pass, Need::Detail(id), "reading the VM")),
        Observed::Absent { .. } => {
            pass.status.operation = None;
            return Followed::Over(pass);
        }
        Observed::Present { value, .. } => value,
    };
    if shows_wish(operation.kind, detail, &pass, checked, operation) {
        complete(&mut pass, operation, action, true);
        return Followed::Over(pass);
    }
    match view.cloud.action(action) {
        None | Some(Observed::Unknown) => {
            Followed::Wait(ask(pass, Need::Action(action), "reading the action"))
        }
        Some(Observed::Absent { .. }) => {
            pass.status.operation = None;
            Followed::Over(pass)
        }
        Some(Observed::Present { value, .. }) => match &value.status {
            ActionStatus::InProgress | ActionStatus::Other(_) => {
                pass.memory.is_over(action, true, running_at);
                wait(pass)
            }
            // The wish has changed since: what was sent cannot be compared with anything any more.
            ActionStatus::Success if operation.generation != Some(pass.generation()) => {
                complete(&mut pass, operation, action, true);
                Followed::Over(pass)
            }
            ActionStatus::Success => not_seen_yet(pass, checked, operation, action),
            ActionStatus::Error => {
                let message = value.message.clone();
                failed(&mut pass, checked, operation, action, message);
                Followed::Over(pass)
            }
        },
    }
}

/// Whether the detail shows what was asked for. Only a wish of this very generation is known to be what was sent.
fn shows_wish(
    kind: OperationKind,
    detail: &Detail,
    pass: &Pass<'_>,
    checked: &Checked,
    operation: &Operation,
) -> bool {
    let same_wish = operation.generation == Some(pass.generation());
    match kind {
        OperationKind::Start => detail.state == InstanceState::Active,
        OperationKind::Stop => detail.state == InstanceState::Inactive,
        OperationKind::Delete => detail.state == InstanceState::Removed,
        OperationKind::Resize
        | OperationKind::UpdateMonitoring
        | OperationKind::UpdatePatching
        | OperationKind::UpdateReplication
        | OperationKind::UpdateBackup => {
            let wanted = group(kind);
            same_wish
                && pass.ledger.as_ref().is_some_and(|ledger| {
                    groups::evaluate(pass.view.spec, checked, detail, ledger).into_iter().any(|state| {
                        Some(state.group) == wanted && state.standing == groups::Standing::Matched
                    })
                })
        }
        OperationKind::Create
        | OperationKind::Reset
        | OperationKind::TakeSnapshot
        | OperationKind::Recover
        | OperationKind::RemoveSnapshot => false,
    }
}

/// Success was reported, the detail still differs: it has a settle time to show.
fn not_seen_yet<'a>(
    mut pass: Pass<'a>,
    checked: &Checked,
    operation: &Operation,
    action: ActionId,
) -> Followed<'a> {
    let view = pass.view;
    let first = pass.memory.first_end(action, view.now.mono);
    let due = first + view.site.settle;
    let looked = view.cloud.detail.at().unwrap_or_default();
    if looked < due {
        let left = due.saturating_sub(view.now.mono);
        let message = format!(
            "{} of {} ended well (action {action}); waiting to see its effect",
            operation.kind, checked.name
        );
        let next =
            left.min(view.site.action_interval.max(view.site.settle / 4)).max(Duration::from_millis(10));
        return Followed::Wait(pass.working(reason(operation.kind), message, Wake::After(next)));
    }
    let detail = view.cloud.detail.as_ref().value();
    // A stop or start that serves something else is not held until the wish changes: it is counted as failed, else it
    // would be sent for ever. The state alone tells: there may be no wish for power to compare it with.
    let power = matches!(operation.kind, OperationKind::Start | OperationKind::Stop);
    let is_known = detail.is_some_and(|detail| detail.state.power().is_some());
    if power && is_known && (view.object.deleting || !asked_for(&pass, operation.kind)) {
        let message = "it ended well, but the VM's power is as before".to_owned();
        failed(&mut pass, checked, operation, action, Some(message));
        return Followed::Over(pass);
    }
    // "Still different" takes a value to differ: a field that ITCare does not report proves nothing.
    let silent =
        group(operation.kind).is_some_and(|group| groups::is_silent(view.spec, checked, detail, group));
    complete(&mut pass, operation, action, silent);
    Followed::Over(pass)
}

/// Records the end: what was sent counts as applied; without effect it is held until the wish changes.
fn complete(pass: &mut Pass<'_>, operation: &Operation, action: ActionId, effective: bool) {
    pass.status.operation = None;
    let ended = succeeded(operation.kind, Some(action.get()), pass);
    pass.record_end(ended);
    pass.memory.ambiguous = false;
    if operation.kind == OperationKind::Stop {
        pass.memory.resume_seen = Some(pass.view.now.mono);
    }
    let Some(group) = group(operation.kind) else { return };
    let Some(hash) = groups::hashes(pass.view.spec).remove(&group) else { return };
    if operation.generation != Some(pass.generation()) || !asked_for(pass, operation.kind) {
        return;
    }
    pass.edit(|ledger| {
        let applied = ledger.applied.get_or_insert_default();
        applied.v = crate::model::ledger::VERSION;
        applied.groups.insert(group, hash.clone());
        if effective {
            ledger.held.remove(&group);
        } else {
            ledger.held.insert(group, Held { hash, why: HeldWhy::NotEffective, message: None });
        }
    });
}

/// A stop or start that only serves a resize says nothing about the wish for power.
fn asked_for(pass: &Pass<'_>, kind: OperationKind) -> bool {
    let wish = pass.view.spec.power_state;
    match kind {
        OperationKind::Start => wish == Some(PowerState::Running),
        OperationKind::Stop => wish == Some(PowerState::Stopped),
        _ => true,
    }
}

fn failed(
    pass: &mut Pass<'_>,
    checked: &Checked,
    operation: &Operation,
    action: ActionId,
    message: Option<String>,
) {
    let last: LastOperation = retry::failed(
        pass.last(operation.kind),
        operation.kind,
        Some(action.get()),
        message.clone(),
        pass.generation(),
        pass.view.now.wall,
    );
    let many = last.failures.unwrap_or(0) >= 3;
    pass.notes.push(Note {
        warning: true,
        reason: Reason::ActionFailed,
        message: format!(
            "{} of {} failed (action {action}): {}",
            operation.kind,
            checked.name,
            message.clone().unwrap_or_default()
        ),
    });
    pass.status.operation = None;
    pass.record_end(last);
    if operation.kind == OperationKind::Stop {
        pass.memory.resume_seen = Some(pass.view.now.mono);
    }
    if operation.kind == OperationKind::Resize && many {
        hold_resize(pass, HeldWhy::Failed, message);
    }
}

/// A resize that stops the VM each time it is tried must not be tried for ever.
pub(super) fn hold_resize(pass: &mut Pass<'_>, why: HeldWhy, message: Option<String>) {
    let stopped_for_it = pass.ledger.as_ref().is_some_and(|ledger| ledger.resume.is_some());
    if pass.view.spec.resize_policy != ResizePolicy::StopStart || !stopped_for_it {
        return;
    }
    let Some(hash) = groups::hashes(pass.view.spec).remove(&Group::Size) else { return };
    let message = message.map(|text| crate::crd::status::bounded(&text, 200));
    pass.edit(|ledger| {
        ledger.held.insert(Group::Size, Held { hash, why, message });
    });
}
