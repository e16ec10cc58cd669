//! A call of this snapshot may be in flight: find out what it did before anything else (DESIGN 5.2).

use std::time::Duration;

use super::pass::Pass;
use super::proceed;
use crate::crd::instance::DeletionPolicy;
use crate::crd::{Reason, SnapshotStatus};
use crate::decide::decision::{Decision, Need, Note, Wake};
use crate::decide::{Site, conditions, evidence};
use crate::model::{
    Action, ActionId, ActionStatus, InstanceId, Intent, Observed, OperationKind, OperationResult, Origin,
    Slot, time,
};

/// How long ITCare keeps a snapshot, as documented. Where its own `expiresAt` was seen, that counts.
const KEPT: Duration = Duration::from_secs(3 * 24 * 3600);

/// Resolves the standing intent, or waits.
pub(super) fn resolve(mut pass: Pass<'_>) -> Decision<SnapshotStatus> {
    let view = pass.view;
    let Some(ledger) = pass.ledger.clone() else { return proceed(pass) };
    let (Some(intent), Some(vm)) = (ledger.intent.clone(), ledger.instance) else {
        pass.edit(|ledger| ledger.intent = None);
        return proceed(pass);
    };
    if ledger.account != view.site.account {
        if view.object.deleting && view.spec.deletion_policy == DeletionPolicy::Retain {
            return super::deletion::decide(pass);
        }
        let message = format!(
            "a {} of VM {vm} may be in flight under another ITCare account; run the operator with that account until it is resolved, or set deletionPolicy: Retain to let this object go",
            intent.kind
        );
        return pass.stalled(Reason::DeletionBlocked, message);
    }
    match &pass.memory.attempt_seen {
        Some((attempt, _)) if *attempt == intent.attempt => {}
        Some(_) | None => pass.memory.attempt_seen = Some((intent.attempt.clone(), view.now.mono)),
    }
    let followed = pass.status.operation.as_ref().filter(|operation| {
        operation.kind == intent.kind && operation.attempt.as_ref() == Some(&intent.attempt)
    });
    match followed.and_then(|operation| operation.action_id).map(ActionId::new) {
        Some(action) => follow(pass, &intent, vm, action),
        None => look(pass, &intent, vm),
    }
}

fn working_reason(kind: OperationKind) -> Reason {
    if kind == OperationKind::Recover { Reason::Recovering } else { Reason::TakingSnapshot }
}

fn follow(mut pass: Pass<'_>, intent: &Intent, vm: InstanceId, action: ActionId) -> Decision<SnapshotStatus> {
    let view = pass.view;
    let running = |pass: Pass<'_>| {
        let message = conditions::action_runs(intent.kind, &format_args!("VM {vm}"), action);
        let wake = Wake::After(pass.view.site.action_interval);
        let mut pass = pass;
        pass.keep_available();
        pass.working(working_reason(intent.kind), message, wake)
    };
    // The shared list of running actions answers for most of the wait; the action itself for its end.
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);
    let Observed::Present { value: all, at } = view.cloud.running.since(mark) else {
        return pass.observe(Need::Running { since: mark }, "looking at running actions");
    };
    let runs = all.iter().any(|other| other.id == action);
    let Some(at) = pass.memory.is_over(action, runs, at) else { return running(pass) };
    match view.cloud.action(action) {
        None | Some(Observed::Unknown) => pass.observe(Need::Action(action), "reading the action"),
        Some(Observed::Present { value, .. }) => match &value.status {
            ActionStatus::InProgress | ActionStatus::Other(_) => running(pass),
            ActionStatus::Success => succeeded(pass, intent, vm, action, at),
            ActionStatus::Error => {
                let message = value.message.clone();
                if intent.kind == OperationKind::TakeSnapshot {
                    return left_behind(pass, intent, vm, (action, message), at);
                }
                failed(pass, intent, action, message)
            }
        },
        Some(Observed::Absent { .. }) if intent.kind == OperationKind::Recover => {
            let words = "ITCare does not know its action any more".to_owned();
            end_recover(pass, intent, OperationResult::OutcomeUnknown, Some(action), Some(words))
        }
        // Forgotten after it ended well: the snapshot was taken.
        Some(Observed::Absent { .. }) if intent.done == Some(action) => {
            succeeded(pass, intent, vm, action, at)
        }
        Some(Observed::Absent { .. }) => look(pass, intent, vm),
    }
}

