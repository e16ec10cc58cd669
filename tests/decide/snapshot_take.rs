//! Taking a snapshot: the instance, the slot, the ledger (DESIGN 4.3, 5.1).

use itcare_operator::crd::Reason;
use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::crd::snapshot::{MissingInstancePolicy, SlotPolicy, slot_timeout};
use itcare_operator::decide::decision::{Guarded, GuardedCall, Need};
use itcare_operator::decide::snapshot::mark;
use itcare_operator::decide::{Outcome, Step, Wake};
use itcare_operator::model::{
    ClusterId, Detail, FailureClass, HostName, InstanceState, LedgerError, Observed, OperationKind,
    OperationResult, ServiceId,
};

use crate::fixture::{NOW, PASS, SETTLE, VM, action, attempt, detail, failure, intent, seconds};
use crate::fixture_snapshot::{
    Row, SnapshotCase, available, foreign_slot, instance, message, saved, says, spec, table,
};

const ROWS: &[Row] = &[
    ("the VM is there and its slot is free", |_| {}, "send TakeSnapshot"),
    ("there is no instance object", |case| case.instance = None, "Working WaitingForInstance"),
    (
        "there is none, and none is needed",
        |case| {
            case.instance = None;
            case.spec.on_missing_instance = MissingInstancePolicy::Skip;
            case.memory.missing_seen = Some(NOW - seconds(60));
        },
        "Ready Skipped",
    ),
    (
        "the instance has no VM yet",
        |case| case.instance.as_mut().expect("one").id = None,
        "Working WaitingForInstance",
    ),
    (
        "the instance is observed, suspended, on its way out, or without its claim",
        |case| case.instance.as_mut().expect("one").refuses = Some("it is suspended".to_owned()),
        "Working WaitingForInstance",
    ),
    (
        "a call of the instance may be in flight",
        |case| case.instance.as_mut().expect("one").intent = true,
        "Working WaitingForInstance",
    ),
    (
        "an operation of the instance runs",
        |case| case.instance.as_mut().expect("one").operating = true,
        "Working WaitingForInstance",
    ),
    (
        "a call of another snapshot on that VM is in flight",
        |case| case.sibling = Some("weekly".to_owned()),
        "Working WaitingForInstance",
    ),
    ("the VM was not looked at", |case| case.cloud.detail = Observed::Unknown, "read detail"),
    (
        "the look at the VM is of an earlier pass",
        |case| case.cloud.detail = Observed::Present { value: detail(), at: PASS - seconds(1) },
        "read detail",
    ),
    ("the VM is gone", |case| case.cloud.detail = Observed::Absent { at: NOW }, "Working WaitingForInstance"),
    ("the VM was removed", |case| case.vm_is(InstanceState::Removed), "Working WaitingForInstance"),
    (
        "the VM has another name than its instance says",
        |case| {
            let other = Detail { name: HostName::new("PDB01"), ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: NOW };
        },
        "Working WaitingForInstance",
    ),
    (
        "the VM is in another service",
        |case| {
            let other = Detail { service: Some(ServiceId::new(14)), ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: NOW };
        },
        "Working WaitingForInstance",
    ),
    (
        "the answer speaks of another VM",
        |case| {
            let other = Detail { id: crate::fixture::OTHER_VM, ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: NOW };
        },
        "Working WaitingForInstance",
    ),
    ("the slot was not looked at", |case| case.cloud.slot = Observed::Unknown, "read slot"),
    ("the slot is taken", |case| case.fills(foreign_slot()), "Working WaitingForSlot"),
    (
        "the slot is taken, and nobody shall wait",
        |case| {
            case.fills(foreign_slot());
            case.spec.on_slot_taken = SlotPolicy::Fail;
        },
        "Stalled SlotTaken",
    ),
    (
        "the slot stayed taken for too long",
        |case| {
            case.fills(foreign_slot());
            case.memory.slot_seen = Some(NOW - seconds(3600));
        },
        "Stalled SlotTaken",
    ),
    (
        "the slot is free at last, however long it took",
        |case| case.memory.slot_seen = Some(NOW - seconds(36_000)),
        "send TakeSnapshot",
    ),
    (
        "the running actions were asked for before the slot",
        |case| case.cloud.running = Observed::Present { value: Vec::new(), at: NOW - seconds(1) },
        "read running",
    ),
    ("an action runs on the VM", |case| case.runs(&[action()]), "Working ForeignActionInProgress"),
    ("the object was not read live", |case| case.cloud.object_unchanged = None, "read object"),
    ("the object changed under us", |case| case.cloud.object_unchanged = Some(false), "nothing"),
    ("a suspended object makes no call", |case| case.spec.suspend = true, "Unseen ProgressingWithRetry"),
    (
        "it failed a moment ago",
        |case| case.operated(OperationKind::TakeSnapshot, OperationResult::Failed, 1),
        "Working TakingSnapshot",
    ),
    (
        "it failed three times",
        |case| {
            case.operated(OperationKind::TakeSnapshot, OperationResult::Failed, 1);
            case.last().failures = Some(3);
        },
        "Stalled ActionFailed",
    ),
    (
        "it was refused a minute ago",
        |case| case.operated(OperationKind::TakeSnapshot, OperationResult::Refused, 60),
        "Stalled Rejected",
    ),
    (
        "the slot cannot be read",
        |case| {
            case.cloud.slot = Observed::Unknown;
            case.failed(Need::Slot(VM), FailureClass::Transient, Some(503));
        },
        "Working ProgressingWithRetry",
    ),
    (
        "the ledger is of another cluster",
        |case| case.ledger().cluster = ClusterId::new("far-away"),
        "Stalled ForeignLedger",
    ),
    ("the ledger is of another object", |case| case.ledger().object = "shop/other".to_owned(), "drop"),
    (
        "the ledger is garbled",
        |case| case.ledger = Err(LedgerError::Garbled("eof".to_owned())),
        "Stalled LedgerUnreadable",
    ),
];

