//! An intent stands: a call may be in flight, or may have run. Nothing else happens on the VM until it is
//! known what came of it (DESIGN 5.2, steps 4 to 6); this goes on under `suspend` and `Observe` too.

use std::time::Duration;

use jiff::Timestamp;

use super::adopt::{bind, mismatch};
use super::look::look;
use super::pass::Pass;
use super::validate::Checked;
use super::{Claim, observe as ask, one_shot, proceed};
use crate::crd::instance::ManagementPolicy;
use crate::crd::status::LastOperation;
use crate::crd::{InstanceStatus, Reason};
use crate::decide::decision::{Decision, Need, Wake};
use crate::decide::{conditions, evidence, retry};
use crate::model::{
    ActionId, ActionStatus, InstanceId, InstanceState, Intent, Ledger, Listed, Observed, OperationKind,
    OperationResult, Origin, time,
};

/// How often what a person must sort out is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How many settle times a created VM may stay out of sight before a person is asked.
const UNSEEN: u32 = 10;

/// Resolves the standing intent, or waits.
pub(super) fn resolve(mut pass: Pass<'_>, checked: &Checked) -> Decision<InstanceStatus> {
    let view = pass.view;
    let Some(ledger) = pass.ledger.clone() else { return proceed(pass, checked) };
    let Some(intent) = ledger.intent.clone() else { return proceed(pass, checked) };
    if ledger.account != view.site.account {
        return pass.stalled(
            Reason::DeletionBlocked,
            format!(
                "a {} of {} may be in flight under another ITCare account; run the operator with that account until it is resolved, or set deletionPolicy: Retain to let this object go",
                intent.kind, checked.name
            ),
        );
    }
    if let Some(id) = ledger.instance.filter(|_| intent.kind == OperationKind::Create) {
        return left_behind(pass, checked, id);
    }
    match &pass.memory.attempt_seen {
        Some((attempt, _)) if *attempt == intent.attempt => {}
        Some(_) | None => pass.memory.attempt_seen = Some((intent.attempt.clone(), view.now.mono)),
    }
    match followed(&pass, &intent) {
        Some(id) => match intent.kind {
            OperationKind::Create => follow_create(pass, checked, &ledger, &intent, id),
            _ => follow_reset(pass, checked, &intent, id),
        },
        None => look(pass, checked, &ledger, &intent),
    }
}

/// The action of this very attempt, where its id is known.
fn followed(pass: &Pass<'_>, intent: &Intent) -> Option<ActionId> {
    let operation = pass.status.operation.as_ref()?;
    let same = operation.kind == intent.kind && operation.attempt.as_ref() == Some(&intent.attempt);
    operation.action_id.filter(|_| same).map(ActionId::new)
}

/// Whether ITCare refused this attempt, as far as the status remembers.
pub(super) fn refusal<'a>(pass: &Pass<'a>, intent: &Intent) -> Option<&'a LastOperation> {
    let last = pass.view.status.last_operation.as_ref();
    last.filter(|last| {
        last.result == OperationResult::Refused && last.attempt.as_ref() == Some(&intent.attempt)
    })
}

