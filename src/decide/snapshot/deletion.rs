//! The object is being deleted: remove the snapshot by its recorded id, or let go. It needs only recorded
//! ids, so it works when the instance object is gone, `Observe` or suspended.

use std::time::Duration;

use super::pass::Pass;
use crate::crd::instance::DeletionPolicy;
use crate::crd::{Reason, SnapshotStatus};
use crate::decide::decision::{Call, CallAction, Decision, Need, Step, Wake};
use crate::decide::retry::Hold;
use crate::model::{Observed, OperationKind, OperationResult, time};

/// Removes, lets go, or says why it waits.
pub(super) fn decide(mut pass: Pass<'_>) -> Decision<SnapshotStatus> {
    let view = pass.view;
    if !view.object.has_finalizer {
        return pass.finish(Step::Nothing, Wake::OnChange);
    }
    let Some((id, vm, expires)) = pass
        .ledger
        .as_ref()
        .and_then(|ledger| Some((ledger.snapshot.clone()?, ledger.instance?, ledger.expires)))
    else {
        return let_go(pass);
    };
    let expired = expires.is_some_and(|expires| view.now.wall >= expires);
    if view.spec.deletion_policy == DeletionPolicy::Retain || expired {
        return let_go(pass);
    }
    if view.spec.suspend {
        let message = format!(
            "removal of snapshot {id} waits: spec.suspend is true; set it to false, or set deletionPolicy: Retain to keep the snapshot"
        );
        return pass.working(Reason::RemovingSnapshot, message, Wake::OnChange);
    }
    if !view.service_allowed {
        let message = format!(
            "namespace {} may not use the service of VM {vm}, so snapshot {id} is not removed; allow it in --allow-services, or set deletionPolicy: Retain to let this object go",
            view.object.key.namespace
        );
        return pass.stalled(Reason::ServiceNotAllowed, message);
    }
    if pass.ledger.as_ref().is_some_and(|ledger| ledger.account != view.site.account) {
        let message = format!(
            "snapshot {id} belongs to another ITCare account; restore that account, or set deletionPolicy: Retain to let this object go"
        );
        return pass.stalled(Reason::DeletionBlocked, message);
    }
    let mark = view.pass.max(pass.memory.effect_end);
    let at = match pass.slot_since(mark) {
        Observed::Unknown => {
            return pass.observe(Need::Slot(vm), &format!("reading snapshot {id} to remove it"));
        }
        Observed::Present { value: slot, .. } if slot.id != id => return let_go(pass),
        Observed::Absent { at } => return absent(pass, at),
        Observed::Present { at, .. } => at,
    };
    pass.memory.missing_seen = None;
    let removed_at =
        pass.last(OperationKind::RemoveSnapshot).filter(|last| last.result == OperationResult::Succeeded);
    if removed_at.is_some_and(|last| time::since(view.now.wall, last.finished_at) < view.site.settle) {
        let message = format!("snapshot {id} is removed; waiting until ITCare no longer shows it");
        return pass.working(Reason::RemovingSnapshot, message, Wake::After(view.site.action_interval));
    }
    let hold = pass.hold(OperationKind::RemoveSnapshot);
    match hold {
        Hold::No => {}
        Hold::Backoff(left, words) => {
            return pass.working(
                Reason::RemovingSnapshot,
                format!("the removal failed: {words}; trying again"),
                Wake::After(left),
            );
        }
        Hold::Failing(left, words) | Hold::Refused(left, words) => {
            let message = format!(
                "snapshot {id} cannot be removed: {words}; mend it in ITCare, or set deletionPolicy: Retain to let this object go"
            );
            return pass.stalled_until(Reason::DeletionBlocked, message, Wake::After(left));
        }
    }
    if let Some(other) = &view.sibling_intent {
        let message = format!("{other} has a call in flight on this VM; waiting for its outcome");
        return pass.working(Reason::RemovingSnapshot, message, Wake::After(view.site.action_interval));
    }
    if view.instance.as_ref().is_some_and(|instance| instance.intent && instance.id == Some(vm)) {
        let message = format!("a call on VM {vm} is in flight; waiting for its outcome");
        return pass.working(Reason::RemovingSnapshot, message, Wake::After(view.site.action_interval));
    }
    // The slot says which snapshot it is; the VM's name says that its id is not another one's by now.
    let at = match view.cloud.detail.since(mark) {
        Observed::Unknown => {
            return pass.observe(Need::Detail(vm), &format!("reading VM {vm} to remove snapshot {id}"));
        }
        Observed::Absent { .. } => {
            let message = format!("VM {vm} is not there, and its snapshot {id} is; looking again");
            return pass.working(Reason::RemovingSnapshot, message, Wake::After(view.site.observe_interval));
        }
        Observed::Present { value: detail, at: detail_at } => {
            let named = view.instance.as_ref().filter(|instance| instance.id == Some(vm));
            if let Some(instance) = named.filter(|instance| !instance.is(detail)) {
                let message = format!(
                    "VM {vm} is {} ({}) now, not {}: snapshot {id} is not removed; mend it in ITCare, or set deletionPolicy: Retain to let this object go",
                    detail.name,
                    detail.state.as_str(),
                    instance.name
                );
                return pass.stalled_until(
                    Reason::DeletionBlocked,
                    message,
                    Wake::After(view.site.observe_interval),
                );
            }
            at.max(detail_at)
        }
    };
    let Observed::Present { value: running, .. } = view.cloud.running.since(at) else {
        return pass.observe(Need::Running { since: at }, "looking at running actions");
    };
    if let Some(action) = running.first() {
        let message = format!("action {} runs on VM {vm}; waiting for its end", action.id);
        return pass.working(
            Reason::ForeignActionInProgress,
            message,
            Wake::After(view.site.action_interval),
        );
    }
    match view.cloud.object_unchanged {
        None => return pass.observe(Need::Object, "reading the object before removing the snapshot"),
        Some(false) => return pass.finish(Step::Nothing, Wake::After(Duration::from_secs(1))),
        Some(true) => {}
    }
    let call = Call {
        id: vm,
        change_reference: view.spec.change_reference.clone(),
        action: CallAction::RemoveSnapshot(id.clone()),
    };
    pass.effect(Step::Call(call), Reason::RemovingSnapshot, format!("removing snapshot {id} of VM {vm}"))
}

