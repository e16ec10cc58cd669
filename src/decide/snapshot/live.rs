//! The snapshot is there (or was): expiry, recovery, presence.

use std::time::Duration;

use super::outcome::say_refused;
use super::pass::Pass;
use crate::crd::snapshot::RecoverRequest;
use crate::crd::{Reason, SnapshotStatus};
use crate::decide::decision::{Decision, Guarded, GuardedCall, Need, Note, Step, Wake};
use crate::decide::retry::{self, Hold};
use crate::decide::{conditions, request};
use crate::model::{
    ActionId, ActionStatus, InstanceId, Observed, OneShot, OperationKind, OperationResult, Slot, SnapshotId,
    time,
};

/// A recovery must not race with the end of the snapshot.
const BEFORE_EXPIRY: Duration = Duration::from_secs(600);

/// What following an operation came to.
#[expect(clippy::large_enum_variant, reason = "moved once, right away")]
pub(super) enum Followed<'a> {
    /// It still runs, or a fact is missing.
    Wait(Box<Decision<SnapshotStatus>>),
    /// It is over, or there was none.
    Over(Pass<'a>),
}

/// Follows a removal to its end; other operations are followed by their intent.
pub(super) fn follow_removal(mut pass: Pass<'_>) -> Followed<'_> {
    let view = pass.view;
    let Some(operation) = pass.status.operation.clone() else { return Followed::Over(pass) };
    let wait = |decision| Followed::Wait(Box::new(decision));
    if operation.kind != OperationKind::RemoveSnapshot {
        return settle(pass, operation.kind, operation.action_id.map(ActionId::new));
    }
    let Some(action) = operation.action_id.map(ActionId::new) else {
        // Ambiguous: decided anew a settle time later.
        let mark = pass.memory.unclear_since(operation.submitted_at, view.now.mono) + view.site.settle;
        if view.now.mono < mark {
            let wake = Wake::After(mark - view.now.mono);
            return wait(pass.working(
                Reason::ResolvingOutcome,
                "the removal got no clear answer; looking again before anything else is sent",
                wake,
            ));
        }
        let Observed::Present { value: running, .. } = view.cloud.running.since(mark) else {
            return wait(pass.observe(Need::Running { since: mark }, "looking at running actions"));
        };
        if !running.is_empty() {
            let wake = Wake::After(view.site.action_interval);
            return wait(pass.working(
                Reason::ResolvingOutcome,
                "an action runs on the VM that may be the removal",
                wake,
            ));
        }
        pass.status.operation = None;
        return Followed::Over(pass);
    };
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);
    let Observed::Present { value: running, .. } = view.cloud.running.since(mark) else {
        return wait(pass.observe(Need::Running { since: mark }, "looking at running actions"));
    };
    let still = |pass: Pass<'_>| {
        let wake = Wake::After(pass.view.site.action_interval);
        let message = conditions::action_runs(OperationKind::RemoveSnapshot, &pass.vm_words(), action);
        Box::new(pass.working(Reason::RemovingSnapshot, message, wake))
    };
    if running.iter().any(|other| other.id == action) {
        return Followed::Wait(still(pass));
    }
    match view.cloud.action(action) {
        None | Some(Observed::Unknown) => {
            wait(pass.observe(Need::Action(action), "reading the removal's action"))
        }
        Some(Observed::Present { value, .. }) => match &value.status {
            ActionStatus::InProgress | ActionStatus::Other(_) => Followed::Wait(still(pass)),
            ActionStatus::Success => {
                pass.status.operation = None;
                pass.memory.effect_end = pass.memory.effect_end.max(view.pass);
                let ended = pass.ended(operation.kind, Some(action), OperationResult::Succeeded, None);
                pass.record_end(ended);
                Followed::Over(pass)
            }
            ActionStatus::Error => {
                pass.status.operation = None;
                let message = value.message.clone();
                pass.notes.push(Note {
                    warning: true,
                    reason: Reason::ActionFailed,
                    message: format!(
                        "removing the snapshot failed (action {action}): {}",
                        message.clone().unwrap_or_default()
                    ),
                });
                let ended = pass.ended(operation.kind, Some(action), OperationResult::Failed, message);
                pass.record_end(ended);
                Followed::Over(pass)
            }
        },
        Some(Observed::Absent { .. }) => {
            pass.status.operation = None;
            Followed::Over(pass)
        }
    }
}

