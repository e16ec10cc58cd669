//! What must be known just before a call that changes a VM: the VM, that no action runs on it, and that the
//! object is still the one that was decided upon (DESIGN 5.3). Which call is due is not decided here.

use std::time::Duration;

use super::operation::Followed;
use super::pass::Pass;
use super::validate::Checked;
use super::{live, observe as ask};
use crate::crd::{ConditionType, InstanceStatus, Reason, condition};
use crate::decide::decision::{Call, CallAction, Decision, Need, Step, Wake};
use crate::model::{Action, Detail, Observed, Resume};

/// A call that changes something, once everything that must be known just before is known (DESIGN 5.3).
pub(super) fn send(
    pass: Pass<'_>,
    checked: &Checked,
    detail: &Detail,
    at: Duration,
    action: CallAction,
    reason: Reason,
    message: String,
) -> Decision<InstanceStatus> {
    let call = Call { id: detail.id, change_reference: pass.view.spec.change_reference.clone(), action };
    preflight(pass, checked, detail, at, (Step::Call(call), Owed::Nothing), reason, message)
}

/// What an effect makes us owe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    Nothing,
    /// Power: the stop serves a resize.
    Power,
}

/// The effect, or what must be read or waited for before it.
pub(super) fn preflight(
    mut pass: Pass<'_>,
    checked: &Checked,
    detail: &Detail,
    at: Duration,
    (step, owed): (Step, Owed),
    reason: Reason,
    message: String,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    if let Some(snapshot) = &view.snapshots.intent {
        let text = format!("snapshot {snapshot} has a call in flight on this VM; waiting for its outcome");
        return pass.working(reason, text, Wake::After(view.site.action_interval));
    }
    if at < view.pass {
        return ask(pass, Need::Detail(detail.id), "reading the VM before changing it");
    }
    let Observed::Present { value: running, .. } = view.cloud.running.since(at) else {
        return ask(pass, Need::Running { since: at }, "looking at running actions");
    };
    if let Some(action) = running.first() {
        return wait_for(pass, checked, action);
    }
    match view.cloud.object_unchanged {
        None => ask(pass, Need::Object, "reading the object before changing the VM"),
        // The watch will bring the newer one.
        Some(false) => pass.finish(Step::Nothing, Wake::After(Duration::from_secs(1))),
        Some(true) => {
            // Only now that the stop is really ours: power that somebody else took is not ours to give back.
            if owed == Owed::Power {
                pass.edit(|ledger| ledger.resume = Some(Resume::Resize));
                pass.memory.resume_seen = Some(view.now.mono);
            }
            pass.effect(step, reason, message)
        }
    }
}

fn wait_for(mut pass: Pass<'_>, checked: &Checked, action: &Action) -> Decision<InstanceStatus> {
    pass.memory.running_seen = Some(pass.view.now.mono);
    let text = format!(
        "action {}{} of {} runs on {}; waiting for its end",
        action.id,
        action.process.as_deref().map(|process| format!(" ({process})")).unwrap_or_default(),
        action.submitted_by.as_deref().unwrap_or("somebody"),
        checked.name
    );
    let wake = Wake::After(pass.view.site.action_interval);
    pass.working(Reason::ForeignActionInProgress, text, wake)
}

/// Goes on waiting for somebody else's action for as long as the one list of all running actions shows it: a detail of
/// each VM that waits would tell nothing more, and cost a call each time.
pub(super) fn wait_on<'a>(pass: Pass<'a>, checked: &Checked) -> Followed<'a> {
    let view = pass.view;
    let waits = condition::find(&view.status.conditions, ConditionType::Reconciling)
        .is_some_and(|condition| condition.reason == Reason::ForeignActionInProgress.as_str())
        && view.status.observed_generation == Some(pass.generation())
        && !pass.look_requested();
    let known = view.cloud.detail.as_ref().value();
    let is_as_known = match (known, &view.cloud.listed) {
        (Some(detail), Observed::Present { value, .. }) => live::shows_the_same(value, detail),
        (Some(_), Observed::Unknown) => true,
        (Some(_), Observed::Absent { .. }) | (None, _) => false,
    };
    let seen_since = view.cloud.detail.at().zip(pass.memory.running_seen).is_some_and(|(at, seen)| at < seen);
    if !waits || !is_as_known || !seen_since {
        return Followed::Over(pass);
    }
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);
    match view.cloud.running.since(mark) {
        Observed::Unknown => {
            Followed::Wait(ask(pass, Need::Running { since: mark }, "looking at running actions"))
        }
        Observed::Present { value, .. } => match value.first() {
            Some(action) => Followed::Wait(wait_for(pass, checked, action)),
            None => Followed::Over(pass),
        },
        Observed::Absent { .. } => Followed::Over(pass),
    }
}