/// The slot is empty: enough after our own removal, else it must say so twice, a settle time apart.
fn absent(mut pass: Pass<'_>, at: Duration) -> Decision<SnapshotStatus> {
    let view = pass.view;
    let removed = pass.status.last_operation.as_ref().is_some_and(|last| {
        last.kind == OperationKind::RemoveSnapshot && last.result == OperationResult::Succeeded
    });
    if removed {
        return let_go(pass);
    }
    if !view.cloud.missing_is_evidence {
        let message = "the slot is empty, but so is much else: that proves nothing until another VM of its service reads right; restore the account, or set deletionPolicy: Retain to let this object go";
        return pass.stalled_until(Reason::DeletionBlocked, message, Wake::After(view.site.observe_interval));
    }
    let first = *pass.memory.missing_seen.get_or_insert(at);
    if at >= first + view.site.settle {
        return let_go(pass);
    }
    let left = (first + view.site.settle).saturating_sub(view.now.mono).max(Duration::from_millis(10));
    pass.working(
        Reason::RemovingSnapshot,
        "the slot is empty; asking once more before the snapshot counts as gone",
        Wake::After(left),
    )
}

fn let_go(mut pass: Pass<'_>) -> Decision<SnapshotStatus> {
    pass.set_working(Reason::Deleting, "letting the object go");
    pass.finish(Step::RemoveFinalizer, Wake::OnChange)
}