/// The intent is gone from the ledger, so the call is dealt with; only the status lagged behind. What it has
/// to tell is asked of the action.
fn settle(mut pass: Pass<'_>, kind: OperationKind, action: Option<ActionId>) -> Followed<'_> {
    let requested = without_receipt(&pass).filter(|_| kind == OperationKind::Recover);
    if let (Some(requested), Some(action)) = (requested, action) {
        let Some((result, message)) = request::result(&pass.view.cloud, action) else {
            let ask = pass.observe(Need::Action(action), "reading the recovery's action");
            return Followed::Wait(Box::new(ask));
        };
        pass.receipt(requested, result, Some(action), message);
    }
    pass.status.operation = None;
    Followed::Over(pass)
}

/// The recovery that was dealt with and has no receipt.
fn without_receipt(pass: &Pass<'_>) -> Option<jiff::Timestamp> {
    request::without_receipt(OneShot::Recover, pass.ledger.as_ref(), &pass.status.handled_requests)
}

/// Keeps the status true, and recovers on request.
pub(super) fn decide(mut pass: Pass<'_>, id: SnapshotId, vm: InstanceId) -> Decision<SnapshotStatus> {
    let view = pass.view;
    if let Some(requested) = without_receipt(&pass) {
        let words = Some(request::LOST.to_owned());
        pass.receipt(requested, OperationResult::OutcomeUnknown, None, words);
    }
    let expires = pass.ledger.as_ref().and_then(|ledger| ledger.expires);
    let now = view.now.wall;
    let was_expired = crate::crd::condition::find(&view.status.conditions, crate::crd::ConditionType::Ready)
        .is_some_and(|ready| ready.reason == Reason::Expired.as_str());
    let past = expires.is_some_and(|expires| now >= expires);
    if was_expired && past {
        return expired(pass, &format!("snapshot {id}"));
    }
    let recover = recover_pending(&pass).cloned();
    let waits = past || pass.memory.missing_seen.is_some() || pass.look_requested() || recover.is_some();
    let due = waits || view.now.mono >= view.slot_due;
    if !due && is_settled(&pass) && !pass.memory.unsaid {
        let wake = until_next(&pass, expires);
        return pass.finish(Step::Nothing, wake);
    }
    let mark = pass.memory.effect_end.max(if due { view.pass } else { Duration::ZERO });
    let read = pass.slot_since(mark);
    if let Some(at) = read.at() {
        pass.memory.slot_read = pass.memory.slot_read.max(Some(at));
    }
    match read {
        Observed::Unknown if !waits && is_settled(&pass) => {
            pass.observe_quietly(Need::Slot(vm), "reading the snapshot")
        }
        Observed::Unknown => pass.observe(Need::Slot(vm), "reading the snapshot"),
        Observed::Present { value: slot, at } if slot.id == id => {
            pass.memory.missing_seen = None;
            pass.record(slot);
            if let Some(end) = slot.expires_at.filter(|end| Some(*end) != expires) {
                pass.edit(|ledger| ledger.expires = Some(end));
            }
            if slot.expires_at.or(expires).is_some_and(|end| now >= end) {
                return expired(pass, &format!("snapshot {id}"));
            }
            present(pass, &id, vm, slot, at, recover)
        }
        Observed::Present { .. } | Observed::Absent { .. } if past => {
            expired(pass, &format!("snapshot {id}"))
        }
        Observed::Present { value: other, .. } => {
            lost(pass, &id, &format!("snapshot {} fills the slot now", other.id))
        }
        Observed::Absent { at } => {
            // Once may be a lagging answer.
            let first = *pass.memory.missing_seen.get_or_insert(at);
            if at < first + view.site.settle {
                pass.keep_available();
                let wake = Wake::After(
                    (first + view.site.settle).saturating_sub(view.now.mono).max(Duration::from_millis(10)),
                );
                let message = format!(
                    "the slot of VM {vm} is empty, though snapshot {id} has not expired; looking again"
                );
                return pass.working(Reason::ProgressingWithRetry, message, wake);
            }
            if !view.cloud.missing_is_evidence {
                pass.keep_available();
                let message = format!(
                    "the slot of VM {vm} is empty, but so is much else: that proves nothing until another VM of its service reads right; check the credentials"
                );
                let wake = Wake::After(view.site.observe_interval);
                return pass.working(Reason::ProgressingWithRetry, message, wake);
            }
            lost(pass, &id, "the slot is empty")
        }
    }
}

/// At rest: said so for this generation, and nothing runs. What is to be written is written either way.
fn is_settled(pass: &Pass<'_>) -> bool {
    let status = pass.view.status;
    pass.status.operation.is_none()
        && status.observed_generation == Some(pass.generation())
        && (crate::crd::condition::is_true(&status.conditions, crate::crd::ConditionType::Ready)
            || conditions::is_unseen(&status.conditions))
}

fn until_next(pass: &Pass<'_>, expires: Option<jiff::Timestamp>) -> Wake {
    let view = pass.view;
    // The slot was just read where it was due.
    let due = view.slot_due.checked_sub(view.now.mono).filter(|due| !due.is_zero());
    let due = due.unwrap_or(view.site.detail_interval);
    let end = expires.map_or(due, |end| time::since(end, view.now.wall) + Duration::from_millis(100));
    Wake::After(due.min(end).max(Duration::from_millis(10)))
}

pub(super) fn expired(mut pass: Pass<'_>, what: &str) -> Decision<SnapshotStatus> {
    if let Some(request) = recover_pending(&pass).cloned() {
        let words = "the snapshot has expired".to_owned();
        pass.receipt(request.requested_at, OperationResult::Expired, None, Some(words));
    }
    let message = format!("{what} has expired; ITCare keeps a snapshot for three days");
    pass.available(false, Reason::Expired, message.clone());
    pass.ready(Reason::Expired, message, Wake::OnChange)
}

fn lost(mut pass: Pass<'_>, id: &SnapshotId, how: &str) -> Decision<SnapshotStatus> {
    let message =
        format!("snapshot {id} is gone before it expired: {how}; delete this object and make a new one");
    pass.available(false, Reason::SnapshotMissing, message.clone());
    pass.stalled_until(Reason::SnapshotMissing, message, Wake::After(retry::RECHECK))
}

fn recover_pending<'a>(pass: &Pass<'a>) -> Option<&'a RecoverRequest> {
    let request = pass.view.spec.recover.as_ref()?;
    let newer = request::is_new(
        OneShot::Recover,
        request.requested_at,
        pass.view.object.created,
        pass.ledger.as_ref(),
        &pass.status.handled_requests,
    );
    newer.then_some(request)
}