#[test]
fn a_snapshot_is_taken_only_of_a_vm_that_is_there_and_free() {
    table(SnapshotCase::fresh, ROWS);
}

#[test]
fn a_namespace_that_may_not_use_the_service_takes_no_snapshot_of_its_vms() {
    let mut case = SnapshotCase::fresh();
    case.allowed = false;
    assert_eq!(case.says(), "Stalled ServiceNotAllowed");
}

#[test]
fn the_call_records_the_vm_before_it_is_sent() {
    let Step::Guarded(Guarded { ledger, request, call, .. }) = SnapshotCase::fresh().next().step else {
        panic!("no snapshot");
    };
    assert_eq!((ledger.instance, ledger.service), (Some(VM), Some(ServiceId::new(13))));
    assert_eq!(
        (ledger.name.clone(), ledger.snapshot.clone(), request),
        (Some(HostName::new("PWEB01")), None, None)
    );
    assert!(matches!(call, GuardedCall::TakeSnapshot { id: VM, .. }));
}

#[test]
fn the_mark_fits_into_what_itcare_allows() {
    assert_eq!(mark(Some("before the upgrade"), &attempt()), "before the upgrade [7f3c91a2b4d5e6f7]");
    assert_eq!(mark(None, &attempt()), "[7f3c91a2b4d5e6f7]");
    assert_eq!(mark(Some("  "), &attempt()), "[7f3c91a2b4d5e6f7]");
    assert!(mark(Some(&"é".repeat(80)), &attempt()).chars().count() <= 100);
    let shown = itcare_operator::model::Slot {
        description: Some(mark(Some("brackets [inside]"), &attempt())),
        ..foreign_slot()
    };
    assert_eq!(shown.attempt(), Some(attempt()), "and is read back");
}

#[test]
fn skipped_is_for_ever() {
    let mut case = SnapshotCase::fresh();
    case.instance = None;
    case.spec.on_missing_instance = MissingInstancePolicy::Skip;
    assert_eq!(case.says(), "Working WaitingForInstance", "two watches bring the two kinds");
    case.memory.missing_seen = Some(NOW - seconds(60));
    let decision = case.next();
    assert_eq!(available(&decision), "False Skipped");
    case.write(&decision);
    case.instance = Some(instance());
    assert_eq!(case.says(), "Ready Skipped", "the deployment went on without it");
}

#[test]
fn waiting_for_the_slot_says_who_has_it_and_ends_in_time() {
    let mut case = SnapshotCase::fresh();
    case.fills(foreign_slot());
    case.memory.slot_seen = Some(NOW - seconds(3590));
    let decision = case.next();
    assert!(message(&decision).contains("5220149-snap-6"), "{}", message(&decision));
    assert_eq!(decision.wake, Wake::After(seconds(10)));
}

#[test]
fn a_slot_that_was_taken_after_our_look_is_waited_for_as_asked() {
    // 409 on a snapshot's creation is a slot taken (DESIGN 7); onSlotTaken says what follows from that (4.3).
    let case = SnapshotCase::fresh();
    let step = case.next().step;
    let mut ledger = saved(&case.next()).next();
    ledger.intent = Some(intent(OperationKind::TakeSnapshot));
    let refused = Outcome::Refused(failure(FailureClass::Rejected, Some(409)));
    let mut failing = case.clone();
    failing.spec.on_slot_taken = SlotPolicy::Fail;
    assert_eq!(says(&failing.after(&step, &refused, Some(ledger.clone()))), "Stalled SlotTaken");
    assert_eq!(says(&case.after(&step, &refused, Some(ledger))), "Working WaitingForSlot");
}