fn succeeded(
    pass: Pass<'_>,
    intent: &Intent,
    vm: InstanceId,
    action: ActionId,
    mark: Duration,
) -> Decision<SnapshotStatus> {
    if intent.kind == OperationKind::Recover {
        return match pass.slot_since(mark) {
            Observed::Unknown => pass.observe(Need::Slot(vm), "reading the snapshot"),
            Observed::Present { .. } | Observed::Absent { .. } => {
                end_recover(pass, intent, OperationResult::Succeeded, Some(action), None)
            }
        };
    }
    match pass.slot_since(mark) {
        Observed::Unknown => pass.observe(Need::Slot(vm), "reading the new snapshot"),
        Observed::Present { value: slot, .. } if is_ours(slot, intent, pass.view.site, true) => {
            bind(pass, slot, Some(action))
        }
        Observed::Present { .. } | Observed::Absent { .. } => unseen(pass, intent, action),
    }
}

/// Taken, but not shown: never taken again. A settle time later a person is told; it is bound whenever the slot
/// shows it, and once it is older than any snapshot it has expired.
fn unseen(mut pass: Pass<'_>, intent: &Intent, action: ActionId) -> Decision<SnapshotStatus> {
    let view = pass.view;
    let first = pass.memory.first_end(action, view.now.mono);
    pass.edit(|ledger| {
        if let Some(intent) = &mut ledger.intent {
            intent.done = Some(action);
        }
    });
    if view.now.mono.saturating_sub(first) <= view.site.settle {
        let message = format!("the snapshot was taken by action {action}; waiting for ITCare to show it");
        return pass.working(Reason::TakingSnapshot, message, Wake::After(view.site.action_interval));
    }
    let expires = ended_by(&pass, intent, action).map(|ended| time::after(ended, KEPT));
    if let Some(expires) = expires.filter(|end| view.now.wall >= time::after(*end, evidence::CLOCKS)) {
        return expired_unseen(pass, action, expires);
    }
    let until = expires.map(|end| format!(", or wait until {end}, when it would expire")).unwrap_or_default();
    let message = format!(
        "action {action} took the snapshot, but the slot does not show it; it was removed at once, or ITCare's support must look; delete this object with deletionPolicy: Retain to give it up{until}"
    );
    pass.stalled_until(Reason::SnapshotMissing, message, Wake::After(view.site.observe_interval))
}

/// When that action, which ended well, had ended at the latest: as it says itself, else by its call.
fn ended_by(pass: &Pass<'_>, intent: &Intent, action: ActionId) -> Option<jiff::Timestamp> {
    let told = match pass.view.cloud.action(action) {
        Some(Observed::Present { value, .. }) => value.completed_at.or(value.submitted_at),
        Some(Observed::Absent { .. } | Observed::Unknown) | None => None,
    };
    told.or(intent.fence.date.map(|date| time::after(date, evidence::LONGEST_ACTION)))
}

/// Its normal end, though nobody saw it while it lasted: the call is dealt with, and the ledger says why there is no
/// id.
fn expired_unseen(
    mut pass: Pass<'_>,
    action: ActionId,
    expires: jiff::Timestamp,
) -> Decision<SnapshotStatus> {
    pass.edit(|ledger| {
        ledger.intent = None;
        ledger.origin = Some(Origin::Created);
        ledger.expires = Some(expires);
        ledger.unseen = true;
    });
    pass.status.operation = None;
    let ended = pass.ended(OperationKind::TakeSnapshot, Some(action), OperationResult::Succeeded, None);
    pass.record_end(ended);
    proceed(pass)
}