fn available(
    mut pass: Pass<'_>,
    id: &SnapshotId,
    vm: InstanceId,
    extra: Option<(String, Duration)>,
) -> Decision<SnapshotStatus> {
    let expires = pass.status.expires_at;
    let end = expires.map(|end| format!(" until {end}")).unwrap_or_default();
    let mut message = format!("snapshot {id} of VM {vm} can be recovered{end}");
    pass.available(true, Reason::Available, message.clone());
    let Wake::After(rest) = until_next(&pass, expires) else {
        return pass.ready(Reason::Available, message, Wake::OnChange);
    };
    let mut wake = rest;
    if let Some((words, wait)) = extra {
        message = format!("{message}; {words}");
        wake = wake.min(wait);
    }
    pass.ready(Reason::Available, message, Wake::After(wake))
}

fn present(
    mut pass: Pass<'_>,
    id: &SnapshotId,
    vm: InstanceId,
    slot: &Slot,
    at: Duration,
    recover: Option<RecoverRequest>,
) -> Decision<SnapshotStatus> {
    let view = pass.view;
    let now = view.now.wall;
    let Some(asked) = recover else { return available(pass, id, vm, None) };
    let requested = asked.requested_at;
    let refuse = |mut pass: Pass<'_>, result, words: String| {
        pass.receipt(requested, result, None, Some(words.clone()));
        pass.notes.push(Note {
            warning: true,
            reason: Reason::Recovering,
            message: format!("recovery requested at {requested}: {words}; ask anew with a later requestedAt"),
        });
        available(pass, id, vm, None)
    };
    if let Some(wait) = request::too_early(requested, now) {
        return available(
            pass,
            id,
            vm,
            Some((
                format!(
                    "spec.recover.requestedAt {requested} lies more than five minutes ahead; it is carried out then"
                ),
                wait,
            )),
        );
    }
    let end = request::not_after(requested, asked.not_after);
    if now > end {
        let refused = pass.status.last_operation.as_ref().is_some_and(|last| {
            last.kind == OperationKind::Recover
                && last.result == OperationResult::Refused
                && last.finished_at >= requested
        });
        let result = if refused { OperationResult::Refused } else { OperationResult::Expired };
        return refuse(pass, result, format!("not carried out before {end}"));
    }
    let recorded = pass.ledger.as_ref().and_then(|ledger| ledger.expires);
    if slot.expires_at.or(recorded).is_some_and(|expires| now >= time::before(expires, BEFORE_EXPIRY)) {
        return refuse(
            pass,
            OperationResult::Expired,
            "the snapshot expires in less than ten minutes".to_owned(),
        );
    }
    let left = time::since(end, now) + Duration::from_secs(1);
    let wait = |pass: Pass<'_>, words: String, wait: Duration| {
        let wait = wait.min(left);
        available(pass, id, vm, Some((words, wait)))
    };
    let Some(instance) = view.instance.as_ref() else {
        return wait(
            pass,
            "the recovery waits: its ITCareInstance does not exist".to_owned(),
            view.site.observe_interval,
        );
    };
    if !view.service_allowed {
        let words = format!(
            "the recovery waits: namespace {} may not use service {}; ask for it in --allow-services",
            view.object.key.namespace, instance.service
        );
        return wait(pass, words, view.site.observe_interval);
    }
    if let Some(why) = &instance.refuses {
        return wait(pass, format!("the recovery waits: {why}"), view.site.observe_interval);
    }
    if instance.id != Some(vm) {
        return wait(
            pass,
            format!("the recovery waits: the ITCareInstance does not manage VM {vm}"),
            view.site.observe_interval,
        );
    }
    if instance.intent || instance.operating || view.sibling_intent.is_some() {
        return wait(
            pass,
            "the recovery waits for another call on the VM".to_owned(),
            view.site.action_interval,
        );
    }
    match pass.hold(OperationKind::Recover) {
        Hold::No => {}
        Hold::Backoff(hold, words) | Hold::Failing(hold, words) => {
            return wait(pass, format!("the recovery waits: {words}"), hold);
        }
        // The same words as when it was refused: until it is sent anew, or its time is over, nothing has changed.
        Hold::Refused(hold, words) => {
            pass.keep_available();
            let wake = Wake::After(hold.min(left));
            return say_refused(pass, OperationKind::Recover, vm, &words, wake);
        }
    }
    // It goes back in time: the VM must be the one that the instance names, now.
    match view.cloud.detail.since(view.pass.max(pass.memory.effect_end)) {
        Observed::Unknown => return pass.observe(Need::Detail(vm), "reading the VM before recovering"),
        Observed::Present { value, .. } if instance.is(value) => {}
        Observed::Present { .. } | Observed::Absent { .. } => {
            let words =
                format!("the recovery waits: VM {vm} is not the one that the ITCareInstance names any more");
            return wait(pass, words, view.site.observe_interval);
        }
    }
    let Observed::Present { value: running, .. } = view.cloud.running.since(at) else {
        return pass.observe(Need::Running { since: at }, "looking at running actions");
    };
    if let Some(action) = running.first() {
        let words = format!("the recovery waits: action {} runs on the VM", action.id);
        return wait(pass, words, view.site.action_interval);
    }
    let Some(look) = view.cloud.look.as_ref().filter(|look| look.at >= view.pass) else {
        return pass.observe(Need::Look(instance.name.clone()), "checking the recovery");
    };
    // No recovery of this snapshot is older than the snapshot.
    let made = slot.created_at.map(|made| time::before(made, Duration::from_secs(1)));
    let since = request::served_since(requested).max(made.unwrap_or(jiff::Timestamp::MIN));
    let recorded: Vec<i64> = view
        .status
        .handled_requests
        .values()
        .flat_map(crate::crd::status::Receipt::action_ids)
        .chain(view.status.last_operation.as_ref().and_then(|last| last.action_id))
        .collect();
    let kind = OperationKind::Recover;
    let done = request::served(look, &instance.name, kind, since, &recorded, view.site);
    if let Some(action) = done {
        let words = format!("action {} may already be this recovery; it is not sent", action.id);
        return refuse(pass, OperationResult::OutcomeUnknown, words);
    }
    match view.cloud.object_unchanged {
        None => return pass.observe(Need::Object, "reading the object before recovering"),
        Some(false) => return pass.finish(Step::Nothing, Wake::After(Duration::from_secs(1))),
        Some(true) => {}
    }
    let Some(ledger) = pass.ledger.clone() else { return available(pass, id, vm, None) };
    let guarded = Guarded {
        ledger: Box::new(ledger),
        request: Some(requested),
        not_after: Some(end),
        call: GuardedCall::Recover { id: vm },
    };
    pass.available(true, Reason::Available, format!("snapshot {id} is being recovered"));
    pass.effect(
        Step::Guarded(guarded),
        Reason::Recovering,
        format!("recovering VM {vm} as requested at {requested}"),
    )
}
