//! An intent stands: a call may be in flight, or may have run. Nothing else happens on the VM until it is
//! known what came of it (DESIGN 5.2, steps 4 to 6); this goes on under `suspend` and `Observe` too.

use std::time::Duration;

use super::adopt::{bind, mismatch};
use super::pass::Pass;
use super::validate::Checked;
use super::{Claim, observe as ask, one_shot, proceed};
use crate::crd::instance::{AdoptionPolicy, ManagementPolicy};
use crate::crd::status::{LastOperation, Operation};
use crate::crd::{InstanceStatus, Reason};
use crate::decide::decision::{Decision, Need, Wake};
use crate::decide::{Look, evidence, retry};
use crate::model::failure::says_http;
use crate::model::{
    Action, ActionId, ActionStatus, InstanceId, InstanceState, Intent, Ledger, Listed, Observed, OneShot, OperationKind,
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
                "a {} may be in flight under another ITCare account; run the operator with that account until it is resolved",
                intent.kind
            ),
        );
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
fn refusal<'a>(pass: &Pass<'a>, intent: &Intent) -> Option<&'a LastOperation> {
    let last = pass.view.status.last_operation.as_ref();
    last.filter(|last| last.result == OperationResult::Refused && last.attempt.as_ref() == Some(&intent.attempt))
}

fn follow_create(
    mut pass: Pass<'_>,
    checked: &Checked,
    ledger: &Ledger,
    intent: &Intent,
    id: ActionId,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let mark = view.now.mono.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);
    let Observed::Present { value: running, at: running_at } = view.cloud.running.since(mark) else {
        return ask(pass, Need::Running { since: mark }, "looking at running actions");
    };
    let runs = running.iter().any(|action| action.id == id);
    let Some(over_at) = pass.memory.is_over(id, runs, running_at) else { return creating(pass, checked, id) };
    let Observed::Present { value: named, at: listed_at } = view.cloud.named.since(over_at) else {
        let need = Need::List { service: checked.service, since: over_at };
        return ask(pass, need, "looking for the new VM");
    };
    let made = made_by(&pass, named, intent);
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
                    if view.now.mono >= due && listed_at < due {
                        let need = Need::List { service: checked.service, since: due };
                        return ask(pass, need, "looking for what the failed creation left");
                    }
                    gone_wrong(pass, checked, id, message, listed_at)
                }
            },
        },
        several => ambiguous(pass, checked, several, listed_at),
    }
}