/// Ours: by the mark. Where ITCare shows no description at all, only if it was made after the call, by nobody
/// else, with our action done; a description of somebody else's is somebody else's.
fn is_ours(slot: &Slot, intent: &Intent, site: &Site, done: bool) -> bool {
    match (slot.attempt(), &slot.description) {
        (Some(attempt), _) => attempt == intent.attempt,
        (None, Some(text)) if !text.trim().is_empty() => false,
        (None, Some(_) | None) => {
            let after = slot
                .created_at
                .zip(intent.fence.date)
                .is_some_and(|(made, fence)| made >= time::before(fence, Duration::from_secs(1)));
            let somebody_else =
                slot.created_by.as_ref().zip(site.submitter.as_ref()).is_some_and(|(by, us)| by != us);
            done && after && !somebody_else
        }
    }
}

fn bind(mut pass: Pass<'_>, slot: &Slot, action: Option<ActionId>) -> Decision<SnapshotStatus> {
    let (id, expires) = (slot.id.clone(), slot.expires_at);
    pass.edit(|ledger| {
        ledger.intent = None;
        ledger.origin = Some(Origin::Created);
        ledger.snapshot = Some(id);
        ledger.expires = expires;
    });
    pass.status.operation = None;
    let ended = pass.ended(OperationKind::TakeSnapshot, action, OperationResult::Succeeded, None);
    pass.record_end(ended);
    pass.record(slot);
    proceed(pass)
}

/// It failed. What bears our mark in the slot is ours all the same: nobody else would remove it.
fn left_behind(
    mut pass: Pass<'_>,
    intent: &Intent,
    vm: InstanceId,
    (action, message): (ActionId, Option<String>),
    at: Duration,
) -> Decision<SnapshotStatus> {
    match pass.slot_since(at) {
        Observed::Unknown => pass.observe(Need::Slot(vm), "reading the slot after a snapshot that failed"),
        Observed::Present { value: slot, .. } if is_ours(slot, intent, pass.view.site, false) => {
            pass.notes.push(Note {
                warning: true,
                reason: Reason::ActionFailed,
                message: format!(
                    "taking the snapshot failed (action {action}): {}; it left snapshot {}, which is kept",
                    message.unwrap_or_default(),
                    slot.id
                ),
            });
            bind(pass, slot, Some(action))
        }
        Observed::Present { .. } | Observed::Absent { .. } => failed(pass, intent, action, message),
    }
}

fn failed(
    mut pass: Pass<'_>,
    intent: &Intent,
    action: ActionId,
    message: Option<String>,
) -> Decision<SnapshotStatus> {
    pass.notes.push(Note {
        warning: true,
        reason: Reason::ActionFailed,
        message: format!("{} failed (action {action}): {}", intent.kind, message.clone().unwrap_or_default()),
    });
    if intent.kind == OperationKind::Recover {
        return end_recover(pass, intent, OperationResult::Failed, Some(action), message);
    }
    pass.edit(|ledger| ledger.intent = None);
    pass.status.operation = None;
    let ended = pass.ended(intent.kind, Some(action), OperationResult::Failed, message);
    pass.record_end(ended);
    let wake = Wake::After(Duration::ZERO);
    pass.working(Reason::TakingSnapshot, "taking the snapshot failed; trying again", wake)
}

fn end_recover(
    mut pass: Pass<'_>,
    intent: &Intent,
    result: OperationResult,
    action: Option<ActionId>,
    message: Option<String>,
) -> Decision<SnapshotStatus> {
    pass.edit(|ledger| ledger.intent = None);
    pass.status.operation = None;
    if action.is_some() {
        // What was seen before this pass may be from before the recovery.
        pass.memory.effect_end = pass.memory.effect_end.max(pass.view.pass);
    }
    if let Some(requested) = intent.request {
        pass.receipt(requested, result, action, message.clone());
    }
    let mut ended = pass.ended(intent.kind, action, result, message);
    ended.failures = None;
    pass.record_end(ended);
    proceed(pass)
}