fn follow_create(
    mut pass: Pass<'_>,
    checked: &Checked,
    ledger: &Ledger,
    intent: &Intent,
    id: ActionId,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);
    let Observed::Present { value: running, at: running_at } = view.cloud.running.since(mark) else {
        return ask(pass, Need::Running { since: mark }, "looking at running actions");
    };
    let runs = running.iter().any(|action| action.id == id);
    let Some(over_at) = pass.memory.is_over(id, runs, running_at) else { return creating(pass, checked, id) };
    let Observed::Present { value: arrived, at: listed_at } = view.cloud.arrived.since(over_at) else {
        let need = Need::Arrivals { service: checked.service, since: over_at };
        return ask(pass, need, "looking for the new VM");
    };
    let ended = match view.cloud.action(id) {
        Some(Observed::Present { value, .. }) => value.completed_at,
        Some(Observed::Absent { .. }) => None,
        Some(Observed::Unknown) | None => {
            if made_by(&pass, arrived, intent, None).iter().any(|item| evidence::is_late(item, intent)) {
                return ask(pass, Need::Action(id), "reading when the creation ended");
            }
            None
        }
    };
    let made = made_by(&pass, arrived, intent, ended);
    match made.as_slice() {
        [one] => {
            // A VM that runs is what was asked for: the action is over. In any other state it may have failed.
            let over = one.state == InstanceState::Active;
            let id_of_vm = one.id;
            match view.cloud.action(id) {
                None if !over => ask(pass, Need::Action(id), "reading the creation's action"),
                Some(Observed::Present { value, .. }) if value.status == ActionStatus::Error => {
                    let message = value.message.clone();
                    bind_made(pass, checked, id_of_vm, listed_at, Some((id, message)))
                }
                Some(Observed::Present { value, .. }) if value.status.is_running() => {
                    pass.memory.is_over(id, true, running_at);
                    creating(pass, checked, id)
                }
                Some(Observed::Present { .. } | Observed::Absent { .. } | Observed::Unknown) | None => {
                    bind_made(pass, checked, id_of_vm, listed_at, None)
                }
            }
        }
        [] => match view.cloud.action(id) {
            None | Some(Observed::Unknown) => ask(pass, Need::Action(id), "reading the creation's action"),
            // Forgotten after it ended well: the VM exists, whatever the lists say.
            Some(Observed::Absent { .. }) if intent.done == Some(id) => unseen(pass, checked, id),
            Some(Observed::Absent { .. }) => {
                // The action is forgotten: what it made can only be found by looking.
                look(pass, checked, ledger, intent)
            }
            Some(Observed::Present { value, .. }) => match &value.status {
                ActionStatus::InProgress | ActionStatus::Other(_) => {
                    pass.memory.is_over(id, true, running_at);
                    creating(pass, checked, id)
                }
                ActionStatus::Success => unseen(pass, checked, id),
                ActionStatus::Error => {
                    let message = value.message.clone();
                    let due = pass.memory.first_end(id, view.now.mono) + view.site.settle;
                    let listed_at = view.cloud.named.at().unwrap_or_default();
                    if view.now.mono >= due && listed_at < due {
                        let need = Need::List { service: checked.service, since: due };
                        return ask(pass, need, "looking for what the failed creation left");
                    }
                    gone_wrong(pass, checked, id, message, listed_at)
                }
            },
        },
        _ if view.cloud.named.at() < Some(listed_at) => {
            // One of them may have gone since the whole list showed it.
            let need = Need::List { service: checked.service, since: listed_at };
            ask(pass, need, "listing the instances of the service")
        }
        several => ambiguous(pass, checked, several, listed_at),
    }
}

/// The action ended badly, and no VM shows. What it may have left shows within the settle time: before that,
/// nothing is made anew and nothing is let go.
pub(super) fn gone_wrong(
    mut pass: Pass<'_>,
    checked: &Checked,
    id: ActionId,
    message: Option<String>,
    looked: Duration,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let due = pass.memory.first_end(id, view.now.mono) + view.site.settle;
    if looked >= due {
        return create_failed(pass, checked, id, message);
    }
    let left = due.saturating_sub(view.now.mono).max(Duration::from_millis(10));
    let text = format!(
        "the creation of {} failed (action {id}: {}); looking for what it left before it is tried again",
        checked.name,
        message.as_deref().unwrap_or("no reason given")
    );
    pass.working(Reason::Creating, text, Wake::After(left))
}

pub(super) fn creating(pass: Pass<'_>, checked: &Checked, id: ActionId) -> Decision<InstanceStatus> {
    let message = conditions::action_runs(OperationKind::Create, &checked.name, id);
    let wake = Wake::After(pass.view.site.action_interval);
    pass.working(Reason::Creating, message, wake)
}

/// The live VMs of our name and service that our call, whose action has `ended` then, may have made.
pub(super) fn made_by(
    pass: &Pass<'_>,
    named: &[Listed],
    intent: &Intent,
    ended: Option<Timestamp>,
) -> Vec<Listed> {
    named
        .iter()
        .filter(|item| item.is_live())
        .filter(|item| !pass.view.recorded_elsewhere.iter().any(|(recorded, _)| *recorded == item.id))
        .filter(|item| evidence::may_be_made_by(item, intent, ended, pass.view.site))
        .cloned()
        .collect()
}

pub(super) fn ambiguous(
    pass: Pass<'_>,
    checked: &Checked,
    made: &[Listed],
    mark: Duration,
) -> Decision<InstanceStatus> {
    let named = pass.view.spec.instance_id;
    if let Some(chosen) = made.iter().find(|item| Some(item.id.get()) == named) {
        let id = chosen.id;
        return bind_made(pass, checked, id, mark, None);
    }
    let ids: Vec<String> = made.iter().map(|item| item.id.to_string()).collect();
    pass.stalled_until(
        Reason::Ambiguous,
        format!(
            "VMs {} are all named {} and may come of this creation; delete the wrong one in ITCare, or set spec.instanceId to the right one, or delete this object with deletionPolicy: Retain to keep both",
            ids.join(" and "),
            checked.name
        ),
        Wake::After(LOOK_AGAIN),
    )
}

