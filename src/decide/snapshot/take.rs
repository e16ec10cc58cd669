//! No snapshot yet: wait for the instance and its slot, then take one.

use std::time::Duration;

use super::outcome::say_refused;
use super::pass::Pass;
use crate::crd::snapshot::{MissingInstancePolicy, SlotPolicy};
use crate::crd::{ConditionType, Reason, SnapshotStatus, condition};
use crate::decide::decision::{Decision, Guarded, GuardedCall, Need, Step, Wake};
use crate::decide::retry::Hold;
use crate::model::failure::says_http;
use crate::model::{Ledger, Observed, OperationKind, OperationResult};

/// An instance that does not exist for so long is missing.
const SKIP_AFTER: Duration = Duration::from_secs(5);

/// Takes the snapshot, or says what it waits for.
pub(super) fn decide(mut pass: Pass<'_>) -> Decision<SnapshotStatus> {
    let view = pass.view;
    if condition::find(&view.status.conditions, ConditionType::Ready)
        .is_some_and(|ready| ready.status == "True" && ready.reason == Reason::Skipped.as_str())
    {
        return skipped(pass);
    }
    pass.available(false, Reason::TakingSnapshot, "there is no snapshot yet");
    let name = &view.spec.instance_ref.name;
    let Some(instance) = view.instance.clone() else {
        return match view.spec.on_missing_instance {
            // Two watches bring the two kinds: applied together, the snapshot may come first.
            MissingInstancePolicy::Skip => {
                let due = *pass.memory.missing_seen.get_or_insert(view.now.mono) + SKIP_AFTER;
                if view.now.mono >= due {
                    return skipped(pass);
                }
                let message =
                    format!("spec.instanceRef: there is no ITCareInstance {name} in this namespace yet");
                pass.working(Reason::WaitingForInstance, message, Wake::After(due - view.now.mono))
            }
            MissingInstancePolicy::Wait => {
                let message = format!(
                    "spec.instanceRef: there is no ITCareInstance {name} in this namespace; create it, or delete this snapshot"
                );
                pass.working(Reason::WaitingForInstance, message, Wake::OnChange)
            }
        };
    };
    pass.memory.missing_seen = None;
    if !view.service_allowed {
        let message = format!(
            "spec.instanceRef: namespace {} may not use service {} of ITCareInstance {name}; ask for it in --allow-services",
            view.object.key.namespace, instance.service
        );
        return pass.stalled(Reason::ServiceNotAllowed, message);
    }
    if let Some(why) = &instance.refuses {
        let message = format!("spec.instanceRef: no snapshot of ITCareInstance {name} is taken: {why}");
        return pass.working(Reason::WaitingForInstance, message, Wake::After(view.site.observe_interval));
    }
    let Some(id) = instance.id else {
        let message = format!("spec.instanceRef: ITCareInstance {name} has no VM yet");
        return pass.working(Reason::WaitingForInstance, message, Wake::After(view.site.observe_interval));
    };
    if instance.intent || instance.operating || view.sibling_intent.is_some() {
        let message = format!("a call on VM {id} is in flight; waiting for its outcome");
        return pass.working(Reason::WaitingForInstance, message, Wake::After(view.site.action_interval));
    }
    let mut busy = None;
    match pass.hold(OperationKind::TakeSnapshot) {
        Hold::No => {}
        Hold::Backoff(left, message) => {
            return pass.working(
                Reason::TakingSnapshot,
                format!("taking the snapshot failed: {message}; trying again"),
                Wake::After(left),
            );
        }
        Hold::Failing(left, message) => {
            let text = format!(
                "taking a snapshot of {} failed three times: {message}; ask ITCare's support",
                instance.name
            );
            return pass.stalled_until(Reason::ActionFailed, text, Wake::After(left));
        }
        Hold::Refused(left, message) if !says_http(&message, 409) => {
            let text = format!(
                "ITCare refused a snapshot of {}: {message}; correct this object, or ask ITCare's support",
                instance.name
            );
            return pass.stalled_until(Reason::Rejected, text, Wake::After(left));
        }
        // The slot was taken after our look: look again.
        Hold::Refused(left, message) => busy = Some((left, message)),
    }
    let mark = view.pass.max(pass.memory.effect_end);
    // It must be the VM that the instance names.
    let detail = match view.cloud.detail.since(mark) {
        Observed::Unknown => return pass.observe(Need::Detail(id), "reading the VM"),
        Observed::Absent { .. } => {
            let message = format!("VM {id} of ITCareInstance {name} does not exist");
            return pass.working(
                Reason::WaitingForInstance,
                message,
                Wake::After(view.site.observe_interval),
            );
        }
        Observed::Present { value, .. } => value,
    };
    if !instance.is(detail) {
        let message = format!(
            "VM {} is {} in state {}, not the VM {id} of ITCareInstance {name}",
            detail.id,
            detail.name,
            detail.state.as_str()
        );
        return pass.working(Reason::WaitingForInstance, message, Wake::After(view.site.observe_interval));
    }
    let (slot, slot_at) = match pass.slot_since(mark) {
        Observed::Unknown => return pass.observe(Need::Slot(id), "reading the snapshot slot"),
        Observed::Absent { at } => (None, at),
        Observed::Present { value, at } => (Some(value), at),
    };
    if let Some(slot) = slot {
        return slot_taken(pass, slot.id.as_str());
    }
    // Empty, and refused as if it were taken: that counts like a taken one, and is not asked for ever.
    let refused = pass.last(OperationKind::TakeSnapshot).is_some_and(|last| {
        last.result == OperationResult::Refused
            && last.message.as_deref().is_some_and(|words| says_http(words, 409))
    });
    if !refused {
        pass.memory.slot_seen = None;
    } else if let Some((left, words)) = busy
        && (view.spec.on_slot_taken == SlotPolicy::Fail || pass.has_waited_for_slot())
    {
        return say_refused(pass, OperationKind::TakeSnapshot, id, &words, Wake::After(left));
    }
    let Observed::Present { value: running, .. } = view.cloud.running.since(slot_at) else {
        return pass.observe(Need::Running { since: slot_at }, "looking at running actions");
    };
    if let Some(action) = running.first() {
        let message = format!("action {} runs on {}; waiting for its end", action.id, instance.name);
        return pass.working(
            Reason::ForeignActionInProgress,
            message,
            Wake::After(view.site.action_interval),
        );
    }
    match view.cloud.object_unchanged {
        None => return pass.observe(Need::Object, "reading the object before taking the snapshot"),
        Some(false) => return pass.finish(Step::Nothing, Wake::After(Duration::from_secs(1))),
        Some(true) => {}
    }
    let mut ledger = pass.ledger.clone().unwrap_or_else(|| {
        Ledger::new(
            view.site.cluster.clone(),
            view.object.key.to_string(),
            view.object.uid.clone(),
            view.site.account.clone(),
        )
    });
    ledger.instance = Some(id);
    ledger.name = Some(instance.name.clone());
    ledger.service = Some(instance.service);
    ledger.account = view.site.account.clone();
    let guarded = Guarded {
        ledger: Box::new(ledger),
        request: None,
        not_after: None,
        call: GuardedCall::TakeSnapshot {
            id,
            description: view.spec.description.clone(),
            change_reference: view.spec.change_reference.clone(),
        },
    };
    pass.effect(
        Step::Guarded(guarded),
        Reason::TakingSnapshot,
        format!("taking a snapshot of {} ({id})", instance.name),
    )
}

fn skipped(mut pass: Pass<'_>) -> Decision<SnapshotStatus> {
    let message = format!(
        "there was no ITCareInstance {}, and onMissingInstance is Skip",
        pass.view.spec.instance_ref.name
    );
    pass.available(false, Reason::Skipped, message.clone());
    pass.ready(Reason::Skipped, message, Wake::OnChange)
}

fn slot_taken(mut pass: Pass<'_>, id: &str) -> Decision<SnapshotStatus> {
    let view = pass.view;
    let first = *pass.memory.slot_seen.get_or_insert(view.now.mono);
    let left = (first + view.slot_timeout).saturating_sub(view.now.mono);
    let policy = view.spec.on_slot_taken;
    if policy == SlotPolicy::Fail || left.is_zero() {
        let message = format!(
            "snapshot {id} fills the only slot of the instance{}; remove it, or wait until it expires",
            if policy == SlotPolicy::Fail { "" } else { " for longer than spec.slotTimeout" }
        );
        return pass.stalled(Reason::SlotTaken, message);
    }
    let message = format!("snapshot {id} fills the only slot of the instance; waiting for it to be free");
    pass.working(Reason::WaitingForSlot, message, Wake::After(left.min(view.site.observe_interval)))
}