/// The action ended badly, and no VM shows. What it may have left shows within the settle time: before that,
/// nothing is made anew and nothing is let go.
fn gone_wrong(
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

fn creating(pass: Pass<'_>, checked: &Checked, id: ActionId) -> Decision<InstanceStatus> {
    let message = format!("creating {}: action {id} runs", checked.name);
    let wake = Wake::After(pass.view.site.action_interval);
    pass.working(Reason::Creating, message, wake)
}

/// The live VMs of our name and service that our call may have made.
fn made_by(pass: &Pass<'_>, named: &[Listed], intent: &Intent) -> Vec<Listed> {
    named
        .iter()
        .filter(|item| item.is_live())
        .filter(|item| !pass.view.recorded_elsewhere.iter().any(|(recorded, _)| *recorded == item.id))
        .filter(|item| evidence::may_be_made_by(item, intent, pass.view.site))
        .cloned()
        .collect()
}

fn ambiguous(pass: Pass<'_>, checked: &Checked, made: &[Listed], mark: Duration) -> Decision<InstanceStatus> {
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
fn unseen(mut pass: Pass<'_>, checked: &Checked, id: ActionId) -> Decision<InstanceStatus> {
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
fn bind_made(
    mut pass: Pass<'_>,
    checked: &Checked,
    id: InstanceId,
    mark: Duration,
    failed: Option<(ActionId, Option<String>)>,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let read = view.cloud.detail.since(mark);
    let (detail, at) = match read {
        Observed::Present { value, at } if value.id == id => (value, at),
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
    let managed = view.spec.management_policy == ManagementPolicy::Manage && view.claim == Claim::Held && view.service_allowed;
    if view.object.deleting || view.spec.suspend || !managed {
        // Bound, so that it is not lost; what follows is decided with the ledger written.
        let detail = detail.clone();
        let mut pass = pass;
        pass.edit(|ledger| {
            ledger.origin = Some(Origin::Created);
            ledger.instance = Some(detail.id);
            ledger.name = Some(detail.name.clone());
            ledger.service = Some(checked.service);
            ledger.intent = None;
            ledger.applied.get_or_insert_default().v = crate::model::ledger::VERSION;
        });
        pass.record(&detail);
        let reason = if view.object.deleting { Reason::Deleting } else { Reason::Creating };
        return pass.working(reason, format!("VM {id} was created"), Wake::After(Duration::ZERO));
    }
    bind(pass, checked, detail, at, Origin::Created)
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
        message: format!("the creation of {} failed (action {id}): {}", checked.name, message.unwrap_or_default()),
    });
    pass.edit(|ledger| ledger.intent = None);
    let text = format!("the creation of {} failed; trying again", checked.name);
    pass.working(Reason::Creating, text, Wake::After(Duration::ZERO))
}

fn follow_reset(mut pass: Pass<'_>, checked: &Checked, intent: &Intent, id: ActionId) -> Decision<InstanceStatus> {
    let view = pass.view;
    match view.cloud.action(id) {
        None | Some(Observed::Unknown) => ask(pass, Need::Action(id), "reading the reset's action"),
        Some(Observed::Absent { .. }) => {
            end_one_shot(pass, checked, intent, OperationResult::OutcomeUnknown, Some(id), Some("ITCare does not know its action any more".to_owned()))
        }
        Some(Observed::Present { value, .. }) => match &value.status {
            ActionStatus::InProgress | ActionStatus::Other(_) => {
                pass.memory.running_seen = Some(view.now.mono);
                let wake = Wake::After(view.site.action_interval);
                pass.working(Reason::Resetting, format!("resetting {}: action {id} runs", checked.name), wake)
            }
            ActionStatus::Success => end_one_shot(pass, checked, intent, OperationResult::Succeeded, Some(id), None),
            ActionStatus::Error => {
                let message = value.message.clone();
                end_one_shot(pass, checked, intent, OperationResult::Failed, Some(id), message)
            }
        },
    }
}

fn end_one_shot(
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
        one_shot::receipt(&mut pass, OneShot::Reset, requested, result, action, message.clone());
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

/// Looks for what the call may have done: the actions of that name, then the VMs of that name.
fn look(mut pass: Pass<'_>, checked: &Checked, ledger: &Ledger, intent: &Intent) -> Decision<InstanceStatus> {
    let view = pass.view;
    let Some(look) = view.cloud.look.as_ref().filter(|look| look.at >= view.pass) else {
        return ask(pass, Need::Look(checked.name.clone()), "looking for what the last call did");
    };
    let candidates: Vec<&Action> = look
        .actions
        .iter()
        .filter(|action| evidence::possibly_ours(action, intent, &checked.name, view.site))
        .filter(|action| Some(action.id.get()) != view.status.last_operation.as_ref().and_then(|last| last.action_id))
        .collect();
    if look.actions.iter().any(|action| action.status.is_running()) {
        pass.memory.running_seen = Some(look.at);
    }
    let refused = refusal(&pass, intent).is_some();
    if intent.kind != OperationKind::Create {
        return look_reset(pass, checked, intent, &candidates, look.at, refused);
    }
    let made = made_by(&pass, &in_service(look, checked), intent);
    if let [only] = candidates.as_slice() {
        // Found: from here on it is followed as if its reply had arrived.
        let known = pass.status.operation.as_ref().and_then(|operation| operation.action_id);
        if known != Some(only.id.get()) {
            return take_up(pass, checked, intent, only);
        }
    }
    let running = candidates.iter().any(|action| action.status.is_running());
    match (candidates.is_empty(), made.as_slice()) {
        (false, [one]) if !running => {
            let id = one.id;
            // A VM that only failed actions can have made is what one of them left.
            let failed = match candidates.iter().any(|action| action.status == ActionStatus::Success) {
                true => None,
                false => candidates.first().map(|action| (action.id, action.message.clone())),
            };
            bind_made(pass, checked, id, look.at, failed)
        }
        (false, [_, _, ..]) => ambiguous(pass, checked, &made, look.at),
        (false, _) if running => {
            let wake = Wake::After(view.site.action_interval);
            pass.working(Reason::Creating, format!("creating {}", checked.name), wake)
        }
        (false, _) => match candidates.iter().find(|action| action.status == ActionStatus::Success) {
            Some(action) => {
                let id = action.id;
                unseen(pass, checked, id)
            }
            None => {
                let last = candidates.first().map(|action| (action.id, action.message.clone()));
                match last {
                    Some((id, message)) => gone_wrong(pass, checked, id, message, look.at),
                    None => proceed(pass, checked),
                }
            }
        },
        // It ended well and is forgotten since: the VM exists, whatever the lists say.
        (true, []) if intent.done.is_some() => match intent.done {
            Some(id) => unseen(pass, checked, id),
            None => proceed(pass, checked),
        },
        (true, []) => nothing_found(pass, checked, ledger, intent, look.at, refused),
        (true, found) => {
            // A VM of that name without an action that could be ours: the proof may only lag behind.
            if !is_settled(&pass, look.at) {
                return resolving(pass, checked, intent, refused);
            }
            let ids: Vec<String> = found.iter().map(|item| item.id.to_string()).collect();
            let message = format!(
                "spec.name: a VM named {} exists in service {} (id {}), and nothing proves that this object made it; set spec.instanceId to adopt it, or deletionPolicy: Retain to let this object go",
                checked.name,
                checked.service,
                ids.join(" and ")
            );
            let reason = if found.len() > 1 { Reason::Ambiguous } else { Reason::NameTaken };
            let named = view.spec.instance_id.is_some_and(|wanted| found.iter().any(|one| one.id.get() == wanted));
            let adopts = found.len() == 1 && view.spec.adoption_policy == AdoptionPolicy::ByName;
            if named || adopts {
                pass.edit(|ledger| ledger.intent = None);
                pass.status.operation = None;
                return proceed(pass, checked);
            }
            if refused && !view.object.deleting {
                // The name was taken before we came: nothing of ours is in flight.
                pass.edit(|ledger| ledger.intent = None);
                pass.status.operation = None;
                return pass.stalled(reason, message);
            }
            pass.stalled_until(reason, message, Wake::After(view.site.observe_interval))
        }
    }
}

fn in_service(look: &Look, checked: &Checked) -> Vec<Listed> {
    look.instances
        .iter()
        .filter(|item| item.service.is_none_or(|service| service == checked.service) && checked.name == item.name)
        .cloned()
        .collect()
}

/// When the last trace of the call could have shown: a settle time after all of these.
fn settled_at(pass: &Pass<'_>) -> Duration {
    let seen = pass.memory.attempt_seen.as_ref().map_or(Duration::ZERO, |(_, at)| *at);
    let running = pass.memory.running_seen.unwrap_or_default();
    seen.max(running).max(pass.memory.effect_end) + pass.view.site.settle
}

fn is_settled(pass: &Pass<'_>, looked: Duration) -> bool {
    looked >= settled_at(pass)
}

fn resolving(pass: Pass<'_>, checked: &Checked, intent: &Intent, refused: bool) -> Decision<InstanceStatus> {
    let view = pass.view;
    let left = settled_at(&pass).saturating_sub(view.now.mono);
    let wake = Wake::After(left.min(view.site.action_interval.max(view.site.settle / 4)).max(Duration::from_millis(10)));
    if let Some(last) = refusal(&pass, intent).filter(|_| refused && !view.object.deleting) {
        let message = last.message.clone().unwrap_or_default();
        let (reason, text) = refused_words(checked, intent.kind, &message);
        return pass.stalled_until(reason, text, wake);
    }
    let message = format!(
        "the {} of {} got no clear answer; looking for what it did before anything else is sent",
        intent.kind, checked.name
    );
    pass.working(Reason::ResolvingOutcome, message, wake)
}

/// The words for a refused call; the reply's status leads the message.
pub(super) fn refused_words(checked: &Checked, kind: OperationKind, message: &str) -> (Reason, String) {
    match kind {
        OperationKind::Create if says_http(message, 409) => (
            Reason::NameTaken,
            format!("spec.name: ITCare refused to create {}: {message}; the name is taken, choose another or adopt that VM with spec.instanceId", checked.name),
        ),
        OperationKind::Create => {
            (Reason::Rejected, format!("ITCare refused to create {}: {message}; correct the spec", checked.name))
        }
        kind => (Reason::Rejected, format!("ITCare refused the {kind} of {}: {message}", checked.name)),
    }
}

/// No trace. It counts as absent only when both questions were asked after the settle time.
fn nothing_found(
    mut pass: Pass<'_>,
    checked: &Checked,
    ledger: &Ledger,
    intent: &Intent,
    looked: Duration,
    refused: bool,
) -> Decision<InstanceStatus> {
    if !is_settled(&pass, looked) {
        return resolving(pass, checked, intent, refused);
    }
    let mut cleared = ledger.clone();
    cleared.intent = None;
    pass.change(cleared);
    pass.status.operation = None;
    proceed(pass, checked)
}

fn look_reset(
    mut pass: Pass<'_>,
    checked: &Checked,
    intent: &Intent,
    candidates: &[&Action],
    looked: Duration,
    refused: bool,
) -> Decision<InstanceStatus> {
    match candidates {
        [only] => take_up(pass, checked, intent, only),
        [_, _, ..] => end_one_shot(
            pass,
            checked,
            intent,
            OperationResult::OutcomeUnknown,
            None,
            Some("several actions may come of it".to_owned()),
        ),
        [] if !is_settled(&pass, looked) => resolving(pass, checked, intent, refused),
        [] if refused => {
            // Refused, and nothing of ours runs: it may be tried again until notAfter.
            pass.edit(|ledger| ledger.intent = None);
            pass.status.operation = None;
            proceed(pass, checked)
        }
        [] => end_one_shot(
            pass,
            checked,
            intent,
            OperationResult::OutcomeUnknown,
            None,
            Some("the call got no clear answer; it is never sent again".to_owned()),
        ),
    }
}

/// Follows an action that was found, not replied.
fn take_up(mut pass: Pass<'_>, checked: &Checked, intent: &Intent, action: &Action) -> Decision<InstanceStatus> {
    pass.status.operation = Some(Operation {
        kind: intent.kind,
        attempt: Some(intent.attempt.clone()),
        action_id: Some(action.id.get()),
        process: action.process.as_deref().map(|process| crate::crd::status::bounded(process, 128)),
        submitted_at: time::whole_seconds(action.submitted_at.unwrap_or(pass.view.now.wall)),
        generation: Some(pass.generation()),
    });
    let reason = if intent.kind == OperationKind::Create { Reason::Creating } else { Reason::Resetting };
    let message = format!("found action {} of the {} of {}", action.id, intent.kind, checked.name);
    pass.working(reason, message, Wake::After(Duration::ZERO))
}