/// The creation ended well, but the list does not show the VM yet: never sent again.
pub(super) fn unseen(mut pass: Pass<'_>, checked: &Checked, id: ActionId) -> Decision<InstanceStatus> {
    let view = pass.view;
    let first = pass.memory.first_end(id, view.now.mono);
    // Remembered for good: once ITCare has forgotten the action, nothing else would say so.
    pass.edit(|ledger| {
        if let Some(intent) = &mut ledger.intent {
            intent.done = Some(id);
        }
    });
    let wake = Wake::After(view.site.action_interval.max(view.site.settle / 8));
    if view.now.mono.saturating_sub(first) < view.site.settle.saturating_mul(UNSEEN) {
        let message = format!("{} was created by action {id}; waiting for ITCare to list it", checked.name);
        return pass.working(Reason::Creating, message, wake);
    }
    if view.spec.instance_id.is_some() {
        // A person says which one it is.
        pass.edit(|ledger| ledger.intent = None);
        pass.status.operation = None;
        return proceed(pass, checked);
    }
    let message = format!(
        "action {id} created {} in service {}, but ITCare does not list it; set spec.instanceId to its id, or set deletionPolicy: Retain to let it go",
        checked.name, checked.service
    );
    pass.stalled_until(Reason::InstanceMissing, message, Wake::After(view.site.observe_interval))
}

/// Ours by its id and by an action: bound after its detail confirmed who it is.
pub(super) fn bind_made(
    mut pass: Pass<'_>,
    checked: &Checked,
    id: InstanceId,
    mark: Duration,
    failed: Option<(ActionId, Option<String>)>,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let read = view.cloud.detail.since(mark);
    let detail = match read {
        Observed::Present { value, .. } if value.id == id => value,
        // Read just now, by that very id: asking again would give the same answer.
        Observed::Present { value, at } if at >= view.pass => {
            let other = value.id;
            let message = format!(
                "asked for VM {id}, ITCare answers with VM {other}; have ITCare's support look, or set spec.instanceId to the right one"
            );
            return pass.stalled(Reason::IdentityMismatch, message);
        }
        Observed::Present { .. } | Observed::Unknown => {
            return ask(pass, Need::Detail(id), &format!("reading the new VM {id}"));
        }
        // Listed but not there: the list lags, or it was deleted at once. The next list tells.
        Observed::Absent { .. } => {
            let wake = Wake::After(view.site.action_interval);
            return pass.working(Reason::Creating, format!("VM {id} is listed but cannot be read yet"), wake);
        }
    };
    if detail.state == InstanceState::Removed {
        let wake = Wake::After(view.site.action_interval);
        return pass.working(Reason::ResolvingOutcome, format!("VM {id} is already removed"), wake);
    }
    if let Some(message) = mismatch(checked, id, detail) {
        return pass.stalled(Reason::IdentityMismatch, message);
    }
    let action = pass.status.operation.as_ref().and_then(|operation| operation.action_id);
    pass.status.operation = None;
    let bad = failed.is_some();
    let ended = match failed {
        Some((action, message)) => retry::failed(
            None,
            OperationKind::Create,
            Some(action.get()),
            message,
            pass.generation(),
            view.now.wall,
        ),
        None => succeeded(OperationKind::Create, action, &pass),
    };
    pass.record_end(ended);
    let managed = view.spec.management_policy == ManagementPolicy::Manage
        && view.claim == Claim::Held
        && checked.invalid.is_none()
        && view.service_allowed;
    if bad || view.object.deleting || view.spec.suspend || !managed {
        // Bound, so that it is not lost; what follows is decided with the ledger written.
        let detail = detail.clone();
        let mut pass = pass;
        pass.edit(|ledger| {
            ledger.origin = Some(Origin::Created);
            ledger.instance = Some(detail.id);
            ledger.name = Some(detail.name.clone());
            ledger.service = Some(checked.service);
            // What failed stays an intent until a person decides: nothing else may happen to what it left.
            ledger.intent = ledger.intent.take().filter(|_| bad);
            ledger.applied.get_or_insert_default().v = crate::model::ledger::VERSION;
        });
        pass.record(&detail);
        let reason = if view.object.deleting { Reason::Deleting } else { Reason::Creating };
        return pass.working(reason, format!("VM {id} was created"), Wake::After(Duration::ZERO));
    }
    bind(pass, checked, detail, Origin::Created)
}

