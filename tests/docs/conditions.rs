//! Every reason with its meaning and cure. The match has no default, so a new reason does not compile without them.

use itcare_operator::crd::{ConditionType, Reason};

/// The condition that a reason stands in, what it means, and what to do.
fn told(reason: Reason) -> (&'static [ConditionType], &'static str, &'static str) {
    use ConditionType::{Available, Drifted, Ready, Reconciling, Stalled};
    const WORK: &[ConditionType] = &[Reconciling];
    const STOP: &[ConditionType] = &[Stalled];
    match reason {
        Reason::Running => (&[Ready], "the VM is as asked, and runs", ""),
        Reason::Stopped => (&[Ready], "the VM is as asked, and is switched off", ""),
        Reason::Available => (&[Ready, Available], "the snapshot was taken and can be recovered", ""),
        Reason::Expired => (
            &[Ready],
            "the snapshot came to its normal end, three days after it was made; `Available` is `False`",
            "delete the object when you like; no call is needed",
        ),
        Reason::Skipped => (&[Ready], "there was no instance, and `onMissingInstance` is `Skip`", ""),
        Reason::Creating => (WORK, "the VM is being created", "wait"),
        Reason::Adopting => (WORK, "an existing VM is being taken over", "wait"),
        Reason::Starting => (WORK, "the VM is being started", "wait"),
        Reason::Stopping => {
            (WORK, "the VM is being stopped: as asked, for a resize, or before its deletion", "wait")
        }
        Reason::Resetting => (WORK, "the VM is being reset", "wait"),
        Reason::Resizing => (WORK, "the VM is being resized", "wait"),
        Reason::UpdatingMonitoring => (WORK, "monitoring is being changed", "wait"),
        Reason::UpdatingPatching => (WORK, "patching is being changed", "wait"),
        Reason::UpdatingReplication => (WORK, "replication is being changed", "wait"),
        Reason::UpdatingBackup => (WORK, "backup is being changed", "wait"),
        Reason::Deleting => (WORK, "the VM or snapshot is being deleted", "wait"),
        Reason::TakingSnapshot => (WORK, "the snapshot is being taken", "wait"),
        Reason::Recovering => (WORK, "the VM is being put back to the snapshot", "wait"),
        Reason::RemovingSnapshot => (WORK, "the snapshot is being removed", "wait"),
        Reason::ForeignActionInProgress => {
            (WORK, "somebody else's action runs on the VM, or its state is a passing one", "wait")
        }
        Reason::WaitingForInstance => (
            WORK,
            "the snapshot's instance is not there yet, or takes no snapshots now",
            "wait, or do what the message says",
        ),
        Reason::WaitingForSlot => {
            (WORK, "another snapshot fills the VM's only slot", "wait until it ends, or remove it")
        }
        Reason::ResolvingOutcome => (
            WORK,
            "a call got no clear answer; the operator looks for what it did before it sends anything",
            "wait; after half an hour see [the run-book](../runbooks.md#itcareoutcomeunresolved)",
        ),
        Reason::Throttled => {
            (WORK, "ITCare asked the account to slow down", "wait; if it stays, lower `--itcare-rate`")
        }
        Reason::ProgressingWithRetry => (
            WORK,
            "a failure that may pass: network, time-out, server error",
            "wait; if it stays, see the message",
        ),
        Reason::CredentialsNotFound => (
            &[Reconciling, Stalled],
            "no client id or secret is configured, or the file is gone; stalled after half a minute",
            "give `--itcare-client-id` and `--itcare-client-secret-file`",
        ),
        Reason::InvalidSpec => (
            STOP,
            "the spec contradicts itself, or cannot be read",
            "correct the field that the message names",
        ),
        Reason::Rejected => {
            (STOP, "ITCare refused the request", "correct what ITCare's words in the message name")
        }
        Reason::NameTaken => (
            STOP,
            "a VM of that name exists, and nothing proves that it is ours",
            "[adopt it](../how-to/adopt-a-fleet.md) by `instanceId`, or choose another name in a new object",
        ),
        Reason::Ambiguous => (
            STOP,
            "more than one VM could be meant; the message has the ids",
            "set `instanceId` to the right one",
        ),
        Reason::IdentityMismatch => (
            STOP,
            "the VM with this id has another name or service",
            "correct `instanceId`, or make an object with the right name and service",
        ),
        Reason::Conflict => (
            STOP,
            "another object manages this VM or name",
            "delete one of the two; `deletionPolicy: Retain` keeps the VM",
        ),
        Reason::ForeignLedger => (
            STOP,
            "the object's record was written in another cluster",
            "see [moving to another cluster](../how-to/move-to-another-cluster.md)",
        ),
        Reason::LedgerUnreadable => (
            STOP,
            "the operator's record on the object is damaged, or of a newer version",
            "restore the annotation `itcare.cegedim.cloud/ledger`, or run the newer version",
        ),
        Reason::InstanceMissing => (
            STOP,
            "the VM is gone and nobody here deleted it; it is never made anew by itself",
            "delete the object (Git applies it again, as a new VM), or set `instanceId`",
        ),
        Reason::CreateFailed => (
            STOP,
            "the creation failed and left a VM",
            "delete the object, which removes the VM, or accept the VM by `instanceId`",
        ),
        Reason::ActionFailed => (
            STOP,
            "the same action failed three times",
            "correct the spec, or give ITCare's support the action id in the message",
        ),
        Reason::PowerOffRequired => (
            STOP,
            "the resize needs a stopped VM, and `resizePolicy` is `InPlace`",
            "set `resizePolicy: StopStart`, or stop the VM",
        ),
        Reason::CredentialsRejected => (
            STOP,
            "ITCare refuses the client id or the secret",
            "[mend the Secret](../how-to/rotate-credentials.md); it is read again by itself",
        ),
        Reason::PermissionDenied => {
            (STOP, "the account lacks a right", "ask for the profile that the message names")
        }
        Reason::ServiceNotAllowed => (
            STOP,
            "`--allow-services` does not let this namespace use the service",
            "add it there, or use another service",
        ),
        Reason::SlotTaken => (
            STOP,
            "the slot stayed taken beyond `slotTimeout`, or `onSlotTaken` is `Fail`",
            "remove the other snapshot",
        ),
        Reason::SnapshotMissing => {
            (STOP, "the snapshot vanished before its end", "delete the object, and make a new one")
        }
        Reason::DeletionBlocked => (
            STOP,
            "the deletion cannot go on, or the absence of the VM cannot be proved",
            "do what the message says; `deletionPolicy: Retain` lets go of the VM",
        ),
        Reason::Drift => {
            (&[Drifted], "ITCare differs from the spec, and `driftPolicy` is `Report`", "change either side")
        }
        Reason::NotEffective => (
            &[Drifted],
            "sent and accepted, and still different",
            "ask for another value, or ask ITCare's support",
        ),
    }
}

