//! A call may have run, and no reply names its action: look for what it did (DESIGN 5.2, step 5).

use std::time::Duration;

use jiff::Timestamp;

use super::intent::{ambiguous, bind_made, end_one_shot, gone_wrong, made_by, refusal, unseen};
use super::pass::Pass;
use super::validate::Checked;
use super::{observe as ask, proceed};
use crate::crd::instance::AdoptionPolicy;
use crate::crd::status::Operation;
use crate::crd::{InstanceStatus, Reason};
use crate::decide::decision::{Decision, Need, Wake};
use crate::decide::{Look, evidence};
use crate::model::failure::says_http;
use crate::model::{Action, ActionStatus, Intent, Ledger, Listed, OperationKind, OperationResult, time};

/// Looks for what the call may have done: the actions of that name, then the VMs of that name.
pub(super) fn look(
    mut pass: Pass<'_>,
    checked: &Checked,
    ledger: &Ledger,
    intent: &Intent,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let Some(look) = view.cloud.look.as_ref().filter(|look| look.at >= view.pass) else {
        return ask(pass, Need::Look(checked.name.clone()), "looking for what the last call did");
    };
    let candidates: Vec<&Action> = look
        .actions
        .iter()
        .filter(|action| evidence::possibly_ours(action, intent, &checked.name, view.site))
        .filter(|action| {
            Some(action.id.get()) != view.status.last_operation.as_ref().and_then(|last| last.action_id)
        })
        .collect();
    if look.actions.iter().any(|action| evidence::may_still_act(action, intent)) {
        pass.memory.running_seen = Some(look.at);
    }
    let refused = refusal(&pass, intent).is_some();
    if intent.kind != OperationKind::Create {
        return look_reset(pass, checked, intent, &candidates, look.at, refused);
    }
    // Where one of them has no end, or none is known, the VM may still be of its making.
    let ends: Option<Vec<Timestamp>> = candidates.iter().map(|action| action.completed_at).collect();
    let ended = ends.and_then(|ends| ends.into_iter().max());
    let made = made_by(&pass, &in_service(look, checked), intent, ended);
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
            let named =
                view.spec.instance_id.is_some_and(|wanted| found.iter().any(|one| one.id.get() == wanted));
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

/// The VMs of the spec's name and service.
pub(super) fn in_service(look: &Look, checked: &Checked) -> Vec<Listed> {
    look.instances
        .iter()
        .filter(|item| {
            item.service.is_none_or(|service| service == checked.service) && checked.name == item.name
        })
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
    let wake = Wake::After(
        left.min(view.site.action_interval.max(view.site.settle / 4)).max(Duration::from_millis(10)),
    );
    let refusal = refusal(&pass, intent).filter(|_| refused && !view.object.deleting);
    // A spec that was corrected since is not at fault, and waits for no person.
    if let Some(last) = refusal.filter(|last| last.generation == Some(pass.generation())) {
        let message = last.message.clone().unwrap_or_default();
        let (reason, text) = refused_words(checked, intent.kind, &message);
        return pass.stalled_until(reason, text, wake);
    }
    let answer = if refusal.is_some() { "was refused" } else { "got no clear answer" };
    let message = format!(
        "the {} of {} {answer}; looking for what it did before anything else is sent",
        intent.kind, checked.name
    );
    pass.working(Reason::ResolvingOutcome, message, wake)
}

/// The words for a refused call; the reply's status leads the message.
pub(super) fn refused_words(checked: &Checked, kind: OperationKind, message: &str) -> (Reason, String) {
    match kind {
        OperationKind::Create if says_http(message, 409) => (
            Reason::NameTaken,
            format!(
                "spec.name: ITCare refused to create {}: {message}; the name is taken, choose another or adopt that VM with spec.instanceId",
                checked.name
            ),
        ),
        OperationKind::Create => (
            Reason::Rejected,
            format!("ITCare refused to create {}: {message}; correct the spec", checked.name),
        ),
        kind => (
            Reason::Rejected,
            format!(
                "ITCare refused the {kind} of {}: {message}; correct the spec, or have ITCare's support look",
                checked.name
            ),
        ),
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
    if !pass.view.cloud.missing_is_evidence {
        let message = format!(
            "the create of {} got no clear answer, and ITCare shows nothing of it; but several VMs of service {} vanished at once, or the account has changed, so that proves nothing: check the credentials, or delete the objects whose VMs are gone",
            checked.name, checked.service
        );
        let wake = Wake::After(pass.view.site.observe_interval);
        return pass.working(Reason::ResolvingOutcome, message, wake);
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
fn take_up(
    mut pass: Pass<'_>,
    checked: &Checked,
    intent: &Intent,
    action: &Action,
) -> Decision<InstanceStatus> {
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