/// The creation failed and left a VM. A person decides: to accept it, or to have it deleted with the object.
fn left_behind(mut pass: Pass<'_>, checked: &Checked, id: InstanceId) -> Decision<InstanceStatus> {
    let view = pass.view;
    if view.object.deleting || view.spec.instance_id == Some(id.get()) {
        pass.edit(|ledger| ledger.intent = None);
        return proceed(pass, checked);
    }
    if view.spec.suspend {
        return pass.held("suspended by spec.suspend: no call is made");
    }
    let last = pass.last(OperationKind::Create).and_then(|last| last.message.clone());
    let message = format!(
        "the creation failed ({}) and left VM {id}; delete this object to remove it, or set spec.instanceId: {id} to accept it as it is",
        last.as_deref().unwrap_or("no reason given")
    );
    pass.stalled(Reason::CreateFailed, message)
}

/// The record of an operation that ended well.
pub(super) fn succeeded(kind: OperationKind, action_id: Option<i64>, pass: &Pass<'_>) -> LastOperation {
    LastOperation {
        kind,
        action_id,
        result: OperationResult::Succeeded,
        finished_at: time::whole_seconds(pass.view.now.wall),
        message: None,
        attempt: None,
        state: None,
        failures: None,
        generation: Some(pass.generation()),
    }
}

/// The action ended badly and a later list shows no VM: nothing is in flight any more.
fn create_failed(
    mut pass: Pass<'_>,
    checked: &Checked,
    id: ActionId,
    message: Option<String>,
) -> Decision<InstanceStatus> {
    pass.status.operation = None;
    let ended = retry::failed(
        pass.last(OperationKind::Create),
        OperationKind::Create,
        Some(id.get()),
        message.clone(),
        pass.generation(),
        pass.view.now.wall,
    );
    pass.record_end(ended);
    pass.notes.push(crate::decide::decision::Note {
        warning: true,
        reason: Reason::ActionFailed,
        message: format!(
            "the creation of {} failed (action {id}): {}",
            checked.name,
            message.unwrap_or_default()
        ),
    });
    pass.edit(|ledger| ledger.intent = None);
    let text = format!("the creation of {} failed; trying again", checked.name);
    pass.working(Reason::Creating, text, Wake::After(Duration::ZERO))
}

fn follow_reset(
    mut pass: Pass<'_>,
    checked: &Checked,
    intent: &Intent,
    id: ActionId,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    match view.cloud.action(id) {
        None | Some(Observed::Unknown) => ask(pass, Need::Action(id), "reading the reset's action"),
        Some(Observed::Absent { .. }) => end_one_shot(
            pass,
            checked,
            intent,
            OperationResult::OutcomeUnknown,
            Some(id),
            Some("ITCare does not know its action any more".to_owned()),
        ),
        Some(Observed::Present { value, .. }) => match &value.status {
            ActionStatus::InProgress | ActionStatus::Other(_) => {
                pass.memory.running_seen = Some(view.now.mono);
                let wake = Wake::After(view.site.action_interval);
                let message = conditions::action_runs(OperationKind::Reset, &checked.name, id);
                pass.working(Reason::Resetting, message, wake)
            }
            ActionStatus::Success => {
                end_one_shot(pass, checked, intent, OperationResult::Succeeded, Some(id), None)
            }
            ActionStatus::Error => {
                let message = value.message.clone();
                end_one_shot(pass, checked, intent, OperationResult::Failed, Some(id), message)
            }
        },
    }
}

pub(super) fn end_one_shot(
    mut pass: Pass<'_>,
    checked: &Checked,
    intent: &Intent,
    result: OperationResult,
    action: Option<ActionId>,
    message: Option<String>,
) -> Decision<InstanceStatus> {
    pass.edit(|ledger| ledger.intent = None);
    pass.status.operation = None;
    if action.is_some() {
        // What was seen before this pass may be from before the reset.
        pass.memory.effect_end = pass.memory.effect_end.max(pass.view.pass);
    }
    if let Some(requested) = intent.request {
        one_shot::receipt(&mut pass, requested, result, action, message.clone());
    }
    let ended = LastOperation {
        kind: intent.kind,
        action_id: action.map(ActionId::get),
        result,
        finished_at: time::whole_seconds(pass.view.now.wall),
        message,
        attempt: None,
        state: None,
        failures: None,
        generation: Some(pass.generation()),
    };
    pass.record_end(ended);
    proceed(pass, checked)
}