/// The reference of conditions and reasons.
pub fn page() -> String {
    let mut text = String::from(
        "<!-- Generated from the list of reasons: UPDATE_DOCS=1 cargo test --test docs generated -->\n\
         # Conditions and their reasons\n\n\
         `kubectl get itcvm,itcsnap` shows status and reason of `Ready`, which has the reason of the condition that \
         explains it. `Reconciling`, `Stalled` and `Drifted` are present only while they are `True`; `Reconciling` and \
         `Stalled` are never both there. The reasons of Events and metrics are the same words. Whatever is stalled goes \
         on by itself once its cause is gone; nothing has to be restarted.\n",
    );
    let sections = [
        (
            ConditionType::Ready,
            "the newest spec is carried out; stopped as asked is ready too; `Unknown`: it was, and ITCare cannot be read for minutes",
        ),
        (ConditionType::Available, "the snapshot can be recovered now (snapshots only)"),
        (ConditionType::Reconciling, "work goes on, or is waited for; nobody need act"),
        (ConditionType::Stalled, "a person must act; the message names field or id, value and cure"),
        (ConditionType::Drifted, "the VM differs from the spec and is left so; `Ready` stays `True`"),
    ];
    for (condition, meaning) in sections {
        text.push_str(&format!("\n## {}\n\n`True` means: {meaning}.\n\n", condition.as_str()));
        text.push_str("| Reason | Means | What to do |\n| --- | --- | --- |\n");
        for reason in Reason::ALL.iter().copied() {
            let (conditions, meaning, cure) = told(reason);
            if conditions.contains(&condition) {
                text.push_str(&format!("| `{reason}` | {meaning} | {cure} |\n"));
            }
        }
    }
    text.push_str(
        "\nAlerts on these: [run-books](../runbooks.md). The fields beside the conditions: [fields](crds.md).\n",
    );
    text
}

#[test]
fn every_reason_is_told_with_a_cure_where_one_is_needed() {
    for reason in Reason::ALL.iter().copied() {
        let (conditions, meaning, cure) = told(reason);
        assert!(!conditions.is_empty() && !meaning.is_empty(), "{reason}");
        let needs = conditions.iter().any(|condition| {
            [ConditionType::Stalled, ConditionType::Reconciling, ConditionType::Drifted].contains(condition)
        });
        assert!(!needs || !cure.is_empty(), "{reason}: what to do?");
    }
}

#[test]
fn the_readme_tells_every_reason() {
    let readme = include_str!("../../README.md");
    let missing: Vec<_> =
        Reason::ALL.iter().filter(|reason| !readme.contains(&format!("`{reason}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