#[test]
fn outcomes_are_told_as_for_any_call() {
    let case = SnapshotCase::fresh();
    let step = case.next().step;
    let mut ledger = saved(&case.next()).next();
    ledger.intent = Some(intent(OperationKind::TakeSnapshot));
    let after = |outcome: &Outcome| case.after(&step, outcome, Some(ledger.clone()));
    let accepted = after(&Outcome::Accepted(action()));
    assert_eq!(says(&accepted), "Working TakingSnapshot");
    let operation = accepted.status.operation.clone().expect("shown");
    assert_eq!((operation.kind, operation.attempt), (OperationKind::TakeSnapshot, Some(attempt())));
    let unclear = after(&Outcome::Ambiguous(failure(FailureClass::Ambiguous(None), Some(504))));
    assert_eq!(says(&unclear), "Working ResolvingOutcome");
    let not_sent =
        after(&Outcome::NotExecuted(failure(FailureClass::Throttled(Some(seconds(9))), Some(429))));
    assert_eq!((says(&not_sent).as_str(), not_sent.wake), ("Working Throttled", Wake::After(seconds(9))));
    let refused = after(&Outcome::Refused(failure(FailureClass::Rejected, Some(422))));
    assert_eq!((says(&refused).as_str(), refused.wake), ("Stalled Rejected", Wake::After(SETTLE)));
}

#[test]
fn there_is_no_snapshot_yet_and_available_says_so() {
    let mut case = SnapshotCase::fresh();
    case.instance = None;
    assert_eq!(available(&case.next()), format!("False {}", Reason::TakingSnapshot));
}

#[test]
fn retain_lets_go_whatever_the_ledger_says() {
    let mut case = SnapshotCase::fresh();
    case.ledger().cluster = ClusterId::new("far-away");
    case.object.has_finalizer = true;
    case.deletes();
    assert_eq!(case.says(), "Stalled ForeignLedger");
    case.spec.deletion_policy = DeletionPolicy::Retain;
    assert_eq!(case.says(), "let go");
}

#[test]
fn the_slot_timeout_is_read_as_written() {
    for (text, expected) in
        [("500ms", 0), ("30s", 30), ("5m", 300), ("2h", 7200), ("nonsense", 3600), ("9", 3600)]
    {
        let mut spec = spec();
        spec.slot_timeout = text.to_owned();
        assert_eq!(slot_timeout(&spec).as_secs(), expected, "{text}");
    }
}

/// The slot is empty, but a first call was refused as if it were taken.
fn refused_as_taken() -> SnapshotCase {
    let mut case = SnapshotCase::fresh();
    (case.object.has_finalizer, case.object.has_ledger) = (true, true);
    case.took(OperationResult::Refused, 30, "HTTP 409: slot taken");
    case
}

const REFUSED_AS_TAKEN: &[Row] = &[
    ("it is asked for once more", |_| {}, "send TakeSnapshot"),
    (
        "it has waited too long",
        |case| case.memory.slot_seen = Some(NOW - case.slot_timeout),
        "Stalled SlotTaken",
    ),
    (
        "not quite too long",
        |case| case.memory.slot_seen = Some(NOW - case.slot_timeout + seconds(1)),
        "send TakeSnapshot",
    ),
    ("a taken slot is its end", |case| case.spec.on_slot_taken = SlotPolicy::Fail, "Stalled SlotTaken"),
    (
        "it was refused for another reason, long ago",
        |case| {
            case.took(OperationResult::Refused, 3600, "HTTP 422: no");
            case.memory.slot_seen = Some(NOW - case.slot_timeout);
        },
        "send TakeSnapshot",
    ),
    (
        "it failed: that says nothing of the slot",
        |case| {
            case.took(OperationResult::Failed, 3600, "HTTP 409: slot taken");
            case.memory.slot_seen = Some(NOW - case.slot_timeout);
        },
        "send TakeSnapshot",
    ),
];

#[test]
fn an_empty_slot_that_is_refused_as_taken_is_not_asked_for_without_end() {
    table(refused_as_taken, REFUSED_AS_TAKEN);
    // What once counted as taken is forgotten with the first look that finds it free.
    let mut free = SnapshotCase::fresh();
    free.memory.slot_seen = Some(NOW - seconds(60));
    assert_eq!(free.next().memory.slot_seen, None);
    for (result, words) in
        [(OperationResult::Failed, "HTTP 409: slot taken"), (OperationResult::Refused, "HTTP 422: no")]
    {
        let mut other = refused_as_taken();
        other.took(result, 3600, words);
        other.memory.slot_seen = Some(NOW - seconds(60));
        assert_eq!(other.next().memory.slot_seen, None, "{result:?} {words}");
    }
    let mut counts = refused_as_taken();
    counts.memory.slot_seen = Some(NOW - seconds(60));
    assert_eq!(counts.next().memory.slot_seen, Some(NOW - seconds(60)));
}