/// The actions of the VM's name, then the slot and its mark.
fn look(mut pass: Pass<'_>, intent: &Intent, vm: InstanceId) -> Decision<SnapshotStatus> {
    let view = pass.view;
    let Some(name) = pass.vm_name() else {
        pass.edit(|ledger| ledger.intent = None);
        return proceed(pass);
    };
    let Some(look) = view.cloud.look.as_ref().filter(|look| look.at >= view.pass) else {
        return pass.observe(Need::Look(name), "looking for what the last call did");
    };
    let mark = look.at;
    let slot = match pass.slot_since(mark) {
        Observed::Unknown => return pass.observe(Need::Slot(vm), "reading the snapshot slot"),
        Observed::Absent { .. } => None,
        Observed::Present { value, .. } => Some(value),
    };
    let candidates: Vec<&Action> = look
        .actions
        .iter()
        .filter(|action| evidence::possibly_ours(action, intent, &name, view.site))
        .collect();
    let running = look.actions.iter().any(|action| evidence::may_still_act(action, intent));
    if running {
        pass.memory.running_seen = Some(look.at);
    }
    if intent.kind == OperationKind::TakeSnapshot
        && let Some(slot) = slot.filter(|slot| is_ours(slot, intent, view.site, false))
        && !running
    {
        return bind(pass, slot, candidates.first().map(|action| action.id));
    }
    // What was followed for another attempt has not been followed for this one.
    let followed =
        pass.status.operation.as_ref().filter(|other| other.attempt.as_ref() == Some(&intent.attempt));
    let known = followed.and_then(|operation| operation.action_id);
    if intent.kind == OperationKind::Recover && candidates.len() > 1 {
        let words = "several actions may come of it".to_owned();
        return end_recover(pass, intent, OperationResult::OutcomeUnknown, None, Some(words));
    }
    // The one that runs, else one that ended well, else one that failed: as long as there is any, the call is
    // not known to be without effect.
    let rank = |action: &&&Action| match action.status {
        ActionStatus::InProgress | ActionStatus::Other(_) => 0,
        ActionStatus::Success => 1,
        ActionStatus::Error => 2,
    };
    if let Some(found) = candidates.iter().min_by_key(rank).filter(|found| known != Some(found.id.get())) {
        let operation = pass.operation(
            intent.kind,
            Some(intent.attempt.clone()),
            Some(found.id),
            found.process.as_deref(),
        );
        pass.status.operation = Some(operation);
        let message = format!("found action {} of the {}", found.id, intent.kind);
        return pass.working(working_reason(intent.kind), message, Wake::After(Duration::ZERO));
    }
    let last = view.status.last_operation.as_ref();
    let refused = last.is_some_and(|last| {
        last.result == OperationResult::Refused && last.attempt.as_ref() == Some(&intent.attempt)
    });
    let seen = pass.memory.attempt_seen.as_ref().map_or(Duration::ZERO, |(_, at)| *at);
    let due =
        seen.max(pass.memory.running_seen.unwrap_or_default()).max(pass.memory.effect_end) + view.site.settle;
    if mark < due || running || !candidates.is_empty() || !view.cloud.missing_is_evidence {
        let often = view.site.action_interval.max(view.site.settle / 4);
        // Settled, and still not clear: what is missing is not time.
        let left = if mark >= due { often } else { due.saturating_sub(view.now.mono) };
        let wake = Wake::After(left.max(Duration::from_millis(10)).min(often));
        pass.keep_available();
        if refused && !view.object.deleting {
            let words =
                view.status.last_operation.as_ref().and_then(|last| last.message.clone()).unwrap_or_default();
            return super::outcome::say_refused(pass, intent.kind, vm, &words, wake);
        }
        let message = format!(
            "the {} of VM {vm} got no clear answer; looking for what it did before anything else is sent",
            intent.kind
        );
        return pass.working(Reason::ResolvingOutcome, message, wake);
    }
    // No trace: absent.
    if intent.kind == OperationKind::Recover && !refused {
        let words = "the call got no clear answer; it is never sent again".to_owned();
        return end_recover(pass, intent, OperationResult::OutcomeUnknown, None, Some(words));
    }
    pass.edit(|ledger| ledger.intent = None);
    pass.status.operation = None;
    proceed(pass)
}
